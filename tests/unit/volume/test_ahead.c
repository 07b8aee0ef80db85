/* What is asked for before a program does: recognised by the order of a listing, bounded, never old or wrong. */
#include "rig.h"

#include "base/counters.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(ahead, .init = rig_setup, .fini = rig_teardown);

static void many(const char *dir, int n, const char *body)
{
	for (int i = 0; i < n; i++) {
		char key[64], text[64];

		snprintf(key, sizeof(key), "%s/f%04d", dir, i);
		snprintf(text, sizeof(text), "%s%d", body, i);
		bucket_put(key, text, NULL);
	}
}

/* Reads "d/fNNNN" and looks whether it is its own content. */
static void read_one(int i, const char *body)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "d/f%04d", i);
	snprintf(text, sizeof(text), "%s%d", body, i);
	cr_assert_str_eq(rig_read(path), text);
}

/* All that was asked for ahead has come: nothing is under way. */
static unsigned settled(void)
{
	unsigned n, before = 0;

	for (int i = 0; i < 500; i++) {
		n = fake_total();
		if (i > 20 && n == before)
			break;
		before = n;
		usleep(2000);
	}
	return n;
}

Test(ahead, files_read_in_order_come_in_parallel)
{
	many("d", 100, "body");
	rig_ls("d");
	rig_requests();
	bucket_most();
	for (int i = 0; i < 100; i++)
		read_one(i, "body");
	cr_assert_eq(fake_count(S3_GET_OBJECT), 100);
	cr_assert_eq(rig_requests(), 100);
	cr_assert_geq(bucket_most(), 8);
	cr_assert_eq(counter_get(COUNTER_ahead_wasted), 0);
}

Test(ahead, two_in_order_are_no_habit)
{
	many("d", 100, "body");
	rig_ls("d");
	rig_requests();
	read_one(0, "body");
	read_one(1, "body");
	cr_assert_eq(settled(), 2);
}

Test(ahead, any_order_but_the_listings_fetches_nothing)
{
	many("d", 60, "body");
	rig_ls("d");
	rig_requests();
	for (int i = 59; i >= 0; i--)
		read_one(i, "body");
	cr_assert_eq(settled(), 60);
}

Test(ahead, the_first_surprise_stops_it_and_the_waste_is_counted)
{
	unsigned n;

	many("d", 100, "body");
	rig_ls("d");
	rig_requests();
	for (int i = 0; i < 4; i++)
		read_one(i, "body");
	settled();
	read_one(90, "body");
	n = settled();
	cr_assert_leq(n, 5 + 10, "%u requests", n);
	for (int i = 0; i < 500 && !counter_get(COUNTER_ahead_wasted); i++)
		usleep(2000);
	cr_assert_gt(counter_get(COUNTER_ahead_wasted), 0);
	cr_assert_leq(counter_get(COUNTER_ahead_wasted), 10 * 8);
	read_one(50, "body");
	cr_assert_eq(settled(), n + 1);
}

Test(ahead, stat_and_read_in_turn_are_one_request_a_file)
{
	many("d", 100, "body");
	rig_ls("d");
	rig_requests();
	for (int i = 0; i < 100; i++) {
		char path[64];

		snprintf(path, sizeof(path), "d/f%04d", i);
		cr_assert_eq(rig_stat(path).size, i < 10 ? 5 : 6);
		read_one(i, "body");
	}
	cr_assert_eq(fake_count(S3_GET_OBJECT), 100);
	cr_assert_leq(fake_count(S3_HEAD_OBJECT), 4);
}

Test(ahead, what_the_session_wrote_since_is_read)
{
	many("d", 20, "body");
	rig_ls("d");
	for (int i = 0; i < 3; i++)
		read_one(i, "body");
	settled();
	cr_assert_eq(rig_write("d/f0005", "new", O_TRUNC), 0);
	for (int i = 3; i < 5; i++)
		read_one(i, "body");
	cr_assert_str_eq(rig_read("d/f0005"), "new");
}

