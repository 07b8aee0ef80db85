/**
 * drain.h - the session's end and its state, as JSON for tools.
 *
 * Threads: any; several drains at once are fine.
 */
#ifndef S3SHIM_BROKER_DRAIN_H
#define S3SHIM_BROKER_DRAIN_H

#include <stdbool.h>
#include <stddef.h>

struct broker;

/**
 * drain() - finish every upload of every volume; @shutdown: files that are still open are committed as they are
 * @buf: {"requests": {...}, <counters>, "files": opened in all, "seconds": since the start,
 *        "failures": [{"name": "s3://b/k", "sentence": "..."}, ...],
 *        "ended": ["the session's quota of ...", "the audit log ...", ...]}, failures as many as fit. NULL: none is wanted.
 * Return: how many uploads failed since the session's start; *ret_len bytes of JSON.
 */
int drain(struct broker *b, bool shutdown, char *buf, size_t size, size_t *ret_len);

/**
 * drain_status() - {"session", "pid", "seconds", "connections", "open_files", "staging", "mounts": [{"mount", "type",
 * "read_only", "volume"}], "quotas", "objects", "counters", "errors": ["line", ...]}
 * Return: bytes of JSON; what does not fit is left out.
 */
size_t drain_status(struct broker *b, char *buf, size_t size);

#endif
