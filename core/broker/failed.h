/**
 * failed.h - how the uploads of forgotten descriptions ended, for closers that ask late.
 *
 * A description is forgotten as soon as no descriptor of it is left, but between a program's real close and its CLOSED
 * any time may pass (it was stopped, or swapped out), and it is to hear of a failure all the same. Only failures are
 * kept, as spans of ids, for the session's whole life. Memory is bounded: where there would be too many spans the two
 * that are nearest become one, so that a late closer between them hears EIO for an upload that succeeded; the other way
 * round is impossible. Not locked: guarded by files.c.
 */
#ifndef S3SHIM_BROKER_FAILED_H
#define S3SHIM_BROKER_FAILED_H

#include <stddef.h>
#include <stdint.h>

#define FAILED_MAX 512

struct failed {
	struct failed_span {
		uint64_t first, last;
		int status;
	} at[FAILED_MAX + 1]; /* sorted, apart */
	size_t count;
};

void failed_add(struct failed *f, uint64_t id, int status); /* @status: negative errno */
int failed_find(const struct failed *f, uint64_t id);       /* 0, or what was added */

#endif
