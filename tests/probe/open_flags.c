/* open(2): what each flag does to files that are there, that are not, and to folders. */
#include "probe.h"

int main(int argc, char **argv)
{
	int fd;

	enter(argc, argv);
	ok("open missing", open("missing", O_RDONLY));
	ok("open missing for writing", open("missing", O_WRONLY));
	ok("create below a missing folder", open("no/file", O_WRONLY | O_CREAT, 0644));
	fd = ok("create", open("a", O_WRONLY | O_CREAT, 0644));
	say("write", write(fd, "hello", 5));
	say("read from write-only", read(fd, &argc, 1));
	ok("close", close(fd));
	ok("O_EXCL on a file", open("a", O_WRONLY | O_CREAT | O_EXCL, 0644));
	ok("O_DIRECTORY on a file", open("a", O_RDONLY | O_DIRECTORY));
	ok("file as a folder", open("a/b", O_RDONLY));
	ok("file with a slash", open("a/", O_RDONLY));
	show("a");
	fd = ok("open for reading", open("a", O_RDONLY));
	say("write to read-only", write(fd, "x", 1));
	say("flags", fcntl(fd, F_GETFL) & O_ACCMODE);
	say("close-on-exec", fcntl(fd, F_GETFD));
	close(fd);
	fd = ok("open close-on-exec", open("a", O_RDONLY | O_CLOEXEC));
	say("close-on-exec", fcntl(fd, F_GETFD));
	close(fd);
	fd = ok("open read-write", open("a", O_RDWR));
	say("write", write(fd, "J", 1));
	close(fd);
	show("a");
	fd = ok("truncate", open("a", O_WRONLY | O_TRUNC));
	close(fd);
	size_of("a");
	fd = ok("creat", creat("c", 0600));
	say("write", write(fd, "creat", 5));
	close(fd);
	show("c");
	fd = ok("O_EXCL new", open("x", O_RDWR | O_CREAT | O_EXCL, 0644));
	say("write", write(fd, "new", 3));
	close(fd);
	show("x");
	mkdir("d", 0755);
	ok("open folder", open("d", O_RDONLY));
	ok("open folder for writing", open("d", O_WRONLY));
	ok("open folder read-write", open("d", O_RDWR));
	ok("O_CREAT on a folder", open("d", O_RDONLY | O_CREAT, 0644));
	ok("O_DIRECTORY on a folder", open("d", O_RDONLY | O_DIRECTORY));
	fd = open("d", O_RDONLY);
	say("read a folder", read(fd, &argc, sizeof(argc)));
	ok("openat", openat(fd, "in", O_WRONLY | O_CREAT, 0644));
	size_of("d/in");
	ok("openat a file", openat(open("a", O_RDONLY), "in", O_RDONLY));
	ok("empty path", open("", O_RDONLY));
	say("bad descriptor", read(-1, &argc, 1));
	return 0;
}
