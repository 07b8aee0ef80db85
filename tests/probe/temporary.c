/* mkstemp and its kin: write aside, rename into place. */
#include "probe.h"

static char *template(const char *name)
{
	return strdup(at(name));
}

int main(int argc, char **argv)
{
	char *a, *b, *d, in[64];
	int fd;

	probe_begin(argc, argv);
	a = template("tmp-XXXXXX");
	fd = say_ok("mkstemp", mkstemp(a));
	say("changed", strcmp(a, at("tmp-XXXXXX")) != 0);
	say("write", write(fd, "temporary", 9));
	say("read back", pread(fd, in, sizeof(in), 0));
	say("close", close(fd));
	say("rename", rename(a, at("final")));
	show("final");
	b = template("tmp-XXXXXX.txt");
	fd = say_ok("mkstemps", mkstemps(b, 4));
	say("suffix", strcmp(b + strlen(b) - 4, ".txt") == 0);
	say("close", close(fd));
	say("unlink", unlink(b));
	b = template("tmp-XXXXXX");
	fd = say_ok("mkostemp", mkostemp(b, O_CLOEXEC));
	say("cloexec", fcntl(fd, F_GETFD));
	say("close", close(fd));
	say("unlink", unlink(b));
	d = template("dir-XXXXXX");
	say_ok("mkdtemp", mkdtemp(d) ? 0 : -1);
	say("rename", rename(d, at("d")));
	say("rmdir", rmdir(at("d")));
	say_ok("bad template", mkstemp(template("tmp-XX")));
	return 0;
}
