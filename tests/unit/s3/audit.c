#include "s3/audit.h"

#include "base/log.h"
#include "base/util.h"
#include "s3/buf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[80];

static void set_up(void)
{
	strcpy(dir, "/tmp/audit-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	log_open_fd(-1, LOG_ERROR);
}

static void tear_down(void)
{
	char name[100];

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "%s.%d", path, i);
		unlink(name);
	}
	unlink(path);
	rmdir(dir);
}

TestSuite(audit, .init = set_up, .fini = tear_down);

static struct audit *begin(uint64_t max, bool stop)
{
	const struct audit_config c = { .path = path, .max_bytes = max, .keep = 2, .stop = stop, .session = 0xabc };
	struct err err = ERR_INIT;
	struct audit *a;

	cr_assert_eq(audit_open(&c, &a, &err), 0, "%s", err_text(&err));
	return a;
}

static void note(struct audit *a, const char *key)
{
	const struct audit_request r = {
		.operation = "GetObject", .bucket = "bkt", .key = key, .status = 200, .ms = 3
	};

	audit_request(a, &r);
}

/* The text of the file, and how many lines. */
static int content(const char *name, char *buf, size_t size)
{
	int fd = open(name, O_RDONLY), lines = 0;
	ssize_t n;

	cr_assert_geq(fd, 0, "%s", name);
	n = read(fd, buf, size - 1);
	cr_assert_geq(n, 0);
	buf[n] = '\0';
	close(fd);
	for (const char *p = buf; *p; p++)
		lines += *p == '\n';
	return lines;
}

Test(audit, a_line)
{
	struct audit *a = begin(0, true);
	char text[4096];
	struct stat st;

	note(a, "a\"b\\c\n\x01\xff\xc3\xa9");
	cr_assert_eq(content(path, text, sizeof(text)), 1);
	cr_assert(strstr(text,
			 "\"session\": \"0000000000000abc\", \"event\": \"request\", \"operation\": \"GetObject\", "
			 "\"bucket\": \"bkt\", \"key\": \"a\\\"b\\\\c\\u000a\\u0001\\ufffd\xc3\xa9\", \"status\": 200"),
		  "%s", text);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600u);
	audit_close(a);
	a = begin(0, false);
	note(a, "more");
	audit_close(a);
	cr_assert_eq(content(path, text, sizeof(text)), 2);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_size, (off_t)strlen(text));
}

Test(audit, every_byte_is_escaped)
{
	struct buf out = BUF_INIT;
	char text[2] = "";

	for (int c = 1; c < 256; c++) {
		text[0] = (char)c;
		buf_clear(&out);
		buf_json(&out, text);
		cr_assert_eq(strpbrk(buf_str(&out), "\n\r\t\x01\x1f\x7f\xff"), NULL, "%d", c);
		cr_assert(c == '"' || c == '\\' || c < 32 || c >= 127 || out.len == 3, "%d", c);
	}
	buf_deinit(&out);
}

Test(audit, is_rotated)
{
	struct audit *a = begin(600, false);
	char name[100], text[4096];

	for (int i = 0; i < 20; i++)
		note(a, "key");
	audit_close(a);
	cr_assert_leq(content(path, text, sizeof(text)), 2);
	for (int i = 1; i <= 2; i++) {
		snprintf(name, sizeof(name), "%s.%d", path, i);
		cr_assert_eq(content(name, text, sizeof(text)), 2);
	}
	snprintf(name, sizeof(name), "%s.3", path);
	cr_assert_lt(access(name, F_OK), 0);
}

Test(audit, two_sessions_and_one_that_moves_the_file_away)
{
	struct audit *a = begin(0, false), *b = begin(0, false);
	char name[100], text[4096];

	note(a, "k");
	note(b, "k");
	snprintf(name, sizeof(name), "%s.1", path);
	cr_assert_eq(rename(path, name), 0);
	note(a, "k");
	note(b, "k");
	cr_assert_eq(content(name, text, sizeof(text)), 2);
	cr_assert_eq(content(path, text, sizeof(text)), 2);
	audit_close(a);
	audit_close(b);
}

static void limit(rlim_t bytes)
{
	struct rlimit l;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &l);
	l.rlim_cur = bytes;
	setrlimit(RLIMIT_FSIZE, &l);
}

Test(audit, dropped_lines_are_told)
{
	struct audit *a = begin(0, false);
	char text[4096];

	note(a, "first");
	limit(300);
	for (int i = 0; i < 3; i++)
		note(a, "lost");
	cr_assert_eq(content(path, text, sizeof(text)), 1, "no half lines: %s", text);
	cr_assert(audit_ended(a, text, sizeof(text)));
	cr_assert(strstr(text, "3 lines were dropped"), "%s", text);
	cr_assert_eq(audit_ready(a, NULL), 0);
	limit(RLIM_INFINITY);
	note(a, "again");
	cr_assert_eq(content(path, text, sizeof(text)), 3);
	cr_assert(strstr(text, "\"event\": \"dropped\", \"lines\": 3}"), "%s", text);
	cr_assert(strstr(text, "again") && !strstr(text, "lost"));
	audit_close(a);
}

Test(audit, stops)
{
	const struct audit_config c = { .path = "/dev/full", .stop = true };
	struct err err = ERR_INIT;
	struct audit *a;
	char text[200];

	cr_assert_eq(audit_open(&c, &a, &err), 0, "%s", err_text(&err));
	cr_assert_eq(audit_ready(a, NULL), 0);
	cr_assert_not(audit_ended(a, text, sizeof(text)));
	note(a, "k");
	cr_assert_eq(audit_ready(a, &err), -EIO);
	cr_assert_str_eq(err_text(&err), "the audit log '/dev/full' cannot be written");
	cr_assert(audit_ended(a, text, sizeof(text)));
	audit_close(a);
}

Test(audit, what_is_no_file)
{
	const struct audit_config folder = { .path = "/tmp" };
	struct audit_config link = { .path = path };
	struct err err = ERR_INIT;
	struct audit *a;

	cr_assert_eq(audit_open(&folder, &a, &err), -EISDIR);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_assert_eq(audit_open(&link, &a, &err), -ELOOP);
}
