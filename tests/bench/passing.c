/*
 * passing.c - what a foreign path costs: ns of open+close, of stat, and of a read of 4 KiB of a cached file, the best of
 * several rounds. Run with and without the preload by bench.py.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15
#define CALLS  20000

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void open_close(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || close(fd) < 0)
		exit(1);
}

static void stat_it(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		exit(1);
}

static int reads = -1;

static void read_it(const char *path)
{
	char buf[4096];

	if (reads < 0)
		reads = open(path, O_RDONLY);
	if (read(reads, buf, sizeof(buf)) != sizeof(buf) && lseek(reads, 0, SEEK_SET) < 0)
		exit(1);
}

static double best(void (*call)(const char *), const char *path)
{
	double least = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double began = now_ns(), took;

		for (int i = 0; i < CALLS; i++)
			call(path);
		took = (now_ns() - began) / CALLS;
		if (took < least)
			least = took;
	}
	return least;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	printf("{\"open_close_ns\": %.1f, \"stat_ns\": %.1f, \"read_4k_ns\": %.1f}\n", best(open_close, argv[1]),
	       best(stat_it, argv[1]), best(read_it, argv[1]));
	return 0;
}
