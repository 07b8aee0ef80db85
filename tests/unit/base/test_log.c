/* The log: one line an event whatever is in it, levels, the last errors. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int pipe_fds[2];

static void setup(void)
{
	cr_assert_eq(pipe(pipe_fds), 0);
}

static void teardown(void)
{
	log_open_fd(-1, LOG_INFO);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

TestSuite(log, .init = setup, .fini = teardown);

/* What was logged since the last call, at most one pipe full. */
static const char *logged(void)
{
	static char buf[8192];
	ssize_t n;

	cr_assert_eq(write(pipe_fds[1], "$", 1), 1); /* never empty */
	n = read(pipe_fds[0], buf, sizeof(buf) - 1);
	cr_assert_gt(n, 0);
	buf[n - 1] = '\0';
	return buf;
}

Test(log, control_characters_cannot_forge_a_line)
{
	const char *line;

	log_open_fd(pipe_fds[1], LOG_DEBUG);
	log_info("test", "key '%s'", "a\n2026-01-01T00:00:00.000Z error forged\r\t\x7f\x01z");
	line = logged();
	cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1, "more than one line: %s", line);
	cr_assert_not_null(strstr(line, " info test: key 'a\\x0a2026-"));
	cr_assert_not_null(strstr(line, "forged\\x0d\\x09\\x7f\\x01z'\n"));
}

Test(log, utf8_passes)
{
	log_open_fd(pipe_fds[1], LOG_DEBUG);
	log_info("test", "Größe");
	cr_assert_not_null(strstr(logged(), "Größe\n"));
}

Test(log, a_long_line_is_cut_and_ends)
{
	char longer[10000];
	const char *line;

	memset(longer, '\n', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	log_open_fd(pipe_fds[1], LOG_DEBUG);
	log_info("test", "%s", longer);
	line = logged();
	cr_assert_leq(strlen(line), 2048);
	cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
}

Test(log, below_the_level_is_dropped)
{
	log_open_fd(pipe_fds[1], LOG_WARN);
	log_info("test", "nothing");
	cr_assert_not(log_enabled(LOG_INFO));
	cr_assert(log_enabled(LOG_WARN));
	cr_assert_str_eq(logged(), "");
}

/* What was left out is told with the first line of another second. */
Test(log, a_flood_is_cut_and_told)
{
	static char all[1 << 17];
	const char *told = " lines were left out, there were too many\n";
	size_t n = 0, lines = 0, left_out = 0;
	ssize_t got;

	log_open_fd(pipe_fds[1], LOG_INFO);
	for (int i = 0; i < 5 * LOG_FLOOD_MAX; i++)
		log_flood(LOG_INFO, "test", "again");
	usleep(1100000);
	log_flood(LOG_INFO, "test", "and then");
	close(pipe_fds[1]);
	while ((got = read(pipe_fds[0], all + n, sizeof(all) - 1 - n)) > 0)
		n += (size_t)got;
	for (const char *p = all; (p = strstr(p, "info test: again\n")); p++)
		lines++;
	for (const char *p = all; (p = strstr(p, "warn log: ")); p++)
		left_out += strtoul(p + 10, NULL, 10);
	cr_assert(strstr(all, told));
	cr_assert_geq(lines, LOG_FLOOD_MAX);
	cr_assert_eq(lines + left_out, 5 * LOG_FLOOD_MAX);
	cr_assert(strstr(all, "info test: and then\n"));
}

Test(log, recent_errors_are_kept_even_without_a_log)
{
	char buf[4096];

	log_open_fd(-1, LOG_ERROR);
	log_info("test", "not this");
	for (int i = 0; i < 20; i++)
		log_warn("test", "number %d", i);
	cr_assert_gt(log_recent_errors(buf, sizeof(buf)), 0);
	cr_assert_null(strstr(buf, "not this"));
	cr_assert_null(strstr(buf, "number 3\n"), "more than were to be kept");
	cr_assert_lt(strstr(buf, "number 4\n"), strstr(buf, "number 19\n"), "oldest first");
}

Test(log, recent_errors_fit_whole_lines)
{
	char buf[100];
	size_t n;

	log_error("test", "one");
	log_error("test", "%0200d", 0);
	n = log_recent_errors(buf, sizeof(buf));
	cr_assert_eq(n, strlen(buf));
	cr_assert_eq(buf[n - 1], '\n');
	cr_assert_eq(log_recent_errors(buf, 0), 0);
}

Test(log, errno_is_preserved)
{
	log_open_fd(1 << 20, LOG_DEBUG); /* no such descriptor */
	errno = ENOENT;
	log_error("test", "to nowhere");
	cr_assert_eq(errno, ENOENT);
}

Test(log, levels_by_name)
{
	cr_assert_eq(log_level_parse("debug"), LOG_DEBUG);
	cr_assert_eq(log_level_parse("error"), LOG_ERROR);
	cr_assert_eq(log_level_parse("loud"), -EINVAL);
}
