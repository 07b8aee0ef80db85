/* What is remembered of programs without the library, as hostile programs would tell of them. */
#include "base/counters.h"
#include "base/log.h"
#include "broker/escaped.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct escaped escaped;
static char buf[16384], lines[131072];

static const char *json(size_t size)
{
	struct json j;

	json_init(&j, buf, size);
	escaped_json(&escaped, &j);
	return buf;
}

Test(escaped, each_is_told_once_and_counted_each_time)
{
	int fd = memfd_create("log", 0);

	log_open_fd(fd, LOG_INFO);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(escaped_add(&escaped, "/bin/x\n", 1), 0);
	cr_assert_eq(escaped_add(&escaped, "/bin/y", 2), 0);
	log_open_fd(-1, LOG_INFO);
	cr_assert_gt(pread(fd, lines, sizeof(lines) - 1, 0), 0);
	cr_assert_eq(counter_get(COUNTER_escapes), 4);
	cr_assert_eq(strstr(strstr(lines, "'/bin/x\\x0a' is statically linked\n") + 2, "/bin/x"), NULL);
	cr_assert(strstr(lines, "'/bin/y' is setuid\n"));
	cr_assert_str_eq(
	    json(sizeof(buf)),
	    ", \"escaped_programs\": [{\"program\": \"/bin/x\\u000a\", \"why\": \"is statically linked\"}, "
	    "{\"program\": \"/bin/y\", \"why\": \"is setuid\"}]");
	escaped_deinit(&escaped);
}

Test(escaped, a_reason_that_is_none)
{
	cr_assert_eq(escaped_add(&escaped, "/bin/x", 0), -EINVAL);
	cr_assert_eq(escaped_add(&escaped, "/bin/x", 7), -EINVAL);
	cr_assert_eq(counter_get(COUNTER_escapes), 0);
}

Test(escaped, a_flood)
{
	char path[4096] = { 0 };

	memset(path, 'x', sizeof(path) - 1);
	for (int i = 0; i < 2 * ESCAPED_MAX; i++) {
		(void)snprintf(path, 8, "%06d", i);
		path[6] = '/';
		cr_assert_eq(escaped_add(&escaped, path, 1), 0);
	}
	cr_assert_eq(escaped.count, ESCAPED_MAX);
	cr_assert_eq(counter_get(COUNTER_escapes), 2 * ESCAPED_MAX);
	cr_assert_eq(json(sizeof(buf))[strlen(buf) - 1], ']');
	cr_assert_lt(strlen(buf), 8400);
	cr_assert_str_eq(json(20), "", "what does not fit is left out");
	escaped_deinit(&escaped);
}
