/**
 * recover.h - what a session left behind: staged files whose upload failed or whose broker was killed.
 *
 * A staging folder holds, for each file that was opened for writing, the data and a small journal beside it (bucket,
 * key, endpoint, base ETag, size, state), both removed once the upload is confirmed. Nothing secret is in them.
 */
#ifndef S3SHIM_OBJECT_RECOVER_H
#define S3SHIM_OBJECT_RECOVER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct recover_entry {
	const char *path;                                /* of the data */
	const char *bucket, *key, *endpoint, *base_etag; /* base_etag "" for a new file */
	const char *reason; /* why it is here: the upload's error, or "the broker ended before the upload" */
	uint64_t size;
	int64_t mtime_ns;
	bool partial; /* holes in the data are bytes of the base that were never fetched: it cannot be uploaded by
			 itself */
};

/**
 * recover_list() - walk the sessions' folders under @cache_dir; those of brokers that are alive are left out
 * Return: how many entries were shown; negative errno with a sentence.
 */
int recover_list(const char *cache_dir, void (*each)(void *arg, const struct recover_entry *e), void *arg,
		 struct err *err);

#endif
