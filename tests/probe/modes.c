/* Attributes that are kept: chmod, fchmod, umask, utimensat; link counts are not asked for. */
#include "probe.h"

#include <sys/time.h>
#include <utime.h>

static void mode(const char *what, const char *name)
{
	struct stat st;

	if (stat(at(name), &st) < 0)
		say(what, -1);
	else
		printf("%s: %o\n", what, st.st_mode);
}

int main(int argc, char **argv)
{
	struct timespec times[2] = { { 1000000000, 0 }, { 1200000000, 0 } };
	struct timeval tv[2] = { { 1000000000, 0 }, { 1250000000, 0 } };
	struct utimbuf ut = { 1000000000, 1300000000 };
	struct stat st;
	int fd;

	probe_begin(argc, argv);
	fd = open(at("f"), O_WRONLY | O_CREAT, 0640);
	say("write", write(fd, "x", 1));
	close(fd);
	mode("created 0640", "f");
	say("chmod", chmod(at("f"), 0755));
	mode("chmod 0755", "f");
	fd = open(at("f"), O_RDWR);
	say("fchmod", fchmod(fd, 0600));
	mode("fchmod 0600", "f");
	close(fd);
	mode("after close", "f");
	umask(077);
	fd = open(at("g"), O_WRONLY | O_CREAT, 0666);
	close(fd);
	mode("umask 077", "g");
	say("mkdir", mkdir(at("d"), 0777));
	mode("folder", "d");
	say("chmod folder", chmod(at("d"), 0750));
	mode("folder 0750", "d");
	say("setgid folder", chmod(at("d"), 02750));
	say("mkdir below", mkdir(at("d/sub"), 0755));
	mode("folder below", "d/sub");
	say("mkdir below that", mkdir(at("d/sub/deep"), 0755));
	mode("folder below that", "d/sub/deep");
	close(open(at("d/sub/f"), O_WRONLY | O_CREAT, 0644));
	mode("file below", "d/sub/f");
	say("chmod missing", chmod(at("none"), 0600));
	say("utimensat", utimensat(AT_FDCWD, at("f"), times, 0));
	stat(at("f"), &st);
	say("mtime", st.st_mtim.tv_sec);
	fd = open(at("g"), O_WRONLY);
	say("futimens", futimens(fd, times));
	close(fd);
	stat(at("g"), &st);
	say("mtime", st.st_mtim.tv_sec);
	say("utimes", utimes(at("g"), tv));
	stat(at("g"), &st);
	say("mtime", st.st_mtim.tv_sec);
	say("utime", utime(at("g"), &ut));
	stat(at("g"), &st);
	say("mtime", st.st_mtim.tv_sec);
	fd = open(at("g"), O_WRONLY | O_APPEND);
	stat(at("g"), &st);
	say("mtime while open for writing", st.st_mtim.tv_sec);
	say("futimens", futimens(fd, times));
	close(fd);
	fd = open(at("g"), O_RDONLY);
	say("utimes while open for reading", utimes(at("g"), tv));
	close(open(at("g"), O_WRONLY));
	fstat(fd, &st);
	say("mtime", st.st_mtim.tv_sec);
	close(fd);
	fd = open(at("g"), O_PATH);
	say("futimens of a path", futimens(fd, times));
	close(fd);
	say("utimensat folder", utimensat(AT_FDCWD, at("d"), times, 0));
	stat(at("d"), &st);
	say("mtime", st.st_mtim.tv_sec);
	say("fchmodat", fchmodat(AT_FDCWD, at("g"), 0640, 0));
	mode("fchmodat 0640", "g");
	say("chown to oneself", chown(at("g"), getuid(), getgid()));
	say("utimensat missing", utimensat(AT_FDCWD, at("none"), times, 0));
	return 0;
}
