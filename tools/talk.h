/**
 * talk.h - one connection to the daemon's control socket: a line of JSON each way.
 *
 * A request is a line of at most TALK_LINE_MAX bytes; its answer is a line; then the next may come. Who is at the other
 * end must be our own user, or root. Nothing here blocks. One thread.
 */
#ifndef S3SHIM_TOOLS_TALK_H
#define S3SHIM_TOOLS_TALK_H

#include <stdbool.h>
#include <stddef.h>

#define TALK_LINE_MAX 65536

struct hosted;

struct talk {
	struct talk *prev, *next; /* the daemon's list */
	int fd;
	bool ended; /* nothing more comes; what was asked is still answered */
	bool gone;  /* nobody is there any more */
	char in[TALK_LINE_MAX];
	size_t in_len;
	char *out; /* not sent yet */
	size_t out_len, out_sent;
	/* what it waits for; NULL: nothing */
	struct hosted *session;
	bool wants_end; /* of it; else its start */
};

/** talk_accept() - the next connection of @listen_fd. NULL: none, or nobody that we talk to. */
struct talk *talk_accept(int listen_fd);
struct talk *talk_free(struct talk *t); /* returns NULL */

/** talk_events() - for poll(2). talk_ready() - what it said. */
short talk_events(const struct talk *t);
void talk_ready(struct talk *t, short revents);

/** talk_line() - take a line that has come. Return: malloc'd, without its end; NULL: none is whole. */
char *talk_line(struct talk *t);

/** talk_say() - a line; @text without its end. Where there is no memory for it, the connection is cut. */
void talk_say(struct talk *t, const char *text, size_t len);

#endif
