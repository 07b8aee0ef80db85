/* The staging folder: where it is made, who is alive, what is removed. */
#include "base/util.h"
#include "broker/staging.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static char base[64];

static void setup(void)
{
	strcpy(base, "/var/tmp/s3shim-test-XXXXXX");
	cr_assert_not_null(mkdtemp(base));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(staging, .init = setup, .fini = teardown);

static struct staging must_open(const char *folder)
{
	struct staging s = STAGING_INIT;
	struct err err = ERR_INIT;

	cr_assert_eq(staging_open(&s, folder, NULL, &err), 0, "%s", err_text(&err));
	return s;
}

static int count_names(void)
{
	DIR *d = opendir(base);
	int n = -2;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

Test(staging, a_session_has_a_private_folder_and_leaves_nothing)
{
	struct staging s = must_open(base);
	struct stat st;

	cr_assert_eq(strncmp(s.dir, base, strlen(base)), 0);
	cr_assert_not_null(strstr(s.dir, "/session-"));
	cr_assert_eq(stat(s.dir, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(count_names(), 1);
	staging_close(&s);
	cr_assert_eq(count_names(), 0);
	cr_assert_eq(s.lock_fd, -1);
	staging_close(&s); /* once more is no matter */
}

Test(staging, the_lock_tells_the_living)
{
	struct staging s = must_open(base);
	char path[PATH_MAX + 8], text[32] = { 0 };
	int fd;

	snprintf(path, sizeof(path), "%s/lock", s.dir);
	fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0);
	cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), -1);
	cr_assert_gt(read(fd, text, sizeof(text) - 1), 0);
	cr_assert_eq(atol(text), getpid());
	close(fd);
	staging_close(&s);
}

Test(staging, what_is_to_be_recovered_stays)
{
	struct staging s = must_open(base), next;
	char dir[PATH_MAX], path[PATH_MAX + 8];

	strcpy(dir, s.dir);
	snprintf(path, sizeof(path), "%s/data", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	staging_close(&s);
	next = must_open(base);
	staging_close(&next);
	cr_assert_eq(access(path, F_OK), 0, "it was swept away");
	unlink(path);
	next = must_open(base);
	cr_assert_neq(access(dir, F_OK), 0, "an empty folder of a dead session stays");
	staging_close(&next);
}

Test(staging, sessions_of_the_living_are_left_alone)
{
	struct staging a = must_open(base), b = must_open(base);

	cr_assert_str_neq(a.dir, b.dir);
	cr_assert_eq(access(a.dir, F_OK), 0);
	staging_close(&b);
	staging_close(&a);
}

Test(staging, a_folder_that_was_asked_for_is_made)
{
	char path[128];
	struct staging s;

	snprintf(path, sizeof(path), "%s/a/b", base);
	s = must_open(path);
	cr_assert_eq(strncmp(s.dir, path, strlen(path)), 0);
	staging_close(&s);
}

Test(staging, a_folder_that_cannot_be_is_a_sentence)
{
	char path[128];
	struct staging s = STAGING_INIT;
	struct err err = ERR_INIT;

	snprintf(path, sizeof(path), "%s/file", base);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	cr_assert_lt(staging_open(&s, path, NULL, &err), 0);
	cr_assert_not_null(strstr(err_text(&err), path), "%s", err_text(&err));
	cr_assert_eq(s.lock_fd, -1);
	cr_assert_lt(staging_open(&s, "/proc/s3shim", NULL, &err), 0);
}

Test(staging, candidates_in_their_order)
{
	char buf[PATH_MAX], uid[64];

	snprintf(uid, sizeof(uid), "/var/tmp/s3shim-%u", (unsigned)geteuid());
	setenv("XDG_CACHE_HOME", "/x", 1);
	setenv("HOME", "/h", 1);
	unsetenv("TMPDIR");
	cr_assert(staging_candidate(0, buf, sizeof(buf)));
	cr_assert_str_eq(buf, "/x/s3shim");
	cr_assert(staging_candidate(1, buf, sizeof(buf)));
	cr_assert_str_eq(buf, "/h/.cache/s3shim");
	cr_assert(staging_candidate(2, buf, sizeof(buf)));
	cr_assert_str_eq(buf, uid);
	cr_assert_not(staging_candidate(3, buf, sizeof(buf)));
	cr_assert_not(staging_candidate(4, buf, sizeof(buf)));
	setenv("XDG_CACHE_HOME", "relative", 1);
	cr_assert_not(staging_candidate(0, buf, sizeof(buf)), "a relative path counts as unset");
}

Test(staging, chosen_is_the_first_that_serves)
{
	char path[128];
	struct staging s;

	setenv("XDG_CACHE_HOME", "/proc", 1); /* cannot be made */
	setenv("HOME", base, 1);
	snprintf(path, sizeof(path), "%s/.cache/s3shim/", base);
	s = must_open(NULL);
	cr_assert_eq(strncmp(s.dir, path, strlen(path)), 0, "%s", s.dir);
	staging_close(&s);
}

Test(staging, a_folder_that_others_write_to_is_not_chosen)
{
	char path[128];
	struct staging s;

	setenv("XDG_CACHE_HOME", base, 1);
	unsetenv("HOME");
	snprintf(path, sizeof(path), "%s/s3shim", base);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(chmod(path, 0777), 0);
	s = must_open(NULL);
	cr_assert_neq(strncmp(s.dir, path, strlen(path)), 0);
	staging_close(&s);
}
