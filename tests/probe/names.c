/* Names: mkdir, rmdir, unlink, rename, and what each refuses. */
#include "probe.h"

int main(int argc, char **argv)
{
	char buf[8] = { 0 };
	int fd;

	probe_begin(argc, argv);
	say("unlink missing", unlink(at("none")));
	say("rmdir missing", rmdir(at("none")));
	say("mkdir", mkdir(at("d"), 0755));
	say("mkdir again", mkdir(at("d"), 0755));
	say("mkdir below missing", mkdir(at("no/d"), 0755));
	make("f", "file f");
	say("mkdir over file", mkdir(at("f"), 0755));
	say("mkdir below file", mkdir(at("f/d"), 0755));
	say("unlink folder", unlink(at("d")));
	say("rmdir file", rmdir(at("f")));
	say("unlink below file", unlink(at("f/x")));
	make("d/x", "file x");
	say("rmdir full", rmdir(at("d")));
	say("rename", rename(at("f"), at("g")));
	show("f");
	show("g");
	say("symlink with a slash", symlink("g", at("n/")));
	say("symlink over a file, with a slash", symlink("x", at("g/")));
	say("rename from nowhere", renameat(AT_FDCWD, "", AT_FDCWD, at("h")));
	say("rename to nowhere", renameat(AT_FDCWD, at("g"), AT_FDCWD, ""));
	say("rename below no descriptor", renameat(77, "x", AT_FDCWD, at("h")));
	say("link below no descriptor", linkat(AT_FDCWD, at("g"), 77, "x", 0));
	say("rename missing", rename(at("f"), at("h")));
	say("rename to itself", rename(at("g"), at("g")));
	make("h", "file h, longer");
	say("rename over", rename(at("g"), at("h")));
	show("h");
	say("rename into folder", rename(at("h"), at("d/h")));
	show("d/h");
	make("k", "k");
	say("rename file over full folder", rename(at("k"), at("d")));
	say("mkdir e", mkdir(at("e"), 0755));
	say("rename file over empty folder", rename(at("k"), at("e")));
	say("rename folder over file", rename(at("e"), at("k")));
	say("rename folder over empty folder", rename(at("d"), at("e")));
	show("e/h");
	say("rename folder over full folder", (mkdir(at("n"), 0755), rename(at("n"), at("e"))));
	say("rename into itself", rename(at("e"), at("e/sub")));
	say("rename below missing", rename(at("k"), at("no/k")));
	say("rename tree", rename(at("e"), at("tree")));
	show("tree/x");
	fd = open(at("tree/x"), O_RDONLY);
	say("unlink open file", unlink(at("tree/x")));
	say("read it still", read(fd, buf, 6));
	printf("got %.6s\n", buf);
	close(fd);
	show("tree/x");
	fd = open(at("k"), O_RDWR | O_TRUNC);
	say("write", write(fd, "moved", 5));
	say("rename open file", rename(at("k"), at("l")));
	say("write more", write(fd, " on", 3));
	say("close", close(fd));
	show("k");
	show("l");
	fd = open(at("gone"), O_RDWR | O_CREAT, 0644);
	say("unlink new", unlink(at("gone")));
	say("write", write(fd, "x", 1));
	say("close", close(fd));
	show("gone");
	say("remove file", remove(at("l")));
	say("remove folder", remove(at("n")));
	say("unlink", unlink(at("tree/h")));
	say("rmdir", rmdir(at("tree")));
	say("rmdir again", rmdir(at("tree")));
	say("mkdir slash", mkdir(at("s/"), 0755));
	say("rmdir slash", rmdir(at("s/")));
	return 0;
}
