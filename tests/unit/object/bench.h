/**
 * bench.h - a store on a fake bucket, and a program's calls as the shim makes them. For the tests of core/object alone.
 */
#ifndef S3SHIM_TESTS_OBJECT_BENCH_H
#define S3SHIM_TESTS_OBJECT_BENCH_H

#include "fake_s3.h"
#include "object/arena.h"
#include "object/object.h"
#include "object/watch.h"

#include <stdatomic.h>

struct bench {
	struct arena *arena;
	struct watch *watch;
	struct object_store *store;
	char cache[64], staging[96]; /* staging "" : in memory */
};
extern struct bench bench;
extern _Atomic int bench_idle, bench_committed; /* events so far */
extern struct object_events bench_events;

void bench_open(const struct object_store_config *config); /* staging on disk; zero fields: small sizes for tests */
void bench_open_memory(const struct object_store_config *config);
void bench_close(void);

struct object_name bench_name(const char *key);
/** bench_make() - an object on the server, of bytes that bench_byte() tells. */
void bench_make(const char *key, size_t size, unsigned seed);
unsigned char bench_byte(unsigned seed, uint64_t off);
char *bench_bytes(size_t size, unsigned seed); /* the same in memory, the caller's */

/** A program's open file. */
struct prog {
	struct object *o;
	struct readahead ra;
	struct object_range grant, claim;
	int fd;
	bool writable;
};
/* base: HEAD is asked for with the writing intents if the object is there. Return: 0 or -errno. */
int prog_open(struct prog *p, const char *key, enum object_intent intent, int flags);
int prog_read(struct prog *p, void *to, size_t len, uint64_t off); /* bytes, or -errno */
int prog_write(struct prog *p, const void *from, size_t len, uint64_t off);
int prog_close(struct prog *p); /* what the shim would return */
bool bench_becomes(_Atomic int *what, int at_least);

#endif
