/* The S3 volume as a file system: errno as on ext4, one record for a file, what the session changed is seen at once. */
#include "rig.h"

#include "base/util.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(s3_volume, .init = rig_setup, .fini = rig_teardown);

#define V    rig.v
#define CALL &rig.call

Test(s3_volume, errno_of_opens)
{
	struct volume_opened o;

	bucket_put("d/f", "x", NULL);
	cr_assert_eq(rig_open("no", O_RDONLY, 0, &o), -ENOENT);
	cr_assert_eq(rig_open("no/f", O_RDONLY, 0, &o), -ENOENT);
	cr_assert_eq(rig_open("no/f", O_WRONLY | O_CREAT, 0644, &o), -ENOENT);
	cr_assert_eq(rig_open("d/f/x", O_RDONLY, 0, &o), -ENOTDIR);
	cr_assert_eq(rig_open("d/f/x", O_WRONLY | O_CREAT, 0644, &o), -ENOTDIR);
	cr_assert_eq(rig_open("d/f/", O_RDONLY, 0, &o), -ENOTDIR);
	cr_assert_eq(rig_open("d/f", O_RDONLY | O_DIRECTORY, 0, &o), -ENOTDIR);
	cr_assert_eq(rig_open("d", O_WRONLY, 0, &o), -EISDIR);
	cr_assert_eq(rig_open("d", O_WRONLY | O_CREAT, 0644, &o), -EISDIR);
	cr_assert_eq(rig_open("d/", O_WRONLY | O_CREAT, 0644, &o), -EISDIR);
	cr_assert_eq(rig_open("d/f", O_WRONLY | O_CREAT | O_EXCL, 0644, &o), -EEXIST);
	cr_assert_eq(rig_open("", O_WRONLY, 0, &o), -EISDIR);
	cr_assert_eq(rig_open("d", O_RDWR | O_TMPFILE, 0600, &o), -EOPNOTSUPP);
}

Test(s3_volume, errno_of_names)
{
	bucket_put("d/f", "x", NULL);
	bucket_put("e/f", "x", NULL);
	cr_assert_eq(rig_stat_error("d/f/x"), -ENOTDIR);
	cr_assert_eq(rig_stat_error("d/f/"), -ENOTDIR);
	cr_assert_eq(volume_mkdir(V, CALL, "d", 0755), -EEXIST);
	cr_assert_eq(volume_mkdir(V, CALL, "d/f", 0755), -EEXIST);
	cr_assert_eq(volume_mkdir(V, CALL, "", 0755), -EEXIST);
	cr_assert_eq(volume_mkdir(V, CALL, "no/d", 0755), -ENOENT);
	cr_assert_eq(volume_mkdir(V, CALL, "d/f/x", 0755), -ENOTDIR);
	cr_assert_eq(volume_rmdir(V, CALL, "d"), -ENOTEMPTY);
	cr_assert_eq(volume_rmdir(V, CALL, "d/f"), -ENOTDIR);
	cr_assert_eq(volume_rmdir(V, CALL, ""), -EBUSY);
	cr_assert_eq(volume_unlink(V, CALL, "d"), -EISDIR);
	cr_assert_eq(volume_unlink(V, CALL, "no"), -ENOENT);
	cr_assert_eq(volume_rename(V, CALL, "d/f", "e", 0), -EISDIR);
	cr_assert_eq(volume_rename(V, CALL, "d", "e/f", 0), -ENOTDIR);
	cr_assert_eq(volume_rename(V, CALL, "d", "e", 0), -ENOTEMPTY);
	cr_assert_eq(volume_rename(V, CALL, "d", "d/sub", 0), -EINVAL);
	cr_assert_eq(volume_rename(V, CALL, "d/f", "e/f", 1), -EEXIST);
	cr_assert_eq(volume_rename(V, CALL, "d/f", "e/f", 2), -EINVAL);
	cr_assert_eq(volume_rename(V, CALL, "no", "e/f", 0), -ENOENT);
	cr_assert_eq(volume_rename(V, CALL, "d/f", "no/f", 0), -ENOENT);
	cr_assert_eq(volume_link(V, CALL, "d/f", "d/g", 0), -EPERM);
	cr_assert_eq(volume_mknod(V, CALL, "d/p", S_IFIFO | 0600, 0), -EPERM);
	cr_assert_eq(volume_truncate(V, CALL, "d", 0), -EISDIR);
	cr_assert_eq(volume_truncate(V, CALL, "no", 0), -ENOENT);
}

