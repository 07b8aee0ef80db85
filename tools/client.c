#include "client.h"
#include "base/util.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void client_init(struct client *c, int fd)
{
	c->fd = fd;
	c->got_fd = -1;
	c->id = 0;
	c->have = 0;
}

int client_take_fd(struct client *c)
{
	return steal_fd(&c->got_fd);
}

static void drop_fd(struct client *c)
{
	int fd = client_take_fd(c);

	if (fd >= 0)
		close(fd);
}

void client_deinit(struct client *c)
{
	drop_fd(c);
	cleanup_close_p(&c->fd);
	c->fd = -1;
}

int client_send_with(struct client *c, enum wire_type type, const void *fixed, const char *const *strings,
		     struct err *err)
{
	alignas(8) char frame[WIRE_REQUEST_MAX];
	long size = wire_put_request(frame, sizeof(frame), type, ++c->id, fixed, strings);
	size_t sent = 0;

	drop_fd(c);
	if (size < 0)
		return err_set(err, (int)-size, "%s: %s", wire_messages[type].name, strerror((int)-size));
	while (sent < (size_t)size) {
		ssize_t n = send(c->fd, frame + sent, (size_t)size - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "the broker does not answer: %s", strerror(errno));
		sent += (size_t)n;
	}
	return 0;
}

int client_send(struct client *c, enum wire_type type, const void *fixed, struct err *err)
{
	return client_send_with(c, type, fixed, NULL, err);
}

int client_hello(struct client *c, struct err *err)
{
	struct wire_hello_req hello = { .version = WIRE_VERSION, .pid = (uint32_t)getpid() };

	return client_send(c, WIRE_HELLO, &hello, err);
}

/* Replies carry one at the most; were there more, they would be closed. */
static void keep_descriptor(struct client *c, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			drop_fd(c);
			c->got_fd = fd;
		}
	}
}

/* A whole reply in c->frame? Those of requests that nobody waits for any more are dropped. */
static int take_reply(struct client *c, struct client_reply *ret, struct err *err)
{
	struct wire_header h;
	size_t fixed;

	if (c->have < sizeof(h))
		return CLIENT_MORE;
	memcpy(&h, c->frame, sizeof(h));
	if (h.size < sizeof(h) || h.size > WIRE_REPLY_MAX || h.type == WIRE_NONE || h.type >= WIRE_TYPE_MAX)
		return err_set(err, EPROTO, "the broker speaks another protocol; are all parts of one version?");
	if (c->have < h.size)
		return CLIENT_MORE;
	if (h.id != c->id) {
		c->have -= h.size;
		memmove(c->frame, c->frame + h.size, c->have);
		return take_reply(c, ret, err);
	}
	fixed = wire_messages[h.type].rep_size;
	if (h.size < sizeof(h) + fixed)
		return err_set(err, EPROTO, "the broker's answer to %s is too short", wire_messages[h.type].name);
	*ret = (struct client_reply){ h.status, c->frame + sizeof(h), c->frame + sizeof(h) + fixed,
				      h.size - sizeof(h) - fixed };
	/* One request at a time: nothing follows the answer to the last one. */
	c->frame[h.size] = '\0';
	c->have = 0;
	return 0;
}

int client_receive(struct client *c, struct client_reply *ret, struct err *err)
{
	for (;;) {
		alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
		struct iovec iov = { c->frame + c->have, WIRE_REPLY_MAX - c->have };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
		};
		ssize_t n;
		int r = take_reply(c, ret, err);

		if (r != CLIENT_MORE)
			return r;
		n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return CLIENT_MORE;
		if (n < 0)
			return err_set(err, errno, "the connection to the broker failed: %s", strerror(errno));
		if (n == 0)
			return err_set(err, ECONNRESET, "the broker is gone");
		keep_descriptor(c, &msg);
		c->have += (size_t)n;
	}
}

int client_call_with(struct client *c, enum wire_type type, const void *fixed, const char *const *strings,
		     struct client_reply *ret, struct err *err)
{
	int r = client_send_with(c, type, fixed, strings, err);

	while (r == 0) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		r = client_receive(c, ret, err);
		if (r != CLIENT_MORE)
			return r;
		r = poll(&p, 1, -1) < 0 && errno != EINTR ? err_set(err, errno, "poll: %s", strerror(errno)) : 0;
	}
	return r;
}

int client_call(struct client *c, enum wire_type type, const void *fixed, struct client_reply *ret, struct err *err)
{
	return client_call_with(c, type, fixed, NULL, ret, err);
}

int client_connect(struct client *c, const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct wire_hello_req hello = { .version = WIRE_VERSION, .pid = (uint32_t)getpid() };
	struct client_reply reply;
	cleanup_close int fd = -1;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ENAMETOOLONG, "the path of the socket '%s' is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, errno, "no broker answers at '%s': %s", path, strerror(errno));
	client_init(c, steal_fd(&fd));
	r = client_call(c, WIRE_HELLO, &hello, &reply, err);
	if (r == 0 && reply.status < 0)
		r = err_set(err, -reply.status, "the broker at '%s' refuses: %s", path,
			    reply.tail_len ? reply.tail : strerror(-reply.status));
	if (r < 0)
		client_deinit(c);
	return r;
}
