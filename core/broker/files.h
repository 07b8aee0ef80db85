/**
 * files.h - the session's open descriptions: what a file id on the wire stands for.
 *
 * An id is made by OPEN, lives until the volume says that no descriptor is left anywhere (files_gone()), and is never
 * used again. Whoever works on a description holds a reference, so that the vfile stays until the last one is put.
 * Threads: any.
 */
#ifndef S3SHIM_BROKER_FILES_H
#define S3SHIM_BROKER_FILES_H

#include "broker/offset.h"
#include "volume/volume.h"

#include <stdint.h>
#include <uthash.h>

struct conn;
struct files;

struct description {
	/* set once */
	uint64_t id;
	struct vfile *vfile;
	uint64_t object, dev, ino;
	uint32_t kind, slot, flags; /* flags: open(2)'s */
	char *path;                 /* absolute, as it was opened; a rename leaves it behind */

	_Atomic int sent; /* a copy of its descriptor, until the program has it (watch_keeps_sent()), or -1 */

	struct offset_lock offset;
	struct conn *holder; /* the connection that owns the offset lock; under broker->held_lock, as what follows */
	struct description *held_next; /* of the same owner */

	/* the table's own */
	struct files *files;
	_Atomic unsigned refs;
	UT_hash_handle by_id, by_vfile;
};

int files_new(struct files **ret);
/** files_free() - descriptions that programs still hold are freed with it; waits for references. Returns NULL. */
struct files *files_free(struct files *files);

/**
 * files_add() - a new description with an id; *what is copied, its path too, id and table fields are made here
 * Return: 0; -ENOMEM; -ENFILE: LIMIT_FILES; then the vfile is still the caller's.
 */
int files_add(struct files *files, const struct description *what, uint64_t *ret_id);

/** files_received() - the program has the descriptor that OPEN was answered with: it spoke again, or of the file. */
void files_received(struct files *files, uint64_t id);

/** files_find() - the id of the description that stands for @vfile; 0: there is none (any more, or yet). */
uint64_t files_find(struct files *files, const struct vfile *vfile);

/** files_get() - with a reference, or NULL. */
struct description *files_get(struct files *files, uint64_t id);
void files_put(struct description *d); /* NULL is fine */
void files_ref(struct description *d);

/**
 * files_gone() - the volume's event: the id is unknown from now on, but for files_ended(). Unknown vfiles are ignored.
 * @status: why what was written by it is not in the store; 0
 */
void files_gone(struct files *files, struct vfile *vfile, int status);

/** files_ended() - how a description that is gone ended. Return: 0; files_gone()'s status; -EBADF: it never was. */
int files_ended(struct files *files, uint64_t id);

size_t files_count(struct files *files);

#endif
