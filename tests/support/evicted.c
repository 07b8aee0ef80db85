/*
 * evicted.c - reads and writes objects whose blocks vanish all the time (evicting_broker.py), and says what was wrong.
 * Usage: evicted THREADS|OFFSET|FORKED|WRITES|KERNEL|STREAMS in lower case. Exit status: 0 if every byte was right.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER  "/evicting/"
#define THREADS 4

static int fd;
static _Atomic int wrong;

static void check(int ok, const char *what)
{
	if (ok)
		return;
	wrong++;
	printf("wrong: %s (errno %d)\n", what, errno);
}
#define CHECK(x) check(x, #x)

static unsigned char expected(uint64_t off)
{
	uint64_t word = (off >> 3) * 0x9E3779B97F4A7C15ull | 1;

	return (unsigned char)(word >> (off & 7) * 8);
}

static int good(const unsigned char *bytes, uint64_t off, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != expected(off + i))
			return 0;
	return 1;
}

static void in_threads(void *(*f)(void *))
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, f, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

/* ---- positional reads, descriptors copied and closed, signals whose handler reads too ---- */

static void on_alarm(int signal)
{
	unsigned char buf[100];
	int saved = errno;

	(void)signal;
	if (pread(fd, buf, sizeof(buf), 5000) != sizeof(buf) || !good(buf, 5000, sizeof(buf)))
		wrong++;
	errno = saved;
}

static void *read_anywhere(void *arg)
{
	unsigned r = (unsigned)(uintptr_t)arg * 7919 + 1;
	unsigned char buf[20000];
	char name[64];

	for (int i = 0; i < 200; i++) {
		int f, copy;
		(void)snprintf(name, sizeof(name), FOLDER "t%d_400000", i % 4);
		f = open(name, O_RDONLY | O_CLOEXEC);
		copy = dup(f);
		CHECK(f >= 0 && copy >= 0 && close(f) == 0);
		for (int k = 0; k < 10; k++) {
			r = r * 1664525 + 1013904223;
			uint64_t off = r % 380000;
			size_t n = r / 7 % sizeof(buf) + 1;
			CHECK(pread(copy, buf, n, (off_t)off) == (ssize_t)n && good(buf, off, n));
		}
		CHECK(close(copy) == 0);
	}
	return NULL;
}

static void test_threads(void)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	fd = open(FOLDER "signal_100000", O_RDONLY);
	sigaction(SIGALRM, &sa, NULL);
	ualarm(1000, 1000);
	in_threads(read_anywhere);
	ualarm(0, 0);
}

/* ---- one offset ---- */

#define SHARED_BYTES 4194304

static _Atomic uint64_t shared_sum;

/* Which part it got is chance, but every word of it is odd, and the parts are the whole. */
static void *read_along(void *arg)
{
	uint64_t words[512];
	ssize_t n;

	(void)arg;
	while ((n = read(fd, words, sizeof(words))) > 0) {
		shared_sum += (uint64_t)n;
		for (ssize_t i = 0; i < n / 8; i++)
			if (!(words[i] & 1))
				wrong++;
	}
	return NULL;
}

static void test_offset(void)
{
	fd = open(FOLDER "offset_4194304", O_RDONLY);
	in_threads(read_along);
	CHECK(shared_sum == SHARED_BYTES);
}

static void test_forked(void)
{
	int parts[2], status;
	uint64_t part, sum = 0;

	fd = open(FOLDER "forked_4194304", O_RDONLY);
	CHECK(pipe(parts) == 0);
	for (int i = 0; i < THREADS; i++)
		if (fork() == 0) {
			read_along(NULL);
			part = shared_sum;
			CHECK(write(parts[1], &part, sizeof(part)) == sizeof(part));
			_exit(wrong != 0);
		}
	for (int i = 0; i < THREADS; i++) {
		CHECK(wait(&status) > 0 && status == 0);
		CHECK(read(parts[0], &part, sizeof(part)) == sizeof(part));
		sum += part;
	}
	CHECK(sum == SHARED_BYTES);
}

/* ---- writes ---- */

