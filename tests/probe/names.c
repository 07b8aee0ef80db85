/* Names: made, moved, removed, and every refusal. */
#include "probe.h"

int main(int argc, char **argv)
{
	char buf[PATH_MAX];
	int fd;

	enter(argc, argv);
	say("mkdir", mkdir("d", 0755));
	say("mkdir again", mkdir("d", 0755));
	say("mkdir below missing", mkdir("no/d", 0755));
	put("f", "file");
	say("mkdir over a file", mkdir("f", 0755));
	say("mkdir below a file", mkdir("f/d", 0755));
	put("d/one", "1");
	say("rmdir not empty", rmdir("d"));
	say("rmdir a file", rmdir("f"));
	say("rmdir missing", rmdir("missing"));
	say("unlink a folder", unlink("d"));
	say("unlink missing", unlink("missing"));
	say("unlink below a file", unlink("f/x"));
	say("rename", rename("f", "g"));
	show("f");
	show("g");
	say("rename missing", rename("missing", "x"));
	say("rename to a missing folder", rename("g", "no/g"));
	put("h", "other");
	say("rename over a file", rename("g", "h"));
	show("h");
	size_of("g");
	say("rename file over folder", rename("h", "d"));
	say("rename folder over file", rename("d", "h"));
	mkdir("e", 0755);
	say("rename folder over empty folder", rename("d", "e"));
	show("e/one");
	size_of("d");
	mkdir("d", 0755);
	say("rename folder over full folder", rename("d", "e"));
	say("rename into itself", rename("e", "e/x"));
	say("rename to itself", rename("h", "h"));
	say("rename into a folder", rename("h", "e/h"));
	show("e/h");
	say("symlink", symlink("e/h", "link"));
	say("readlink", readlink("link", buf, sizeof(buf)));
	say("readlink short", readlink("link", buf, 2));
	say("readlink of a file", readlink("e/h", buf, sizeof(buf)));
	show("link");
	say("symlink again", symlink("x", "link"));
	say("unlink the link", unlink("link"));
	show("e/h");
	fd = open("e/h", O_RDWR);
	say("unlink while open", unlink("e/h"));
	size_of("e/h");
	say("read on", read(fd, buf, sizeof(buf)));
	say("write on", write(fd, "more", 4));
	say("close", close(fd));
	size_of("e/h");
	say("remove a file", remove("e/one"));
	say("remove a folder", remove("e"));
	say("rmdir", rmdir("d"));
	say("unlinkat", unlinkat(AT_FDCWD, "missing", 0));
	mkdir("z", 0755);
	say("unlinkat AT_REMOVEDIR", unlinkat(AT_FDCWD, "z", AT_REMOVEDIR));
	memset(buf, 'n', 300);
	buf[300] = '\0';
	say("mkdir long name", mkdir(buf, 0755));
	return 0;
}