Test(s3_volume, mknod_of_a_regular_file_is_an_empty_object)
{
	cr_assert_eq(volume_mknod(V, CALL, "n", S_IFREG | 0640, 0), 0);
	cr_assert(fake_is("n", "", 0));
	cr_assert_eq(rig_stat("n").mode, 0100640);
	cr_assert_eq(volume_mknod(V, CALL, "n", S_IFREG | 0640, 0), -EEXIST);
}

Test(s3_volume, a_new_file_is_seen_before_it_is_uploaded)
{
	struct volume_opened o;
	struct wire_attr by_fd;
	struct vrange r;

	bucket_put("d/a", "x", NULL);
	cr_assert_eq(rig_open("d/new", O_RDWR | O_CREAT, 0640, &o), 0);
	cr_assert_eq(vfile_claim(o.file, CALL, 0, 5, &r), 0);
	cr_assert_eq(write(o.fd, "hello", 5), 5);
	cr_assert_not(fake_has("d/new"));
	cr_assert_eq(rig_stat("d/new").size, 5);
	cr_assert_eq(rig_stat("d/new").mode, 0100640);
	cr_assert_str_eq(rig_ls("d"), "a new ");
	cr_assert_eq(vfile_stat(o.file, CALL, &by_fd), 0);
	cr_assert_eq(by_fd.ino, rig_stat("d/new").ino);
	cr_assert_eq(by_fd.dev, rig_stat("d/new").dev);
	cr_assert_eq(volume_rmdir(V, CALL, "d"), -ENOTEMPTY);
	cr_assert_eq(rig_close(&o), 0);
	cr_assert(fake_is("d/new", "hello", 5));
	cr_assert_str_eq(bucket_meta("d/new", "file-permissions"), "0100640");
	cr_assert_eq(rig_stat("d/new").ino, by_fd.ino);
	cr_assert_eq(rig_stat("d/new").size, 5);
}

Test(s3_volume, an_upload_carries_attributes_and_type)
{
	struct s3_info info;
	char uid[16];

	cr_assert_eq(rig_write("page.html", "x", O_CREAT), 0);
	cr_assert(fake_info("page.html", &info));
	cr_assert_str_eq(info.content_type, "text/html");
	snprintf(uid, sizeof(uid), "%u", geteuid());
	cr_assert_str_eq(bucket_meta("page.html", "file-owner"), uid);
	cr_assert_not_null(strstr(bucket_meta("page.html", "file-mtime"), "ns"));
}

Test(s3_volume, futimens_before_close_costs_nothing)
{
	struct vsetattr set = { .mask = WIRE_SET_MTIME | WIRE_SET_MODE, .mtime_ns = 777000000000ll, .mode = 0751 };
	struct volume_opened o;
	struct vrange r;

	cr_assert_eq(rig_open("n", O_WRONLY | O_CREAT, 0600, &o), 0);
	cr_assert_eq(vfile_claim(o.file, CALL, 0, 1, &r), 0);
	cr_assert_eq(write(o.fd, "x", 1), 1);
	cr_assert_eq(vfile_setattr(o.file, CALL, &set), 0);
	cr_assert_eq(rig_stat("n").mtime_ns, 777000000000ll);
	cr_assert_eq(rig_close(&o), 0);
	cr_assert_eq(volume_sync(V, CALL), 0);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 0);
	cr_assert_str_eq(bucket_meta("n", "file-mtime"), "777000000000ns");
	cr_assert_str_eq(bucket_meta("n", "file-permissions"), "0100751");
	cr_assert_eq(rig_stat("n").mtime_ns, 777000000000ll);
}

Test(s3_volume, overwriting_keeps_mode_and_foreign_metadata)
{
	bucket_put("a", "old content", "file-permissions", "0100755", "color", "red", NULL);
	cr_assert_eq(rig_write("a", "new", O_CREAT | O_TRUNC), 0);
	cr_assert(fake_is("a", "new", 3));
	cr_assert_str_eq(bucket_meta("a", "file-permissions"), "0100755");
	cr_assert_str_eq(bucket_meta("a", "color"), "red");
	cr_assert_eq(rig_stat("a").size, 3);
}

