/* read, write, lseek: the offset, the end, sparse places. */
#include "probe.h"

int main(int argc, char **argv)
{
	char buf[64] = { 0 };
	int fd;

	probe_begin(argc, argv);
	fd = say_ok("open", open(at("f"), O_RDWR | O_CREAT | O_TRUNC, 0644));
	say("write", write(fd, "0123456789", 10));
	say("lseek cur", lseek(fd, 0, SEEK_CUR));
	say("read at end", read(fd, buf, 10));
	say("lseek set 3", lseek(fd, 3, SEEK_SET));
	say("read 4", read(fd, buf, 4));
	printf("got %.4s\n", buf);
	say("lseek cur -2", lseek(fd, -2, SEEK_CUR));
	say("write over", write(fd, "xy", 2));
	say("lseek end -1", lseek(fd, -1, SEEK_END));
	say("read past end", read(fd, buf, 10));
	say("lseek before 0", lseek(fd, -1, SEEK_SET));
	say("lseek whence", lseek(fd, 0, 99));
	say("lseek past end", lseek(fd, 20, SEEK_SET));
	say("read past end", read(fd, buf, 10));
	say("write past end", write(fd, "end", 3));
	say("lseek end", lseek(fd, 0, SEEK_END));
	say("seek data", lseek(fd, 0, SEEK_DATA));
	say("seek data past end", lseek(fd, 23, SEEK_DATA));
	say("write 0", write(fd, "", 0));
	say("close", close(fd));
	say("read closed", read(fd, buf, 1));
	say("write closed", write(fd, buf, 1));
	say("lseek closed", lseek(fd, 0, SEEK_SET));
	show("f");
	fd = say_ok("open other", open(at("f"), O_RDONLY));
	int two = say_ok("open twice", open(at("f"), O_RDONLY));
	say("read one", read(fd, buf, 5));
	say("offset two", lseek(two, 0, SEEK_CUR));
	say("bad address", read(fd, NULL, 4));
	close(two);
	close(fd);
	fd = open(at("big"), O_RDWR | O_CREAT, 0644);
	long sum = 0;
	for (int i = 0; i < 3000; i++) {
		char block[1024];
		memset(block, 'a' + i % 26, sizeof(block));
		sum += write(fd, block, sizeof(block));
	}
	say("write 3000 KiB", sum);
	lseek(fd, 0, SEEK_SET);
	unsigned hash = 0;
	char block[7777];
	for (ssize_t n; (n = read(fd, block, sizeof(block))) > 0;)
		for (ssize_t i = 0; i < n; i++)
			hash = hash * 31 + (unsigned char)block[i];
	printf("hash %u\n", hash);
	say("close", close(fd));
	return 0;
}
