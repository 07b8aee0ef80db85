/*
 * Many programs on a few objects at once, on the fake bucket: readers that must never see a byte that is not some
 * version's, from a cache that is too small too and from one that is spoiled, writers that keep to stripes of their own, fsync, closes, truncates, unlinks, renames and a failing
 * server. A plain program, so that it can be built with any sanitizer. Usage: object_stress [rounds]
 */
#include "bench.h"

#include "base/counters.h"
#include "base/util.h"
#include "cache/cache.h"

#include <dirent.h>
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

/* Read in order, so that the shared cache has it. */
static void into_shared(const char *key)
{
	cleanup_free char *buf = malloc(KIB(64));
	struct prog p;
	int n = 1;

	if (prog_open(&p, key, OBJECT_READ, O_RDONLY) < 0) {
		complain("open for reading", 0, 0);
		return;
	}
	for (uint64_t off = 0; n > 0; off += (uint64_t)n)
		n = prog_read(&p, buf, KIB(64), off);
	(void)object_store_drain(bench.store, false, NULL, NULL);
	prog_close(&p);
}

/* A disk that spoils what the shared cache has, one entry after another, while it is read. */
static unsigned spoil(const char *folder, unsigned most)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	while (dir && n < most && (e = readdir(dir))) {
		cleanup_close int fd =
		    strlen(e->d_name) == 64 ? openat(dirfd(dir), e->d_name, O_WRONLY | O_CLOEXEC) : -1;

		for (off_t at = 4096; fd >= 0 && at < (off_t)CACHED_BYTES; at += 300000)
			if (pwrite(fd, "spoiled", 7, at) != 7)
				complain("spoiling", (long)at, 0);
		n += fd >= 0;
	}
	if (dir)
		closedir(dir);
	return n;
}

static void *damager(void *arg)
{
	for (unsigned n = 2; n <= CACHED_OBJECTS; n++) {
		usleep(20000);
		(void)spoil(arg, n);
	}
	return NULL;
}

static void cached(bool memory, struct cache *shared, char *folder)
{
	struct object_store_config config = { .memory_max = MIB(1), .cache = shared };
	pthread_t t[6], spoiler;
	char key[8];

	if (memory)
		bench_open_memory(&config);
	else
		bench_open(&config);
	for (unsigned i = 0; i < CACHED_OBJECTS; i++) {
		(void)snprintf(key, sizeof(key), "c%u", i);
		bench_make(key, CACHED_BYTES, i);
		if (shared)
			into_shared(key);
	}
	if (shared && !spoil(folder, 1))
		complain("nothing is in the shared cache", 0, 0);
	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, cached_reader, (void *)i);
	if (shared)
		pthread_create(&spoiler, NULL, damager, folder);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	if (shared)
		pthread_join(spoiler, NULL);
	bench_close();
}

static void shared_cache(void)
{
	char folder[64] = "/var/tmp/s3shim-stress-XXXXXX", command[96];
	struct cache *shared;

	if (!mkdtemp(folder) || cache_open_folder(folder, MIB(16), &shared, NULL) < 0) {
		complain("a shared cache", errno, 0);
		return;
	}
	cached(false, shared, folder);
	if (counter_get(COUNTER_shared_cache_stored_bytes) < CACHED_OBJECTS * CACHED_BYTES ||
	    !counter_get(COUNTER_shared_cache_hits) || !counter_get(COUNTER_shared_cache_thrown_away))
		complain("the shared cache was not used", (long)counter_get(COUNTER_shared_cache_stored_bytes),
			 (long)counter_get(COUNTER_shared_cache_thrown_away));
	cache_close(shared);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command) != 0)
		complain("rm", 0, 0);
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
	cached(false, NULL, NULL);
	cached(true, NULL, NULL);
	shared_cache();
	printf("stress: %d rounds, %d wrong\n", rounds, (int)wrong);
	return wrong != 0;
}
