/**
 * server.h - the connections of a session: who listens, who is served, when it is over.
 *
 * A thread for each connection (conn.h) and a loop on the caller's thread that accepts, joins threads that ended and
 * watches for the end. At most LIMIT_CONNECTIONS; a further one is closed at once, and so is one for which no
 * descriptor or thread is to be had: the broker lives on. Threads: any, but server_run() and server_free() once.
 */
#ifndef S3SHIM_BROKER_SERVER_H
#define S3SHIM_BROKER_SERVER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct broker;
struct conn;
struct server;

/** Who is at the other end: SO_PEERCRED's of the socket, or of the one that a LINK came over. */
struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

int server_new(struct broker *b, struct server **ret, struct err *err);
/** server_free() - server_close() and forget. Returns NULL. */
struct server *server_free(struct server *s);

int server_listen(struct server *s, const char *path, struct err *err);

/**
 * server_adopt() - serve @fd, which is taken in every case
 * @peer: NULL: ask the socket. @greeted: HELLO was said for it. @control: its end ends the session.
 * Return: 0; -EMFILE beyond the cap; -EAGAIN, -ENOMEM.
 */
int server_adopt(struct server *s, int fd, const struct peer *peer, bool greeted, bool control);

/** server_run() - until stop, the control connection's end, or @idle_ms (0: never) without connections and files. */
int server_run(struct server *s, int idle_ms, struct err *err);
void server_stop(struct server *s); /* async-signal-safe */

/** server_close() - no new connections; those there are end after the request they are at; waits for their threads. */
void server_close(struct server *s);

size_t server_count(struct server *s);

/** server_ended() - @c's thread is at its end; called by it, last. */
void server_ended(struct server *s, struct conn *c);

#endif
