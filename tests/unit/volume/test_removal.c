/* unlink that returns before the object is gone: the session sees no difference, and what is refused is told. */
#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void setup(void)
{
	rig_setup();
	rig_mount(&(struct volume_s3_config){ .remove_later = true, .ttl_ms = 1 });
}

TestSuite(removal, .init = setup, .fini = rig_teardown);

static void many(int n)
{
	for (int i = 0; i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), "d/f%04d", i);
		bucket_put(key, "x", NULL);
	}
}

static void unlink_many(int n)
{
	for (int i = 0; i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), "d/f%04d", i);
		cr_assert_eq(volume_unlink(rig.v, &rig.call, key), 0);
	}
}

static int left(int n)
{
	int found = 0;

	for (int i = 0; i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), "d/f%04d", i);
		found += fake_has(key);
	}
	return found;
}

Test(removal, many_at_once)
{
	rig_mount(&(struct volume_s3_config){ .remove_later = true });
	many(200);
	rig_ls("d");
	rig_requests();
	unlink_many(200);
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
	cr_assert_eq(left(200), 0);
	cr_assert_eq(fake_count(S3_DELETE_OBJECT), 0);
	cr_assert_leq(rig_requests(), 40);
}

Test(removal, more_than_a_request_takes)
{
	rig_mount(&(struct volume_s3_config){ .remove_later = true });
	many(1200);
	rig_ls("d");
	unlink_many(1200);
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
	cr_assert_eq(left(1200), 0);
}

/* The object is there all the while, and nothing known of it is believed for longer than a moment. */
Test(removal, the_name_is_gone_at_once)
{
	struct volume_opened o;

	many(3);
	fake.delay_us = 20000;
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0001"), 0);
	cr_assert_eq(rig_stat_error("d/f0001"), -ENOENT);
	cr_assert_str_eq(rig_ls("d"), "f0000 f0002 ");
	cr_assert_eq(rig_open("d/f0001", O_RDONLY, 0, &o), -ENOENT);
	cr_assert_eq(rig_open("d/f0001", O_WRONLY, 0, &o), -ENOENT);
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0001"), -ENOENT);
	cr_assert_eq(rig_stat("d/f0000").size, 1);
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
	cr_assert_not(fake_has("d/f0001"));
}

Test(removal, a_name_that_is_made_again_stays)
{
	many(3);
	fake.delay_us = 5000;
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0001"), 0);
		cr_assert_eq(rig_write("d/f0001", "again", O_CREAT | O_EXCL), 0);
	}
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
	cr_assert(fake_is("d/f0001", "again", 5));
}

Test(removal, renames_come_behind_it)
{
	many(4);
	fake.delay_us = 5000;
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0001"), 0);
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d/f0000", "d/f0001", 0), 0);
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0002"), 0);
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d", "e", 0), 0);
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
	cr_assert_str_eq(rig_ls("e"), "f0001 f0003 ");
	cr_assert_eq(left(4), 0);
	cr_assert_not(fake_has("e/f0002"));
}

Test(removal, the_empty_folder_goes_behind_it)
{
	many(30);
	unlink_many(30);
	cr_assert_eq(volume_rmdir(rig.v, &rig.call, "d"), 0);
	cr_assert_eq(left(30), 0);
	cr_assert_eq(rig_stat_error("d"), -ENOENT);
}

Test(removal, a_store_without_delete_objects)
{
	many(100);
	fake.fail_op = S3_DELETE_OBJECTS;
	fake.fail_times = -1;
	fake.fail_status = -ENOTSUP;
	fake.fail_http = 501;
	unlink_many(100);
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
	cr_assert_eq(left(100), 0);
	cr_assert_eq(fake_count(S3_DELETE_OBJECT), 100);
}

static void keep_name(void *arg, const struct vfailure *f)
{
	snprintf(arg, 128, "%.100s", f->name);
	cr_assert(strstr(f->sentence, "removing it: "), "%s", f->sentence);
}

Test(removal, what_is_refused_is_told_and_there_again)
{
	char name[128] = "";

	many(2);
	fake.fail_op = S3_DELETE_OBJECTS;
	fake.fail_times = 1;
	fake.fail_status = -EIO;
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0001"), 0);
	cr_assert_eq(volume_sync(rig.v, &rig.call), -EIO);
	cr_assert_eq(volume_drain(rig.v, false, keep_name, name), 1);
	cr_assert_str_eq(name, "s3://bucket/d/f0001");
	cr_assert_eq(rig_stat("d/f0001").size, 1);
	cr_assert_str_eq(rig_ls("d"), "f0000 f0001 ");
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
}

Test(removal, an_open_file_is_read_on)
{
	struct volume_opened o;
	struct vrange r;
	char got[2] = "";

	bucket_put("d/open", "x", NULL);
	cr_assert_eq(rig_open("d/open", O_RDONLY, 0, &o), 0);
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/open"), 0);
	cr_assert_eq(rig_stat_error("d/open"), -ENOENT);
	cr_assert_eq(vfile_grant(o.file, &rig.call, 0, 1, false, &r), 0);
	cr_assert_eq(pread(o.fd, got, 1, 0), 1);
	cr_assert_str_eq(got, "x");
	cr_assert_eq(rig_close(&o), 0);
	cr_assert_not(fake_has("d/open"));
}

Test(removal, fsync_of_the_folder_waits_for_it)
{
	struct volume_opened o;

	many(2);
	cr_assert_eq(rig_open("d", O_RDONLY | O_DIRECTORY, 0, &o), 0);
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0001"), 0);
	cr_assert_eq(vfile_sync(o.file, &rig.call), 0);
	cr_assert_not(fake_has("d/f0001"));
	close(o.fd);
}
