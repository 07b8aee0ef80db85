#include "s3/quota.h"

#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct quota *make(enum quota_kind kind, uint64_t limit)
{
	uint64_t limits[QUOTA_MAX] = { 0 };
	struct quota *q;

	limits[kind] = limit;
	cr_assert_eq(quota_new(limits, &q), 0);
	cr_assert(q);
	return q;
}

static void note(void *arg, const char *sentence)
{
	strcat(arg, sentence);
}

Test(quota, without_limits_is_none)
{
	uint64_t limits[QUOTA_MAX] = { 0 };
	struct quota *q;

	cr_assert_eq(quota_new(limits, &q), 0);
	cr_assert_null(q);
	cr_assert_eq(quota_take(q, QUOTA_read, UINT64_MAX, NULL), 0);
	cr_assert_eq(quota_open(q, NULL), 0);
	cr_assert_not(quota_writes(q));
	quota_give(q, QUOTA_read, 1);
	quota_free(q);
}

Test(quota, takes_all_or_nothing)
{
	struct quota *q = make(QUOTA_written, 10);
	struct err err = ERR_INIT;
	char ended[200] = "";

	cr_assert_eq(quota_take(q, QUOTA_written, 7, NULL), 0);
	cr_assert_eq(quota_ended(q, note, ended), 0);
	cr_assert_eq(quota_take(q, QUOTA_written, 4, &err), -EDQUOT);
	cr_assert_str_eq(err_text(&err), "the session's quota of bytes written (10 bytes) has ended");
	cr_assert_eq(quota_take(q, QUOTA_written, UINT64_MAX, NULL), -EDQUOT);
	cr_assert_eq(quota_room(q, QUOTA_written), 3);
	quota_give(q, QUOTA_written, 2);
	cr_assert_eq(quota_take(q, QUOTA_written, 5, NULL), 0);
	quota_add(q, QUOTA_written, 3);
	cr_assert_eq(quota_room(q, QUOTA_written), 0);
	cr_assert_eq(quota_take(q, QUOTA_written, 0, NULL), -EDQUOT);
	cr_assert_eq(quota_ended(q, note, ended), 1);
	cr_assert_str_eq(ended, err_text(&err));
	quota_free(q);
}

Test(quota, kinds)
{
	struct quota *q = make(QUOTA_object_size, 5);
	char text[200];

	cr_assert_eq(quota_size(q, 5, NULL), 0);
	cr_assert_eq(quota_size(q, 6, NULL), -EFBIG);
	cr_assert_eq(quota_take(q, QUOTA_objects, 1, NULL), 0);
	cr_assert_eq(quota_open(q, NULL), 0);
	quota_free(q);
	q = make(QUOTA_requests, 1);
	cr_assert_eq(quota_open(q, NULL), 0);
	cr_assert_eq(quota_take(q, QUOTA_requests, 1, NULL), 0);
	cr_assert_eq(quota_open(q, NULL), -EDQUOT);
	cr_assert_gt(quota_json(q, text, sizeof(text)), 0);
	cr_assert_str_eq(text, "{\"requests\": {\"used\": 1, \"limit\": 1}}");
	cr_assert_eq(quota_json(q, text, 20), -ENOBUFS);
	quota_free(q);
	q = make(QUOTA_time, 1);
	while (quota_time(q, NULL) == 0)
		;
	cr_assert_eq(quota_open(q, NULL), -ETIMEDOUT);
	quota_free(q);
}

#define THREADS 4
#define EACH    20000

static struct quota *shared;
static _Atomic unsigned got;

static void *taker(void *arg)
{
	for (int i = 0; i < EACH; i++)
		if (quota_take(shared, QUOTA_objects, 1, NULL) == 0)
			got++;
	return arg;
}

Test(quota, many_threads_never_get_beyond)
{
	pthread_t threads[THREADS];

	shared = make(QUOTA_objects, EACH);
	log_open_fd(-1, LOG_ERROR);
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, taker, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(got, EACH);
	quota_free(shared);
}
