/* exec with inherited descriptors: input, output, a number above 2, and one that is closed on exec. */
#include "probe.h"

static void run(const char *what, int fd, int as, const char *script)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (fd != as)
			dup2(fd, as);
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(99);
	}
	say_child(what, pid);
}

int main(int argc, char **argv)
{
	int fd;

	probe_begin(argc, argv);
	make("in", "one\ntwo\nthree\n");
	fd = open(at("in"), O_RDONLY | O_CLOEXEC);
	run("stdin", fd, 0, "cat");
	lseek(fd, 4, SEEK_SET);
	run("stdin from 4", fd, 0, "read a; echo \"read $a\"; read b; echo \"read $b\"");
	lseek(fd, 0, SEEK_SET);
	run("fd 7", fd, 7, "cat <&7");
	run("cloexec", fd, fd, "exit 3");
	close(fd);
	fd = open(at("out"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	run("stdout", fd, 1, "echo hello; echo again; printf more");
	say("offset", lseek(fd, 0, SEEK_CUR));
	say("close", close(fd));
	show("out");
	fd = open(at("both"), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0644);
	run("stdout appended", fd, 1, "echo a; (echo b) ; sh -c 'echo c'; echo d | cat");
	run("stderr", fd, 2, "echo e >&2");
	say("close", close(fd));
	show("both");
	fd = open(at("last"), O_WRONLY | O_CREAT, 0644);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fd, 1);
		close(fd);
		execl("/bin/echo", "echo", "by echo", (char *)NULL);
		_exit(99);
	}
	close(fd);
	say_child("echo", pid);
	show("last");
	return 0;
}
