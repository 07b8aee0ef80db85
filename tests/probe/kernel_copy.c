/* sendfile and copy_file_range: the kernel reads, nobody sees the bytes pass. */
#include "probe.h"

#include <sys/sendfile.h>

#define SIZE 300000

static unsigned char data[SIZE], back[SIZE + 1];

static void compare(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, back, sizeof(back));

	printf("%s: %ld bytes, equal %d\n", path, (long)n, n == SIZE && memcmp(data, back, SIZE) == 0);
	close(fd);
}

static long copy_all(int in, int out, int by_range)
{
	long sum = 0, n;

	do {
		n = by_range ? copy_file_range(in, NULL, out, NULL, SIZE, 0) : sendfile(out, in, NULL, SIZE);
		if (n < 0)
			return n;
		sum += n;
	} while (n > 0);
	return sum;
}

int main(int argc, char **argv)
{
	char outside[] = "/tmp/probe-XXXXXX";
	off_t off = 1000;
	int in, out;

	enter(argc, argv);
	fill(data, SIZE, 0);
	in = open("f", O_RDWR | O_CREAT, 0644);
	say("write", write(in, data, SIZE));
	close(in);
	in = open("f", O_RDONLY);
	out = open("sent", O_WRONLY | O_CREAT, 0644);
	say("sendfile", copy_all(in, out, 0));
	close(out);
	compare("sent");
	lseek(in, 0, SEEK_SET);
	out = open("copied", O_WRONLY | O_CREAT, 0644);
	say("copy_file_range", copy_all(in, out, 1));
	close(out);
	compare("copied");
	out = mkstemp(outside);
	say("sendfile with an offset", sendfile(out, in, &off, 500));
	printf("offset %ld\n", (long)off);
	close(out);
	in = open(outside, O_RDONLY);
	say("read", read(in, back, sizeof(back)));
	printf("equal: %d\n", memcmp(back, data + 1000, 500) == 0);
	unlink(outside);
	return 0;
}
