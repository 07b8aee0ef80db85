/* Bytes that travel in the kernel: sendfile, copy_file_range, splice. Short counts are repeated. */
#include "probe.h"

#include <sys/sendfile.h>

#define SIZE 300000

static void fill(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char *p = malloc(SIZE);

	for (int i = 0; i < SIZE; i++)
		p[i] = (char)(i * 7 % 251);
	say("fill", write(fd, p, SIZE));
	free(p);
	close(fd);
}

static void hash(const char *name)
{
	int fd = open(at(name), O_RDONLY);
	unsigned h = 0;
	char buf[4096];
	long total = 0;

	for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0; total += n)
		for (ssize_t i = 0; i < n; i++)
			h = h * 31 + (unsigned char)buf[i];
	printf("%s: %ld bytes, hash %u\n", name, total, h);
	close(fd);
}

int main(int argc, char **argv)
{
	off_t off = 1000;
	int in, out, p[2];
	long n, total;
	char buf[8];

	probe_begin(argc, argv);
	in = open(at(""), O_RDONLY);
	say("sendfile from a folder to a folder", sendfile(in, in, NULL, 10));
	say("readahead of a folder", readahead(in, 0, 10));
	pipe(p);
	say("splice from a folder", splice(in, NULL, p[1], NULL, 10, SPLICE_F_NONBLOCK));
	close(p[0]);
	close(p[1]);
	close(in);
	fill("in");
	in = open(at("in"), O_RDONLY);
	out = open(at("sent"), O_WRONLY | O_CREAT, 0644);
	for (total = 0; (n = sendfile(out, in, NULL, 100000)) > 0; total += n)
		;
	say("sendfile", n < 0 ? n : total);
	say("in's offset", lseek(in, 0, SEEK_CUR));
	say("sendfile at", sendfile(out, in, &off, 500));
	say("offset", off);
	say("in's offset", lseek(in, 0, SEEK_CUR));
	say("close", close(out));
	hash("sent");
	lseek(in, 0, SEEK_SET);
	out = open(at("ranged"), O_WRONLY | O_CREAT, 0644);
	for (total = 0; (n = copy_file_range(in, NULL, out, NULL, SIZE, 0)) > 0; total += n)
		;
	say("copy_file_range", n < 0 ? n : total);
	say("close", close(out));
	hash("ranged");
	say("copy to rdonly", copy_file_range(in, &off, in, NULL, 10, 0));
	say("sendfile to closed", sendfile(999, in, NULL, 10));
	say("pipe", pipe(p));
	off = 7;
	say("splice", splice(in, &off, p[1], NULL, 8, 0));
	say("read pipe", read(p[0], buf, 8));
	printf("got %d %d\n", (unsigned char)buf[0], (unsigned char)buf[7]);
	say("write pipe", write(p[1], "spliced", 7));
	out = open(at("spliced"), O_WRONLY | O_CREAT, 0644);
	say("splice in", splice(p[0], NULL, out, NULL, 7, 0));
	say("close", close(out));
	show("spliced");
	close(in);
	return 0;
}
