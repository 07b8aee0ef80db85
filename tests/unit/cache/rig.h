/** rig.h - a cache in a folder of the test's own, and objects to put into it and to take out. */
#ifndef S3SHIM_TESTS_CACHE_RIG_H
#define S3SHIM_TESTS_CACHE_RIG_H

#include "base/util.h"
#include "cache/cache.h"

#include <limits.h>

struct rig {
	char dir[64];        /* removed at the end */
	char path[PATH_MAX]; /* of the folder, or the file, of the cache */
	bool one_file;
	struct cache *cache;
};
extern struct rig rig;

void rig_open(bool one_file, uint64_t max_bytes);
void rig_close(void);
void rig_again(uint64_t max_bytes); /* closed and opened, as a later session does */

struct cache_name rig_name(const char *key);
/** rig_put() - an object of @size bytes that @key and @etag tell. Return: 0; what cache_begin() and so on say. */
int rig_put(struct cache *c, const char *key, const char *etag, size_t size);
int rig_put_from(struct cache *c, const char *key, const char *etag, size_t size, int fd); /* rig_source()'s */
/** rig_has() - is it there, of that version, with the bytes that it had? */
bool rig_has(struct cache *c, const char *key, const char *etag, size_t size);
int rig_source(const char *key, const char *etag, size_t size); /* a file of those bytes */
uint64_t rig_on_disk(void);                                     /* bytes that the cache takes */
char *rig_entry(char *buf, size_t size);                        /* the path of the only entry in the folder */

#endif