Test(s3_volume, appending_keeps_the_rest)
{
	struct volume_opened o;

	bucket_put("a", "hello", NULL);
	cr_assert_eq(rig_open("a", O_WRONLY | O_APPEND, 0, &o), 0);
	cr_assert_eq(o.claim.off + (o.claim.len > 0), 6);
	cr_assert_eq(write(o.fd, " world", 6), 6);
	cr_assert_eq(rig_close(&o), 0);
	cr_assert(fake_is("a", "hello world", 11));
}

Test(s3_volume, truncate_is_committed_at_once)
{
	bucket_put("a", "hello", NULL);
	cr_assert_eq(volume_truncate(V, CALL, "a", 2), 0);
	cr_assert(fake_is("a", "he", 2));
	cr_assert_eq(volume_truncate(V, CALL, "a", 0), 0);
	cr_assert(fake_is("a", "", 0));
}

Test(s3_volume, an_unlinked_open_file_is_not_uploaded)
{
	struct volume_opened o;
	struct wire_attr attr;
	struct vrange r;

	cr_assert_eq(rig_open("n", O_RDWR | O_CREAT, 0600, &o), 0);
	cr_assert_eq(volume_unlink(V, CALL, "n"), 0);
	cr_assert_eq(rig_stat_error("n"), -ENOENT);
	cr_assert_eq(vfile_claim(o.file, CALL, 0, 1, &r), 0);
	cr_assert_eq(write(o.fd, "x", 1), 1);
	cr_assert_eq(vfile_stat(o.file, CALL, &attr), 0);
	cr_assert_eq(attr.nlink, 0);
	cr_assert_eq(attr.size, 1);
	/* the next file of that name is another one */
	cr_assert_eq(rig_write("n", "other", O_CREAT | O_EXCL), 0);
	cr_assert_neq(rig_stat("n").ino, attr.ino);
	cr_assert_eq(rig_close(&o), 0);
	cr_assert(fake_is("n", "other", 5));
}

Test(s3_volume, rename_over_an_open_file)
{
	struct volume_opened o;
	struct vrange r;
	char buf[8] = "";

	bucket_put("a", "new", NULL);
	bucket_put("b", "old", NULL);
	cr_assert_eq(rig_open("b", O_RDONLY, 0, &o), 0);
	cr_assert_eq(volume_rename(V, CALL, "a", "b", 0), 0);
	cr_assert_eq(vfile_grant(o.file, CALL, 0, 0, false, &r), 0);
	cr_assert_eq(read(o.fd, buf, 8), 3);
	cr_assert_str_eq(buf, "old");
	cr_assert_str_eq(rig_read("b"), "new");
	cr_assert_eq(rig_stat_error("a"), -ENOENT);
	rig_close(&o);
}

Test(s3_volume, an_open_file_is_renamed_and_commits_under_its_new_key)
{
	struct volume_opened o;
	struct vrange r;
	uint64_t ino;

	bucket_put("d/final", "before", NULL);
	cr_assert_eq(rig_open("d/tmp", O_WRONLY | O_CREAT, 0600, &o), 0);
	cr_assert_eq(vfile_claim(o.file, CALL, 0, 3, &r), 0);
	cr_assert_eq(write(o.fd, "abc", 3), 3);
	ino = rig_stat("d/tmp").ino;
	cr_assert_eq(volume_rename(V, CALL, "d/tmp", "d/final", 0), 0);
	cr_assert_eq(rig_stat("d/final").size, 3);
	cr_assert_eq(rig_stat("d/final").ino, ino);
	cr_assert_eq(rig_stat_error("d/tmp"), -ENOENT);
	cr_assert_eq(rig_close(&o), 0);
	cr_assert(fake_is("d/final", "abc", 3));
	cr_assert_not(fake_has("d/tmp"));
}

Test(s3_volume, what_an_open_file_was_renamed_over_goes_with_its_unlink)
{
	struct volume_opened o;

	bucket_put("final", "before", NULL);
	cr_assert_eq(rig_open("tmp", O_WRONLY | O_CREAT, 0600, &o), 0);
	cr_assert_eq(volume_rename(V, CALL, "tmp", "final", 0), 0);
	cr_assert_eq(volume_unlink(V, CALL, "final"), 0);
	cr_assert_not(fake_has("final"));
	rig_close(&o);
	cr_assert_not(fake_has("final"));
}

