/* Threads that read and write the same files at once. */
#include "probe.h"

#include <pthread.h>

#define SIZE    (1 << 20)
#define THREADS 4

static unsigned char data[SIZE];
static int fd;
static int wrong[THREADS];

static void *reader(void *arg)
{
	long me = (long)arg;
	unsigned char buf[5000];
	unsigned seed = (unsigned)me + 1;

	for (int i = 0; i < 300; i++) {
		off_t off = (off_t)((seed = seed * 1664525 + 1013904223) >> 8) % (SIZE - (int)sizeof(buf));
		ssize_t n = pread(fd, buf, sizeof(buf), off);
		if (n != (ssize_t)sizeof(buf) || memcmp(buf, data + off, sizeof(buf)) != 0)
			wrong[me]++;
	}
	return NULL;
}

static void *writer(void *arg)
{
	long me = (long)arg;

	for (size_t off = (size_t)me * (SIZE / THREADS); off < (size_t)(me + 1) * (SIZE / THREADS); off += 4096)
		if (pwrite(fd, data + off, 4096, (off_t)off) != 4096)
			wrong[me]++;
	return NULL;
}

static void run(const char *what, void *(*work)(void *))
{
	pthread_t t[THREADS];

	memset(wrong, 0, sizeof(wrong));
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("%s: wrong %d %d %d %d\n", what, wrong[0], wrong[1], wrong[2], wrong[3]);
}

int main(int argc, char **argv)
{
	enter(argc, argv);
	fill(data, SIZE, 0);
	fd = open("f", O_RDWR | O_CREAT, 0644);
	run("write", writer);
	close(fd);
	size_of("f");
	fd = open("f", O_RDONLY);
	run("read", reader);
	close(fd);
	return 0;
}