Test(ahead, what_the_session_removed_since_is_gone)
{
	many("d", 20, "body");
	rig_ls("d");
	for (int i = 0; i < 3; i++)
		read_one(i, "body");
	settled();
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0004"), 0);
	read_one(3, "body");
	cr_assert_str_eq(rig_read("d/f0004"), "errno -2");
}

Test(ahead, nothing_older_than_the_ttl_is_handed_out)
{
	rig_mount(&(struct volume_s3_config){ .ttl_ms = 300 });
	many("d", 20, "body");
	rig_ls("d");
	for (int i = 0; i < 3; i++)
		read_one(i, "body");
	settled();
	bucket_put("d/f0004", "by another", NULL);
	usleep(400000);
	cr_assert_str_eq(rig_read("d/f0004"), "by another");
}

Test(ahead, a_file_that_vanished_is_gone)
{
	rig_mount(&(struct volume_s3_config){ .ttl_ms = 60000 });
	many("d", 20, "body");
	rig_ls("d");
	fake_delete("d/f0005");
	for (int i = 0; i < 5; i++)
		read_one(i, "body");
	cr_assert_str_eq(rig_read("d/f0005"), "errno -2");
	read_one(6, "body");
}

Test(ahead, large_files_are_left_alone)
{
	char *big = malloc((2 << 20) + 1);

	memset(big, 'x', 2 << 20);
	big[2 << 20] = 0;
	many("d", 5, "body");
	bucket_put("d/f0005", big, NULL);
	bucket_put("d/f0006", "body6", NULL);
	free(big);
	rig_ls("d");
	fake_forget_counts();
	for (int i = 0; i < 4; i++)
		read_one(i, "body");
	settled();
	cr_assert_lt(fake_got_bytes(), 1000);
	read_one(6, "body");
}

struct one {
	uint64_t ino;
	int i;
};