Test(s3_volume, rename_of_an_open_file_with_a_base)
{
	struct volume_opened o;

	bucket_put("a", "hello", NULL);
	cr_assert_eq(rig_open("a", O_WRONLY | O_APPEND, 0, &o), 0);
	cr_assert_eq(write(o.fd, "!", 1), 1);
	cr_assert_eq(volume_rename(V, CALL, "a", "b", 0), 0);
	cr_assert_eq(rig_close(&o), 0);
	cr_assert(fake_is("b", "hello!", 6));
	cr_assert_not(fake_has("a"));
}

Test(s3_volume, inode_numbers_move_along)
{
	uint64_t ino;

	bucket_put("a", "x", NULL);
	ino = rig_stat("a").ino;
	cr_assert_eq(volume_rename(V, CALL, "a", "b", 0), 0);
	cr_assert_eq(rig_stat("b").ino, ino);
	cr_assert_eq(rig_write("a", "y", O_CREAT), 0);
	cr_assert_neq(rig_stat("a").ino, ino);
}

Test(s3_volume, rename_of_a_tree)
{
	struct volume_opened o;
	struct vrange r;

	bucket_put("t/a", "1", "color", "red", NULL);
	bucket_put("t/s/b", "2", NULL);
	bucket_put("t/s/", "", NULL);
	bucket_put("tt/x", "3", NULL);
	for (int i = 0; i < 100; i++) {
		char key[32];

		snprintf(key, sizeof(key), "t/many/f%d", i);
		bucket_put(key, "x", NULL);
	}
	bucket_page = 30;
	cr_assert_eq(rig_open("t/new", O_WRONLY | O_CREAT, 0600, &o), 0);
	cr_assert_eq(vfile_claim(o.file, CALL, 0, 3, &r), 0);
	cr_assert_eq(write(o.fd, "abc", 3), 3);
	cr_assert_eq(volume_rename(V, CALL, "t", "u", 0), 0);
	cr_assert_eq(rig_close(&o), 0);
	bucket_page = S3_LIST_MAX;
	cr_assert(fake_is("u/a", "1", 1));
	cr_assert_str_eq(bucket_meta("u/a", "color"), "red");
	cr_assert(fake_is("u/s/b", "2", 1));
	cr_assert(fake_has("u/s/"));
	cr_assert(fake_is("u/many/f99", "x", 1));
	cr_assert(fake_is("u/new", "abc", 3));
	cr_assert_not(fake_has("t/a"));
	cr_assert_not(fake_has("t/new"));
	cr_assert(fake_has("tt/x"));
	cr_assert_eq(rig_stat_error("t"), -ENOENT);
	cr_assert_eq(rig_stat_error("t/a"), -ENOENT);
	cr_assert_str_eq(rig_ls("u"), "a many/ new s/ ");
	cr_assert_str_eq(rig_ls(""), "tt/ u/ ");
}

Test(s3_volume, a_tree_whose_copy_fails_stays)
{
	bucket_put("t/a", "1", NULL);
	bucket_put("t/b", "2", NULL);
	rig_stat("t");
	fake.fail_op = S3_COPY_OBJECT;
	fake.fail_times = 1;
	fake.fail_status = -EACCES;
	fake.fail_http = 403;
	cr_assert_eq(volume_rename(V, CALL, "t", "u", 0), -EACCES);
	cr_assert(fake_has("t/a"));
	cr_assert(fake_has("t/b"));
	cr_assert_not(fake_has("u/a"));
	cr_assert_not(fake_has("u/b"));
}

Test(s3_volume, a_folder_does_not_vanish_with_its_last_file)
{
	bucket_put("d/a", "x", NULL);
	cr_assert_eq(volume_unlink(V, CALL, "d/a"), 0);
	cr_assert(S_ISDIR(rig_stat("d").mode));
	cr_assert_str_eq(rig_ls("d"), "");
	cr_assert_str_eq(rig_ls(""), "d/ ");
	cr_assert_eq(rig_write("d/b", "y", O_CREAT), 0);
	cr_assert_eq(volume_unlink(V, CALL, "d/b"), 0);
	cr_assert_eq(volume_rmdir(V, CALL, "d"), 0);
	cr_assert_eq(rig_stat_error("d"), -ENOENT);
	cr_assert_str_eq(rig_ls(""), "");
}

