#include "detect.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64], which[DETECT_PATH_MAX];
static struct stat faked;
static bool fake, capable;

static int op_open(void *arg, const char *path)
{
	int fd;

	(void)arg;
	if (strstr(path, "unreadable"))
		return -EACCES;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static long op_pread(void *arg, int fd, void *buf, size_t size, long offset)
{
	(void)arg;
	return pread(fd, buf, size, offset);
}

static int op_fstat(void *arg, int fd, struct stat *ret)
{
	(void)arg;
	if (fake)
		*ret = faked;
	return fake ? 0 : fstat(fd, ret);
}

static bool op_capabilities(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	return capable;
}

static void op_close(void *arg, int fd)
{
	(void)arg;
	close(fd);
}

static bool op_skip(void *arg, const char *path)
{
	(void)arg;
	return strncmp(path, "/s3/", 4) == 0;
}

static struct detect_ops ops = { op_open, op_pread, op_fstat, op_capabilities, op_close,       op_skip,
				 NULL,    1000,     1000,     false,           "/usr/bin:/bin" };

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/s3shim-detect-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void end(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(detect, .init = begin, .fini = end);

static const char *script(const char *name, const char *text)
{
	static char path[4][128];
	static int next;
	char *p = path[next++ % 4];
	FILE *f;

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	f = fopen(p, "w");
	fputs(text, f);
	fclose(f);
	return p;
}

Test(detect, dynamic_program)
{
	cr_assert_eq(detect_program(&ops, "/bin/true", which), DETECT_OK);
}

Test(detect, static_program)
{
	cr_assert_eq(detect_program(&ops, DETECT_STATIC_PATH, which), DETECT_STATIC);
	cr_assert_str_eq(which, DETECT_STATIC_PATH);
}

Test(detect, script_of_a_dynamic_shell)
{
	cr_assert_eq(detect_program(&ops, script("a", "#!/bin/sh -e\n"), which), DETECT_OK);
}

Test(detect, chain_of_scripts_that_ends_static)
{
	char text[256];

	snprintf(text, sizeof(text), "#! %s x\n", DETECT_STATIC_PATH);
	snprintf(text, sizeof(text), "#!%s\n", script("inner", text));
	cr_assert_eq(detect_program(&ops, script("outer", text), which), DETECT_STATIC);
	cr_assert_str_eq(which, DETECT_STATIC_PATH);
}

Test(detect, env_finds_its_program)
{
	char path[256];
	struct detect_ops here = ops;

	snprintf(path, sizeof(path), "%.*s", (int)(strrchr(DETECT_STATIC_PATH, '/') - DETECT_STATIC_PATH),
		 DETECT_STATIC_PATH);
	here.search = path;
	cr_assert_eq(detect_program(&here, script("a", "#!/usr/bin/env detect_static\n"), which), DETECT_STATIC);
	cr_assert_eq(detect_program(&here, script("b", "#!/usr/bin/env -S A=1 detect_static -u\n"), which),
		     DETECT_STATIC);
	cr_assert_eq(detect_program(&ops, script("c", "#!/usr/bin/env sh\n"), which), DETECT_OK);
}

Test(detect, text_without_a_line_is_a_shells)
{
	cr_assert_eq(detect_program(&ops, script("a", "echo x\n"), which), DETECT_OK);
}

Test(detect, scripts_in_a_circle_end)
{
	char text[256];

	snprintf(text, sizeof(text), "#!%s/loop\n", dir);
	cr_assert_eq(detect_program(&ops, script("loop", text), which), DETECT_OK);
}

Test(detect, setuid_of_somebody_else)
{
	fake = true;
	faked = (struct stat){ .st_mode = S_IFREG | S_ISUID | 0755, .st_uid = 0, .st_gid = 0 };
	cr_assert_eq(detect_program(&ops, "/bin/true", which), DETECT_SETUID);
	faked.st_uid = 1000;
	cr_assert_eq(detect_program(&ops, "/bin/true", which), DETECT_OK);
}

Test(detect, setgid_needs_group_execute)
{
	fake = true;
	faked = (struct stat){ .st_mode = S_IFREG | S_ISGID | 0755, .st_uid = 0, .st_gid = 0 };
	cr_assert_eq(detect_program(&ops, "/bin/true", which), DETECT_SETGID);
	faked.st_mode = S_IFREG | S_ISGID | 0745;
	cr_assert_eq(detect_program(&ops, "/bin/true", which), DETECT_OK);
}

Test(detect, no_new_privileges_makes_setuid_harmless)
{
	struct detect_ops bound = ops;

	bound.no_new_privs = true;
	fake = true;
	faked = (struct stat){ .st_mode = S_IFREG | S_ISUID | 0755 };
	cr_assert_eq(detect_program(&bound, "/bin/true", which), DETECT_OK);
}

Test(detect, capabilities)
{
	capable = true;
	cr_assert_eq(detect_program(&ops, "/bin/true", which), DETECT_CAPABILITIES);
}

Test(detect, other_architecture)
{
	char head[64] = { 0x7f, 'E', 'L', 'F', 1, 1, 1 };
	const char *path = script("i386", "");
	int fd = open(path, O_WRONLY);

	cr_assert_eq(write(fd, head, sizeof(head)), sizeof(head));
	close(fd);
	cr_assert_eq(detect_program(&ops, path, which), DETECT_ARCHITECTURE);
}

Test(detect, unreadable)
{
	cr_assert_eq(detect_program(&ops, script("unreadable", "#!/bin/sh\n"), which), DETECT_UNREADABLE);
}

Test(detect, below_a_mount_point_is_not_looked_at)
{
	cr_assert_eq(detect_program(&ops, "/s3/bin/x", which), DETECT_OK);
	cr_assert_eq(detect_program(&ops, script("a", "#!/s3/bin/x\n"), which), DETECT_OK);
}

Test(detect, missing_interpreter_is_execs_to_say)
{
	cr_assert_eq(detect_program(&ops, script("a", "#!/nonexistent/x\n"), which), DETECT_OK);
}
