#include "broker/frame.h"

#include "base/util.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define SEND_TIMEOUT_S 30

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
