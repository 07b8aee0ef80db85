#include "broker/dispatch.h"

#include "base/counters.h"
#include "base/log.h"
#include "base/util.h"
#include "broker/conn.h"
#include "broker/session.h"

#include <string.h>

/* The table: a handler of its own type for each message, behind one type for all. */
#define MSG(NAME, name, strings, req, rep) \
	static int call_##name(struct exchange *x, const void *q, void *a) \
	{ \
		return on_##name(x, q, a); \
	}
#include "base/messages.def"
#undef MSG

static int (*const handlers[WIRE_TYPE_MAX])(struct exchange *x, const void *q, void *a) = {
#define MSG(NAME, name, strings, req, rep) [WIRE_##NAME] = call_##name,
#include "base/messages.def"
#undef MSG
};

struct volume *exchange_volume(const struct exchange *x, uint32_t mount)
{
	return mount < x->broker->volume_count ? x->broker->volumes[mount] : NULL;
}

void exchange_text(struct exchange *x, const char *text, size_t len)
{
	x->tail_len = (size_t)min_u64(len, x->tail_room);
	memcpy(x->tail, text, x->tail_len);
}

/* What a person looks for in the log when a program reports an I/O error. */
static bool is_trouble(int status)
{
	return status == -EIO || status == -ETIMEDOUT || status == -ESTALE || status == -ENOSPC || status == -EDQUOT;
}

static void report(const struct exchange *x, enum wire_type type, int status)
{
	const char *name = wire_messages[type].name, *path = wire_messages[type].strings ? x->string[0] : "";
	bool upload = type == WIRE_CLOSED || type == WIRE_SYNC;

	if (status == -EIO || status == -ETIMEDOUT || status == -ESTALE)
		counter_add(COUNTER_faults, 1);
	if (status < 0 && x->call.err.errnum && upload)
		log_flood(LOG_ERROR, "broker", "%s: %s", name, err_text(&x->call.err));
	else if (is_trouble(status))
		log_flood(LOG_WARN, "broker", "%s '%s': %s", name, path,
			  x->call.err.errnum ? err_text(&x->call.err) : strerror(-status));
	else if (log_enabled(LOG_DEBUG))
		log_debug("broker", "%s '%s' of %ld: %d %s", name, path, (long)x->call.pid, status,
			  x->call.err.errnum ? err_text(&x->call.err) : "");
}

static int finish(struct exchange *x, int status, void *fixed, size_t fixed_size)
{
	if (status == VOLUME_REDIRECT) {
		exchange_text(x, x->call.redirect, strnlen(x->call.redirect, sizeof(x->call.redirect)));
		status = x->call.redirect_which == 2 ? WIRE_REDIRECT_2 : WIRE_REDIRECT_1;
	}
	if (status < 0 && x->fd >= 0) {
		close(x->fd);
		x->fd = -1;
	}
	if (status < 0)
		x->tail_len = 0;
	if (status != 0)
		memset(fixed, 0, fixed_size);
	return status;
}

long dispatch(struct conn *conn, const struct wire_request *request, void *reply, int *ret_fd)
{
	const size_t fixed_size = wire_messages[request->type].rep_size;
	struct wire_header h = { .type = (uint16_t)request->type, .id = request->id };
	char *fixed = (char *)reply + sizeof(h);
	struct exchange x;

	if (!conn->greeted && request->type != WIRE_HELLO)
		return -EPROTO;
	counter_add(COUNTER_messages, 1);
	x.broker = conn->broker;
	x.conn = conn;
	x.string = request->string;
	x.tail = fixed + fixed_size;
	x.tail_room = WIRE_REPLY_MAX - sizeof(h) - fixed_size;
	x.tail_len = 0;
	x.fd = -1;
	/* field by field: the redirect's buffer is 4 KiB that few requests touch */
	x.call.pid = conn->peer.pid;
	x.call.uid = conn->peer.uid;
	x.call.gid = conn->peer.gid;
	x.call.redirect_which = 0;
	x.call.redirect[0] = '\0';
	x.call.err.errnum = 0;
	x.call.err.text[0] = '\0';

	memset(fixed, 0, fixed_size);
	h.status = handlers[request->type](&x, request->fixed, fixed);
	report(&x, request->type, h.status);
	h.status = finish(&x, h.status, fixed, fixed_size);
	h.has_fd = x.fd >= 0;
	h.size = (uint32_t)(sizeof(h) + fixed_size + x.tail_len);
	memcpy(reply, &h, sizeof(h));
	*ret_fd = x.fd;
	return (long)h.size;
}

size_t dispatch_fail(void *reply, int status)
{
	struct wire_header h;

	memcpy(&h, reply, sizeof(h));
	h.status = status;
	h.has_fd = 0;
	h.size = (uint32_t)(sizeof(h) + wire_messages[h.type].rep_size);
	memset((char *)reply + sizeof(h), 0, h.size - sizeof(h));
	memcpy(reply, &h, sizeof(h));
	return h.size;
}
