/* `..` behind a symlink goes where the link leads, in paths, in link targets, and for the current directory. */
#include "probe.h"

static void look(const char *path)
{
	struct stat st;

	say(path, stat(at(path), &st) == 0 ? S_ISDIR(st.st_mode) ? 0 : (long)st.st_size : -1);
}

static char home[PATH_MAX];

static void where(const char *what)
{
	char buf[PATH_MAX];
	size_t len = strlen(home);

	if (!getcwd(buf, sizeof(buf)))
		printf("%s: getcwd %s\n", what, errname(errno));
	else
		printf("%s: %s\n", what, strncmp(buf, home, len) == 0 ? buf + len : buf);
}

static void real(const char *path)
{
	char buf[PATH_MAX];
	size_t len = strlen(home);

	if (!realpath(at(path), buf))
		printf("realpath %s: %s\n", path, errname(errno));
	else
		printf("realpath %s: %s\n", path, strncmp(buf, home, len) == 0 ? buf + len : buf);
}

int main(int argc, char **argv)
{
	int fd;

	probe_begin(argc, argv);
	say("home", realpath(at(""), home) ? 0 : -1);
	mkdir(at("far"), 0755);
	mkdir(at("far/away"), 0755);
	mkdir(at("d"), 0755);
	make("x", "1");
	make("far/x", "22");
	make("far/away/x", "333");
	make("d/x", "4444");
	say("symlink", symlink("../far/away", at("d/l")));
	say("symlink by a link and ..", symlink("l/../x", at("d/m")));
	say("symlink out and in", symlink("../d/l/..", at("far/n")));
	say("symlink to here", symlink(".", at("d/here")));
	look("d/l/../x");
	look("d/l/../../x");
	look("d/l/./..//x");
	look("d/../x");
	look("d/../d/l/../away/x");
	look("missing/../x");
	look("x/../x");
	look("d/l/missing/../x");
	look("d/m");
	look("far/n/x");
	look("d/here/../x");
	look("d/here/here/l/../x");
	look("d/l/..");
	look("d/l/../");
	real("d/l/../x");
	real("d/m");
	real("far/n");
	real("d/here/..");
	real("d/l");
	real("d/missing/..");
	fd = say_ok("open", open(at("d/l/../x"), O_RDONLY));
	close(fd);
	fd = say_ok("create", open(at("d/l/../new"), O_WRONLY | O_CREAT, 0644));
	close(fd);
	say("it is there", access(at("far/new"), F_OK));
	say("mkdir", mkdir(at("d/l/../made"), 0755));
	say("it is there", access(at("far/made"), F_OK));
	say("rename", rename(at("d/l/../new"), at("d/l/../../newer")));
	say("it is there", access(at("newer"), F_OK));
	say("rename ..", rename(at("d/l/.."), at("moved")));
	say("rmdir ..", rmdir(at("d/l/..")));
	say("unlink", unlink(at("d/l/../../newer")));
	say("symlink there", symlink("t", at("d/l/../link")));
	say("it is there", readlink(at("far/link"), (char[8]){ 0 }, 8));
	say("chdir by a link", chdir(at("d/l")));
	where("in the link");
	say("..", access("../away", F_OK));
	say("chdir ..", chdir(".."));
	where("above");
	say("chdir back", chdir("../d/l/../away"));
	where("away");
	return 0;
}
