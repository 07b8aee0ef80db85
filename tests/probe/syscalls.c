/* The same calls by syscall(2). */
#include "probe.h"

#include <sys/syscall.h>

int main(int argc, char **argv)
{
	char buf[16] = { 0 };
	struct stat st;
	long fd;

	probe_begin(argc, argv);
	fd = syscall(SYS_openat, AT_FDCWD, at("f"), O_RDWR | O_CREAT, 0644);
	say_ok("openat", fd);
	say("write", syscall(SYS_write, (int)fd, "by syscall", 10));
	say("lseek", syscall(SYS_lseek, (int)fd, 3L, SEEK_SET));
	say("read", syscall(SYS_read, (int)fd, buf, 7));
	printf("got %.7s\n", buf);
	say("pread64", syscall(SYS_pread64, (int)fd, buf, 2, 0L));
	say("close", syscall(SYS_close, (int)fd));
	say("missing", syscall(SYS_openat, AT_FDCWD, at("none"), O_RDONLY, 0));
	say("newfstatat", syscall(SYS_newfstatat, AT_FDCWD, at("f"), &st, 0));
	say("size", st.st_size);
	say("mkdirat", syscall(SYS_mkdirat, AT_FDCWD, at("d"), 0755));
	say("renameat2", syscall(SYS_renameat2, AT_FDCWD, at("f"), AT_FDCWD, at("d/g"), 0));
	say("faccessat", syscall(SYS_faccessat, AT_FDCWD, at("d/g"), F_OK));
	show("d/g");
	say("unlinkat", syscall(SYS_unlinkat, AT_FDCWD, at("d/g"), 0));
	say("unlinkat folder", syscall(SYS_unlinkat, AT_FDCWD, at("d"), AT_REMOVEDIR));
	say("getpid", syscall(SYS_getpid) == getpid());
	return 0;
}
