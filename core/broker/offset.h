/**
 * offset.h - the lock of a description's shared offset, between the connections of a session.
 *
 * First come, first served. The owner is a connection; it leaves by itself when the connection ends. Threads: a waiter
 * belongs to its connection's thread, which waits for one lock at a time; locks may be used by any.
 */
#ifndef S3SHIM_BROKER_OFFSET_H
#define S3SHIM_BROKER_OFFSET_H

#include <pthread.h>

/** A connection as it stands in a queue. */
struct offset_waiter {
	int peer_fd;  /* the connection's socket, borrowed: while waiting, its end is noticed */
	int event_fd; /* made when it must wait for the first time; -1 before */
	struct offset_waiter *prev, *next;
};

struct offset_lock {
	pthread_mutex_t mutex;
	struct offset_waiter *owner, *queue; /* no queue without an owner */
};

void offset_waiter_init(struct offset_waiter *me, int peer_fd);
void offset_waiter_deinit(struct offset_waiter *me);
void offset_init(struct offset_lock *lock);
void offset_deinit(struct offset_lock *lock);

/**
 * offset_take() - wait until @me owns @lock
 * Return: 0; -EDEADLK if it does already; -ECONNRESET if its peer went away while it waited; -EMFILE.
 */
int offset_take(struct offset_lock *lock, struct offset_waiter *me);

/** offset_leave() - hand the lock to who came next. Return: 0; -EPERM if @me does not own it. */
int offset_leave(struct offset_lock *lock, struct offset_waiter *me);

#endif
