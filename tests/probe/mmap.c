/* mmap: private, shared, written, beyond the end, after close. */
#include "probe.h"

#include <sys/mman.h>

#define SIZE (200 * 1024)

int main(int argc, char **argv)
{
	char *p, *q, tail[16] = { 0 };
	unsigned hash = 0;
	int fd;

	probe_begin(argc, argv);
	fd = open(at("f"), O_RDWR | O_CREAT, 0644);
	p = malloc(SIZE);
	for (int i = 0; i < SIZE; i++)
		p[i] = (char)('a' + i % 23);
	say("write", write(fd, p, SIZE));
	free(p);
	say("close", close(fd));
	fd = open(at("f"), O_RDONLY);
	p = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	say_ok("mmap private", p == MAP_FAILED ? -1 : 0);
	say("close", close(fd));
	for (int i = 0; i < SIZE; i++)
		hash = hash * 31 + (unsigned char)p[i];
	printf("hash %u\n", hash);
	say("munmap", munmap(p, SIZE));
	fd = open(at("f"), O_RDONLY);
	say_ok("mmap shared write of rdonly",
	       mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
	say_ok("mmap private write", p == MAP_FAILED ? -1 : 0);
	memcpy(p, "private", 7);
	pread(fd, tail, 7, 4096);
	printf("file has %.7s\n", tail);
	munmap(p, 4096);
	close(fd);
	fd = open(at("f"), O_RDWR);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say_ok("mmap shared", p == MAP_FAILED ? -1 : 0);
	memcpy(p + 100000, "SHARED", 6);
	say("pread sees it", pread(fd, tail, 6, 100000));
	printf("got %.6s\n", tail);
	say("pwrite", pwrite(fd, "FILE", 4, 50));
	printf("map has %.4s\n", p + 50);
	q = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	printf("second map has %.6s\n", q + 100000);
	munmap(q, SIZE);
	say("msync", msync(p, SIZE, MS_SYNC));
	say("close", close(fd));
	memcpy(p, "late", 4);
	say("munmap", munmap(p, SIZE));
	fd = open(at("f"), O_RDONLY);
	say("pread", pread(fd, tail, 6, 100000));
	printf("got %.6s\n", tail);
	close(fd);
	say_ok("mmap closed", mmap(NULL, 4096, PROT_READ, MAP_SHARED, 999, 0) == MAP_FAILED ? -1 : 0);
	fd = open(at("empty"), O_RDWR | O_CREAT, 0644);
	say("ftruncate", ftruncate(fd, 8192));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(p + 8, "grown", 5);
	munmap(p, 8192);
	say("ftruncate", ftruncate(fd, 13));
	say("close", close(fd));
	show("empty");
	return 0;
}
