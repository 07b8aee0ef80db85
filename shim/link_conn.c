/*
 * A frame is sent and taken with signals blocked, so that no handler can leave half of one behind; between the two the
 * wait is a ppoll with the caller's mask. A handler that jumps out of the wait (siglongjmp, asynchronous cancellation)
 * leaves a reply behind, which the next exchange throws away by its id, together with a descriptor that came with it.
 *
 * The header is read by itself: a descriptor travels with the first byte of its frame, and a read that went on into the
 * next frame could take the next one's.
 */
#include "shim/link_conn.h"
#include "shim/lock.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Connections are kept in the last of so many numbers: larger ones would make the kernel's table of descriptors large.
 */
#define NUMBERS 1024
#define HIGHEST 64

/* Room for the fixed part of any reply. */
union any_reply {
#define MSG(NAME, name, strings, req, rep) struct wire_##name##_rep name;
#include "base/messages.def"
#undef MSG
};

static int move_high(int fd)
{
	struct rlimit limit = { 0 };
	long soft = NUMBERS, moved;

	if (SYS(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 && limit.rlim_cur < NUMBERS)
		soft = (long)limit.rlim_cur;
	moved = SYS(fcntl, fd, F_DUPFD_CLOEXEC, soft > 2 * HIGHEST ? soft - HIGHEST : soft / 2);
	if (moved < 0)
		return fd;
	(void)SYS(close, fd);
	return (int)moved;
}

int conn_connect(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	long fd, rc;

	if (len >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, len + 1);
	fd = SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	do
		rc = SYS(connect, fd, &to, sizeof(to));
	while (rc == -EINTR);
	if (rc < 0 && rc != -EISCONN) {
		(void)SYS(close, fd);
		return (int)rc;
	}
	return move_high((int)fd);
}

int conn_set(struct conn *c, int fd)
{
	struct stat st;
	long rc;

	fd = move_high(fd);
	rc = SYS(fstat, fd, &st);
	if (rc < 0) {
		(void)SYS(close, fd);
		return (int)rc;
	}
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	c->id = c->posted = 0;
	atomic_store(&c->fd, fd);
	return 0;
}

bool conn_intact(const struct conn *c)
{
	struct stat st;

	return c->fd >= 0 && SYS(fstat, c->fd, &st) == 0 && st.st_ino == c->ino && st.st_dev == c->dev;
}

void conn_forget(struct conn *c)
{
	atomic_store(&c->fd, -1);
}

void conn_close(struct conn *c)
{
	if (conn_intact(c))
		(void)SYS(close, c->fd);
	conn_forget(c);
}

/* ---- frames; signals are blocked ---- */

static bool send_all(int fd, const char *p, size_t n)
{
	while (n) {
		long sent = SYS(sendto, fd, p, n, MSG_NOSIGNAL, NULL, 0);
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool take_all(int fd, void *to, size_t n)
{
	char *p = to;

	while (n) {
		long got = SYS(recvfrom, fd, p, n, 0, NULL, NULL);
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

static bool skip(int fd, size_t n)
{
	char sink[512];

	for (size_t part; n; n -= part) {
		part = n < sizeof(sink) ? n : sizeof(sink);
		if (!take_all(fd, sink, part))
			return false;
	}
	return true;
}

/* @ret_fd: -1 none, -EMFILE if one came and found no room. */
static bool take_header(int fd, struct wire_header *h, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { h, sizeof(*h) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	long got = SYS(recvmsg, fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	*ret_fd = -1;
	if (got <= 0)
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	else if (m.msg_flags & MSG_CTRUNC)
		*ret_fd = -EMFILE;
	if (!take_all(fd, (char *)h + got, sizeof(*h) - (size_t)got) || h->size < sizeof(*h) ||
	    h->size - sizeof(*h) > WIRE_REPLY_MAX) {
		if (*ret_fd >= 0)
			(void)SYS(close, *ret_fd);
		return false;
	}
	return true;
}

static bool take_body(int fd, enum wire_type type, size_t size, void *rep, struct link_extra *x)
{
	size_t fixed = wire_messages[type].rep_size, tail = size - fixed, keep = 0;
	union any_reply any;

	if (size < fixed || !take_all(fd, &any, fixed))
		return false;
	if (x && x->tail)
		keep = tail < x->tail_room ? tail : x->tail_room;
	if ((keep && !take_all(fd, x->tail, keep)) || !skip(fd, tail - keep))
		return false;
	if (rep)
		memcpy(rep, &any, fixed);
	if (x) {
		if (x->tail && tail < x->tail_room)
			((char *)x->tail)[tail] = '\0';
		x->tail_len = tail;
	}
	return true;
}

/* One frame. *ret_done: it was the answer to @id, *ret_status is its status. false: the connection is lost. */
static bool take_frame(struct conn *c, uint32_t id, enum wire_type type, void *rep, struct link_extra *x,
		       bool *ret_done, int *ret_status)
{
	struct wire_header h;
	bool mine, ok;
	int fd;

	if (!take_header(c->fd, &h, &fd))
		return false;
	mine = h.id == id;
	if (mine && h.status >= 0 && fd != -EMFILE)
		ok = h.type == type && (!h.has_fd || fd >= 0) && take_body(c->fd, type, h.size - sizeof(h), rep, x);
	else
		ok = skip(c->fd, h.size - sizeof(h));
	if (ok && mine && h.status >= 0 && x && fd >= -1)
		x->fd = fd;
	else if (fd >= 0)
		(void)SYS(close, fd);
	*ret_done = mine;
	if (mine)
		*ret_status = fd == -EMFILE && h.status >= 0 ? -EMFILE : h.status;
	return ok;
}

static bool wait_frame(struct conn *c, uint32_t epoch, lock_mask mask)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	long rc;

	do
		rc = SYS(ppoll, &p, 1, NULL, &mask, sizeof(mask));
	while (rc == -EINTR && c->epoch == epoch);
	return rc > 0 && c->epoch == epoch;
}

enum conn_end conn_exchange(struct conn *c, enum wire_type type, const void *req, void *rep, struct link_extra *x,
			    int *ret_status)
{
	uint32_t id = ++c->id, epoch = c->epoch;
	enum conn_end end = CONN_UNSENT;
	lock_mask mask = signals_block();
	bool done = false;
	long n = wire_put_request(c->out, WIRE_REQUEST_MAX, type, id, req, x ? x->string : NULL);

	if (n < 0) {
		*ret_status = (int)n;
		end = CONN_ANSWERED;
	} else if (send_all(c->fd, c->out, (size_t)n)) {
		end = CONN_LOST;
		while (!done && wait_frame(c, epoch, mask))
			if (!take_frame(c, id, type, rep, x, &done, ret_status))
				break;
			else if (done)
				end = CONN_ANSWERED;
	}
	if (end == CONN_ANSWERED)
		c->posted = 0;
	signals_restore(mask);
	return end;
}

/* The broker sends it at once, and it is taken at once: two processes cannot have a part each. */
int conn_take_link(int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct {
		struct wire_header h;
		struct wire_link_rep rep;
	} frame;
	struct iovec iov = { &frame, sizeof(frame) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	long got = SYS(recvmsg, fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int taken = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(&taken, CMSG_DATA(c), sizeof(int));
	if (got == sizeof(frame) && frame.h.type == WIRE_LINK && frame.h.size == sizeof(frame) && !frame.h.status)
		return taken;
	if (taken >= 0)
		(void)SYS(close, taken);
	return -1;
}

void conn_wait(const struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	while (SYS(ppoll, &p, 1, NULL, NULL, 0) == -EINTR)
		;
}

enum conn_end conn_post(struct conn *c, enum wire_type type, const void *req)
{
	lock_mask mask = signals_block();
	long n = wire_put_request(c->out, WIRE_REQUEST_MAX, type, ++c->id, req, NULL);
	bool ok = n > 0 && send_all(c->fd, c->out, (size_t)n);

	c->posted++;
	signals_restore(mask);
	return ok ? CONN_ANSWERED : CONN_UNSENT;
}
