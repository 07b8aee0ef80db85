/* Threads that read one file by one descriptor, and write one each. */
#include "probe.h"

#include <pthread.h>

#define THREADS 8
#define BLOCK   4096
#define BLOCKS  256

static int shared;
static long wrong[THREADS], seen[THREADS];

static void *reader(void *arg)
{
	long me = (long)arg;
	char buf[BLOCK], name[32];
	int fd;

	for (int i = 0; i < BLOCKS; i++) {
		long block = (i * 37 + me * 11) % BLOCKS;
		if (pread(shared, buf, BLOCK, block * BLOCK) != BLOCK || buf[0] != (char)block ||
		    buf[BLOCK - 1] != (char)block)
			wrong[me]++;
	}
	while (read(shared, buf, BLOCK) == BLOCK)
		seen[me]++;
	snprintf(name, sizeof(name), "t%ld", me);
	fd = openat(AT_FDCWD, at(name), O_WRONLY | O_CREAT, 0644);
	if (write(fd, name, strlen(name)) < 0 || close(fd) < 0)
		wrong[me]++;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	char buf[BLOCK];
	long bad = 0, total = 0;

	probe_begin(argc, argv);
	shared = open(at("f"), O_RDWR | O_CREAT, 0644);
	for (int i = 0; i < BLOCKS; i++) {
		memset(buf, i, sizeof(buf));
		if (write(shared, buf, sizeof(buf)) != BLOCK)
			return 1;
	}
	close(shared);
	shared = open(at("f"), O_RDONLY);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, reader, (void *)i);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		bad += wrong[i];
		total += seen[i];
	}
	printf("wrong %ld, blocks read by the shared offset %ld\n", bad, total);
	show("t0");
	show("t7");
	return 0;
}
