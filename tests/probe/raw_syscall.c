/* File calls through syscall(2), as node, java and others make them. */
#include "probe.h"

#include <sys/syscall.h>

int main(int argc, char **argv)
{
	char buf[64];
	struct stat st;
	long fd;

	enter(argc, argv);
	put("f", "by number");
	fd = syscall(SYS_openat, AT_FDCWD, "f", O_RDONLY, 0);
	ok("openat", (int)fd);
	say("read", syscall(SYS_read, fd, buf, sizeof(buf)));
	say("lseek", syscall(SYS_lseek, fd, 0, SEEK_SET));
	say("pread64", syscall(SYS_pread64, fd, buf, 4, 3));
	say("fstat", syscall(SYS_fstat, fd, &st));
	printf("size %ld\n", (long)st.st_size);
	say("close", syscall(SYS_close, fd));
	say("close again", syscall(SYS_close, fd));
	say("newfstatat", syscall(SYS_newfstatat, AT_FDCWD, "f", &st, 0));
	printf("size %ld\n", (long)st.st_size);
	say("mkdirat", syscall(SYS_mkdirat, AT_FDCWD, "d", 0755));
	say("renameat2", syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d/g", 0));
	show("d/g");
	say("unlinkat", syscall(SYS_unlinkat, AT_FDCWD, "d/g", 0));
	say("openat missing", syscall(SYS_openat, AT_FDCWD, "d/g", O_RDONLY, 0));
	say("getpid is positive", syscall(SYS_getpid) > 0);
	return 0;
}
