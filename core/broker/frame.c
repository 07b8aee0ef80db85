#include "broker/frame.h"

#include "base/util.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#define SEND_TIMEOUT_S   10
#define QUEUED_BYTES_MAX 8192 /* unread, of the kernel's accounting: some 10 small replies */
#define QUEUED_LOOK_US   1000

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16: refuse at the sender */
#endif

void frame_prepare(int fd)
{
	struct timeval timeout = { .tv_sec = SEND_TIMEOUT_S };
	int off = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)); /* older kernels: MSG_CTRUNC below */
}

/* recv(2) would not notice descriptors; without a control buffer recvmsg(2) drops them and sets MSG_CTRUNC. */
static ssize_t receive(struct frame_reader *r)
{
	struct iovec iov = { r->buf + r->have, sizeof(r->buf) - r->have };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do {
		n = recvmsg(r->fd, &msg, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return msg.msg_flags & MSG_CTRUNC ? -EPROTO : n;
}

int frame_read(struct frame_reader *r)
{
	struct wire_header h;
	ssize_t n;

	r->have -= r->size;
	memmove(r->buf, r->buf + r->size, r->have);
	r->size = 0;
	for (;;) {
		if (r->have >= sizeof(h)) {
			memcpy(&h, r->buf, sizeof(h));
			if (h.size < sizeof(h) || h.size > sizeof(r->buf))
				return -EPROTO;
			if (r->have >= h.size)
				break;
		}
		n = receive(r);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return r->have ? -EPROTO : FRAME_END;
		r->have += (size_t)n;
	}
	r->size = h.size;
	return 0;
}

/*
 * Descriptors that nobody takes in count against the user, not the session (unix(7), ETOOMANYREFS): a program that asks
 * without reading answers would stop every broker of that user. So no further one is sent until it has read.
 */
static int wait_until_read(int fd)
{
	int queued;

	for (int64_t us = 0; us < SEND_TIMEOUT_S * 1000000LL; us += QUEUED_LOOK_US) {
		if (ioctl(fd, SIOCOUTQ, &queued) < 0 || queued <= QUEUED_BYTES_MAX)
			return 0;
		usleep(QUEUED_LOOK_US);
	}
	return -EAGAIN;
}

int frame_send(int fd, const void *frame, size_t size, int pass_fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)frame, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pass_fd >= 0) {
		struct cmsghdr *c;
		int r = wait_until_read(fd);

		if (r < 0)
			return r;
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	while (iov.iov_len) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}
