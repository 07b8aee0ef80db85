/**
 * fdtab.h - which descriptors are routed: a cache of facts about kernel descriptors.
 *
 * An array by descriptor number of pointers to struct desc, one per open description as this process knows it: dup and
 * fork share it as they share the offset. No entry: the descriptor is foreign, and finding that out is two loads.
 * Entries can be stale (somebody closed the number without us); what depends on an entry is believed only after
 * fdtab_verify(). Lock-free to read; changes under one lock. In a vfork child, changes go to a thread-local overlay (a
 * few entries).
 */
#ifndef S3SHIM_SHIM_FDTAB_H
#define S3SHIM_SHIM_FDTAB_H

#include "base/wire.h"
#include "shim/lock.h"

#include <fcntl.h>
#include <stdbool.h>

#define DESC_UNATTACHED 0   /* kind: inherited by exec; only file, dev, ino are known. fdtab_get() never returns one */
#define DESC_ANCESTOR   100 /* kind: a foreign directory above a mount point; only .path counts */

/* A granted or claimed range; read without a lock by a sequence count, written under desc.meta. */
struct desc_range {
	_Atomic uint32_t seq;
	_Atomic uint64_t off, end, gen;
};

struct desc {
	_Atomic uint32_t refs;   /* fds of this process and calls under way */
	_Atomic uint32_t fds;    /* fds of this process alone, those whose close is under way included */
	_Atomic uint32_t shared; /* another process may share the offset: serialise by the broker (OFFSET) */
	uint64_t file, object, dev, ino;
	uint32_t kind; /* enum wire_kind, DESC_ANCESTOR */
	uint32_t mount, slot;
	_Atomic uint32_t told;  /* an ancestor: getdents64() has listed the mount points */
	_Atomic uint32_t flags; /* as open(2): access mode, O_APPEND */
	struct lock offset;     /* threads that move the shared offset of an incomplete object */
	const void
	    *offset_owner; /* present.c: the thread that has it, how often, and whether the broker's is held too */
	uint32_t offset_depth, offset_remote, offset_generation;
	struct lock meta; /* the ranges below */
	struct desc_range grant, claim;
	char *path; /* absolute, mem_alloc()ed; what fchdir, openat and readlink of /proc/self/fd say */
	struct desc *next_free;
};

/**
 * fdtab_get() - the description of @fd with a reference, or NULL if foreign
 * One that came by exec is attached here: an fstat and a message. If the broker cannot be asked it is an object of
 * which nothing is present, so that reads fail and never see zeros.
 */
struct desc *fdtab_get(int fd);
void desc_put(struct desc *d); /* NULL is fine */

static inline bool desc_writable(const struct desc *d)
{
	return (d->flags & O_ACCMODE) != O_RDONLY;
}

/**
 * fdtab_idle() - surely no descriptor is routed: this process never had one. One load, for the first line of a hook.
 */
enum fdtab_use { FDTAB_UNKNOWN, FDTAB_IDLE, FDTAB_USED };
extern _Atomic uint32_t fdtab_use;

static inline bool fdtab_idle(void)
{
	return atomic_load_explicit(&fdtab_use, memory_order_relaxed) == FDTAB_IDLE;
}

/** fdtab_routed() - is there an entry? Without a reference: for a quick no. */
bool fdtab_has(int fd);

static inline bool fdtab_routed(int fd)
{
	return !fdtab_idle() && fdtab_has(fd);
}

/** fdtab_verify() - is @fd still the file that @d says (fstat: dev, ino)? Else the entry is dropped. */
bool fdtab_verify(int fd, struct desc *d);

/**
 * fdtab_ours() - the description of @fd, verified, where the kernel's own answer would be wrong: an object or a folder
 * Return: with a reference; NULL: foreign, native, or an ancestor.
 */
struct desc *fdtab_ours(int fd);

/** desc_new() - a description with one reference, ranges empty; @path is copied. NULL if there is no memory. */
struct desc *desc_new(uint32_t kind, const char *path);

/** fdtab_set() - @fd is @d now (takes a reference of its own); what was there before is dropped. Return: 0, -ENOMEM. */
int fdtab_set(int fd, struct desc *d);

/**
 * fdtab_drop() - @fd is foreign or about to be closed: taken out before the real close, so that a number that is used
 * again at once is never hit. Return: the description that was there, its reference the caller's, who gives it to
 * fdtab_closed() (or desc_put() where nobody can have written); NULL.
 */
struct desc *fdtab_drop(int fd);

/** fdtab_forget() - @fd is foreign now: somebody closed it without us. Nothing is asked of the broker. */
void fdtab_forget(int fd);

/** fdtab_dup() - @to is what @from is (dup2 and its like succeeded); dropping what @to was. */
void fdtab_dup(int from, int to);

/** fdtab_close() - hooked close of a routed or formerly routed @fd: real close, then CLOSED where a writer may have
 * been the last, and its result. Return: 0 or -errno. */
int fdtab_close(int fd);

/** fdtab_closed() - the entry's part of it alone, after the real close of what fdtab_drop() returned was done by
 * somebody else (dup2, fclose). Takes the reference; NULL is fine. Return: 0 or -errno: how the upload went. */
int fdtab_closed(struct desc *d);

/** fdtab_each() - every entry, for exec and exit; stops where @f returns nonzero. */
int fdtab_each(int (*f)(int fd, struct desc *d, void *arg), void *arg);

/** fdtab_mark_shared() - after fork, in parent and child. fdtab_vfork_done() - drop the overlay. */
void fdtab_mark_shared(void);
void fdtab_vfork_done(void);

/** fdtab_close_writers() - at exit: close what can write and wait for the uploads. */
void fdtab_close_writers(void);

#endif
