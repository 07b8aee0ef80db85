/* The cache in a folder: what lies there that is no entry of ours. */
#include "rig.h"

#include "base/counters.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SIZE 150000

static char entry[PATH_MAX];

static void make(void)
{
	rig_open(false, MIB(8));
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	rig_entry(entry, sizeof(entry));
}

TestSuite(cache_folder, .init = make, .fini = rig_close);

static void is_thrown_away(void)
{
	struct stat st;

	cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert_eq(counter_get(COUNTER_shared_cache_thrown_away), 1);
	cr_assert(lstat(entry, &st) < 0 && errno == ENOENT);
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
}

Test(cache_folder, modes_are_the_owners)
{
	struct stat st;

	cr_assert(stat(rig.path, &st) == 0 && (st.st_mode & 07777) == 0700);
	cr_assert(stat(entry, &st) == 0 && (st.st_mode & 07777) == 0600);
}

Test(cache_folder, a_folder_of_others_is_refused)
{
	struct err err = ERR_INIT;
	struct cache *c;

	cr_assert_eq(chmod(rig.path, 0750), 0);
	cr_assert_eq(cache_open_folder(rig.path, MIB(8), &c, &err), -EPERM);
	cr_assert(strstr(err_text(&err), rig.path) && strstr(err_text(&err), "--cache-dir"), "%s", err_text(&err));
	cr_assert_eq(chmod(rig.path, 0700), 0);
}

/* Each byte of the head, from the magic to its padding. */
Test(cache_folder, a_head_that_is_damaged_anywhere_is_noticed)
{
	cleanup_free char *good = malloc(SIZE + 8192);
	cleanup_close int fd = open(entry, O_RDONLY);
	ssize_t len = read(fd, good, SIZE + 8192);

	cr_assert_gt(len, SIZE);
	for (int i = 0; i < 4096; i++) {
		cleanup_close int to = open(entry, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		char flipped = (char)(good[i] ^ 1 << i % 8);

		cr_assert_eq(write(to, good, (size_t)len), len);
		cr_assert_eq(pwrite(to, &flipped, 1, i), 1);
		cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE), "byte %d", i);
		cr_assert(access(entry, F_OK) < 0, "byte %d", i);
	}
	cr_assert_eq(counter_get(COUNTER_shared_cache_thrown_away), 4096);
}

Test(cache_folder, data_that_is_damaged_is_noticed)
{
	cleanup_close int fd = open(entry, O_RDWR);
	char c;

	cr_assert_eq(pread(fd, &c, 1, 4096 + 100000), 1);
	c ^= 16;
	cr_assert_eq(pwrite(fd, &c, 1, 4096 + 100000), 1);
	is_thrown_away();
}

Test(cache_folder, one_that_was_cut_off_or_grew_is_noticed)
{
	static const off_t sizes[] = { 0, 1, 40, 4095, 4096, 4097, 100000, 155647, 155649, 200000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		cr_assert_eq(truncate(entry, sizes[i]), 0);
		cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE), "%ld", (long)sizes[i]);
		cr_assert(access(entry, F_OK) < 0, "%ld", (long)sizes[i]);
		cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	}
}

Test(cache_folder, a_symlink_is_noticed)
{
	char elsewhere[PATH_MAX];

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", rig.dir);
	cr_assert_eq(rename(entry, elsewhere), 0);
	cr_assert_eq(symlink(elsewhere, entry), 0);
	is_thrown_away();
	cr_assert_eq(access(elsewhere, F_OK), 0);
}

Test(cache_folder, a_hard_link_is_noticed)
{
	char elsewhere[PATH_MAX];

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", rig.dir);
	cr_assert_eq(link(entry, elsewhere), 0);
	is_thrown_away();
}

Test(cache_folder, one_that_others_may_read_is_noticed)
{
	cr_assert_eq(chmod(entry, 0644), 0);
	is_thrown_away();
}

Test(cache_folder, a_fifo_or_a_folder_is_noticed)
{
	cr_assert_eq(unlink(entry), 0);
	cr_assert_eq(mkfifo(entry, 0600), 0);
	is_thrown_away();
	cr_assert_eq(unlink(entry), 0);
	cr_assert_eq(mkdir(entry, 0700), 0);
	cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
}

Test(cache_folder, one_of_another_user_is_noticed, .disabled = false)
{
	if (geteuid() != 0)
		return;
	cr_assert_eq(chown(entry, 12345, 12345), 0);
	is_thrown_away();
}

Test(cache_folder, one_under_the_name_of_another_is_noticed)
{
	char other[PATH_MAX], aside[PATH_MAX];

	snprintf(aside, sizeof(aside), "%s/aside", rig.dir);
	cr_assert_eq(rename(entry, aside), 0);
	cr_assert_eq(rig_put(rig.cache, "other", "\"1\"", SIZE), 0);
	rig_entry(other, sizeof(other));
	cr_assert_eq(rename(aside, other), 0);
	cr_assert(!rig_has(rig.cache, "other", "\"1\"", SIZE));
	cr_assert(access(other, F_OK) < 0);
}

Test(cache_folder, an_account_that_is_damaged_or_gone_is_counted_anew)
{
	char account[PATH_MAX + 16];

	snprintf(account, sizeof(account), "%s/account", rig.path);
	for (int i = 0; i < 12; i++) {
		char key[16];
		snprintf(key, sizeof(key), "more%d", i);
		if (i % 3 == 0)
			cr_assert_eq(unlink(account), 0);
		if (i % 3 == 1)
			cr_assert_eq(truncate(account, 5), 0);
		cr_assert_eq(rig_put(rig.cache, key, "\"1\"", MIB(1)), 0);
		cr_assert_leq(rig_on_disk(), MIB(8) + KIB(64));
		cr_assert(rig_has(rig.cache, key, "\"1\"", MIB(1)));
	}
}

Test(cache_folder, a_folder_that_is_gone_is_a_miss)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", rig.path);
	cr_assert_eq(system(command), 0);
	cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert_lt(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
}
