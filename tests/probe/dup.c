/* Numbers of descriptors: dup, dup2, dup3, fcntl; lowest free; what closing one of two does. */
#include "probe.h"

int main(int argc, char **argv)
{
	char buf[4] = { 0 };
	int a, b, c;

	probe_begin(argc, argv);
	make("f", "0123456789");
	a = (int)say("open, the lowest number", open(at("f"), O_RDWR));
	b = (int)say("dup", dup(a));
	say("read a", read(a, buf, 3));
	say("offset b", lseek(b, 0, SEEK_CUR));
	say("close a", close(a));
	say("read b", read(b, buf, 3));
	printf("got %.3s\n", buf);
	c = (int)say("open takes the hole", open(at("f"), O_RDONLY));
	say("dup2", dup2(b, 40));
	say("close b", close(b));
	say("pwrite 40", pwrite(40, "AB", 2, 0));
	say("dup2 onto itself", dup2(40, 40));
	say("dup3 onto itself", dup3(40, 40, 0));
	say("dup2 bad", dup2(999, 41));
	say("dup bad", dup(999));
	say("dup3 cloexec", dup3(40, 41, O_CLOEXEC));
	say("F_GETFD", fcntl(41, F_GETFD));
	say("F_DUPFD", fcntl(40, F_DUPFD, 50));
	say("F_DUPFD_CLOEXEC", fcntl(40, F_DUPFD_CLOEXEC, 50));
	say("F_GETFD", fcntl(51, F_GETFD));
	say("F_SETFD", fcntl(51, F_SETFD, 0));
	say("F_GETFD", fcntl(51, F_GETFD));
	say("dup2 over a file", dup2(c, 41));
	say("write to what is rdonly now", write(41, "x", 1));
	for (int fd = 40; fd < 52; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			say("close", close(fd));
	say("read c", read(c, buf, 2));
	printf("got %.2s\n", buf);
	say("dup2 of a pipe's kind over c", dup2(open("/dev/null", O_RDONLY), c));
	say("read c", read(c, buf, 2));
	say("close c", close(c));
	say("lock", (a = open(at("f"), O_RDWR), lockf(a, F_TLOCK, 0)));
	say("close", close(a));
	show("f");
	return 0;
}
