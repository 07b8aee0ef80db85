/* The current directory: chdir, fchdir, getcwd, relative names, and what a child has of it. */
#include "probe.h"

/* getcwd() without the folder's own name. */
static void where(const char *what)
{
	char buf[PATH_MAX];
	size_t len = strlen(probe_dir);

	if (!getcwd(buf, sizeof(buf)))
		printf("%s: getcwd %s\n", what, errname(errno));
	else
		printf("%s: %s\n", what, strncmp(buf, probe_dir, len) == 0 ? buf + len : buf);
}

int main(int argc, char **argv)
{
	char buf[8];
	int fd, home;
	char *p;

	probe_begin(argc, argv);
	home = open("/", O_RDONLY | O_DIRECTORY);
	say("mkdir", mkdir(at("d"), 0755));
	make("f", "top");
	make("d/f", "below");
	say("chdir", chdir(at("")));
	where("top");
	fd = say_ok("open relative", open("f", O_RDONLY));
	say("read", read(fd, buf, 8));
	close(fd);
	say("chdir relative", chdir("d"));
	where("in d");
	fd = say_ok("open relative", open("f", O_RDONLY));
	say("read", read(fd, buf, 8));
	close(fd);
	fd = say_ok("open ..", open("../f", O_RDONLY));
	close(fd);
	fd = say_ok("create relative", open("new", O_WRONLY | O_CREAT, 0644));
	say("write", write(fd, "n", 1));
	say("close", close(fd));
	say("access relative", access("new", F_OK));
	say("mkdir relative", mkdir("e", 0755));
	say("rename relative", rename("new", "e/new"));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(access("e/new", F_OK) == 0 && chdir("e") == 0 && access("new", F_OK) == 0 ? 7 : 1);
	say_child("child", pid);
	where("after child");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("/bin/cat", "cat", "f", (char *)NULL);
		_exit(1);
	}
	say_child("\ncat f", pid);
	say("chdir ..", chdir(".."));
	where("back");
	say("chdir file", chdir("f"));
	say("chdir missing", chdir("none"));
	where("still");
	fd = open("d/e", O_RDONLY | O_DIRECTORY);
	say("fchdir", fchdir(fd));
	where("in e");
	p = realpath("../f", NULL);
	printf("realpath: %s\n", p ? p + strlen(probe_dir) : errname(errno));
	free(p);
	p = getcwd(NULL, 0);
	printf("getcwd NULL: %s\n", p ? p + strlen(probe_dir) : errname(errno));
	free(p);
	say("getcwd small", getcwd(buf, 2) ? 0 : -1);
	say("fchdir out", fchdir(home));
	where("out");
	show("d/e/new");
	return 0;
}
