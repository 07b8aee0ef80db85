/**
 * recover.h - what a session left behind: staged files whose upload failed or whose broker was killed.
 *
 * A staging folder holds, for each file that was opened for writing, the data and a small journal beside it (bucket,
 * key, endpoint, base ETag, size, state), both removed once the upload is confirmed. Nothing secret is in them.
 * writeback.h sends them after all.
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
	uint64_t base_end; /* holes in the data below it are bytes of the base that were never fetched */
	uint64_t missing_off, missing_end; /* so are these */
	bool partial;                      /* there are such: it cannot be uploaded by itself */
};

/**
 * recover_list() - walk the sessions' folders under @cache_dir; those of brokers that are alive are left out
 * While @each runs nobody else has the session's folder; it may recover_drop() the entry. Folders that hold nothing more
 * are removed. Return: how many entries were shown; negative errno with a sentence.
 */
int recover_list(const char *cache_dir, void (*each)(void *arg, const struct recover_entry *e), void *arg,
		 struct err *err);

/** recover_drop() - data and journal go for good. Return: 0; negative errno. */
int recover_drop(const struct recover_entry *e, struct err *err);

#endif
