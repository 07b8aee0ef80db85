/**
 * shared.h - the cache that is kept across sessions, where the configuration asks for one. Threads: the caller's.
 */
#ifndef S3SHIM_BROKER_SHARED_H
#define S3SHIM_BROKER_SHARED_H

#include "base/err.h"

struct cache; /* cache/cache.h */
struct config;
struct staging;

/**
 * shared_open() - the file of --cloud-cache-file, else a folder beside those of the sessions
 * @staging: this session's. Return: 0 and *ret, NULL where none is asked for, or there is no folder; negative errno.
 */
int shared_open(const struct config *config, const struct staging *staging, struct cache **ret, struct err *err);

#endif
