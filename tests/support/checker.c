/*
 * checker.c - reads and writes files whose content tells object, version and offset, and says what was wrong.
 *
 *   checker make OBJECT VERSION BYTES         the content of one, on stdout
 *   checker run FOLDER OBJECTS BYTES READS    files r1, r2, .. of FOLDER are read by many threads in many ways, until
 *                                             READS reads were made; w1, w2, .. are written too, each by one thread.
 *                                             On stdout: reads made, ESTALEs met. Exit status: 0 if no byte was wrong
 *
 * Every aligned 8 bytes are a word: object, version and number of the word. Other files than a writer's may be replaced
 * meanwhile: then a reader sees one version alone from open to close, or ESTALE.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READERS  6
#define WRITERS  2
#define READ_MAX 200000

static const char *folder;
static unsigned objects;
static uint64_t size, wanted;
static _Atomic uint64_t reads, stale;
static _Atomic int wrong;

static uint64_t word(unsigned object, unsigned version, uint64_t off)
{
	return (uint64_t)object << 56 | (uint64_t)version << 40 | off >> 3;
}

static void complain(const char *what, const char *name, uint64_t off, uint64_t found)
{
	if (wrong++ < 20)
		printf("wrong: %s: %s at %llu: %016llx (errno %d)\n", name, what, (unsigned long long)off,
		       (unsigned long long)found, errno);
}

static unsigned next(unsigned *r)
{
	*r = *r * 1664525 + 1013904223;
	return *r >> 4;
}

/* One open file. version 0: not known yet, UINT32_MAX: any. */
struct file {
	int fd;
	unsigned object, version;
	char name[256];
};

static void check(struct file *f, const unsigned char *bytes, uint64_t off, size_t n)
{
	for (uint64_t at = (off + 7) & ~7ull; at + 8 <= off + n; at += 8) {
		uint64_t w;
		unsigned version;

		memcpy(&w, bytes + (at - off), sizeof(w));
		version = w >> 40 & 0xffff;
		if (f->version == 0)
			f->version = version;
		if (version == 0 || w != word(f->object, version, at) ||
		    (f->version != UINT32_MAX && version != f->version)) {
			complain("a wrong word", f->name, at, w);
			return;
		}
	}
}

/* Return: 0: go on; 1: the object has changed, close it. */
static int came(struct file *f, const unsigned char *buf, uint64_t off, size_t want, ssize_t n)
{
	reads++;
	if (n < 0 && errno == ESTALE) {
		stale++;
		return 1;
	}
	if (n < 0 || (size_t)n > want || ((size_t)n < want && off + (size_t)n != size))
		complain("a short read", f->name, off, (uint64_t)n);
	else
		check(f, buf, off, (size_t)n);
	return n < 0;
}

static int by_position(struct file *f, unsigned char *buf, unsigned *r)
{
	int rc = 0;

	for (int i = 0; i < 30 && !rc; i++) {
		uint64_t off = (uint64_t)next(r) * 16 % size;
		size_t n = next(r) % 4 ? next(r) % 5000 + 1 : next(r) % READ_MAX + 1;

		rc = came(f, buf, off, n, pread(f->fd, buf, n, (off_t)off));
	}
	return rc;
}

static int along(struct file *f, unsigned char *buf, unsigned *r, int step)
{
	uint64_t off = (uint64_t)next(r) * 16 % size;
	size_t n = next(r) % 60000 + 1;
	int rc = 0;

	if (lseek(f->fd, (off_t)off, SEEK_SET) < 0)
		complain("lseek", f->name, off, 0);
	for (int i = 0; i < 40 && !rc && off < size; i++) {
		rc = came(f, buf, off, n, read(f->fd, buf, n));
		off += (uint64_t)((long)n * step);
		if (step != 1 && (off >= size || lseek(f->fd, (off_t)off, SEEK_SET) < 0))
			break;
	}
	return rc;
}

static int mapped(struct file *f, unsigned *r)
{
	uint64_t off = next(r) % size & ~4095ull;
	size_t n = next(r) % READ_MAX + 1;
	void *at;

	n = n < size - off ? n : size - off;
	at = mmap(NULL, n, PROT_READ, MAP_SHARED, f->fd, (off_t)off);
	if (at == MAP_FAILED)
		return came(f, NULL, off, n, -1);
	(void)came(f, at, off, n, (ssize_t)n);
	munmap(at, n);
	return 0;
}

static int advised(struct file *f, unsigned char *buf, unsigned *r)
{
	static const int advice[] = { POSIX_FADV_NORMAL, POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM, POSIX_FADV_WILLNEED,
				      POSIX_FADV_DONTNEED };

	if (posix_fadvise(f->fd, (off_t)(next(r) % size), next(r) % (1 << 20), advice[next(r) % 5]) != 0)
		complain("posix_fadvise", f->name, 0, 0);
	return along(f, buf, r, next(r) % 2 ? 1 : -1);
}

