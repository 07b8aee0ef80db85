/**
 * dir.h - an open directory, the same for every kind of volume: a private file, and a snapshot of names.
 *
 * The descriptor that a program gets is a fresh O_RDONLY open of a small sealed memfd of this description alone, never
 * of a host directory (openat(fd, "..") would lead out) and never the description that memfd_create returned. Its
 * kernel offset is the readdir position, kept by the shim; it is watched (watch.h), so that events.file_gone comes when
 * no descriptor is left.
 *
 * Names: a snapshot, taken when position 0 is read and extended page by page. A position is an index plus one, so that
 * it stays valid until position 0 is read again. `.` and `..` come first; a name is shown once.
 *
 * Threads: any; one lock a directory, held while its source is asked.
 */
#ifndef S3SHIM_VOLUME_DIR_H
#define S3SHIM_VOLUME_DIR_H

#include "volume/volume.h"

struct dir;

/** Where names come from; called under the directory's lock. */
struct dir_source {
	/* Go to the beginning; ino of `.` and `..` out. */
	int (*rewind)(struct dir *d, void *source, struct vcall *call, uint64_t *ret_self, uint64_t *ret_parent);
	/* Append the next page by dir_add(); *ret_end: that was the last (it may have been empty). */
	int (*more)(struct dir *d, void *source, struct vcall *call, bool *ret_end);
	void (*release)(void *source);
};

/**
 * dir_open() - make the open directory and the descriptor to give away
 * @source: owned by the directory when this succeeded, by the caller otherwise. @watch: NULL is accepted: file_gone
 * then never comes.
 * Return: 0 and *ret filled; negative errno.
 */
int dir_open(struct volume *v, struct watch *watch, const struct dir_source *ops, void *source,
	     struct volume_opened *ret, struct err *err);

/** dir_add() - one more name; a name that is there already is ignored. @type: DT_*. Return: 0; -ENOMEM. */
int dir_add(struct dir *d, const char *name, size_t len, uint64_t ino, uint8_t type);

/* What the volumes' file_* operations of WIRE_KIND_DIR forward to. */
void *dir_source_of(struct vfile *f);
int dir_readdir(struct vfile *f, struct vcall *call, uint64_t pos, void *buf, size_t room, size_t *ret_used,
		uint32_t *ret_entries, bool *ret_end);
void dir_free(struct vfile *f);

#endif
