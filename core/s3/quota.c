#include "s3/quota.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

struct quota {
	uint64_t limits[QUOTA_MAX]; /* UINT64_MAX: none */
	_Atomic uint64_t used[QUOTA_MAX];
	_Atomic bool ended[QUOTA_MAX];
	int64_t began_ms;
};

static const struct {
	const char *name, *unit, *sentence;
	int errnum;
} rows[QUOTA_MAX] = {
#define Q(name, errnum, unit, sentence) { #name, unit, sentence, errnum },
#include "s3/quota.def"
#undef Q
};

int quota_new(const uint64_t limits[QUOTA_MAX], struct quota **ret)
{
	struct quota *q;
	bool any = false;

	*ret = NULL;
	for (size_t i = 0; i < QUOTA_MAX; i++)
		any |= limits[i] != 0;
	if (!any)
		return 0;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	for (size_t i = 0; i < QUOTA_MAX; i++)
		q->limits[i] = limits[i] ? limits[i] : UINT64_MAX;
	q->began_ms = clock_now_ms();
	*ret = q;
	return 0;
}

struct quota *quota_free(struct quota *q)
{
	free(q);
	return NULL;
}

static void say(const struct quota *q, size_t kind, char *text, size_t size)
{
	(void)snprintf(text, size, "the session's quota of %s (%" PRIu64 "%s%s) has ended", rows[kind].sentence,
		       q->limits[kind], rows[kind].unit[0] == 'c' ? "" : " ",
		       rows[kind].unit[0] == 'c' ? "" : rows[kind].unit);
}

static int end(struct quota *q, enum quota_kind kind, struct err *err)
{
	char text[160];

	say(q, kind, text, sizeof(text));
	if (!atomic_exchange(&q->ended[kind], true))
		log_warn("quota", "%s", text);
	return err_set(err, rows[kind].errnum, "%s", text);
}

int quota_take(struct quota *q, enum quota_kind kind, uint64_t n, struct err *err)
{
	uint64_t used;

	if (!q)
		return 0;
	used = q->used[kind];
	do {
		if (used > q->limits[kind] || n > q->limits[kind] - used)
			return end(q, kind, err);
	} while (!atomic_compare_exchange_weak(&q->used[kind], &used, used + n));
	return 0;
}

void quota_give(struct quota *q, enum quota_kind kind, uint64_t n)
{
	if (q)
		atomic_fetch_sub(&q->used[kind], n);
}

void quota_add(struct quota *q, enum quota_kind kind, uint64_t n)
{
	if (q)
		atomic_fetch_add(&q->used[kind], n);
}

uint64_t quota_room(const struct quota *q, enum quota_kind kind)
{
	uint64_t used;

	if (!q || q->limits[kind] == UINT64_MAX)
		return UINT64_MAX;
	used = q->used[kind];
	return used < q->limits[kind] ? q->limits[kind] - used : 0;
}

int quota_size(struct quota *q, uint64_t size, struct err *err)
{
	return q && size > q->limits[QUOTA_object_size] ? end(q, QUOTA_object_size, err) : 0;
}

int quota_time(struct quota *q, struct err *err)
{
	if (!q || q->limits[QUOTA_time] == UINT64_MAX)
		return 0;
	return (uint64_t)(clock_now_ms() - q->began_ms) >= q->limits[QUOTA_time] ? end(q, QUOTA_time, err) : 0;
}

int quota_open(struct quota *q, struct err *err)
{
	int r = quota_time(q, err);

	return r == 0 && quota_room(q, QUOTA_requests) == 0 ? end(q, QUOTA_requests, err) : r;
}

bool quota_writes(const struct quota *q)
{
	return q && (q->limits[QUOTA_written] != UINT64_MAX || q->limits[QUOTA_object_size] != UINT64_MAX ||
		     q->limits[QUOTA_requests] != UINT64_MAX || q->limits[QUOTA_time] != UINT64_MAX);
}

int quota_ended(const struct quota *q, void (*each)(void *arg, const char *sentence), void *arg)
{
	char text[160];
	int count = 0;

	for (size_t i = 0; q && i < QUOTA_MAX; i++) {
		if (!q->ended[i])
			continue;
		say(q, i, text, sizeof(text));
		each(arg, text);
		count++;
	}
	return count;
}

int quota_json(const struct quota *q, char *buf, size_t size)
{
	size_t len = 0;
	int n = snprintf(buf, size, "{");

	for (size_t i = 0; n >= 0 && q && i < QUOTA_MAX; i++) {
		uint64_t used = i == QUOTA_time ? (uint64_t)(clock_now_ms() - q->began_ms) : q->used[i];

		len += (size_t)n;
		n = 0;
		if (len >= size)
			return -ENOBUFS;
		if (q->limits[i] != UINT64_MAX)
			n = snprintf(buf + len, size - len, "%s\"%s\": {\"used\": %" PRIu64 ", \"limit\": %" PRIu64 "}",
				     len > 1 ? ", " : "", rows[i].name, used, q->limits[i]);
	}
	len += (size_t)n;
	if (n < 0 || len + 1 >= size)
		return -ENOBUFS;
	buf[len] = '}';
	buf[len + 1] = '\0';
	return (int)len + 1;
}
