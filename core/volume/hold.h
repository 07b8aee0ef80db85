/**
 * hold.h - who works on which name: what changes a name has it alone, who opens it to read shares it.
 *
 *        holds            conflicts with
 *   a name, shared        the same name alone; a tree above it
 *   a name, alone         the same name; a tree above it
 *   a tree                every name in it and every tree above it (rename, rmdir)
 *
 * Who holds a name for work that is put off (removal.h) is hurried by whoever waits for it.
 *
 * A rename takes both of its names at once, so nobody waits for a second hold while having a first: no deadlock. A hold
 * is kept over requests; names.lock is not. What is looked up must be looked up under the hold. stat needs none.
 *
 * Threads: *_locked want the lock that they are given; a struct hold is its owner's.
 */
#ifndef S3SHIM_VOLUME_HOLD_H
#define S3SHIM_VOLUME_HOLD_H

#include "volume/names.h"

enum hold_how { HOLD_SHARED, HOLD_ALONE, HOLD_TREE };

struct hold {
	enum hold_how how;
	char id[2][NAMES_ID_MAX]; /* the second "" where there is one only */
	bool put_off;             /* nobody is at it before `urge` is signalled */
	struct hold *prev, *next;
};

struct holds {
	struct hold *list;
	pthread_cond_t freed;
	pthread_cond_t urge; /* by CLOCK_MONOTONIC: who puts work off waits here */
	bool urged;          /* somebody waits for such work */
};

void holds_init(struct holds *all);
void holds_deinit(struct holds *all);

/** hold_take_locked() - wait until nobody holds what conflicts. @id2: NULL, or another name. */
void hold_take_locked(struct holds *all, pthread_mutex_t *lock, struct hold *h, enum hold_how how, const char *id,
		      const char *id2);
/** hold_again_locked() - @h is a second hold, of work that is put off, on what @have holds alone: nothing is waited for. */
void hold_again_locked(struct holds *all, struct hold *h, const struct hold *have);
/** hold_urge_locked() - work that is put off is wanted now. */
void hold_urge_locked(struct holds *all);
void hold_drop_locked(struct holds *all, struct hold *h);

#endif
