/* access(2) and its kin. */
#include "probe.h"

#include <sys/statvfs.h>

int main(int argc, char **argv)
{
	struct statvfs v;

	enter(argc, argv);
	put("f", "x");
	mkdir("d", 0755);
	say("exists", access("f", F_OK));
	say("readable", access("f", R_OK));
	say("writable", access("f", W_OK));
	say("executable", access("f", X_OK));
	say("folder searchable", access("d", X_OK | R_OK | W_OK));
	say("missing", access("missing", F_OK));
	say("below a file", access("f/x", F_OK));
	say("faccessat", faccessat(open(".", O_RDONLY), "f", R_OK, 0));
	say("eaccess", eaccess("f", R_OK));
	say("bad mode", access("f", 99));
	say("statvfs", statvfs("f", &v));
	printf("names to 255: %d\n", v.f_namemax >= 255);
	say("fstatvfs", fstatvfs(open("f", O_RDONLY), &v));
	say("statvfs missing", statvfs("missing", &v));
	say("pathconf", pathconf("f", _PC_NAME_MAX));
	return 0;
}