Test(s3_volume, symlinks)
{
	char buf[64];
	size_t len;
	struct wire_attr attr;

	bucket_put("d/f", "hello", NULL);
	cr_assert_eq(volume_symlink(V, CALL, "d/f", "l"), 0);
	cr_assert(fake_is("l", "d/f", 3));
	cr_assert_str_eq(bucket_meta("l", "file-permissions"), "0120777");
	cr_assert_str_eq(rig_read("l"), "hello");
	cr_assert_eq(volume_stat(V, CALL, "l", true, &attr), 0);
	cr_assert(S_ISLNK(attr.mode));
	cr_assert_eq(attr.size, 3);
	cr_assert_eq(rig_stat("l").size, 5);
	cr_assert_eq(volume_readlink(V, CALL, "l", buf, sizeof(buf), &len), 0);
	cr_assert_eq(len, 3);
	cr_assert_eq(volume_readlink(V, CALL, "d/f", buf, sizeof(buf), &len), -EINVAL);
	cr_assert_eq(volume_unlink(V, CALL, "l"), 0);
	cr_assert(fake_has("d/f"));
}

Test(s3_volume, symlinks_on_the_way)
{
	struct volume_opened o;

	bucket_put("d/e/f", "hello", NULL);
	bucket_put("dl", "d/e", "file-permissions", "0120777", NULL);
	bucket_put("loop", "loop", "mode", "41471", NULL);
	cr_assert_str_eq(rig_read("dl/f"), "hello");
	cr_assert_eq(rig_write("dl/g", "x", O_CREAT), 0);
	cr_assert(fake_has("d/e/g"));
	cr_assert_str_eq(rig_ls("dl"), "f g ");
	cr_assert_eq(rig_stat_error("loop"), -ELOOP);
	cr_assert_eq(rig_open("dl", O_RDONLY | O_NOFOLLOW, 0, &o), -ELOOP);
}

static void expect_redirect(const char *path, const char *to)
{
	struct wire_attr attr;

	cr_assert_eq(volume_stat(V, CALL, path, false, &attr), VOLUME_REDIRECT, "%s", path);
	cr_assert_str_eq(rig.call.redirect, to);
}

Test(s3_volume, symlinks_that_leave)
{
	bucket_put("abs", "/etc/x", "file-permissions", "0120777", NULL);
	bucket_put("d/up", "../../y", "file-permissions", "0120777", NULL);
	bucket_put("far", "../../../..", "file-permissions", "0120777", NULL);
	expect_redirect("abs", "/etc/x");
	expect_redirect("abs/z", "/etc/x/z");
	expect_redirect("d/up", "/y");
	expect_redirect("d/up/z", "/y/z");
	expect_redirect("far/etc", "/etc");
}

Test(s3_volume, listings_hide_what_is_no_name)
{
	char longname[300];

	memset(longname, 'x', sizeof(longname));
	memcpy(longname, "d/", 2);
	longname[299] = 0;
	bucket_put("d/", "", NULL);
	bucket_put("d//a", "", NULL);
	bucket_put("d/./a", "", NULL);
	bucket_put("d/../a", "", NULL);
	bucket_put("d/..", "", NULL);
	bucket_put(longname + 60, "", NULL);
	bucket_put("d/both", "", NULL);
	bucket_put("d/both/x", "", NULL);
	bucket_put("d/both-", "", NULL);
	cr_assert_str_eq(rig_ls("d"), "both both- ");
}

Test(s3_volume, pages_are_read_lazily_and_whole)
{
	for (int i = 0; i < 25; i++) {
		char key[32];

		snprintf(key, sizeof(key), "d/f%02d", i);
		bucket_put(key, "x", NULL);
	}
	bucket_put("d/f00/x", "", NULL);
	bucket_page = 7;
	cr_assert_eq(strlen(rig_ls("d")), 25 * 4);
	bucket_page = S3_LIST_MAX;
}

Test(s3_volume, the_prefix_confines)
{
	bucket_put("a/b/f", "in", NULL);
	bucket_put("a/bb/f", "out", NULL);
	rig_mount(&(struct volume_s3_config){ .prefix = "a/b" });
	cr_assert_str_eq(rig_ls(""), "f ");
	cr_assert_str_eq(rig_read("f"), "in");
	cr_assert_str_eq(rig_read("../bb/f"), "errno 1"); /* a redirect: out of the mount */
	cr_assert_str_eq(rig.call.redirect, "/s3/../bb/f");
	cr_assert_eq(rig_write("n", "x", O_CREAT), 0);
	cr_assert(fake_has("a/b/n"));
}