static int by_ino(const void *a, const void *b)
{
	const struct one *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* cp goes by inode numbers. */
Test(ahead, the_order_of_inode_numbers_is_one_too)
{
	_Alignas(8) char buf[65536];
	struct one all[64];
	struct volume_opened o;
	uint32_t entries;
	size_t used, n = 0;
	bool end;

	many("d", 60, "body");
	cr_assert_eq(rig_open("d", O_RDONLY | O_DIRECTORY, 0, &o), 0);
	cr_assert_eq(vfile_readdir(o.file, &rig.call, 0, buf, sizeof(buf), &used, &entries, &end), 0);
	for (size_t at = 0; at < used; at += ((struct wire_dirent *)(void *)(buf + at))->size) {
		const struct wire_dirent *e = (const void *)(buf + at);

		if (e->name[0] == 'f')
			all[n++] = (struct one){ e->ino, atoi(e->name + 1) };
	}
	rig_close(&o);
	cr_assert_eq(n, 60);
	qsort(all, n, sizeof(all[0]), by_ino);
	rig_requests();
	bucket_most();
	for (size_t i = 0; i < n; i++)
		read_one(all[i].i, "body");
	cr_assert_geq(bucket_most(), 8);
	cr_assert_leq(fake_count(S3_GET_OBJECT), 60);
}

Test(ahead, folders_opened_in_order_are_listed_ahead)
{
	for (int i = 0; i < 20; i++) {
		char key[64];

		snprintf(key, sizeof(key), "t/d%02d/s/f", i);
		bucket_put(key, "x", NULL);
	}
	rig_ls("t");
	rig_requests();
	bucket_most();
	for (int i = 0; i < 20; i++) {
		char path[64];

		snprintf(path, sizeof(path), "t/d%02d", i);
		cr_assert_str_eq(rig_ls(path), "s/ ");
		strcat(path, "/s");
		cr_assert_str_eq(rig_ls(path), "f ");
	}
	cr_assert_eq(fake_count(S3_LIST_OBJECTS_V2), 40);
	cr_assert_eq(rig_requests(), 40);
	cr_assert_geq(bucket_most(), 15);
}

Test(ahead, a_page_is_fetched_while_the_one_before_is_read)
{
	_Alignas(8) char buf[512];
	struct volume_opened o;
	uint32_t entries;
	size_t used;
	bool end;

	bucket_page = 20;
	many("d", 60, "body");
	cr_assert_eq(rig_open("d", O_RDONLY | O_DIRECTORY, 0, &o), 0);
	cr_assert_eq(vfile_readdir(o.file, &rig.call, 0, buf, sizeof(buf), &used, &entries, &end), 0);
	cr_assert(!end);
	cr_assert_eq(settled(), 2);
	rig_close(&o);
	rig_requests();
	cr_assert_eq(strlen(rig_ls("d")), 60 * 6);
	cr_assert_eq(rig_requests(), 3);
	bucket_page = S3_LIST_MAX;
}

/* ls -l looks at each name as it comes, long before the end. */
Test(ahead, names_of_a_listing_that_is_not_whole_yet_are_known)
{
	_Alignas(8) char buf[600];
	struct volume_opened o;
	uint32_t entries;
	size_t used;
	bool end;

	bucket_page = 20;
	many("d", 60, "body");
	cr_assert_eq(rig_open("d", O_RDONLY | O_DIRECTORY, 0, &o), 0);
	cr_assert_eq(vfile_readdir(o.file, &rig.call, 0, buf, sizeof(buf), &used, &entries, &end), 0);
	settled();
	rig_requests();
	for (int i = 0; i < 10; i++) {
		char path[64];

		snprintf(path, sizeof(path), "d/f%04d", i);
		rig_stat(path);
	}
	settled();
	cr_assert_eq(fake_count(S3_LIST_OBJECTS_V2), 0);
	cr_assert_leq(rig_requests(), 20);
	cr_assert_eq(rig_stat_error("d/missing"), -ENOENT);
	rig_close(&o);
	bucket_page = S3_LIST_MAX;
}

/* A folder that is open while it is renamed is the folder, not the name. */
Test(ahead, an_open_folder_goes_along_with_its_rename)
{
	_Alignas(8) char buf[4096];
	struct volume_opened o;
	struct wire_attr attr;
	uint32_t entries;
	size_t used;
	bool end;

	many("d/sub", 3, "body");
	cr_assert_eq(rig_open("d/sub", O_RDONLY | O_DIRECTORY, 0, &o), 0);
	cr_assert_eq(vfile_stat(o.file, &rig.call, &attr), 0);
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d", "e", 0), 0);
	cr_assert_eq(vfile_readdir(o.file, &rig.call, 0, buf, sizeof(buf), &used, &entries, &end), 0);
	cr_assert_eq(entries, 5);
	cr_assert_eq(rig_stat("e/sub").ino, attr.ino);
	cr_assert_eq(vfile_stat(o.file, &rig.call, &attr), 0);
	cr_assert_eq(attr.nlink, 1);
	cr_assert_eq(rig_write("e/sub/new", "x", O_CREAT), 0);
	cr_assert_eq(vfile_readdir(o.file, &rig.call, 0, buf, sizeof(buf), &used, &entries, &end), 0);
	cr_assert_eq(entries, 6);
	rig_close(&o);
}

static void *stat_all(void *arg)
{
	for (int i = 0; i < 60; i++) {
		struct vcall call = rig.call;
		struct wire_attr attr;
		char path[64];

		snprintf(path, sizeof(path), "d/f%04d", i);
		cr_assert_eq(volume_stat(rig.v, &call, path, false, &attr), 0, "%s", path);
	}
	return arg;
}

/* Four that want the same names at the same time, believed for a moment only. */
Test(ahead, several_may_wait_for_one_answer)
{
	pthread_t threads[4];

	rig_mount(&(struct volume_s3_config){ .ttl_ms = 1 });
	many("d", 60, "body");
	rig_ls("d");
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, stat_all, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}
