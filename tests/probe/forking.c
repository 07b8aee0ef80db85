/* fork and vfork: the offset that parent and child share, and who commits. */
#include "probe.h"

int main(int argc, char **argv)
{
	char buf[8] = { 0 };
	pid_t pid;
	int fd;

	probe_begin(argc, argv);
	make("f", "0123456789");
	fd = open(at("f"), O_RDONLY);
	say("read", read(fd, buf, 2));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		ssize_t n = read(fd, buf, 3);
		_exit(n == 3 && memcmp(buf, "234", 3) == 0 ? 0 : 1);
	}
	say_child("child reads on", pid);
	say("offset", lseek(fd, 0, SEEK_CUR));
	say("read", read(fd, buf, 2));
	printf("got %.2s\n", buf);
	close(fd);
	fd = open(at("g"), O_WRONLY | O_CREAT, 0644);
	say("write", write(fd, "parent ", 7));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		ssize_t n = write(fd, "child ", 6);
		_exit(n == 6 && close(fd) == 0 ? 0 : 1);
	}
	say_child("child writes", pid);
	say("write", write(fd, "parent", 6));
	say("close", close(fd));
	show("g");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		fd = open(at("h"), O_WRONLY | O_CREAT, 0644);
		if (write(fd, "never closed", 12) != 12)
			_exit(1);
		_exit(0);
	}
	say_child("child opens and exits", pid);
	show("h");
	fflush(stdout);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/cat", "cat", at("g"), (char *)NULL);
		_exit(1);
	}
	say_child("\nvfork and exec", pid);
	fd = open(at("i"), O_WRONLY | O_CREAT, 0644);
	for (int i = 0; i < 4; i++) {
		pid = fork();
		if (pid == 0) {
			for (int k = 0; k < 100; k++)
				if (write(fd, "0123456789", 10) != 10)
					_exit(1);
			_exit(0);
		}
	}
	for (int i = 0, status; i < 4; i++)
		if (wait(&status) < 0 || status)
			puts("a child failed");
	say("size", lseek(fd, 0, SEEK_END));
	say("close", close(fd));
	return 0;
}
