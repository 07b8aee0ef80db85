/* Sizes: truncate, ftruncate, O_TRUNC, growing and what then reads as zeros. */
#include "probe.h"

static void size(const char *name)
{
	struct stat st;

	printf("size of %s: %ld\n", name, stat(at(name), &st) < 0 ? -1L : (long)st.st_size);
}

int main(int argc, char **argv)
{
	struct stat st;
	int fd;

	probe_begin(argc, argv);
	make("f", "0123456789");
	say("truncate 4", truncate(at("f"), 4));
	size("f");
	show("f");
	say("truncate 8", truncate(at("f"), 8));
	show("f");
	say("truncate negative", truncate(at("f"), -1));
	say("truncate missing", truncate(at("none"), 0));
	say("truncate folder", truncate(at(""), 0));
	say("truncate below a file", truncate(at("f/x"), 0));
	fd = say_ok("open", open(at("f"), O_RDWR));
	say("ftruncate 3", ftruncate(fd, 3));
	fstat(fd, &st);
	say("fstat size", st.st_size);
	say("write at end", pwrite(fd, "zz", 2, 6));
	say("ftruncate 12", ftruncate(fd, 12));
	size("f");
	say("truncate while open", truncate(at("f"), 2));
	fstat(fd, &st);
	say("fstat size", st.st_size);
	say("close", close(fd));
	show("f");
	fd = open(at("f"), O_RDONLY);
	say("ftruncate rdonly", ftruncate(fd, 0));
	say("fallocate rdonly", fallocate(fd, 0, 0, 5));
	say("fallocate rdonly, negative", fallocate(fd, 0, -1, 5));
	say("fallocate rdonly, nothing", fallocate(fd, 0, 0, 0));
	close(fd);
	make("g", "some content");
	fd = say_ok("O_TRUNC", open(at("g"), O_RDWR | O_TRUNC));
	size("g");
	say("write", write(fd, "new", 3));
	say("ftruncate 0", ftruncate(fd, 0));
	say("write", write(fd, "er", 2));
	say("close", close(fd));
	show("g");
	say("ftruncate closed", ftruncate(fd, 0));
	return 0;
}
