/* Names below links of /proc: /dev/fd/N/name, /proc/self/fd/N/name, /proc/self/cwd/name. */
#include "probe.h"

static char text[64];

static const char *under(const char *format, int fd)
{
	snprintf(text, sizeof(text), format, fd);
	return text;
}

int main(int argc, char **argv)
{
	struct stat st;
	char buf[8];
	int folder, file, fd;

	probe_begin(argc, argv);
	mkdir(at("d"), 0755);
	make("d/f", "below");
	make("top", "top");
	folder = open(at("d"), O_RDONLY | O_DIRECTORY);
	file = open(at("top"), O_RDONLY);
	say("stat", stat(under("/proc/self/fd/%d/f", folder), &st));
	say("size", st.st_size);
	fd = say_ok("open", open(under("/dev/fd/%d/f", folder), O_RDONLY));
	say("read", read(fd, buf, 8));
	close(fd);
	fd = say_ok("create", open(under("/proc/self/fd/%d/new", folder), O_WRONLY | O_CREAT, 0644));
	say("write", write(fd, "n", 1));
	say("close", close(fd));
	say("missing", access(under("/proc/self/fd/%d/none", folder), F_OK));
	say("up", access(under("/proc/self/fd/%d/../top", folder), F_OK));
	say("of a file", access(under("/proc/self/fd/%d/x", file), F_OK));
	say("unlink", unlink(under("/proc/self/fd/%d/f", folder)));
	say("not open", access("/proc/self/fd/999/x", F_OK));
	say("chdir", chdir(at("d")));
	say("cwd", access("/proc/self/cwd/new", F_OK));
	say("cwd missing", access("/proc/self/cwd/f", F_OK));
	fd = say_ok("folder again", open(under("/dev/fd/%d/", folder), O_RDONLY | O_DIRECTORY));
	say("openat", faccessat(fd, "new", F_OK, 0));
	return 0;
}
