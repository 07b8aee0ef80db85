/* fork, vfork, exec, dup: offsets that are shared, descriptors that are inherited, at low and at high numbers. */
#include "probe.h"

static void child_status(const char *what, pid_t pid)
{
	int status = -1;

	fflush(stdout);
	waitpid(pid, &status, 0);
	printf("%s: child %d\n", what, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char buf[64];
	int fd, two;
	pid_t pid;

	enter(argc, argv);
	put("f", "0123456789abcdefghij");
	fd = open("f", O_RDONLY);
	say("read", read(fd, buf, 3));
	pid = fork();
	if (pid == 0)
		_exit(read(fd, buf, 4) == 4 && memcmp(buf, "3456", 4) == 0 ? 0 : 1);
	child_status("fork reads on", pid);
	say("offset moved", lseek(fd, 0, SEEK_CUR));
	two = dup(fd);
	say("dup reads", read(two, buf, 2));
	say("offset moved", lseek(fd, 0, SEEK_CUR));
	close(fd);
	say("dup lives", read(two, buf, 1));
	fd = ok("dup2", dup2(two, 77));
	say("77 reads", read(77, buf, 1));
	ok("dup3 to itself", dup3(77, 77, 0));
	ok("F_DUPFD", fcntl(77, F_DUPFD, 90) >= 90 ? 0 : -1);
	close(77);
	say("closed", read(77, buf, 1));

	pid = fork();
	if (pid == 0) {
		dup2(two, 0);
		execlp("cat", "cat", (char *)NULL);
		_exit(1);
	}
	child_status("cat of an inherited stdin", pid);
	printf("\n");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644);
		dup2(out, 1);
		close(out);
		execlp("sh", "sh", "-c", "echo one; /bin/echo two; printf three", (char *)NULL);
		_exit(1);
	}
	child_status("shell to a file", pid);
	show("out");
	pid = vfork();
	if (pid == 0) {
		execlp("sh", "sh", "-c", "cat f > copy", (char *)NULL);
		_exit(1);
	}
	child_status("vfork and exec", pid);
	show("copy");
	say("system", system("cp f copy2 && cat copy2 > /dev/null"));
	show("copy2");
	FILE *p = popen("cat f", "r");
	printf("popen: '%s'\n", fgets(buf, sizeof(buf), p) ? buf : "nothing");
	say("pclose", pclose(p));
	pid = fork();
	if (pid == 0) {
		int out = open("unclosed", O_WRONLY | O_CREAT, 0644);
		if (write(out, "kept", 4) != 4)
			_exit(1);
		_exit(0);
	}
	child_status("exit without close", pid);
	show("unclosed");
	fd = open("both", O_WRONLY | O_CREAT, 0644);
	pid = fork();
	if (pid == 0) {
		say("child writes", write(fd, "child ", 6));
		fflush(stdout);
		_exit(0);
	}
	child_status("writing by two", pid);
	say("parent writes", write(fd, "parent", 6));
	close(fd);
	show("both");
	return 0;
}
