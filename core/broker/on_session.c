#include "base/util.h"
#include "broker/conn.h"
#include "broker/dispatch.h"
#include "broker/drain.h"
#include "broker/session.h"
#include "object/arena.h"

#include <fcntl.h>
#include <sys/socket.h>

/* Handlers of what concerns the session and its connections. */

int on_hello(struct exchange *x, const struct wire_hello_req *q, struct wire_hello_rep *a)
{
	if (q->version != WIRE_VERSION)
		return err_set(&x->call.err, EPROTO, "the library speaks protocol %u, the broker %u", q->version,
			       WIRE_VERSION);
	x->fd = fcntl(arena_fd(x->broker->arena), F_DUPFD_CLOEXEC, 0);
	if (x->fd < 0)
		return -errno;
	x->conn->greeted = true;
	a->session = x->broker->session;
	a->arena_bytes = WIRE_ARENA_BYTES;
	a->version = WIRE_VERSION;
	a->mounts = (uint32_t)x->broker->volume_count;
	return 0;
}

/* SO_PEERCRED of a socketpair is its maker's: the new connection is whose this one is. */
int on_link(struct exchange *x, const struct wire_link_req *q, struct wire_link_rep *a)
{
	int pair[2], r;

	(void)q;
	(void)a;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = server_adopt(x->broker->server, pair[0], &x->conn->peer, true, false);
	if (r < 0) {
		close(pair[1]);
		return r;
	}
	x->fd = pair[1];
	return 0;
}

int on_status(struct exchange *x, const struct wire_status_req *q, struct wire_status_rep *a)
{
	(void)q;
	(void)a;
	if (x->call.uid != x->broker->uid && x->call.uid != 0)
		return -EPERM;
	x->tail_len = drain_status(x->broker, x->tail, x->tail_room);
	return 0;
}

int on_drain(struct exchange *x, const struct wire_drain_req *q, struct wire_drain_rep *a)
{
	if (!x->conn->control)
		return -EPERM;
	a->failed = (uint32_t)drain(x->broker, q->shutdown != 0, x->tail, x->tail_room, &x->tail_len);
	return 0;
}

int on_escaped(struct exchange *x, const struct wire_escaped_req *q, struct wire_escaped_rep *a)
{
	(void)a;
	return escaped_add(&x->broker->escaped, x->string[0], q->why);
}
