/**
 * escaped.h - programs that were started without the library: each told once in the log, the first ones in `--stats`.
 *
 * The shims say so before an exec (ESCAPED of messages.def), and may say anything: only so many paths are remembered.
 * Those beyond are counted, and told no more. Zeroed is ready; threads: any.
 */
#ifndef S3SHIM_BROKER_ESCAPED_H
#define S3SHIM_BROKER_ESCAPED_H

#include "broker/json.h"

#include <pthread.h>
#include <stdint.h>

#define ESCAPED_MAX 256

struct escaped {
	pthread_mutex_t mutex;
	size_t count;
	struct {
		char *path;
		uint32_t why;
	} at[ESCAPED_MAX];
};

/** escaped_add() - @path is about to be started; @why: the row of escapes.def, from 1. Return: 0; -EINVAL: no such row.
 */
int escaped_add(struct escaped *e, const char *path, uint32_t why);

/** escaped_json() - `, "escaped_programs": [{"program": path, "why": words}, ...]`, the first ones, at most some KiB. */
void escaped_json(struct escaped *e, struct json *j);

void escaped_deinit(struct escaped *e);

#endif