static void *reader(void *arg)
{
	unsigned r = (unsigned)(uintptr_t)arg * 7919 + 11;
	unsigned char *buf = malloc(READ_MAX);

	while (reads < wanted && wrong < 20) {
		unsigned writers = next(&r) % 5 == 0;
		struct file f = { .object = next(&r) % (writers ? WRITERS : objects) + 1 };

		f.version = writers ? UINT32_MAX : 0;
		(void)snprintf(f.name, sizeof(f.name), "%s/%c%u", folder, writers ? 'w' : 'r', f.object);
		f.object += writers ? 100 : 0;
		f.fd = open(f.name, O_RDONLY | O_CLOEXEC);
		if (f.fd < 0) {
			complain("open", f.name, 0, 0);
			continue;
		}
		for (int rc = 0, i = 0; !rc && i < 8; i++) {
			switch (next(&r) % 6) {
			case 0:
				rc = mapped(&f, &r);
				break;
			case 1:
				rc = along(&f, buf, &r, 1);
				break;
			case 2:
				rc = along(&f, buf, &r, next(&r) % 2 ? 3 : -1);
				break;
			case 3:
				rc = advised(&f, buf, &r);
				break;
			default:
				rc = by_position(&f, buf, &r);
			}
		}
		close(f.fd);
	}
	free(buf);
	return NULL;
}

/* Its own file: what it wrote is there when it looks again, and nothing else is. */
static void *writer(void *arg)
{
	unsigned object = (unsigned)(uintptr_t)arg, r = object * 31, version = 1;
	uint16_t *versions = malloc(size / 8 * sizeof(*versions));
	uint64_t *words = malloc(READ_MAX);
	char name[256];

	for (uint64_t i = 0; i < size / 8; i++)
		versions[i] = 1;
	(void)snprintf(name, sizeof(name), "%s/w%u", folder, object);
	while (reads < wanted && wrong < 20) {
		int fd = open(name, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			complain("open for writing", name, 0, 0);
		version = version % 60000 + 1;
		for (int i = 0; fd >= 0 && i < 20; i++) {
			uint64_t at = next(&r) % (size / 8), n = next(&r) % (READ_MAX / 8 / 8) + 1;

			n = n < size / 8 - at ? n : size / 8 - at;
			for (uint64_t k = 0; k < n; k++) {
				words[k] = word(object + 100, version, (at + k) * 8);
				versions[at + k] = (uint16_t)version;
			}
			if (pwrite(fd, words, n * 8, (off_t)(at * 8)) != (ssize_t)(n * 8))
				complain("write", name, at * 8, 0);
			at = next(&r) % (size / 8);
			n = n < size / 8 - at ? n : size / 8 - at;
			if (pread(fd, words, n * 8, (off_t)(at * 8)) != (ssize_t)(n * 8))
				complain("read of what was written", name, at * 8, 0);
			for (uint64_t k = 0; k < n; k++)
				if (words[k] != word(object + 100, versions[at + k], (at + k) * 8))
					complain("not what was written", name, (at + k) * 8, words[k]);
			reads++;
		}
		if (fd >= 0 && close(fd) < 0)
			complain("close", name, 0, 0);
		usleep(20000);
	}
	free(versions);
	free(words);
	return NULL;
}

static int run(void)
{
	pthread_t t[READERS + WRITERS];

	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&t[i], NULL, reader, (void *)i);
	for (uintptr_t i = 0; i < WRITERS; i++)
		pthread_create(&t[READERS + i], NULL, writer, (void *)(i + 1));
	for (int i = 0; i < READERS + WRITERS; i++)
		pthread_join(t[i], NULL);
	printf("%llu %llu\n", (unsigned long long)reads, (unsigned long long)stale);
	return wrong != 0;
}

static int make(unsigned object, unsigned version, uint64_t bytes)
{
	for (uint64_t off = 0; off < bytes; off += 8) {
		uint64_t w = word(object, version, off);

		if (fwrite(&w, 1, bytes - off < 8 ? bytes - off : 8, stdout) == 0)
			return 1;
	}
	return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "make") == 0)
		return make((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]), strtoull(argv[4], NULL, 10));
	if (argc != 6 || strcmp(argv[1], "run") != 0)
		return 2;
	folder = argv[2];
	objects = (unsigned)atoi(argv[3]);
	size = strtoull(argv[4], NULL, 10);
	wanted = strtoull(argv[5], NULL, 10);
	return run();
}