Test(s3_volume, a_prefix_that_does_not_exist_is_an_empty_mount)
{
	rig_mount(&(struct volume_s3_config){ .prefix = "new/session/" });
	cr_assert(S_ISDIR(rig_stat("").mode));
	cr_assert_str_eq(rig_ls(""), "");
	cr_assert_eq(rig_write("f", "x", O_CREAT), 0);
	cr_assert(fake_has("new/session/f"));
}

Test(s3_volume, buckets_as_folders)
{
	bucket_put("f", "x", NULL);
	rig_mount(&(struct volume_s3_config){ .bucket = "" });
	cr_assert_str_eq(rig_ls(""), "bucket/ ");
	cr_assert_str_eq(rig_read("bucket/f"), "x");
	cr_assert_eq(volume_mkdir(V, CALL, "missing", 0755), -EACCES);
	cr_assert_eq(volume_mkdir(V, CALL, "bucket", 0755), -EEXIST);
	cr_assert_eq(volume_rmdir(V, CALL, "bucket"), -EACCES);
	cr_assert_eq(rig_stat_error("missing/g"), -ENOENT);
}

Test(s3_volume, a_missing_bucket_is_a_sentence)
{
	struct volume_s3_config c = { .client = fake_client(), .bucket = "missing", .mount = "/s3" };
	struct volume *v = NULL;
	struct err err = ERR_INIT;

	cr_assert_eq(volume_s3_new(&c, &v, &err), -ENOENT);
	cr_assert_not_null(strstr(err.text, "NoSuchBucket"));
}

Test(s3_volume, directories_have_modes_and_times)
{
	struct vsetattr set = { .mask = WIRE_SET_MODE | WIRE_SET_MTIME, .mode = 0711, .mtime_ns = 9000000000ll };

	cr_assert_eq(volume_mkdir(V, CALL, "d", 0700), 0);
	cr_assert_eq(rig_stat("d").mode, 0040700);
	cr_assert_str_eq(bucket_meta("d/", "file-permissions"), "040700");
	cr_assert_eq(volume_setattr(V, CALL, "d", false, &set), 0);
	cr_assert_eq(volume_sync(V, CALL), 0);
	cr_assert_str_eq(bucket_meta("d/", "file-permissions"), "040711");
	rig_mount(&(struct volume_s3_config){ 0 });
	cr_assert_eq(rig_stat("d").mode, 0040711);
	cr_assert_eq(rig_stat("d").mtime_ns, 9000000000ll);
}

Test(s3_volume, modes_are_checked_against_the_caller)
{
	struct vsetattr set = { .mask = WIRE_SET_MODE, .mode = 0777 };
	struct volume_opened o;

	bucket_put("secret", "x", "file-permissions", "0100600", "file-owner", "0", NULL);
	rig.call.uid = 1000;
	rig.call.gid = 1000;
	cr_assert_eq(rig_open("secret", O_RDONLY, 0, &o), -EACCES);
	cr_assert_eq(rig_open("secret", O_WRONLY, 0, &o), -EACCES);
	cr_assert_eq(volume_access(V, CALL, "secret", R_OK, 0), -EACCES);
	cr_assert_eq(volume_setattr(V, CALL, "secret", false, &set), -EPERM);
	rig.call.uid = 0;
	cr_assert_eq(volume_access(V, CALL, "secret", R_OK | W_OK, 0), 0);
	cr_assert_eq(volume_access(V, CALL, "secret", X_OK, 0), -EACCES);
}

Test(s3_volume, others_changes_are_seen_after_the_ttl)
{
	rig_mount(&(struct volume_s3_config){ .ttl_ms = 50 });
	cr_assert_eq(rig_stat_error("late"), -ENOENT);
	bucket_put("late", "x", NULL);
	cr_assert_eq(rig_stat_error("late"), -ENOENT);
	usleep(60000);
	cr_assert_eq(rig_stat("late").size, 1);
	fake_delete("late");
	usleep(60000);
	cr_assert_eq(rig_stat_error("late"), -ENOENT);
}

Test(s3_volume, a_refused_upload_is_closes_error)
{
	fake.fail_op = S3_PUT_OBJECT;
	fake.fail_times = -1;
	fake.fail_status = -EACCES;
	fake.fail_http = 403;
	cr_assert_eq(rig_write("n", "x", O_CREAT), -EACCES);
	cr_assert_eq(volume_drain(V, true, NULL, NULL), 1);
}

