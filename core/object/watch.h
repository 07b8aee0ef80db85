/**
 * watch.h - who still holds a file? The kernel tells: inotify says that something was closed, leases prove what is
 * left.
 *
 * A watched file is a descriptor of the broker's own, O_RDONLY, the only one that it keeps of that inode. Facts, all
 * measured on Linux 6.18 (inotify(7), fcntl(2) "Leases"):
 *  - F_SETLEASE F_RDLCK is granted only if no writable description, dup, mapping, descriptor in flight or io_uring
 *    registration is left anywhere; F_WRLCK only if no reference at all is left but ours.
 *  - The event comes before the reference is gone: one try per event missed 4 of 2,500 closes on ext4. So a refused
 *    lease is tried again with back-off, 50 us to 100 ms, until it is granted or another open shows up.
 *  - A held lease blocks openers: it is given up at once. SIGIO must be ignored. Whoever reopens the file for writing
 *    holds the file's own lock meanwhile (watch_lock), so that a try and an open never cross.
 *  - Where no lease is granted (gVisor) /proc tells who is left (holders.h), and every file is looked for ten times a
 *    second, once a second when it has been held for some: what watch_new() finds out.
 *  - The queue holds 16,384 events, a user has 128 inotify instances: on overflow, and where there is no instance, a
 * sweep tries every watched file (0.5 us each).
 *
 * Threads: one of its own that reads events and calls back; all functions may be called from any thread.
 */
#ifndef S3SHIM_OBJECT_WATCH_H
#define S3SHIM_OBJECT_WATCH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct watch;   /* one per broker */
struct watched; /* one watched inode */

struct watch_ops {
	/* The last writer is gone (again). On the watch's thread: must not block; hand work to another thread. */
	void (*no_writers)(void *arg);
	/* Nobody but the broker holds the inode. On the watch's thread. May call watch_remove(). */
	void (*no_holders)(void *arg);
	void *arg;
};

/** watch_new() - Return: 0; -EOPNOTSUPP: neither leases nor /proc tell; -ENOMEM, -EAGAIN. */
int watch_new(struct watch **ret, struct err *err);
struct watch *watch_free(struct watch *w); /* every watched file must have been removed; returns NULL */

/** watch_prove() - does what @w stands on work for files in @dir? Return: 0; -EOPNOTSUPP with a sentence. */
int watch_prove(const struct watch *w, const char *dir, struct err *err);
/** watch_scans() - there are no leases here. */
bool watch_scans(const struct watch *w);

/**
 * watch_add() - watch the inode of @fd (borrowed, O_RDONLY, stays open until watch_remove())
 * @own: another descriptor of the broker's that holds nobody up (a memfd's first), or -1.
 * Nothing is reported until watch_handed_out() has been called once.
 */
int watch_add(struct watch *w, int fd, int own, const struct watch_ops *ops, struct watched **ret, struct err *err);
void watch_remove(struct watched *f); /* no callback runs when it has returned, unless called from one; NULL is fine */

/** watch_count() - how many are watched: each holds a descriptor of the broker's, or two. */
size_t watch_count(const struct watch *w);

/** watch_handed_out() - a descriptor was given to a program: from now on its end is of interest. */
void watch_handed_out(struct watched *f, bool writable);

/* Opens of the inode for writing by the broker, and tries of a lease, exclude each other. */
void watch_lock(struct watched *f);
void watch_unlock(struct watched *f);

/**
 * watch_try_no_writers() - was that the last? One try, after a hooked close; takes watch_lock by itself.
 * Of two that close at once and ask, at least one is told yes. Return: true if no writer is left.
 */
bool watch_try_no_writers(struct watched *f);
bool watch_try_no_holders(struct watched *f);

/**
 * watch_keeps_sent() - must the sender of @fd keep it until the program has received it?
 * Without leases a descriptor on its way is seen by nobody.
 */
bool watch_keeps_sent(struct watch *w, int fd);

#endif
