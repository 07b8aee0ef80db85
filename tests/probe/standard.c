/* The standard streams on files: put there by dup2 and read and written by stdio, which no hook sees. */
#include "probe.h"

#define LINES 60000

static void make_lines(void)
{
	FILE *f = fopen(at("lines"), "w");

	for (int i = 0; f && i < LINES; i++)
		fprintf(f, "line %d of many\n", i);
	say("made", f ? fclose(f) : -1);
}

static void put_on(int fd, const char *path, int flags)
{
	int from = open(path, flags, 0644);

	dup2(from, fd);
	close(from);
}

int main(int argc, char **argv)
{
	unsigned long sum = 0, n = 0;
	int c, out;
	struct stat st;

	probe_begin(argc, argv);
	make_lines();
	put_on(0, at("lines"), O_RDONLY);
	while ((c = getchar()) != EOF) {
		sum = sum * 33 + (unsigned)c;
		n++;
	}
	printf("stdin: %lu bytes, sum %lu\n", n, sum & 0xffffffff);
	fflush(stdout);
	out = dup(1);
	put_on(1, at("out"), O_WRONLY | O_CREAT | O_TRUNC);
	for (int i = 0; i < 1000; i++)
		printf("to a file %d\n", i);
	fflush(stdout);
	put_on(1, at("out"), O_WRONLY | O_APPEND);
	printf("the end\n");
	fflush(stdout);
	dup2(out, 1);
	close(out);
	stat(at("out"), &st);
	say("size", st.st_size);
	return 0;
}
