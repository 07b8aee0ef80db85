/**
 * removal.h - unlink with `--commit background`: the name is gone at once, its object a little later, many at a time.
 *
 *   unlink ──► node absent, `doomed`; the name is held ──► DeleteObjects ──► node absent; the name is let go
 *                                                            └── refused: the name is back, and the failure is told
 *
 * No lie within the session: a doomed name is not there for stat, open and readdir, and since it is held, whoever makes
 * it again, renames to it, or removes or renames a folder above it waits until its object is gone (and that is then
 * done at once). fsync, sync and the session's end wait for all. Other sessions see the name until then; a broker that
 * is killed forgets what it had not sent yet.
 *
 * Threads: one per space, made with the first removal. Guarded by names.lock.
 */
#ifndef S3SHIM_VOLUME_REMOVAL_H
#define S3SHIM_VOLUME_REMOVAL_H

#include "volume/hold.h"

#include <pthread.h>

struct space;
struct walk;

struct removal;
struct round;

struct removals {
	struct removal *queue; /* oldest first; those under way are in it until they are done */
	unsigned count;
	uint64_t added, done; /* how many, ever: they are done in the order in which they were added */
	int64_t oldest_ms;    /* when the first that waits was added */
	int last_error;       /* of the last that was refused */
	uint64_t refused;
	bool stop, runs;
	struct round *round; /* the thread's */
	pthread_t thread;
	pthread_cond_t finished;
};

void removals_init(struct removals *r);
/** removals_deinit() - sends what is left, ends the thread. */
void removals_deinit(struct space *s);

/**
 * removal_later() - the object at the key of @w, whose name the caller has alone, is to go
 * Return: false: not this one, or not now; the caller deletes it by itself.
 */
bool removal_later(struct walk *w);

/** removals_flush() - wait for all that were asked for. Return: 0; the errno of the last that was refused meanwhile. */
int removals_flush(struct space *s);

#endif