Test(s3_volume, a_failure_goes_along_with_the_file_that_is_gone)
{
	struct volume_opened o, bystander;

	fake.fail_op = S3_PUT_OBJECT;
	fake.fail_times = -1;
	fake.fail_status = -EACCES;
	fake.fail_http = 403;
	cr_assert_eq(rig_open("n", O_CREAT | O_WRONLY, 0644, &o), 0);
	cr_assert_eq(rig_open("n", O_RDONLY, 0, &bystander), 0);
	close(o.fd); /* and nobody asks */
	close(bystander.fd);
	for (int i = 0; i < 30000 && rig.gone < 2; i++)
		usleep(1000);
	cr_assert_eq(rig.gone, 2);
	cr_assert_eq(rig.gone_status, -EACCES);
	cr_assert_eq(rig.gone_failed, 1, "a reader has nothing to be told");
}

static void mount_that_copies_parts(void)
{
	char *data = calloc(1, MIB(12) + 1);

	memset(data, 'x', MIB(12));
	bucket_put("old", data, "file-permissions", "0100640", "colour", "red", NULL);
	free(data);
	rig_mount(&(struct volume_s3_config){ .copy_max = MIB(5), .copy_part = MIB(5) });
}

Test(s3_volume, what_is_too_large_for_one_copy_moves_in_parts)
{
	mount_that_copies_parts();
	cr_assert_eq(volume_rename(V, CALL, "old", "new", 0), 0);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 0);
	cr_assert_eq(fake_count(S3_UPLOAD_PART_COPY), 3);
	cr_assert_eq(fake_uploads_open(), 0);
	cr_assert_not(fake_has("old"));
	cr_assert_eq(rig_stat("new").size, MIB(12));
	cr_assert_str_eq(bucket_meta("new", "colour"), "red");
	cr_assert_str_eq(bucket_meta("new", "file-permissions"), "0100640");
}

Test(s3_volume, a_part_that_cannot_be_copied_leaves_all_as_it_was)
{
	mount_that_copies_parts();
	fake.fail_op = S3_UPLOAD_PART_COPY;
	fake.fail_times = 1;
	fake.fail_status = -EACCES;
	cr_assert_eq(volume_rename(V, CALL, "old", "new", 0), -EACCES);
	cr_assert_eq(fake_uploads_open(), 0);
	cr_assert(fake_has("old"));
	cr_assert_not(fake_has("new"));
}

static void open_pair(struct volume_opened *from, struct volume_opened *to)
{
	bucket_put("a", "content", "file-permissions", "0100600", NULL);
	cr_assert_eq(rig_open("a", O_RDONLY, 0, from), 0);
	cr_assert_eq(rig_open("b", O_RDWR | O_CREAT, 0640, to), 0);
	fake_forget_counts();
}

Test(s3_volume, a_whole_file_is_copied_on_the_server)
{
	struct volume_opened from, to;
	uint64_t size;

	open_pair(&from, &to);
	cr_assert_eq(vfile_clone(to.file, from.file, CALL, &size), 0);
	cr_assert_eq(size, 7);
	cr_assert_eq(rig_stat("b").size, 7);
	cr_assert_eq(rig_close(&to), 0);
	cr_assert_eq(fake_count(S3_COPY_OBJECT), 1);
	cr_assert_eq(fake_total(), 1, "close has nothing to send");
	cr_assert_str_eq(bucket_meta("b", "file-permissions"), "0100640");
	cr_assert_str_eq(rig_read("b"), "content");
	rig_close(&from);
}

Test(s3_volume, a_copy_can_be_read_and_written_at_once)
{
	struct volume_opened from, to;
	struct vrange r;
	char buf[8] = "";
	uint64_t size;

	open_pair(&from, &to);
	cr_assert_eq(vfile_clone(to.file, from.file, CALL, &size), 0);
	cr_assert_eq(vfile_grant(to.file, CALL, 0, 7, false, &r), 0);
	cr_assert_eq(pread(to.fd, buf, 7, 0), 7);
	cr_assert_str_eq(buf, "content");
	cr_assert_eq(vfile_claim(to.file, CALL, 3, 1, &r), 0);
	cr_assert_eq(pwrite(to.fd, "T", 1, 3), 1);
	cr_assert_eq(rig_close(&to), 0);
	cr_assert_str_eq(rig_read("b"), "conTent");
	rig_close(&from);
}

