/**
 * audit.h - what a session has done, in JSON lines: one for each S3 request, one for each file that was closed.
 *
 *   {"time": "2026-01-31T23:59:59.999Z", "session": "0123456789abcdef", "event": "request", "operation": "GetObject",
 *    "bucket": "b", "key": "k", "status": 206, "error": "", "sent": 0, "received": 65536, "etag": "\"...\"",
 *    "version": "", "request_id": "...", "ms": 12}
 *   {..., "event": "refused", "operation": "PutObject", "bucket": "b", "key": "k", "error": "EDQUOT", "reason": "..."}
 *   {..., "event": "close", "path": "/s3/k", "bucket": "b", "key": "k", "mode": "write", "granted": 0, "claimed": 4096,
 *    "size": 4096, "etag": "\"...\"", "error": ""}
 *   {..., "event": "dropped", "lines": 3}
 *
 * A line is written at once, whole, at the file's end, under flock(2): sessions may share a file, and it may be moved away
 * by others. No key, token or header of a request is ever in it; names are escaped, what is no UTF-8 in them is U+FFFD.
 * Files of mode 0600: @path, and with a limit @path.1 to @path.<keep>, the youngest first.
 *
 * Full disk: with .stop nothing is sent any more (audit_ready()); room is set aside before it is needed, so that what is
 * under way then still gets its lines. Otherwise lines are dropped, counted, and told by a line when there is room again.
 *
 * Threads: any. A NULL log takes nothing down.
 */
#ifndef S3SHIM_S3_AUDIT_H
#define S3SHIM_S3_AUDIT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct audit;

struct audit_config {
	const char *path;   /* copied */
	uint64_t max_bytes; /* of a file; 0: no limit */
	unsigned keep;      /* older files */
	bool stop;
	uint64_t session;
};

/** audit_open() - Return: 0; negative errno with a sentence. */
int audit_open(const struct audit_config *config, struct audit **ret, struct err *err);
struct audit *audit_close(struct audit *a); /* flushed to the disk; returns NULL */

struct audit_request {
	const char *operation, *bucket, *key; /* NULL: none */
	const char *source_bucket, *source_key;
	const char *const *keys; /* DeleteObjects */
	size_t key_count;
	int status;        /* HTTP's, 0: no answer */
	const char *error; /* the store's code, or how it ended; "" */
	uint64_t sent, received;
	const char *etag, *version_id, *request_id; /* "" */
	int64_t ms;
};
void audit_request(struct audit *a, const struct audit_request *r);

/** audit_refused() - a call that was never sent. @errnum: why, positive; @reason: a sentence. */
void audit_refused(struct audit *a, const struct audit_request *r, int errnum, const char *reason);

struct audit_file {
	const char *mount, *path; /* below it */
	const char *bucket, *key;
	bool written;
	uint64_t granted, claimed, size; /* bytes it was told that it may read, write; of the file */
	const char *etag;                /* of the object as it is known; "" */
	int errnum;                      /* of its upload, positive; 0 */
};
void audit_file(struct audit *a, const struct audit_file *f);

/** audit_ready() - may a request be sent? Return: 0; -EIO: the log is full, and the session stopped. */
int audit_ready(struct audit *a, struct err *err);

/** audit_ended() - a sentence where it stopped, or lines were dropped. Return: is there one? */
bool audit_ended(struct audit *a, char *buf, size_t size);

#endif
