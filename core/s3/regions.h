/**
 * regions.h - in which region each bucket was found to be. Any thread.
 *
 * A client is given one region; a store that has the bucket elsewhere says so, and it is remembered for all later
 * calls.
 */
#ifndef S3SHIM_S3_REGIONS_H
#define S3SHIM_S3_REGIONS_H

#include <pthread.h>
#include <stdbool.h>

#define REGIONS_NAME_MAX 64

struct regions_entry;
struct regions {
	pthread_mutex_t lock;
	struct regions_entry *first; /* under the lock */
};

void regions_init(struct regions *regions);
void regions_deinit(struct regions *regions);

/** regions_get() - of @bucket into @ret, @fallback where nothing is known. */
void regions_get(struct regions *regions, const char *bucket, const char *fallback, char ret[REGIONS_NAME_MAX]);

/** regions_learn() - Return: false if @region is no region's name (it becomes part of a host name) or memory is out. */
bool regions_learn(struct regions *regions, const char *bucket, const char *region);

#endif
