/* What each operation costs: the table of request counts that the design promises. */
#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(requests, .init = rig_setup, .fini = rig_teardown);

static void many(const char *dir, int n)
{
	for (int i = 0; i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s/f%04d", dir, i);
		bucket_put(key, "x", NULL);
	}
}

Test(requests, reading_a_small_file_is_one_get)
{
	bucket_put("d/a", "hello", NULL);
	cr_assert_str_eq(rig_read("d/a"), "hello");
	cr_assert_eq(fake_count(S3_GET_OBJECT), 1);
	cr_assert_eq(rig_requests(), 1);
}

Test(requests, opening_a_directory_cold_is_a_get_and_a_list)
{
	struct volume_opened o;

	bucket_put("d/a", "hello", NULL);
	cr_assert_eq(rig_open("d", O_RDONLY, 0, &o), 0);
	cr_assert_eq(o.kind, WIRE_KIND_DIR);
	cr_assert_eq(rig_requests(), 2);
	close(o.fd);
}

Test(requests, stat_is_a_head_and_a_list_at_once)
{
	bucket_put("d/a", "hello", NULL);
	bucket_most();
	cr_assert_eq(rig_stat("d/a").size, 5);
	cr_assert_eq(bucket_most(), 2);
	cr_assert_eq(fake_count(S3_HEAD_OBJECT), 1);
	cr_assert_eq(rig_requests(), 2);
	rig_stat("d/a");
	cr_assert_eq(rig_requests(), 0);
}

Test(requests, stat_of_a_directory_without_marker_is_two)
{
	bucket_put("d/a", "hello", NULL);
	cr_assert(S_ISDIR(rig_stat("d").mode));
	cr_assert_eq(rig_requests(), 2);
}

Test(requests, ls_of_a_thousand_names_is_one_list)
{
	many("d", 1000);
	rig_stat("d");
	cr_assert_eq(rig_requests(), 2);
	cr_assert_eq(strlen(rig_ls("d")), 6000);
	cr_assert_eq(rig_requests(), 0);
	rig_ls("d");
	cr_assert_eq(rig_requests(), 1);
}

Test(requests, pages_of_folders_that_were_looked_at_are_kept_in_bounds)
{
	for (int i = 0; i < 50; i++) {
		char key[32];

		snprintf(key, sizeof(key), "d%d/f", i);
		bucket_put(key, "x", NULL);
		*strchr(key, '/') = 0;
		cr_assert(S_ISDIR(rig_stat(key).mode));
	}
	rig_requests();
	rig_ls("d49");
	cr_assert_eq(rig_requests(), 0);
	rig_ls("d0");
	cr_assert_eq(rig_requests(), 1);
}

Test(requests, opendir_cold_and_readdir_are_one_list)
{
	many("d", 10);
	cr_assert_eq(strlen(rig_ls("d")), 60);
	cr_assert_eq(rig_requests(), 1);
}

Test(requests, stats_after_readdir_are_heads_ahead)
{
	many("d", 300);
	rig_ls("d");
	rig_requests();
	bucket_most();
	for (int i = 0; i < 300; i++) {
		char path[64];

		snprintf(path, sizeof(path), "d/f%04d", i);
		cr_assert_eq(rig_stat(path).size, 1);
		if (i == 0)
			cr_assert_eq(fake_total(), 1);
	}
	cr_assert_eq(fake_count(S3_HEAD_OBJECT), 300);
	cr_assert_eq(rig_requests(), 300);
	cr_assert_geq(bucket_most(), 100);
}

Test(requests, stats_after_readdir_with_attributes_list_are_none)
{
	many("d", 50);
	rig_mount(&(struct volume_s3_config){ .attributes_list = true });
	rig_ls("d");
	rig_requests();
	for (int i = 0; i < 50; i++) {
		char path[64];

		snprintf(path, sizeof(path), "d/f%04d", i);
		cr_assert_eq(rig_stat(path).size, 1);
	}
	cr_assert_eq(rig_requests(), 0);
}

Test(requests, a_listing_says_what_is_not_there)
{
	many("d", 3);
	rig_ls("d");
	rig_requests();
	cr_assert_eq(rig_stat_error("d/missing"), -ENOENT);
	cr_assert_eq(rig_requests(), 0);
}

Test(requests, creating_files_is_a_list_once_and_a_put_each)
{
	bucket_put("d/old", "x", NULL);
	cr_assert_eq(rig_write("d/n1", "one", O_CREAT | O_TRUNC), 0);
	cr_assert_eq(fake_count(S3_LIST_OBJECTS_V2), 1);
	cr_assert_eq(fake_count(S3_PUT_OBJECT), 1);
	cr_assert_eq(rig_requests(), 2);
	for (int i = 2; i < 6; i++) {
		char path[16];

		snprintf(path, sizeof(path), "d/n%d", i);
		cr_assert_eq(rig_write(path, "more", O_CREAT | O_EXCL), 0);
	}
	cr_assert_eq(rig_requests(), 4);
	cr_assert(fake_is("d/n1", "one", 3));
	cr_assert(fake_is("d/n5", "more", 4));
}

