/**
 * staging.h - the folder in which files that are being written lie until they are uploaded.
 *
 *     <base>/session-<16 hex digits>/        0700, one a broker
 *         lock                               "pid\n"; flock(2)ed exclusively while the broker lives
 *         ...                                the object layer's files and journals
 *     <base>/uploads/                        which multipart uploads are ours (s3/notes.h)
 *
 * A session folder whose `lock` can be locked is of a broker that is gone. It appears under that name with the lock
 * held, so a folder without a `lock` is none. Ended sessions leave a folder only if something is to be recovered.
 */
#ifndef S3SHIM_BROKER_STAGING_H
#define S3SHIM_BROKER_STAGING_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define STAGING_LOCK       "lock"
#define STAGING_SESSION    "session-"
#define STAGING_FREE_BYTES GIB(1) /* less free space than that: not chosen by itself */
#define STAGING_CANDIDATES 4

struct watch;

struct staging {
	char dir[PATH_MAX]; /* this session's folder; "" : none, staging is in memory */
	int lock_fd;        /* -1 with it */
};
#define STAGING_INIT \
	{ \
		{ 0 }, -1 \
	}

/**
 * staging_candidate() - the folders that are tried where none is asked for, in this order: $XDG_CACHE_HOME/s3shim,
 * $HOME/.cache/s3shim, /var/tmp/s3shim-<uid>, $TMPDIR/s3shim-<uid>
 * Return: false where the environment names none for @index.
 */
bool staging_candidate(unsigned index, char *buf, size_t size);

/**
 * staging_open() - make this session's folder
 * @watch: what files in it must be fit for; NULL: nothing is watched in it.
 * @base: asked for by the user, made if missing; NULL: choose the first candidate that is writable, no tmpfs, passes
 *        watch_prove() and has 1 GiB free.
 * Return: 0; -ENOENT with the reasons where no candidate will do (the caller goes on in memory); where @base was given,
 * another negative errno with a sentence.
 */
int staging_open(struct staging *s, const char *base, const struct watch *watch, struct err *err);

/** staging_notes() - the folder of <base>/uploads, beside the sessions', where uploads are noted (s3/notes.h). */
bool staging_notes(const char *base, char *buf, size_t size);

/** staging_base() - what is above the session's folder; false where staging is in memory. */
bool staging_base(const struct staging *s, char *buf, size_t size);

/** staging_close() - remove the folder if nothing is left in it. */
void staging_close(struct staging *s);

#endif
