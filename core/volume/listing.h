/**
 * listing.h - what is in a folder: the pages of ListObjectsV2 as names.
 *
 * Hidden are keys that are no valid names: empty parts (`//`), `.`, `..`, NUL, parts over 255 bytes, and the folder's
 * own marker. Where an object and a prefix have the same name, the object wins. A finished listing is sorted by name:
 * the server's order puts the prefix `a/` behind `a-/`.
 *
 * Counted. While pages are added it is its owner's, or under names.lock once it hangs on a node; finished it is
 * constant, but for the scans, which names.lock guards.
 */
#ifndef S3SHIM_VOLUME_LISTING_H
#define S3SHIM_VOLUME_LISTING_H

#include "s3/s3.h"

#include <stdbool.h>
#include <stdint.h>

struct listing_entry {
	char *name; /* NUL-terminated; its ETag follows behind the NUL, "" for a folder */
	uint16_t len;
	bool dir;
	uint64_t size;
	int64_t mtime_ns;
};

/** How far a program has come through a listing: scan.h. */
struct scan {
	size_t next;     /* position of what comes next */
	size_t ahead;    /* up to which it was asked for ahead */
	size_t last;     /* the entry that it came to last */
	unsigned run;    /* how many in this order so far; 0: it has not begun */
	unsigned window; /* how many may be asked for at once */
	bool by_ino;
};
enum scan_kind { SCAN_LOOKS, SCAN_READS, SCAN_FOLDERS, SCANS };

struct listing {
	_Atomic unsigned refs;
	struct listing_entry *entries;
	size_t count, room;
	bool any;    /* something was there, be it hidden or the marker: the folder exists */
	bool marker; /* the folder's own marker was there */
	bool whole;  /* finished: what it does not name is not there */
	struct scan scans[SCANS];
	uint32_t *by_ino, *place_by_ino; /* scan.c; NULL: nobody has asked for that order */
	int64_t started_ms;
};

struct listing *listing_new(void); /* one reference, or NULL */
struct listing *listing_ref(struct listing *l);
struct listing *listing_unref(struct listing *l); /* returns NULL */

/** listing_name() - the name that @key has in folder @prefix; NULL if it is hidden. @ret_len: without a slash. */
const char *listing_name(const char *prefix, const char *key, bool is_prefix, size_t *ret_len);

/** listing_add_page() - append; names of one page are sorted. Return: 0; -ENOMEM. */
int listing_add_page(struct listing *l, const char *prefix, const struct s3_page *page);

/** listing_finish() - sort all, drop the folders that objects hide; it is whole now. */
void listing_finish(struct listing *l);

/** listing_find() - NULL if it is not there, or if it is an odd folder's name of one that is not finished yet. */
const struct listing_entry *listing_find(const struct listing *l, const char *name);

static inline const char *listing_etag(const struct listing_entry *e)
{
	return e->name + e->len + 1;
}

/** listing_ask() - make @c, initialised for S3_LIST_OBJECTS_V2, ask for a page; strings are borrowed. */
void listing_ask(struct s3_call *c, const char *prefix, const char *token);
/** listing_answer() - what @c has brought, appended to @l; @ret_token: the caller's, NULL at the end. */
int listing_answer(struct s3_call *c, struct listing *l, char **ret_token, struct err *err);

#endif
