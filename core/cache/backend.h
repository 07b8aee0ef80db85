/**
 * backend.h - where entries of the cache lie: what cache.c asks of folder.c and onefile.c.
 *
 * A backend knows names (a hash) and regions (bytes in a file); what is in them is cache.c's. Threads: any; a region
 * belongs to one thread at a time.
 */
#ifndef S3SHIM_CACHE_BACKEND_H
#define S3SHIM_CACHE_BACKEND_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define CACHE_HASH_BYTES 32
#define CACHE_PAGE       4096u /* regions begin and end at multiples */

struct cache_backend;

/** A name's bytes. [off, off + len) of @fd, which is the region's own descriptor. */
struct cache_region {
	uint8_t hash[CACHE_HASH_BYTES];
	int fd;
	uint64_t off, len;
	uint32_t slot; /* onefile.c */
	char temp[32]; /* folder.c: the name while it is written */
};
#define CACHE_REGION_NONE \
	{ \
		.fd = -1 \
	}

struct cache_backend_ops {
	/* For reading; it counts as used now. Return: 0; -ENOENT; -EBADMSG: it was there and was thrown away. */
	int (*find)(struct cache_backend *b, const uint8_t *hash, struct cache_region *ret);
	/* For writing, empty; others make room. Return: 0; -EFBIG: larger than the bound; -ENOSPC; negative errno. */
	int (*begin)(struct cache_backend *b, const uint8_t *hash, uint64_t len, struct cache_region *ret);
	/* What was begun is what find() finds from now on. Return: 0; negative errno. */
	int (*commit)(struct cache_backend *b, struct cache_region *r);
	/* What was found is no more, if it is still the same. */
	void (*drop)(struct cache_backend *b, const struct cache_region *r);
	/* After find(), or begin() without a successful commit(), which is undone; and after commit(). */
	void (*put)(struct cache_backend *b, struct cache_region *r, bool undo);
	void (*close)(struct cache_backend *b);
};

struct cache_backend {
	const struct cache_backend_ops *ops;
	pthread_mutex_t lock; /* the backend's index, beside its lock among processes */
};

int folder_open(const char *dir, uint64_t max_bytes, struct cache_backend **ret, struct err *err);
int onefile_open(const char *path, uint64_t max_bytes, struct cache_backend **ret, struct err *err);

/** backend_check() - is it this user's own ordinary file, which nobody else may read, with one name? */
bool backend_check(int fd, uint64_t *ret_size);

#endif
