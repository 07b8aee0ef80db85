/**
 * client.h - the tools' end of the wire (base/wire.h): one connection, one request at a time.
 *
 * client_send() and client_receive() let a caller poll other things while it waits; client_call() is both, blocking.
 * A descriptor that came with a reply is kept until it is taken or the next request is sent. Threads: a client belongs to
 * one.
 */
#ifndef S3SHIM_TOOLS_CLIENT_H
#define S3SHIM_TOOLS_CLIENT_H

#include "base/err.h"
#include "base/wire.h"

#include <stdalign.h>

struct client {
	int fd;                                    /* owned; -1: none */
	int got_fd;                                /* came with the last reply; -1: none */
	uint32_t id;                               /* of the last request */
	size_t have;                               /* bytes in frame */
	alignas(8) char frame[WIRE_REPLY_MAX + 1]; /* the tail is NUL-terminated for the caller */
};

/** A reply; valid until the next call on the client. */
struct client_reply {
	int status;
	const void *fixed; /* wire_messages[type].rep_size bytes */
	const char *tail;  /* text; NUL-terminated */
	size_t tail_len;
};

#define CLIENT_MORE 1

/** client_init() - take @fd, a connected stream socket (or -1). */
void client_init(struct client *c, int fd);
void client_deinit(struct client *c);

/** client_connect() - to the broker's socket at @path, and say HELLO. Return: 0; -errno with a sentence. */
int client_connect(struct client *c, const char *path, struct err *err);

/**
 * client_send() - a request
 * @strings: as many as the message has (wire.h); NULL where it has none. Return: 0; -errno with a sentence.
 */
int client_send_with(struct client *c, enum wire_type type, const void *fixed, const char *const *strings,
		     struct err *err);
int client_send(struct client *c, enum wire_type type, const void *fixed, struct err *err);

/**
 * client_receive() - take what has arrived, without waiting
 * Return: 0 and the reply; CLIENT_MORE if it is not all there; -ECONNRESET where the broker is gone; -EPROTO.
 */
int client_receive(struct client *c, struct client_reply *ret, struct err *err);

/** client_call() - send and wait. A negative status in the reply is the caller's to look at, not an error here. */
int client_call(struct client *c, enum wire_type type, const void *fixed, struct client_reply *ret, struct err *err);

int client_call_with(struct client *c, enum wire_type type, const void *fixed, const char *const *strings,
		     struct client_reply *ret, struct err *err);

/** client_take_fd() - the descriptor that came with the last reply, the caller's from now on; -1: none came. */
int client_take_fd(struct client *c);

/** client_hello() - send the HELLO of this process. */
int client_hello(struct client *c, struct err *err);

#endif
