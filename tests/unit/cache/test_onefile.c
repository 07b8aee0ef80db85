/* The cache in one file: its header, its index, its size. */
#include "rig.h"

#include "base/counters.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SIZE     150000
#define DATA_OFF (4096 + 16384 * 64)

static void make(void)
{
	rig_open(true, MIB(8));
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
}

TestSuite(cache_onefile, .init = make, .fini = rig_close);

static void flip(off_t at, int bit)
{
	cleanup_close int fd = open(rig.path, O_RDWR);
	char c;

	cr_assert_eq(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 1 << bit);
	cr_assert_eq(pwrite(fd, &c, 1, at), 1);
}

static void fails(uint64_t size, int errnum, const char *text)
{
	struct err err = ERR_INIT;
	struct cache *c;

	cr_assert_eq(cache_open_file(rig.path, size, &c, &err), -errnum, "%s", err_text(&err));
	cr_assert(strstr(err_text(&err), text), "%s", err_text(&err));
}

Test(cache_onefile, it_is_sparse_and_the_owners)
{
	struct stat st;

	cr_assert_eq(stat(rig.path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(st.st_size, MIB(8));
	cr_assert_lt(st.st_blocks * 512, MIB(1));
}

Test(cache_onefile, without_a_size_it_keeps_its_own)
{
	struct stat st;

	rig_again(0);
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert(stat(rig.path, &st) == 0 && st.st_size == MIB(8));
	cr_assert_eq(unlink(rig.path), 0);
	fails(0, EINVAL, "--max-cloud-cache-size");
}

Test(cache_onefile, it_grows_and_shrinks_with_what_fits)
{
	struct stat st;

	rig_again(MIB(32));
	cr_assert(stat(rig.path, &st) == 0 && st.st_size == MIB(32));
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert_eq(rig_put(rig.cache, "big", "\"1\"", MIB(20)), 0);
	rig_again(MIB(8));
	cr_assert(stat(rig.path, &st) == 0 && st.st_size == MIB(8));
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert(!rig_has(rig.cache, "big", "\"1\"", MIB(20)));
}

Test(cache_onefile, what_is_being_read_is_not_cut_off)
{
	struct cache_name name = rig_name("big");
	char *buf = malloc(BLOCK_BYTES);
	struct err err = ERR_INIT;
	struct cache_entry *e;
	struct cache *smaller;
	struct stat st;

	rig_again(MIB(32));
	cr_assert_eq(rig_put(rig.cache, "big", "\"1\"", MIB(20)), 0);
	cr_assert_eq(cache_find(rig.cache, &name, &e), 0);
	cr_assert_eq(cache_open_file(rig.path, MIB(8), &smaller, &err), 0, "%s", err_text(&err));
	cr_assert(stat(rig.path, &st) == 0 && (uint64_t)st.st_size / MIB(1) == 21);
	for (uint64_t b = 0; b < MIB(20) / BLOCK_BYTES; b++)
		cr_assert_eq(cache_entry_read(e, b, buf), (int)BLOCK_BYTES);
	cache_entry_unref(e);
	cr_assert_eq(rig_put(rig.cache, "bigger", "\"1\"", MIB(25)), -EFBIG); /* the larger one has heard of it */
	cache_close(smaller);
	free(buf);
}

Test(cache_onefile, a_size_that_the_disk_has_not_is_refused)
{
	struct statvfs fs;

	cr_assert_eq(statvfs(rig.dir, &fs), 0);
	fails((fs.f_bavail * fs.f_frsize + GIB(64)), ENOSPC, "say less with --max-cloud-cache-size");
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
	fails(MIB(1), EINVAL, "4MiB");
}

Test(cache_onefile, a_file_of_somebody_elses_is_left_alone)
{
	char text[16] = "";
	int fd;

	cr_assert_eq(unlink(rig.path), 0);
	fd = open(rig.path, O_RDWR | O_CREAT, 0600);
	cr_assert_eq(write(fd, "my diary", 8), 8);
	fails(MIB(8), EEXIST, rig.path);
	cr_assert(pread(fd, text, sizeof(text), 0) == 8 && strcmp(text, "my diary") == 0);
	cr_assert_eq(fchmod(fd, 0644), 0);
	fails(MIB(8), EPERM, "--cloud-cache-file");
	close(fd);
	cr_assert_eq(unlink(rig.path), 0);
	cr_assert_eq(symlink("elsewhere", rig.path), 0);
	fails(MIB(8), ELOOP, rig.path);
}

/* The header's bytes behind its magic: the cache is empty afterwards, and serves. */
Test(cache_onefile, a_damaged_header_is_made_anew)
{
	for (int i = 8; i < 40; i++) {
		flip(i, i % 8);
		cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE), "byte %d", i);
		cr_assert_lt(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
		rig_again(MIB(8));
		cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE), "byte %d", i);
		cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
		cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE), "byte %d", i);
	}
}

/* All of a slot; which one it is, is the first. */
Test(cache_onefile, a_damaged_slot_is_empty)
{
	for (int i = 0; i < 64; i++) {
		flip(4096 + i, i % 8);
		cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE), "byte %d", i);
		cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
		cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE), "byte %d", i);
	}
}

Test(cache_onefile, a_damaged_entry_is_noticed)
{
	static const int at[] = { 0, 8, 20, 30, 39, 41, 60, 100, 4095, 4096, 100000 };

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		cr_assert_eq(unlink(rig.path), 0); /* so that it lies at the beginning */
		rig_again(MIB(8));
		cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
		flip(DATA_OFF + at[i], 3);
		cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE), "byte %d", at[i]);
		cr_assert_eq(counter_get(COUNTER_shared_cache_thrown_away), i + 1);
		cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
		cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE), "byte %d", at[i]);
	}
}

Test(cache_onefile, a_file_that_was_cut_off_serves_what_is_left)
{
	cr_assert_eq(truncate(rig.path, DATA_OFF + 50000), 0);
	cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE));
	rig_again(MIB(8));
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
}

Test(cache_onefile, more_names_than_slots)
{
	char key[32];

	for (int i = 0; i < 1500; i++) { /* an entry takes two pages: some 890 fit */
		snprintf(key, sizeof(key), "k%d", i);
		cr_assert_eq(rig_put(rig.cache, key, "\"1\"", 10), 0);
	}
	cr_assert(rig_has(rig.cache, "k1499", "\"1\"", 10));
	cr_assert(!rig_has(rig.cache, "k0", "\"1\"", 10));
}
