/**
 * place.h - a file at a path below a root, complete or not at all.
 *
 * The path is resolved as a program would that has the root for its `/` (openat2(2), RESOLVE_IN_ROOT): no symlink and no
 * `..` leads out. What is placed lies beside its name under another one until place_commit(). Threads: none of its own.
 */
#ifndef S3SHIM_ASSETS_PLACE_H
#define S3SHIM_ASSETS_PLACE_H

#include "base/err.h"

#include <sys/types.h>

struct place {
	int dir, fd;    /* the folder; the file, to be written */
	char temp[64];  /* its name until it is whole */
	char name[256]; /* its name then */
};

#define PLACE_INIT \
	{ \
		.dir = -1, .fd = -1 \
	}

/** place_begin() - make the folders of @target below @root, and an empty file. Return: 0; negative errno. */
int place_begin(struct place *place, int root, const char *target, struct err *err);

/** place_commit() - the file, on the disk, under its name, over what was there. Return: 0; negative errno. */
int place_commit(struct place *place, mode_t mode, struct err *err);

/** place_deinit() - what was not committed is removed. */
void place_deinit(struct place *place);

#endif
