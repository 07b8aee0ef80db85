/* O_APPEND: every write goes to the end, from one descriptor and from two. */
#include "probe.h"

int main(int argc, char **argv)
{
	int a, b;

	enter(argc, argv);
	put("log", "first\n");
	a = ok("open for appending", open("log", O_WRONLY | O_APPEND));
	say("write", write(a, "second\n", 7));
	say("position", lseek(a, 0, SEEK_CUR));
	lseek(a, 0, SEEK_SET);
	say("write after seek", write(a, "third\n", 6));
	b = ok("a second one", open("log", O_WRONLY | O_APPEND));
	say("write", write(b, "fourth\n", 7));
	say("write", write(a, "fifth\n", 6));
	close(a);
	close(b);
	show("log");
	a = ok("append to a new file", open("new", O_WRONLY | O_APPEND | O_CREAT, 0644));
	say("write", write(a, "x", 1));
	say("write", write(a, "y", 1));
	close(a);
	show("new");
	a = open("log", O_RDWR);
	say("set O_APPEND", fcntl(a, F_SETFL, O_APPEND));
	say("write", write(a, "sixth\n", 6));
	close(a);
	size_of("log");
	return 0;
}
