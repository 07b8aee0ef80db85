/* O_APPEND: where writes land, and by F_SETFL. */
#include "probe.h"

int main(int argc, char **argv)
{
	char buf[16] = { 0 };
	int a, b;

	probe_begin(argc, argv);
	make("f", "base-");
	a = say_ok("open append", open(at("f"), O_WRONLY | O_APPEND));
	say("offset", lseek(a, 0, SEEK_CUR));
	say("write", write(a, "one-", 4));
	say("offset", lseek(a, 0, SEEK_CUR));
	b = say_ok("open append too", open(at("f"), O_RDWR | O_APPEND));
	say("write b", write(b, "two-", 4));
	say("write a", write(a, "three-", 6));
	say("seek a", lseek(a, 0, SEEK_SET));
	say("write a", write(a, "four-", 5));
	say("offset", lseek(a, 0, SEEK_CUR));
	say("seek b", lseek(b, 0, SEEK_SET));
	say("read b", read(b, buf, 9));
	printf("got %.9s\n", buf);
	say("write b", write(b, "five", 4));
	say("close a", close(a));
	say("close b", close(b));
	show("f");
	a = say_ok("open plain", open(at("f"), O_WRONLY));
	say("setfl", fcntl(a, F_SETFL, O_APPEND));
	say("write", write(a, "-six", 4));
	say("unset", fcntl(a, F_SETFL, 0));
	say("seek", lseek(a, 0, SEEK_SET));
	say("write", write(a, "BASE", 4));
	say("close", close(a));
	a = say_ok("append creates", open(at("log"), O_WRONLY | O_APPEND | O_CREAT, 0644));
	say("write", write(a, "first\n", 6));
	say("close", close(a));
	show("f");
	show("log");
	return 0;
}
