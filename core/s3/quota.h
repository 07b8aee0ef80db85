/**
 * quota.h - what a session may use up, and has (quota.def): one account for all of its clients, mounts and files.
 *
 * What is used is taken before it is used, so that no number of threads gets beyond a limit together. When a quota ends
 * nothing new begins: no write is accepted, no file made, nothing fetched. What was accepted before is still sent, and
 * counted beyond the limit where it must be (quota_add()). That a quota has ended is logged once.
 *
 * Threads: any; lock-free. A NULL account has no limits and counts nothing.
 */
#ifndef S3SHIM_S3_QUOTA_H
#define S3SHIM_S3_QUOTA_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum quota_kind {
#define Q(name, errnum, unit, sentence) QUOTA_##name,
#include "s3/quota.def"
#undef Q
	QUOTA_MAX
};

struct quota;

/** quota_new() - @limits: 0 is none; time in ms, from now on. Return: 0, and NULL where there is no limit; -ENOMEM. */
int quota_new(const uint64_t limits[QUOTA_MAX], struct quota **ret);
struct quota *quota_free(struct quota *q); /* returns NULL */

/** quota_take() - @n more of it. Return: 0; its errno, negative, with a sentence; then nothing was taken. */
int quota_take(struct quota *q, enum quota_kind kind, uint64_t n, struct err *err);
void quota_give(struct quota *q, enum quota_kind kind, uint64_t n); /* back: it was not used after all */
void quota_add(struct quota *q, enum quota_kind kind, uint64_t n);  /* whatever the limit */
/** quota_room() - what may still be taken; UINT64_MAX without a limit. */
uint64_t quota_room(const struct quota *q, enum quota_kind kind);

/** quota_size() - may an object be so large? Return: 0; -EFBIG. */
int quota_size(struct quota *q, uint64_t size, struct err *err);
/** quota_time() - is the session's time not over? Return: 0; -ETIMEDOUT. */
int quota_time(struct quota *q, struct err *err);
/** quota_open() - may anything new begin: is there time, and a request left? Return: 0; -ETIMEDOUT; -EDQUOT. */
int quota_open(struct quota *q, struct err *err);
/** quota_writes() - do writers have to ask before they write? */
bool quota_writes(const struct quota *q);

/** quota_ended() - a sentence for each that has ended, in the table's order. Return: how many. */
int quota_ended(const struct quota *q, void (*each)(void *arg, const char *sentence), void *arg);
/** quota_json() - {"read": {"used": 1, "limit": 2}, ...}, those with a limit. Return: bytes; -ENOBUFS. */
int quota_json(const struct quota *q, char *buf, size_t size);

#endif
