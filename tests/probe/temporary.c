/* mkstemp and its kin, tmp-and-rename, mkdtemp. */
#include "probe.h"

int main(int argc, char **argv)
{
	char a[] = "tmp-XXXXXX", b[] = "tmp-XXXXXX.txt", d[] = "dir-XXXXXX", bad[] = "tmp-XXX", in[64];
	int fd;

	enter(argc, argv);
	fd = ok("mkstemp", mkstemp(a));
	printf("changed: %d\n", strcmp(a, "tmp-XXXXXX") != 0);
	say("write", write(fd, "temporary", 9));
	say("read back", pread(fd, in, sizeof(in), 0));
	close(fd);
	say("rename", rename(a, "final"));
	show("final");
	fd = ok("mkstemps", mkstemps(b, 4));
	printf("suffix: %d\n", strcmp(b + 10, ".txt") == 0);
	close(fd);
	say("unlink", unlink(b));
	ok("mkdtemp", mkdtemp(d) ? 0 : -1);
	say("rename", rename(d, "d"));
	size_of("d");
	say("rmdir", rmdir("d"));
	ok("bad template", mkstemp(bad));
	return 0;
}
