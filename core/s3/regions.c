#include "s3/regions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct regions_entry {
	struct regions_entry *next;
	char *bucket;
	char region[REGIONS_NAME_MAX];
};

void regions_init(struct regions *regions)
{
	pthread_mutex_init(&regions->lock, NULL);
	regions->first = NULL;
}

void regions_deinit(struct regions *regions)
{
	for (struct regions_entry *next, *e = regions->first; e; e = next) {
		next = e->next;
		free(e->bucket);
		free(e);
	}
	pthread_mutex_destroy(&regions->lock);
}

static struct regions_entry *find_locked(struct regions *regions, const char *bucket)
{
	for (struct regions_entry *e = regions->first; e; e = e->next)
		if (strcmp(e->bucket, bucket) == 0)
			return e;
	return NULL;
}

void regions_get(struct regions *regions, const char *bucket, const char *fallback, char ret[REGIONS_NAME_MAX])
{
	pthread_mutex_lock(&regions->lock);
	const struct regions_entry *e = bucket ? find_locked(regions, bucket) : NULL;
	snprintf(ret, REGIONS_NAME_MAX, "%s", e ? e->region : fallback);
	pthread_mutex_unlock(&regions->lock);
}

static struct regions_entry *add_locked(struct regions *regions, const char *bucket)
{
	struct regions_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->bucket = strdup(bucket);
	if (!e->bucket) {
		free(e);
		return NULL;
	}
	e->next = regions->first;
	regions->first = e;
	return e;
}

bool regions_learn(struct regions *regions, const char *bucket, const char *region)
{
	size_t len = strlen(region);

	if (!len || len >= REGIONS_NAME_MAX || strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		return false;
	pthread_mutex_lock(&regions->lock);
	struct regions_entry *e = find_locked(regions, bucket);
	if (!e)
		e = add_locked(regions, bucket);
	if (e)
		strcpy(e->region, region);
	pthread_mutex_unlock(&regions->lock);
	return e != NULL;
}
