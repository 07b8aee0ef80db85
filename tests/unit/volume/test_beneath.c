/* The walk without openat2 gives what the kernel gives. */
#include "volume/beneath.h"
#include "volume/volume.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static int root;

static void setup(void)
{
	strcpy(dir, "/tmp/s3shim-bn-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY);
	mkdirat(root, "d", 0755);
	mkdirat(root, "d/e", 0755);
	close(openat(root, "d/f", O_CREAT | O_WRONLY, 0644));
	(void)!symlinkat("d/e", root, "l");
	(void)!symlinkat("e/../f", root, "d/lf");
	(void)!symlinkat("new", root, "d/dangling");
	(void)!symlinkat("/abs/x", root, "a");
	(void)!symlinkat("../../out", root, "d/o");
	(void)!symlinkat("loop", root, "loop");
}

static void teardown(void)
{
	char cmd[128];

	close(root);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(beneath, .init = setup, .fini = teardown);

static int try(const char *path, int flags, bool walk, ino_t *ret_ino, char *redirect)
{
	struct beneath b = { root, "/m/v", walk };
	struct stat st;
	int fd, rc = beneath_open(&b, path, flags, 0644, &fd, redirect);

	if (rc)
		return rc;
	fstat(fd, &st);
	*ret_ino = st.st_ino;
	close(fd);
	return 0;
}

Test(beneath, both_ways_agree)
{
	static const struct {
		const char *path;
		int flags;
	} cases[] = {
		{ "", O_RDONLY },
		{ "d", O_RDONLY },
		{ "d/", O_RDONLY },
		{ "d/f", O_RDWR },
		{ "d/f/", O_RDONLY },
		{ "d/f/x", O_RDONLY },
		{ "d/e/../f", O_RDONLY },
		{ "l", O_RDONLY },
		{ "l/", O_RDONLY },
		{ "l/../f", O_RDONLY },
		{ "l", O_PATH | O_NOFOLLOW },
		{ "l/", O_PATH | O_NOFOLLOW },
		{ "l", O_RDONLY | O_NOFOLLOW },
		{ "d/lf", O_RDONLY },
		{ "d/lf", O_CREAT | O_EXCL | O_RDWR },
		{ "no", O_RDONLY },
		{ "no/x", O_RDONLY },
		{ "loop", O_RDONLY },
		{ "d/dangling", O_RDONLY },
		{ "d/dangling", O_RDWR | O_CREAT },
		{ "d/new", O_RDONLY },
		{ "a", O_RDONLY },
		{ "a/y", O_RDONLY },
		{ "d/o/z", O_RDONLY },
		{ "a", O_PATH | O_NOFOLLOW },
		{ "d", O_RDONLY | O_DIRECTORY },
		{ "d/f", O_RDONLY | O_DIRECTORY },
		{ "d", O_WRONLY },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char r1[WIRE_PATH_MAX] = "", r2[WIRE_PATH_MAX] = "";
		ino_t i1 = 0, i2 = 0;
		int rc1 = try(cases[i].path, cases[i].flags, false, &i1, r1);
		int rc2 = try(cases[i].path, cases[i].flags, true, &i2, r2);

		cr_expect_eq(rc1, rc2, "'%s' %x: %d, %d", cases[i].path, cases[i].flags, rc1, rc2);
		cr_expect_eq(i1, i2, "'%s'", cases[i].path);
		cr_expect_str_eq(r1, r2);
	}
}

Test(beneath, the_parent_of_a_name)
{
	struct beneath b = { root, "/m/v", false };
	char name[300], redirect[WIRE_PATH_MAX];
	int fd;

	cr_assert_eq(beneath_parent(&b, "d/e/", &fd, name, redirect), 0);
	cr_assert_str_eq(name, "e/");
	close(fd);
	cr_assert_eq(beneath_parent(&b, "", &fd, name, redirect), -EBUSY);
	cr_assert_eq(beneath_parent(&b, "d/..", &fd, name, redirect), -EBUSY);
	cr_assert_eq(beneath_parent(&b, "d/f/x", &fd, name, redirect), -ENOTDIR);
	cr_assert_eq(beneath_parent(&b, "a/x/", &fd, name, redirect), VOLUME_REDIRECT);
	cr_assert_str_eq(redirect, "/abs/x/x/");
}
