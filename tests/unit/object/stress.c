/*
 * Many programs on a few objects at once, on the fake bucket: readers that must never see a byte that is not some
 * version's, from a cache that is too small too, writers that keep to stripes of their own, fsync, closes, truncates, unlinks, renames and a failing
 * server. A plain program, so that it can be built with any sanitizer. Usage: object_stress [rounds]
 */
#include "bench.h"

#include "base/util.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SIZE    (MIB(6) + 777)
#define STRIPES 4
#define STRIPE  (SIZE / STRIPES)

static int rounds = 60;
static _Atomic int wrong;

static void complain(const char *what, long a, long b)
{
	fprintf(stderr, "stress: %s (%ld, %ld)\n", what, a, b);
	wrong++;
}

static unsigned next(unsigned *r)
{
	*r = *r * 1664525 + 1013904223;
	return *r >> 8;
}

/* Every byte of a stripe is the stripe's number times 50 plus a small version, never 0. */
static void fill_stripe(char *to, size_t len, unsigned stripe, unsigned version)
{
	memset(to, (int)(1 + stripe * 50 + version % 50), len);
}

static void *reader(void *arg)
{
	unsigned r = (unsigned)(uintptr_t)arg * 77777 + 1;
	char buf[5000];

	for (int i = 0; i < rounds; i++) {
		struct prog p;

		if (prog_open(&p, "shared", OBJECT_READ, O_RDONLY) < 0) {
			complain("open for reading", i, 0);
			continue;
		}
		for (int k = 0; k < 20; k++) {
			uint64_t off = next(&r) % (SIZE - sizeof(buf));
			int n = prog_read(&p, buf, sizeof(buf), off);

			if (n < 0 && n != -ESTALE)
				complain("read", n, (long)off);
			for (int b = 0; b < n; b++) {
				unsigned stripe = (unsigned)((off + (uint64_t)b) / STRIPE), v = (unsigned char)buf[b];

				stripe = stripe < STRIPES ? stripe : STRIPES - 1;
				if (v < 1 + stripe * 50 || v > 50 + stripe * 50) {
					complain("a byte that nobody wrote", (long)off + b, (long)v);
					break;
				}
			}
		}
		prog_close(&p);
	}
	return NULL;
}

static unsigned last_version[STRIPES];

static void *writer(void *arg)
{
	unsigned stripe = (unsigned)(uintptr_t)arg, r = stripe * 999 + 5, version = 0;
	char buf[3000];

	for (int i = 0; i < rounds; i++) {
		struct prog p;
		int status;

		if (prog_open(&p, "shared", OBJECT_WRITE, O_RDWR) < 0) {
			complain("open for writing", i, 0);
			continue;
		}
		version++;
		for (uint64_t off = stripe * STRIPE; off < (stripe + 1) * STRIPE; off += sizeof(buf) * 100) {
			fill_stripe(buf, sizeof(buf), stripe, version);
			status = prog_write(&p, buf, min_u64(sizeof(buf), (stripe + 1) * STRIPE - off), off);
			if (status < 0)
				complain("write", status, (long)off);
		}
		if (next(&r) % 4 == 0 && (status = object_sync(p.o, NULL)) < 0)
			complain("fsync", status, i);
		status = prog_close(&p);
		if (status < 0)
			complain("close", status, i);
	}
	last_version[stripe] = version;
	return NULL;
}

/* Files of its own: made, cut, renamed, unlinked. */
static void *churn(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg, r = id * 31 + 7;
	cleanup_free char *data = bench_bytes(MIB(2), id);
	char key[64], other[64];

	for (int i = 0; i < rounds; i++) {
		struct object_name to;
		struct prog p;
		size_t len = next(&r) % MIB(2) + 1;
		bool renamed = false, unlinked = false;

		snprintf(key, sizeof(key), "own-%u-%d", id, i);
		snprintf(other, sizeof(other), "moved-%u-%d", id, i);
		if (prog_open(&p, key, OBJECT_WRITE, O_RDWR) < 0) {
			complain("making a file", i, 0);
			continue;
		}
		if (prog_write(&p, data, len, 0) != (int)len)
			complain("writing a file", i, 0);
		if (next(&r) % 3 == 0) {
			len = next(&r) % len + 1;
			if (object_truncate(p.o, len, NULL) < 0)
				complain("cutting a file", i, 0);
		}
		to = bench_name(other);
		renamed = next(&r) % 3 == 0 && object_rename(p.o, &to, NULL, NULL) == 0;
		unlinked = next(&r) % 5 == 0 && object_forget(p.o, NULL) == 0;
		if (prog_close(&p) < 0)
			complain("closing a file", i, 0);
		if (!unlinked && !fake_is(renamed ? other : key, data, len))
			complain("what was uploaded differs", i, (long)len);
		if (unlinked && (fake_has(key) || fake_has(other)))
			complain("an unlinked file was uploaded", i, 0);
	}
	return NULL;
}

