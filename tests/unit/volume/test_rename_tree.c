/* Rename of a folder: in few round trips; what fails in the middle leaves everything where it was, and is told. */
#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(rename_tree, .init = rig_setup, .fini = rig_teardown);

static void many(int n)
{
	for (int i = 0; i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), "d/s%d/f%04d", i % 3, i);
		bucket_put(key, key, NULL);
	}
}

static int count(const char *dir, int n)
{
	int found = 0;

	for (int i = 0; i < n; i++) {
		char key[64], body[64];

		snprintf(key, sizeof(key), "%s/s%d/f%04d", dir, i % 3, i);
		snprintf(body, sizeof(body), "d/s%d/f%04d", i % 3, i);
		found += fake_is(key, body, strlen(body));
	}
	return found;
}

Test(rename_tree, a_thousand_objects_are_few_round_trips)
{
	many(1000);
	bucket_most();
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d", "e", 0), 0);
	cr_assert_eq(count("e", 1000), 1000);
	cr_assert_eq(count("d", 1000), 0);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 1000);
	cr_assert_eq(fake_count(S3_DELETE_OBJECTS), 1);
	cr_assert_geq(bucket_most(), 100);
	cr_assert_leq(rig_requests(), 1010);
}

Test(rename_tree, a_copy_that_fails_leaves_all_as_it_was)
{
	many(300);
	fake.fail_op = S3_COPY_OBJECT;
	fake.fail_times = 2;
	fake.fail_status = -EIO;
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d", "e", 0), -EIO);
	cr_assert(strstr(rig.call.err.text, "2 objects could not be copied, the folder is as it was"), "%s",
		  rig.call.err.text);
	cr_assert_eq(count("d", 300), 300);
	cr_assert_eq(count("e", 300), 0);
	cr_assert_eq(rig_stat_error("e"), -ENOENT);
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d", "e", 0), 0);
	cr_assert_eq(count("e", 300), 300);
}

Test(rename_tree, an_open_file_comes_back_too)
{
	struct volume_opened o;
	struct vrange r;

	many(30);
	cr_assert_eq(rig_open("d/s0/new", O_CREAT | O_WRONLY, 0644, &o), 0);
	cr_assert_eq(vfile_claim(o.file, &rig.call, 0, 3, &r), 0);
	cr_assert_eq(pwrite(o.fd, "new", 3, 0), 3);
	fake.fail_op = S3_COPY_OBJECT;
	fake.fail_times = 1;
	fake.fail_status = -EIO;
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d", "e", 0), -EIO);
	cr_assert_eq(rig_close(&o), 0);
	cr_assert(fake_is("d/s0/new", "new", 3));
	cr_assert_not(fake_has("e/s0/new"));
}

Test(rename_tree, a_removal_that_fails_is_told_and_nothing_is_lost)
{
	many(30);
	fake.fail_op = S3_DELETE_OBJECTS;
	fake.fail_times = 1;
	fake.fail_status = -EACCES;
	fake.fail_http = 403;
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d", "e", 0), -EACCES);
	cr_assert(strstr(rig.call.err.text, "30 objects are copied, but could not be removed"), "%s",
		  rig.call.err.text);
	cr_assert_eq(count("e", 30), 30);
	cr_assert_eq(count("d", 30), 30);
}

/* What was fetched of the old folder is nothing of the one that takes its place. */
Test(rename_tree, nothing_fetched_ahead_survives_it)
{
	for (int i = 0; i < 20; i++) {
		char key[64];

		snprintf(key, sizeof(key), "d/f%02d", i);
		bucket_put(key, "old", NULL);
		key[0] = 'n';
		bucket_put(key, "new", NULL);
	}
	rig_ls("d");
	for (int i = 0; i < 4; i++) {
		char path[64];

		snprintf(path, sizeof(path), "d/f%02d", i);
		cr_assert_str_eq(rig_read(path), "old");
	}
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d", "gone", 0), 0);
	cr_assert_eq(volume_rename(rig.v, &rig.call, "n", "d", 0), 0);
	for (int i = 4; i < 20; i++) {
		char path[64];

		snprintf(path, sizeof(path), "d/f%02d", i);
		cr_assert_str_eq(rig_read(path), "new");
	}
}
