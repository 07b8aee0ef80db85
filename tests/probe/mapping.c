/* mmap: shared and private, read and written, and after the descriptor was closed. */
#include "probe.h"

#include <sys/mman.h>

#define SIZE 200000

int main(int argc, char **argv)
{
	static unsigned char data[SIZE];
	unsigned char *p;
	int fd;

	enter(argc, argv);
	fill(data, SIZE, 0);
	fd = open("f", O_RDWR | O_CREAT, 0644);
	say("write", write(fd, data, SIZE));
	close(fd);
	fd = open("f", O_RDONLY);
	p = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	ok("map private", p == MAP_FAILED ? -1 : 0);
	close(fd);
	printf("equal: %d\n", memcmp(p, data, SIZE) == 0);
	munmap(p, SIZE);
	fd = open("f", O_RDONLY);
	p = mmap(NULL, 5000, PROT_READ, MAP_SHARED, fd, 65536);
	ok("map in the middle", p == MAP_FAILED ? -1 : 0);
	printf("equal: %d\n", memcmp(p, data + 65536, 5000) == 0);
	munmap(p, 5000);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	p[0] = (unsigned char)~data[0];
	munmap(p, SIZE);
	ok("map read-only for writing",
	   mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	close(fd);
	fd = open("f", O_RDWR);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok("map shared", p == MAP_FAILED ? -1 : 0);
	memcpy(p + 100000, "MAPPED", 6);
	memcpy(data + 100000, "MAPPED", 6);
	say("msync", msync(p, SIZE, MS_SYNC));
	close(fd);
	memcpy(p + 10, "LATER", 5);
	memcpy(data + 10, "LATER", 5);
	say("munmap", munmap(p, SIZE));
	fd = open("f", O_RDONLY);
	p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	printf("equal: %d\n", memcmp(p, data, SIZE) == 0);
	munmap(p, SIZE);
	close(fd);
	fd = open("n", O_RDWR | O_CREAT, 0644);
	say("ftruncate", ftruncate(fd, 8192));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(p, "begin", 5);
	memcpy(p + 8187, "end..", 5);
	munmap(p, 8192);
	close(fd);
	size_of("n");
	return 0;
}
