/* Counters and their JSON. */
#include "base/counters.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

Test(counters, add_and_get)
{
	counter_add(COUNTER_bytes_up, 5);
	counter_add(COUNTER_bytes_up, 7);
	cr_assert_eq(counter_get(COUNTER_bytes_up), 12);
	cr_assert_eq(counter_get(COUNTER_bytes_down), 0);
}

Test(counters, json_of_nothing_names_every_counter)
{
	char buf[4096];
	int n = counters_json(buf, sizeof(buf));

	cr_assert_eq((size_t)n, strlen(buf));
	cr_assert_eq(strncmp(buf, "{\"requests\": {\"total\": 0}", 24), 0);
#define C(name, unit, sentence) cr_assert_not_null(strstr(buf, "\"" #name "\": 0"));
#include "base/counters.def"
#undef C
	cr_assert_eq(buf[n - 1], '}');
}

Test(counters, requests_by_operation)
{
	char buf[4096], other[] = "GetObject"; /* the same name at another address */

	counter_request("GetObject");
	counter_request("PutObject");
	counter_request(other);
	cr_assert_gt(counters_json(buf, sizeof(buf)), 0);
	cr_assert_not_null(strstr(buf, "\"requests\": {\"GetObject\": 2, \"PutObject\": 1, \"total\": 3}"), "%s", buf);
}

Test(counters, json_that_does_not_fit)
{
	char buf[4096];
	int n = counters_json(buf, sizeof(buf));

	for (size_t size = 0; size <= (size_t)n; size++)
		cr_assert_eq(counters_json(buf, size), -ENOBUFS);
	cr_assert_eq(counters_json(buf, (size_t)n + 1), n);
}

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10000; i++) {
		counter_add(COUNTER_messages, 1);
		counter_request("HeadObject");
	}
	return NULL;
}

Test(counters, threads_lose_nothing)
{
	pthread_t threads[4];
	char buf[4096];

	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(counter_get(COUNTER_messages), 40000);
	cr_assert_gt(counters_json(buf, sizeof(buf)), 0);
	cr_assert_not_null(strstr(buf, "\"HeadObject\": 40000"));
}
