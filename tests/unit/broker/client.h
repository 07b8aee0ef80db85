/**
 * client.h - a broker over two temporary folders, and a client that speaks the wire protocol as the shim does.
 *
 * Mount 0 is /work, mount 1 is /other. Whatever cannot fail but does ends the test by abort().
 */
#ifndef S3SHIM_TESTS_BROKER_CLIENT_H
#define S3SHIM_TESTS_BROKER_CLIENT_H

#include "base/wire.h"
#include "broker/broker.h"

#include <pthread.h>

struct session {
	struct broker *broker;
	char folder[2][64]; /* what the mounts show */
	pthread_t runner;
	bool running;
	int result; /* of broker_run(), after session_join() */
};

void session_begin(struct session *s);
void session_end(struct session *s);              /* stops and joins a runner, frees, removes the folders */
void session_run(struct session *s, int idle_ms); /* broker_run() on a thread of its own */
int session_join(struct session *s);
void session_path(const struct session *s, int mount, const char *name, char *buf, size_t size);

/** What came back beside the reply's fixed part. Zeroed by client_call(); its descriptor is the caller's. */
struct answer {
	int fd;
	size_t tail_len;
	char tail[WIRE_REPLY_MAX]; /* a NUL behind it */
};

/** client_connect() - an adopted socketpair; client_greeted() - after HELLO. */
int client_connect(struct session *s, bool control);
int client_greeted(struct session *s);

/**
 * client_call() - one request, its reply
 * @a: NULL if none is of interest (a descriptor is closed then). @from, @to: the strings that the message has.
 * Return: the status; -ECONNRESET when the connection ended instead.
 */
int client_call(int fd, enum wire_type type, const void *req, void *rep, struct answer *a, const char *from,
		const char *to);
void client_send(int fd, enum wire_type type, const void *req, const char *from, const char *to);
int client_receive(int fd, enum wire_type type, void *rep, struct answer *a);

/** client_ended() - does the broker end the connection within some seconds? */
bool client_ended(int fd);

/** client_open() - OPEN of mount 0. Return: the descriptor, the reply in *rep; -errno. */
int client_open(int fd, const char *path, uint32_t flags, uint32_t mode, struct wire_open_rep *rep);

#endif
