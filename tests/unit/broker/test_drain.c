/* The report of failed uploads, on volumes that fail as they are told. */
#include "broker/drain.h"
#include "broker/session.h"
#include "volume/volume.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct vfailure failures[400];
static int failure_count, drains;
static bool shutdown_seen;

static int fake_drain(struct volume *v, bool shutdown, void (*each)(void *arg, const struct vfailure *f), void *arg)
{
	(void)v;
	drains++;
	shutdown_seen = shutdown;
	for (int i = 0; i < failure_count; i++)
		each(arg, &failures[i]);
	return failure_count;
}

static const struct volume_ops ops = { .type = "Fake", .drain = fake_drain };
static struct volume one = { .ops = &ops, .mount = "/one" }, two = { .ops = &ops, .mount = "/two" };
static struct volume *volumes[] = { &one, &two };
static struct broker broker = { .volumes = volumes, .volume_count = 2 };
static char buf[131072];

static void fail(const char *name, const char *sentence)
{
	struct vfailure *f = &failures[failure_count++];

	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->sentence, sizeof(f->sentence), "%s", sentence);
}

static int report(size_t size)
{
	size_t len = 0;
	int failed = drain(&broker, true, buf, size, &len);

	cr_assert_eq(len, strlen(buf));
	cr_assert_lt(len, size);
	cr_assert_eq(strncmp(buf, "{\"requests\": {", 14), 0);
	cr_assert_str_eq(buf + len - 2, "]}");
	return failed;
}

Test(drain, every_volume_is_drained)
{
	cr_assert_eq(drain(&broker, true, NULL, 0, NULL), 0);
	cr_assert_eq(drains, 2);
	cr_assert(shutdown_seen);
}

Test(drain, failures_are_named)
{
	fail("s3://b/k\"1\"", "403 AccessDenied");
	fail("s3://b/k2", "503 SlowDown");
	cr_assert_eq(report(sizeof(buf)), 2);
	cr_assert_not_null(
	    strstr(buf, ", \"failures\": [{\"name\": \"s3://b/k\\\"1\\\"\", \"sentence\": \"403 AccessDenied\"}, "
			"{\"name\": \"s3://b/k2\", \"sentence\": \"503 SlowDown\"}]}"),
	    "%s", buf);
}

Test(drain, what_two_volumes_report_counts_once)
{
	fail("s3://b/k", "403 AccessDenied");
	fail("s3://b/k", "403 AccessDenied");
	fail("s3://b/k", "another reason");
	cr_assert_eq(report(sizeof(buf)), 2);
}

Test(drain, a_report_that_is_too_long_is_cut_between_failures)
{
	char name[32], longer[ERR_TEXT_MAX];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "s3://b/%d", i);
		fail(name, longer);
	}
	cr_assert_eq(report(sizeof(buf)), 400, "all are counted");
	cr_assert_str_eq(buf + strlen(buf) - 5, "x\"}]}");
	for (size_t size = 2048; size < 4200; size += 7)
		cr_assert_eq(report(size), 400);
}
