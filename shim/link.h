/**
 * link.h - the way to the broker: a pool of connections, one request at a time on each.
 *
 * Connections are high descriptors, close-on-exec, known by their inode, which is compared before each request. A
 * thread that finds one busy takes another (16 at most, then it waits); new ones come over an existing one. A forked
 * child never uses its parent's: a MADV_WIPEONFORK page tells. A vfork child has one of its own. Signals are blocked
 * only while a frame is sent or taken; while waiting the program's mask is in force, and a handler may make calls of
 * its own on another connection. Answers with an old id (left by a siglongjmp) are thrown away.
 *
 * The broker is the one at $S3SHIM_SOCKET; where that is unset it is this user's for these settings, started if need
 * be.
 */
#ifndef S3SHIM_SHIM_LINK_H
#define S3SHIM_SHIM_LINK_H

#include "base/wire.h"

#include <stdbool.h>

/** What a call may take and bring beside its fixed parts. */
struct link_extra {
	const char *string[WIRE_STRINGS_MAX]; /* the request's */
	void *tail;                           /* room for the reply's tail; NULL: thrown away */
	size_t tail_room;
	size_t tail_len; /* out; a tail that is text is NUL-terminated behind it where there is room */
	int fd;          /* out: close-on-exec; -1: none came */
};

/**
 * link_call() - one request and its reply
 * @req, @rep: struct wire_<name>_req and _rep. @x: NULL if there are no strings, tails or descriptors.
 * Return: 0; -errno as the broker says; WIRE_REDIRECT_1, _2; -EIO when the broker is lost; -ENXIO when there is none
 * to be had; never -EINTR. *rep and *x are untouched but on 0 and redirects.
 */
int link_call(enum wire_type type, const void *req, void *rep, struct link_extra *x);

/** link_tell() - a request to a broker that is there already: in a bare session none is started for it. */
void link_tell(enum wire_type type, const void *req, const char *string);

/** link_post() - a request whose reply is not waited for: it is read before the connection's next use. */
void link_post(enum wire_type type, const void *req);

/** link_slot() - the slot of an object in the arena; NULL for WIRE_NO_SLOT or without an arena. */
const struct wire_slot *link_slot(uint32_t index);

/** link_owns() - is @fd one of ours? Then close() is EBADF, and close_range() goes around it. */
bool link_owns(int fd);

/** link_next_owned() - the lowest of our descriptors that is at least @fd; -1 if there is none. */
int link_next_owned(int fd);

/** link_spare() - before fork, vfork and exec: a connection that the child can take is at hand. */
void link_spare(void);

/**
 * fork_check() - are we in a process that has not been seen yet? Then everything that a forked child must not share is
 * reset: connections, locks; descriptions are marked as shared (fdtab.h). A load of one word where not. First thing in
 * every function of the shim that uses any of these; link_call() does it by itself.
 */
void fork_check(void);

/**
 * link_keep() - what follows may forbid new connections (a seccomp filter): have one now, and hand one on at each exec
 * link_hand_over() - before an exec or a spawn: a connection for the next program. @buf: "S3SHIM_LINK=...", at least
 * LINK_TEXT_MAX bytes. Return: its descriptor, inheritable, the caller's to close where this program goes on; -1: none
 * is to be handed on.
 * link_take_over() - at load: @fd came so, and is closed. Whoever takes over a connection hands one on in turn.
 */
#define LINK_TEXT_MAX 80
void link_keep(void);
int link_hand_over(char *buf);
void link_take_over(int fd);

/** link_init() - at load: where the broker is, by the environment as it is then. */
void link_init(void);

/** link_fork_child() - fork_check()'s: the parent's connections go. */
void link_fork_child(void);

/** link_spare_done() - the parent goes on after fork or vfork: what was the child's connection goes. */
void link_spare_done(void);

#endif