Test(requests, a_folder_of_this_session_is_known_whole)
{
	rig_mount(&(struct volume_s3_config){ .ttl_ms = 1 });
	cr_assert_eq(volume_mkdir(rig.v, &rig.call, "new", 0755), 0);
	rig_requests();
	for (int i = 0; i < 3; i++) {
		char path[16];

		usleep(3000);
		snprintf(path, sizeof(path), "new/n%d", i);
		cr_assert_eq(rig_write(path, "x", O_CREAT), 0);
	}
	cr_assert_eq(fake_count(S3_PUT_OBJECT), 3);
	cr_assert_eq(rig_requests(), 3);
}

Test(requests, a_huge_folder_is_not_listed_for_one_name)
{
	bucket_page = 10;
	many("d", 30);
	cr_assert_eq(rig_write("d/new1", "x", O_CREAT), 0);
	cr_assert_eq(rig_requests(), 4); /* LIST, HEAD and LIST, PUT */
	cr_assert_eq(rig_write("d/new2", "x", O_CREAT), 0);
	cr_assert_eq(rig_requests(), 3);
	bucket_page = S3_LIST_MAX;
}

Test(requests, rename_of_a_file_is_three)
{
	bucket_put("d/a", "hello", "color", "red", NULL);
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d/a", "d/b", 0), 0);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 1);
	cr_assert_eq(fake_count(S3_DELETE_OBJECT), 1);
	cr_assert_eq(rig_requests(), 3);
	cr_assert(fake_is("d/b", "hello", 5));
	cr_assert_str_eq(bucket_meta("d/b", "color"), "red");
}

Test(requests, unlink_of_a_known_name_is_one_delete)
{
	many("d", 5);
	rig_ls("d");
	rig_requests();
	cr_assert_eq(volume_unlink(rig.v, &rig.call, "d/f0001"), 0);
	cr_assert_eq(fake_count(S3_DELETE_OBJECT), 1);
	cr_assert_eq(rig_requests(), 1);
	cr_assert_not(fake_has("d/f0001"));
	cr_assert_eq(rig_stat_error("d/f0001"), -ENOENT);
	cr_assert_eq(rig_requests(), 0);
}

Test(requests, mkdir_and_rmdir)
{
	bucket_put("d/a", "x", NULL);
	cr_assert_eq(volume_mkdir(rig.v, &rig.call, "d/sub", 0755), 0);
	cr_assert_eq(rig_requests(), 2);
	cr_assert(fake_has("d/sub/"));
	cr_assert_eq(volume_rmdir(rig.v, &rig.call, "d/sub"), 0);
	cr_assert_eq(rig_requests(), 2);
	cr_assert_not(fake_has("d/sub/"));
}

Test(requests, utimens_and_chmod_are_one_copy_later)
{
	struct vsetattr mode = { .mask = WIRE_SET_MODE, .mode = 0600 };
	struct vsetattr time = { .mask = WIRE_SET_MTIME, .mtime_ns = 1234500000000ll };

	bucket_put("a", "x", "color", "red", NULL);
	rig_stat("a");
	rig_requests();
	cr_assert_eq(volume_setattr(rig.v, &rig.call, "a", false, &mode), 0);
	cr_assert_eq(volume_setattr(rig.v, &rig.call, "a", false, &time), 0);
	cr_assert_eq(rig_stat("a").mode, 0100600);
	cr_assert_eq(rig_stat("a").mtime_ns, 1234500000000ll);
	cr_assert_eq(rig_requests(), 0);
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 1);
	cr_assert_eq(rig_requests(), 1);
	cr_assert_str_eq(bucket_meta("a", "file-permissions"), "0100600");
	cr_assert_str_eq(bucket_meta("a", "file-mtime"), "1234500000000ns");
	cr_assert_str_eq(bucket_meta("a", "color"), "red");
	cr_assert_eq(rig_stat("a").mode, 0100600);
}

Test(requests, the_way_of_rsync_costs_no_copy_of_its_own)
{
	struct vsetattr time = { .mask = WIRE_SET_MTIME, .mtime_ns = 5000000000ll };

	bucket_put("d/x", "x", NULL);
	cr_assert_eq(rig_write("d/.b.txt.Ab12", "new", O_CREAT | O_EXCL), 0);
	rig_requests();
	cr_assert_eq(volume_setattr(rig.v, &rig.call, "d/.b.txt.Ab12", false, &time), 0);
	cr_assert_eq(volume_rename(rig.v, &rig.call, "d/.b.txt.Ab12", "d/b.txt", 0), 0);
	cr_assert_eq(volume_sync(rig.v, &rig.call), 0);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 1);
	cr_assert_eq(rig_requests(), 2);
	cr_assert_str_eq(bucket_meta("d/b.txt", "file-mtime"), "5000000000ns");
}

Test(requests, deferred_attributes_are_written_when_idle)
{
	struct vsetattr mode = { .mask = WIRE_SET_MODE, .mode = 0600 };

	bucket_put("a", "x", NULL);
	cr_assert_eq(volume_setattr(rig.v, &rig.call, "a", false, &mode), 0);
	for (int i = 0; i < 300 && !bucket_meta("a", "file-permissions")[0]; i++)
		usleep(10000);
	cr_assert_str_eq(bucket_meta("a", "file-permissions"), "0100600");
}
