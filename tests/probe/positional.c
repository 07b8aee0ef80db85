/* pread, pwrite and the vectored calls. */
#include "probe.h"

#include <sys/uio.h>

int main(int argc, char **argv)
{
	char a[8] = { 0 }, b[8] = { 0 };
	struct iovec v[2] = { { a, 3 }, { b, 4 } };
	int fd;

	probe_begin(argc, argv);
	fd = say_ok("open", open(at("f"), O_RDWR | O_CREAT, 0644));
	say("pwrite at 5", pwrite(fd, "fghij", 5, 5));
	say("pwrite at 0", pwrite(fd, "abcde", 5, 0));
	say("offset", lseek(fd, 0, SEEK_CUR));
	say("pread", pread(fd, a, 4, 3));
	printf("got %.4s\n", a);
	say("pread past end", pread(fd, a, 4, 100));
	say("pread across end", pread(fd, a, 8, 8));
	say("pread negative", pread(fd, a, 4, -1));
	say("pwrite negative", pwrite(fd, a, 4, -1));
	memset(a, 0, sizeof(a));
	say("readv", readv(fd, v, 2));
	printf("got %.3s %.4s\n", a, b);
	say("offset", lseek(fd, 0, SEEK_CUR));
	say("preadv", preadv(fd, v, 2, 1));
	printf("got %.3s %.4s\n", a, b);
	say("writev", writev(fd, v, 2));
	say("pwritev", pwritev(fd, v, 2, 20));
	say("readv none", readv(fd, v, 0));
	volatile int minus_one = -1;
	say("readv negative", readv(fd, v, minus_one));
	say("offset", lseek(fd, 0, SEEK_CUR));
	say("pread big offset", pread(fd, a, 4, (off_t)1 << 40));
	say("close", close(fd));
	show("f");
	return 0;
}
