/* Flags and errors of open(2) and its relatives. */
#include "probe.h"

int main(int argc, char **argv)
{
	char longname[300];
	int fd;

	probe_begin(argc, argv);
	say_ok("create with a slash, below nothing", open(at("none/x/"), O_WRONLY | O_CREAT, 0644));
	say_ok("create with a slash", open(at("none/"), O_WRONLY | O_CREAT, 0644));
	say_ok("open missing", open(at("none"), O_RDONLY));
	say_ok("open missing rdwr", open(at("none"), O_RDWR));
	say_ok("open in missing folder", open(at("no/file"), O_WRONLY | O_CREAT, 0644));
	fd = say_ok("creat", creat(at("f"), 0644));
	say("write", write(fd, "hello", 5));
	say("read from wronly", read(fd, longname, 1));
	say("close", close(fd));
	say_ok("excl existing", open(at("f"), O_WRONLY | O_CREAT | O_EXCL, 0644));
	fd = say_ok("excl new", open(at("g"), O_RDWR | O_CREAT | O_EXCL, 0600));
	say("close", close(fd));
	fd = say_ok("rdonly", open(at("f"), O_RDONLY));
	say("write to rdonly", write(fd, "x", 1));
	say("flags", fcntl(fd, F_GETFL) & O_ACCMODE);
	say("cloexec", fcntl(fd, F_GETFD));
	say("close", close(fd));
	fd = say_ok("rdwr append cloexec", open(at("f"), O_RDWR | O_APPEND | O_CLOEXEC));
	say("flags", fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND));
	say("cloexec", fcntl(fd, F_GETFD));
	say("close", close(fd));
	say_ok("file as folder", open(at("f/x"), O_RDONLY));
	say_ok("file as folder, creating", open(at("f/x"), O_WRONLY | O_CREAT, 0644));
	say_ok("trailing slash on file", open(at("f/"), O_RDONLY));
	say_ok("O_DIRECTORY on file", open(at("f"), O_RDONLY | O_DIRECTORY));
	fd = say_ok("folder", open(at(""), O_RDONLY | O_DIRECTORY));
	say("read folder", read(fd, longname, 10));
	say("close", close(fd));
	say_ok("folder for writing", open(at(""), O_WRONLY));
	say_ok("folder with O_CREAT", open(at("."), O_RDONLY | O_CREAT, 0644));
	memset(longname, 'n', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = 0;
	say_ok("name of 299 bytes", open(at(longname), O_RDONLY));
	say_ok("empty path", open("", O_RDONLY));
	fd = say_ok("trunc", open(at("f"), O_WRONLY | O_TRUNC));
	say("close", close(fd));
	show("f");
	make("f", "again");
	fd = say_ok("dots and slashes", open(at(".//./f"), O_RDONLY));
	say("close", close(fd));
	say("close twice", close(fd));
	fd = say_ok("O_PATH", open(at("f"), O_PATH));
	say("read O_PATH", read(fd, longname, 1));
	say("close", close(fd));
	return 0;
}
