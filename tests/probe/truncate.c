/* truncate, ftruncate, fallocate: shorter, longer, of files that are open and that are not. */
#include "probe.h"

int main(int argc, char **argv)
{
	char buf[64];
	int fd;

	enter(argc, argv);
	put("f", "0123456789");
	say("truncate shorter", truncate("f", 4));
	show("f");
	say("truncate longer", truncate("f", 8));
	size_of("f");
	fd = open("f", O_RDWR);
	say("read", read(fd, buf, sizeof(buf)));
	printf("zeros: %d\n", memcmp(buf, "0123\0\0\0\0", 8) == 0);
	say("ftruncate shorter", ftruncate(fd, 2));
	say("ftruncate longer", ftruncate(fd, 5));
	say("pread", pread(fd, buf, sizeof(buf), 0));
	printf("zeros: %d\n", memcmp(buf, "01\0\0\0", 5) == 0);
	say("ftruncate negative", ftruncate(fd, -1));
	close(fd);
	size_of("f");
	say("truncate missing", truncate("missing", 0));
	mkdir("d", 0755);
	say("truncate a folder", truncate("d", 0));
	fd = open("f", O_RDONLY);
	say("ftruncate read-only", ftruncate(fd, 0));
	close(fd);
	fd = open("g", O_RDWR | O_CREAT, 0644);
	say("posix_fallocate", posix_fallocate(fd, 0, 70000));
	close(fd);
	size_of("g");
	say("truncate to nothing", truncate("f", 0));
	size_of("f");
	return 0;
}