Test(s3_volume, what_is_not_a_whole_file_into_nothing_is_not_copied_on_the_server)
{
	struct volume_opened from, to;
	struct vrange r;
	uint64_t size;

	open_pair(&from, &to);
	cr_assert_eq(vfile_clone(from.file, to.file, CALL, &size), -EOPNOTSUPP, "into what is open for reading");
	cr_assert_eq(vfile_claim(to.file, CALL, 0, 1, &r), 0);
	cr_assert_eq(pwrite(to.fd, "x", 1, 0), 1);
	cr_assert_eq(vfile_clone(to.file, from.file, CALL, &size), -EOPNOTSUPP, "over bytes");
	cr_assert_eq(fake_total(), 0);
	rig_close(&to);
	rig_close(&from);
}

Test(s3_volume, a_server_that_refuses_to_copy_is_written_to)
{
	struct volume_opened from, to;
	uint64_t size;

	open_pair(&from, &to);
	fake.fail_op = S3_COPY_OBJECT;
	fake.fail_times = 1;
	fake.fail_status = -EACCES;
	cr_assert_eq(vfile_clone(to.file, from.file, CALL, &size), -EOPNOTSUPP);
	cr_assert_eq(write(to.fd, "bytes", 5), 5);
	cr_assert_eq(rig_close(&to), 0);
	cr_assert_str_eq(rig_read("b"), "bytes");
	rig_close(&from);
}

Test(s3_volume, two_readers_share_one_inode)
{
	struct volume_opened a, b;
	struct stat sa, sb;

	bucket_put("f", "x", NULL);
	cr_assert_eq(rig_open("f", O_RDONLY, 0, &a), 0);
	cr_assert_eq(rig_open("f", O_RDWR, 0, &b), 0);
	cr_assert_eq(a.object, b.object);
	fstat(a.fd, &sa);
	fstat(b.fd, &sb);
	cr_assert_eq(sa.st_ino, sb.st_ino);
	rig_close(&b);
	rig_close(&a);
}

Test(s3_volume, statfs)
{
	struct wire_statfs_rep fs;

	cr_assert_eq(volume_statfs(V, CALL, "", &fs), 0);
	cr_assert_eq(fs.type, 0x5333);
	cr_assert_eq(fs.namelen, 255);
	cr_assert_eq(fs.bfree * fs.bsize, 1ull << 50);
}

Test(s3_volume, read_only)
{
	struct volume_opened o;

	bucket_put("f", "x", NULL);
	rig_mount(&(struct volume_s3_config){ .read_only = true });
	cr_assert_eq(rig_open("f", O_WRONLY, 0, &o), -EROFS);
	cr_assert_eq(rig_open("n", O_WRONLY | O_CREAT, 0644, &o), -EROFS);
	cr_assert_eq(volume_unlink(V, CALL, "f"), -EROFS);
	cr_assert_eq(volume_access(V, CALL, "f", W_OK, 0), -EROFS);
	cr_assert_str_eq(rig_read("f"), "x");
}

/* Threads that make, write, rename and remove the same few names: every upload must find the bucket as it expects it.
 */
static void *confuse(void *arg)
{
	static const char *const names[] = { "a", "b", "d", "d/x", "d/y", "d/s/z", "e/q" };
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct vcall call = { .uid = geteuid(), .gid = getegid() };

	for (int i = 0; i < 150; i++) {
		const char *name = names[(unsigned)rand_r(&seed) % 7], *other = names[(unsigned)rand_r(&seed) % 7];
		struct volume_opened o;

		switch (rand_r(&seed) % 6) {
		case 0:
			(void)volume_mkdir(V, &call, name, 0755);
			break;
		case 1:
			if (volume_unlink(V, &call, name) == -EISDIR)
				(void)volume_rmdir(V, &call, name);
			break;
		case 2:
			(void)volume_rename(V, &call, name, other, 0);
			break;
		default:
			if (volume_open(V, &call, name, O_WRONLY | O_CREAT | O_APPEND, 0644, &o))
				break;
			(void)!write(o.fd, "x", 1);
			close(o.fd);
			break;
		}
	}
	return NULL;
}

static void say(void *arg, const struct vfailure *f)
{
	(void)arg;
	cr_log_error("%s: %s", f->name, f->sentence);
}

Test(s3_volume, threads_that_change_the_same_names_lose_nothing)
{
	pthread_t threads[6];

	bucket_put("e/", "", NULL);
	for (uintptr_t i = 0; i < 6; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, confuse, (void *)(i + 1)), 0);
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(volume_drain(V, true, say, NULL), 0);
}
