#include "broker/conn.h"

#include "base/log.h"
#include "base/util.h"
#include "broker/dispatch.h"
#include "broker/files.h"
#include "broker/session.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES MIB(1) /* instrumented frames are several times as big */
#else
#define STACK_BYTES KIB(256)
#endif

int conn_new(struct broker *b, int fd, const struct peer *peer, bool greeted, bool control, struct conn **ret)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!c || !(c->reply = malloc(WIRE_REPLY_MAX))) {
		free(c);
		close(fd);
		return -ENOMEM;
	}
	c->broker = b;
	c->fd = c->reader.fd = fd;
	c->greeted = greeted;
	c->control = control;
	offset_waiter_init(&c->waiter, fd);
	frame_prepare(fd);
	if (peer) {
		c->peer = *peer;
	} else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		c->peer = (struct peer){ cred.pid, cred.uid, cred.gid };
	} else {
		int saved = errno;
		conn_free(c);
		return -saved;
	}
	*ret = c;
	return 0;
}

static void received(struct conn *c)
{
	if (c->sent)
		files_received(c->broker->files, c->sent);
	c->sent = 0;
}

struct conn *conn_free(struct conn *c)
{
	close(c->fd);
	offset_waiter_deinit(&c->waiter);
	free(c->reply);
	free(c);
	return NULL;
}

void conn_hold(struct conn *c, struct description *d)
{
	files_ref(d);
	pthread_mutex_lock(&c->broker->held_lock);
	d->holder = c;
	d->held_next = c->held;
	c->held = d;
	pthread_mutex_unlock(&c->broker->held_lock);
}

/* The list is left before the lock: behind offset_leave() held_next is the next owner's. */
int conn_release(struct broker *b, struct description *d)
{
	struct conn *c;

	pthread_mutex_lock(&b->held_lock);
	c = d->holder;
	if (c) {
		struct description **p = &c->held;
		while (*p != d)
			p = &(*p)->held_next;
		*p = d->held_next;
		d->holder = NULL;
		(void)offset_leave(&d->offset, &c->waiter);
	}
	pthread_mutex_unlock(&b->held_lock);
	if (!c)
		return -EPERM;
	files_put(d);
	return 0;
}

/* What a connection still owns when it ends. */
static void release_all(struct conn *c)
{
	struct description *d;

	for (;;) {
		pthread_mutex_lock(&c->broker->held_lock);
		d = c->held;
		if (d)
			files_ref(d);
		pthread_mutex_unlock(&c->broker->held_lock);
		if (!d)
			return;
		(void)conn_release(c->broker, d);
		files_put(d);
	}
}

static int serve_one(struct conn *c)
{
	struct wire_request request;
	long size;
	int fd, r;

	r = frame_read(&c->reader);
	received(c);
	if (r != 0)
		return r;
	r = wire_check_request(c->reader.buf, c->reader.size, &request);
	if (r < 0)
		return r;
	size = dispatch(c, &request, c->reply, &fd);
	if (size < 0)
		return (int)size;
	r = frame_send(c->fd, c->reply, (size_t)size, fd);
	if (fd >= 0)
		close(fd);
	if (r == -ETOOMANYREFS)
		r = frame_send(c->fd, c->reply, dispatch_fail(c->reply, -EMFILE), -1);
	return r;
}

static void *conn_main(void *arg)
{
	struct conn *c = arg;
	int r;

	do {
		r = serve_one(c);
	} while (r == 0);
	if (r == -EPROTO)
		log_flood(LOG_WARN, "broker", "process %ld broke the protocol, cutting it off", (long)c->peer.pid);
	else if (r < 0 && r != -ECONNRESET && r != -EPIPE)
		log_flood(LOG_INFO, "broker", "connection of process %ld: %s", (long)c->peer.pid, strerror(-r));
	received(c);
	release_all(c);
	(void)shutdown(c->fd,
		       SHUT_RDWR); /* the peer learns it now; the number is free only when the thread was joined */
	server_ended(c->broker->server, c);
	return NULL;
}

int conn_start(struct conn *c)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int r;

	sigfillset(&all);
	pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&c->thread, &attr, conn_main, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

void conn_hang_up(struct conn *c)
{
	(void)shutdown(c->fd, SHUT_RD);
}
