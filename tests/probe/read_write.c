/* read, write, lseek, and their vector and positional forms, over more than one block. */
#include "probe.h"

#include <sys/uio.h>

#define SIZE 300000

static unsigned char data[SIZE], back[SIZE + 100];

int main(int argc, char **argv)
{
	struct iovec v[3];
	int fd;

	enter(argc, argv);
	fill(data, SIZE, 0);
	fd = ok("create", open("f", O_RDWR | O_CREAT | O_TRUNC, 0644));
	say("write", write(fd, data, SIZE));
	say("position", lseek(fd, 0, SEEK_CUR));
	say("read at the end", read(fd, back, 10));
	say("rewind", lseek(fd, 0, SEEK_SET));
	say("read", read(fd, back, sizeof(back)));
	printf("equal: %d\n", memcmp(data, back, SIZE) == 0);
	say("close", close(fd));

	fd = ok("open", open("f", O_RDONLY));
	say("pread in the middle", pread(fd, back, 1000, 131000));
	printf("equal: %d\n", memcmp(data + 131000, back, 1000) == 0);
	say("position", lseek(fd, 0, SEEK_CUR));
	say("pread over the end", pread(fd, back, 1000, SIZE - 10));
	say("pread behind the end", pread(fd, back, 1000, SIZE + 10));
	say("pread negative", pread(fd, back, 10, -1));
	say("SEEK_END", lseek(fd, -5, SEEK_END));
	say("read", read(fd, back, 100));
	say("seek before the start", lseek(fd, -1, SEEK_SET));
	say("SEEK_DATA", lseek(fd, 0, SEEK_DATA));
	say("SEEK_HOLE", lseek(fd, 0, SEEK_HOLE));
	lseek(fd, 65530, SEEK_SET);
	v[0] = (struct iovec){ back, 3 };
	v[1] = (struct iovec){ back + 3, 0 };
	v[2] = (struct iovec){ back + 3, 20 };
	say("readv", readv(fd, v, 3));
	printf("equal: %d\n", memcmp(data + 65530, back, 23) == 0);
	say("preadv", preadv(fd, v, 3, 200000));
	printf("equal: %d\n", memcmp(data + 200000, back, 23) == 0);
	say("read nothing", read(fd, back, 0));
	close(fd);

	fd = ok("open to change", open("f", O_RDWR));
	say("pwrite", pwrite(fd, "CHANGED", 7, 150000));
	memcpy(data + 150000, "CHANGED", 7);
	v[0] = (struct iovec){ (void *)"ab", 2 };
	v[1] = (struct iovec){ (void *)"cde", 3 };
	lseek(fd, 10, SEEK_SET);
	say("writev", writev(fd, v, 2));
	say("pwritev", pwritev(fd, v, 2, 299990));
	memcpy(data + 10, "abcde", 5);
	memcpy(data + 299990, "abcde", 5);
	say("position", lseek(fd, 0, SEEK_CUR));
	close(fd);
	fd = open("f", O_RDONLY);
	say("read", read(fd, back, sizeof(back)));
	printf("equal: %d\n", memcmp(data, back, SIZE) == 0);
	close(fd);

	fd = ok("sparse", open("s", O_RDWR | O_CREAT, 0644));
	say("seek far", lseek(fd, 200000, SEEK_SET));
	say("write", write(fd, "end", 3));
	close(fd);
	size_of("s");
	fd = open("s", O_RDONLY);
	say("read", read(fd, back, sizeof(back)));
	printf("sum: %lu\n", checksum(back, 200003));
	close(fd);
	return 0;
}
