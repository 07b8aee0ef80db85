/**
 * dispatch.h - from a request that was checked to the handler of its message, and what handlers share.
 *
 * One handler on_<name>() for each row of messages.def: it reads *req, fills *rep (zeroed before), and returns the
 * status: 0, negative errno, or VOLUME_REDIRECT, for which dispatch() builds the tail. Handlers are in on_session.c,
 * on_names.c and on_files.c. They run on the connection's thread and trust neither indices, ids, lengths nor flags.
 */
#ifndef S3SHIM_BROKER_DISPATCH_H
#define S3SHIM_BROKER_DISPATCH_H

#include "base/wire.h"
#include "volume/volume.h"

struct broker;
struct conn;

/* Every bit of enum wire_set. */
#define SET_ALL \
	((uint32_t)(WIRE_SET_MODE | WIRE_SET_UID | WIRE_SET_GID | WIRE_SET_ATIME | WIRE_SET_MTIME | \
		    WIRE_SET_ATIME_NOW | WIRE_SET_MTIME_NOW))

/** One request while it is handled. */
struct exchange {
	struct broker *broker;
	struct conn *conn;
	const char *const *string; /* the request's, borrowed */
	struct vcall call;
	char *tail; /* of the reply, room for tail_room bytes */
	size_t tail_room, tail_len;
	int fd; /* goes with the reply, then it is closed; -1: none */
};

/**
 * dispatch() - handle @request of @conn and build the reply's frame in @reply (WIRE_REPLY_MAX bytes, 8-aligned)
 * Every reply has its fixed part, zeroed where the status is an error; text in a tail has no NUL.
 * @ret_fd: the descriptor that goes with it, the caller's; -1: none.
 * Return: the frame's size; -EPROTO: not before HELLO.
 */
long dispatch(struct conn *conn, const struct wire_request *request, void *reply, int *ret_fd);

/** dispatch_fail() - turn the reply into one that says @status instead, without tail and descriptor. Return: its size.
 */
size_t dispatch_fail(void *reply, int status);

/** exchange_volume() - of mount index @mount, NULL if there is none. */
struct volume *exchange_volume(const struct exchange *x, uint32_t mount);

/** exchange_text() - the tail is this text, truncated to the room. */
void exchange_text(struct exchange *x, const char *text, size_t len);

#define MSG(NAME, name, strings, req, rep) \
	int on_##name(struct exchange *x, const struct wire_##name##_req *q, struct wire_##name##_rep *a);
#include "base/messages.def"
#undef MSG

#endif
