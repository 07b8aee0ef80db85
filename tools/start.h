/**
 * start.h - a broker of one's own: s3shimd as a child, with a control connection to it.
 *
 * The session is ready when the HELLO that is sent on the connection is answered, or its answer is the sentence of what
 * went wrong; it ends with the connection. Threads: none.
 */
#ifndef S3SHIM_TOOLS_START_H
#define S3SHIM_TOOLS_START_H

#include "base/err.h"

#include <sys/types.h>

struct start {
	const char *broker, *socket; /* paths of the program, and of the socket that it is to listen at */
	char *const *options;        /* s3run's, which s3shimd takes too; secrets are no part of them */
	int option_count;
	void (*in_child)(const void *arg); /* before the exec; NULL */
	const void *arg;
};

/**
 * start_broker() - fork and exec
 * @ret_control: the connection, close-on-exec, the caller's. A failed exec is an end of the child with status 127.
 */
int start_broker(const struct start *how, pid_t *ret_pid, int *ret_control, struct err *err);

#endif
