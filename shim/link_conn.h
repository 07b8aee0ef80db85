/**
 * link_conn.h - one connection to the broker: a stream socket, frames over it. Part of link.c.
 *
 * The caller has the connection to itself (struct conn.busy). No function here retries, reconnects or takes a lock.
 */
#ifndef S3SHIM_SHIM_LINK_CONN_H
#define S3SHIM_SHIM_LINK_CONN_H

#include "base/wire.h"
#include "shim/link.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct conn {
	_Atomic uint32_t busy;     /* somebody has it to himself */
	_Atomic int fd;            /* -1: not connected */
	uint64_t dev, ino;         /* of the socket: a number that was closed and reused is not ours any more */
	const void *_Atomic owner; /* the thread that has it: an address of its own */
	_Atomic uintptr_t frame;   /* where on its stack it was taken */
	_Atomic uint32_t epoch;    /* changes when it is taken from a frame that was jumped out of */
	uint32_t id;               /* of the last request */
	uint32_t posted;           /* replies that nobody waited for */
	char *out;                 /* WIRE_REQUEST_MAX bytes, 8-aligned */
};

/** How an exchange ended. */
enum conn_end {
	CONN_ANSWERED, /* *ret_status is the broker's */
	CONN_UNSENT,   /* lost before the request was out: it can be repeated elsewhere */
	CONN_LOST,     /* lost with the request on its way */
};

/** conn_connect() - a connected socket at @path. Return: a high descriptor, close-on-exec; -errno. */
int conn_connect(const char *path);

/** conn_set() - @c is the socket @fd, moved to a high number. Takes it over. Return: 0, -errno (@fd is closed). */
int conn_set(struct conn *c, int fd);

/** conn_intact() - is the number still our socket? */
bool conn_intact(const struct conn *c);

/** conn_close() - close it, if it is still ours; conn_forget() - without closing. Free for a new socket afterwards. */
void conn_close(struct conn *c);
void conn_forget(struct conn *c);

/**
 * conn_exchange() - a request and its reply
 * Waits with the signal mask that the caller had. *rep and *x are touched on a status >= 0 only. *ret_status: the
 * broker's; -EMFILE for a descriptor that found no room; or what kept the request from being built.
 */
enum conn_end conn_exchange(struct conn *c, enum wire_type type, const void *req, void *rep, struct link_extra *x,
			    int *ret_status);

/**
 * conn_take_link() - the answer to a LINK that another process has sent on @fd, whole or not at all
 * Return: the connection in it, close-on-exec; -1: it is not there.
 */
int conn_take_link(int fd);

/** conn_wait() - until something can be read, or the other end is gone. */
void conn_wait(const struct conn *c);

/** conn_post() - a request alone; its reply is thrown away by the next exchange. */
enum conn_end conn_post(struct conn *c, enum wire_type type, const void *req);

#endif
