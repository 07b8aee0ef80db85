/* The current directory: relative names, `..`, descriptors, and what a child inherits. */
#include "probe.h"

static char start[PATH_MAX];

/* The current directory below where we started. */
static void where(void)
{
	char here[PATH_MAX];
	size_t n = strlen(start);

	if (!getcwd(here, sizeof(here)))
		printf("getcwd: %s\n", errno_name(errno));
	else
		printf("in '%s'\n", strncmp(here, start, n) == 0 ? here + n : "elsewhere");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char small[2], *own;
	int fd, status;
	pid_t pid;

	enter(argc, argv);
	ok("getcwd", getcwd(start, sizeof(start)) ? 0 : -1);
	mkdir("a", 0755);
	mkdir("a/b", 0755);
	put("a/b/f", "deep");
	put("a/g", "above");
	say("chdir", chdir("a/b"));
	where();
	show("f");
	show("../g");
	show("./../b/./f");
	fd = open("..", O_RDONLY | O_DIRECTORY);
	say("chdir ..", chdir(".."));
	where();
	say("chdir missing", chdir("missing"));
	say("chdir a file", chdir("g"));
	where();
	say("chdir b", chdir("b"));
	say("fchdir", fchdir(fd));
	where();
	ok("getcwd too small", getcwd(small, sizeof(small)) ? 0 : -1);
	own = getcwd(NULL, 0);
	printf("malloced: %d\n", own && strcmp(own + strlen(start), "/a") == 0);
	pid = fork();
	if (pid == 0) {
		where();
		chdir("b");
		where();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	where();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execlp("sh", "sh", "-c", "cat b/f; echo; cd b && cat f ../g; echo; ls", (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	say("shell", status);
	say("chdir out", chdir("/"));
	printf("at the root: %s\n", getcwd(NULL, 0));
	say("chdir back", chdir(start));
	where();
	ok("mkdirat by cwd", mkdir("c", 0755));
	size_of("c");
	return 0;
}