static void check_end(void)
{
	cleanup_free char *buf = malloc(SIZE);
	struct prog p;

	if (prog_open(&p, "shared", OBJECT_READ, O_RDONLY) < 0 || prog_read(&p, buf, SIZE, 0) != (int)SIZE) {
		complain("reading the end", 0, 0);
		return;
	}
	if (!fake_is("shared", buf, SIZE))
		complain("the object is not what the file is", 0, 0);
	for (unsigned s = 0; s < STRIPES; s++)
		if ((unsigned char)buf[s * STRIPE] != 1 + s * 50 + last_version[s] % 50)
			complain("a write was lost", (long)s, (long)(unsigned char)buf[s * STRIPE]);
	prog_close(&p);
}

/* Readers of more than the cache holds, so that blocks are dropped under them all the time. */
#define CACHED_OBJECTS 3
#define CACHED_BYTES   (MIB(3) + 1234)

static void *cached_reader(void *arg)
{
	unsigned r = (unsigned)(uintptr_t)arg * 991 + 3;
	char buf[30000], key[8];

	for (int i = 0; i < rounds / 10; i++) {
		unsigned which = next(&r) % CACHED_OBJECTS;
		uint64_t off = next(&r) % CACHED_BYTES;
		struct prog p;

		(void)snprintf(key, sizeof(key), "c%u", which);
		if (prog_open(&p, key, OBJECT_READ, O_RDONLY) < 0) {
			complain("open for reading", i, 0);
			continue;
		}
		for (int k = 0; k < 40; k++) {
			size_t len = min_u64(next(&r) % sizeof(buf) + 1, CACHED_BYTES - off);
			int n = prog_read(&p, buf, len, off);

			if (n != (int)len)
				complain("read", n, (long)off);
			for (int b = 0; b < n; b++) {
				if ((unsigned char)buf[b] != bench_byte(which, off + (uint64_t)b)) {
					complain("a wrong byte", (long)off + b, (long)buf[b]);
					break;
				}
			}
			off = next(&r) % 2 && off + len < CACHED_BYTES ? off + len : next(&r) % CACHED_BYTES;
		}
		prog_close(&p);
	}
	return NULL;
}

static void cached(bool memory)
{
	struct object_store_config config = { .memory_max = MIB(1) };
	pthread_t t[6];
	char key[8];

	if (memory)
		bench_open_memory(&config);
	else
		bench_open(&config);
	for (unsigned i = 0; i < CACHED_OBJECTS; i++) {
		(void)snprintf(key, sizeof(key), "c%u", i);
		bench_make(key, CACHED_BYTES, i);
	}
	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, cached_reader, (void *)i);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	bench_close();
}

int main(int argc, char **argv)
{
	cleanup_free char *data = malloc(SIZE);
	pthread_t t[2 * STRIPES + 2];
	unsigned n = 0;

	if (argc > 1)
		rounds = atoi(argv[1]);
	bench_open(&(struct object_store_config){ .memory_max = MIB(64) });
	for (unsigned s = 0; s < STRIPES; s++)
		fill_stripe(data + s * STRIPE, s + 1 == STRIPES ? SIZE - s * STRIPE : STRIPE, s, 0);
	fake_put("shared", data, SIZE);
	for (uintptr_t i = 0; i < STRIPES; i++) {
		pthread_create(&t[n++], NULL, reader, (void *)i);
		pthread_create(&t[n++], NULL, writer, (void *)i);
	}
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[n++], NULL, churn, (void *)i);
	while (n)
		pthread_join(t[--n], NULL);
	check_end();
	if (object_store_drain(bench.store, true, NULL, NULL) != 0)
		complain("an upload failed", 0, 0);
	bench_close();
	cached(false);
	cached(true);
	printf("stress: %d rounds, %d wrong\n", rounds, (int)wrong);
	return wrong != 0;
}