static void test_writes(void)
{
	static unsigned char buf[600000];
	int f = open(FOLDER "w_500000", O_RDWR), copy;

	CHECK(pwrite(f, "ABC", 3, 100000) == 3);
	CHECK(lseek(f, 200000, SEEK_SET) == 200000 && write(f, "DEF", 3) == 3 && lseek(f, 0, SEEK_CUR) == 200003);
	usleep(20000);
	CHECK(pread(f, buf, sizeof(buf), 0) == 500000);
	CHECK(memcmp(buf + 100000, "ABC", 3) == 0 && memcmp(buf + 200000, "DEF", 3) == 0);
	CHECK(good(buf, 0, 100000) && good(buf + 100003, 100003, 99997) && good(buf + 200003, 200003, 299997));
	CHECK(lseek(f, 5, SEEK_HOLE) == 500000 && lseek(f, 5, SEEK_DATA) == 5);
	CHECK(ftruncate(f, 1000) == 0 && ftruncate(f, 2000) == 0 && pread(f, buf, sizeof(buf), 0) == 2000);
	CHECK(good(buf, 0, 1000) && buf[1000] == 0 && buf[1999] == 0);
	CHECK(close(f) == 0);

	f = open(FOLDER "append_500000", O_WRONLY | O_APPEND);
	CHECK(write(f, "END", 3) == 3 && close(f) == 0);
	f = open(FOLDER "append_500000", O_RDONLY);
	CHECK(pread(f, buf, sizeof(buf), 0) == 500003 && good(buf, 0, 500000) && memcmp(buf + 500000, "END", 3) == 0);
	CHECK(close(f) == 0);

	/* The last descriptor's close tells how the upload went. */
	f = open(FOLDER "fails", O_WRONLY | O_CREAT, 0600);
	copy = dup(f);
	CHECK(close(f) == 0);
	CHECK(close(copy) == -1 && errno == EIO && fcntl(copy, F_GETFD) == -1);
}

/* ---- who reads without a hook ---- */

static void test_kernel(void)
{
	static unsigned char buf[900000];
	int f = open(FOLDER "map_700000", O_RDWR), out = open("/tmp", O_TMPFILE | O_RDWR, 0600), ends[2];
	unsigned char *map = mmap(NULL, 700000, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	off_t from = 100, to = 0;

	usleep(20000);
	CHECK(map != MAP_FAILED && good(map, 0, 700000));
	map[5] = 'x';
	CHECK(msync(map, 700000, MS_SYNC) == 0 && munmap(map, 700000) == 0 && close(f) == 0);

	f = open(FOLDER "send_900000", O_RDONLY);
	CHECK(sendfile(out, f, NULL, 900000) == 900000 && lseek(f, 0, SEEK_CUR) == 900000);
	CHECK(pread(out, buf, 900000, 0) == 900000 && good(buf, 0, 900000));
	CHECK(copy_file_range(f, &from, out, &to, 500000, 0) == 500000 && from == 500100 && to == 500000);
	CHECK(pread(out, buf, 500000, 0) == 500000 && good(buf, 100, 500000));
	from = 70000;
	CHECK(pipe(ends) == 0 && splice(f, &from, ends[1], NULL, 4096, 0) == 4096);
	CHECK(read(ends[0], buf, 4096) == 4096 && good(buf, 70000, 4096));
}

static void test_streams(void)
{
	static unsigned char buf[200000];
	FILE *f = fopen(FOLDER "small_100000", "r");

	usleep(20000);
	CHECK(f && fread(buf, 1, sizeof(buf), f) == 100000 && good(buf, 0, 100000) && fclose(f) == 0);
	f = fopen(FOLDER "large_70000000", "rb");
	CHECK(f && fileno(f) >= 0 && fseek(f, 50000000, SEEK_SET) == 0 && fread(buf, 1, sizeof(buf), f) == sizeof(buf));
	CHECK(good(buf, 50000000, sizeof(buf)) && ftell(f) == 50200000);
	CHECK(fseek(f, -10, SEEK_END) == 0 && fread(buf, 1, 100, f) == 10 && feof(f) && good(buf, 69999990, 10));
	CHECK(fclose(f) == 0);
	f = fopen(FOLDER "update_100000", "r+");
	CHECK(f && fseek(f, 50000, SEEK_SET) == 0 && fwrite("zz", 1, 2, f) == 2 && fclose(f) == 0);
	f = fopen("/dev/null", "w");
	CHECK(freopen(FOLDER "update_100000", "r", f) == f && fread(buf, 1, sizeof(buf), f) == 100000);
	CHECK(memcmp(buf + 50000, "zz", 2) == 0 && good(buf, 0, 50000) && good(buf + 50002, 50002, 49998));
	CHECK(fclose(f) == 0);
	f = fopen(FOLDER "fails", "w");
	CHECK(f && fputs("x", f) >= 0 && fclose(f) == EOF && errno == EIO);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(void);
	} tests[] = {
		{ "threads", test_threads }, { "offset", test_offset }, { "forked", test_forked },
		{ "writes", test_writes },   { "kernel", test_kernel }, { "streams", test_streams },
	};

	for (size_t i = 0; argc == 2 && i < sizeof(tests) / sizeof(tests[0]); i++)
		if (strcmp(argv[1], tests[i].name) == 0) {
			tests[i].test();
			return wrong != 0;
		}
	return 2;
}
