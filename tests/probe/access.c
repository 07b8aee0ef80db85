/* access, faccessat, euidaccess. */
#include "probe.h"

int main(int argc, char **argv)
{
	int dir;

	probe_begin(argc, argv);
	make("f", "x");
	say("mkdir", mkdir(at("d"), 0755));
	say("F_OK", access(at("f"), F_OK));
	say("R_OK", access(at("f"), R_OK));
	say("W_OK", access(at("f"), W_OK));
	say("X_OK", access(at("f"), X_OK));
	say("folder RWX", access(at("d"), R_OK | W_OK | X_OK));
	say("missing", access(at("none"), F_OK));
	say("below file", access(at("f/x"), F_OK));
	say("file/", access(at("f/"), F_OK));
	say("bad mode", access(at("f"), 64));
	say("mount", access(at(""), R_OK | X_OK));
	dir = open(at(""), O_RDONLY | O_DIRECTORY);
	say("faccessat", faccessat(dir, "f", R_OK, 0));
	say("faccessat eaccess", faccessat(dir, "f", R_OK, AT_EACCESS));
	say("faccessat missing", faccessat(dir, "none", F_OK, 0));
	say("faccessat bad fd", faccessat(999, "f", F_OK, 0));
	close(dir);
	return 0;
}
