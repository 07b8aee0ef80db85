/**
 * conn.h - one connection: its thread reads a request, has it handled, sends the reply, until the peer goes.
 *
 * A peer that breaks the protocol is cut off; nothing else notices. Owned by the server, which joins the thread.
 */
#ifndef S3SHIM_BROKER_CONN_H
#define S3SHIM_BROKER_CONN_H

#include "broker/frame.h"
#include "broker/offset.h"
#include "broker/server.h"

struct description;

struct conn {
	struct broker *broker;
	struct peer peer;
	bool greeted, control;
	struct offset_waiter waiter;
	struct description *held; /* whose offset lock it owns, each with a reference; under broker->held_lock */

	int fd;               /* owned */
	uint64_t sent;        /* whose descriptor was sent last, until the peer speaks again (files_received()), or 0 */
	unsigned char *reply; /* WIRE_REPLY_MAX bytes */
	pthread_t thread;
	struct conn *prev, *next; /* the server's */
	struct frame_reader reader;
};

/** conn_new() - for @fd, which is taken in every case; not started. */
int conn_new(struct broker *b, int fd, const struct peer *peer, bool greeted, bool control, struct conn **ret);
struct conn *conn_free(struct conn *c); /* never started, or joined; returns NULL */

/** conn_start() - with every signal blocked. Return: 0; -EAGAIN. */
int conn_start(struct conn *c);

/** conn_hang_up() - its thread ends after the request that it is at. Any thread, before conn_free(). */
void conn_hang_up(struct conn *c);

/**
 * conn_hold() - @c has taken the offset lock of @d. conn_release() - leave it, on whichever connection of the session
 * that is said: a program's threads use any of its connections for any call. Return: 0; -EPERM if nobody has it.
 */
void conn_hold(struct conn *c, struct description *d);
int conn_release(struct broker *b, struct description *d);

#endif
