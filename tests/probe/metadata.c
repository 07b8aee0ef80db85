/* chmod, utimens, umask: what was set is what is seen, on open files and closed ones. */
#include "probe.h"

#include <sys/time.h>
#include <utime.h>

static void seen(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		printf("%s: %s\n", path, errno_name(errno));
	else
		printf("%s: mode %o mtime %ld\n", path, (unsigned)st.st_mode, (long)st.st_mtime);
}

int main(int argc, char **argv)
{
	struct timespec t[2] = { { 1000000000, 0 }, { 1100000000, 0 } };
	struct timeval v[2] = { { 1000000000, 0 }, { 1200000000, 0 } };
	struct utimbuf u = { 1000000000, 1300000000 };
	int fd;

	enter(argc, argv);
	umask(022);
	put("f", "x");
	say("chmod", chmod("f", 0640));
	say("utimensat", utimensat(AT_FDCWD, "f", t, 0));
	seen("f");
	say("utimes", utimes("f", v));
	seen("f");
	say("utime", utime("f", &u));
	seen("f");
	fd = open("g", O_WRONLY | O_CREAT, 0600);
	say("write", write(fd, "y", 1));
	say("fchmod", fchmod(fd, 0755));
	say("futimens", futimens(fd, t));
	seen("g");
	close(fd);
	seen("g");
	mkdir("d", 0777);
	say("chmod a folder", chmod("d", 0700));
	say("utimensat a folder", utimensat(AT_FDCWD, "d", t, 0));
	seen("d");
	umask(077);
	fd = open("private", O_WRONLY | O_CREAT, 0666);
	close(fd);
	umask(0);
	fd = open("public", O_WRONLY | O_CREAT, 0666);
	close(fd);
	say("utimensat", utimensat(AT_FDCWD, "private", t, 0));
	say("utimensat", utimensat(AT_FDCWD, "public", t, 0));
	seen("private");
	seen("public");
	say("chmod missing", chmod("missing", 0644));
	say("utimensat missing", utimensat(AT_FDCWD, "missing", t, 0));
	say("fchmodat", fchmodat(AT_FDCWD, "f", 0600, 0));
	seen("f");
	say("chown to oneself", chown("f", getuid(), getgid()));
	return 0;
}
