/* Messages with paths, on a folder. */
#include "suite.h"

#include <stdio.h>

SUITE(names);

static const char *host(const char *name)
{
	static char path[512];

	session_path(&session, 0, name, path, sizeof(path));
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(host(name), "w");

	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	fclose(f);
}

static int call_stat(uint32_t mount, const char *path, struct wire_attr *ret)
{
	struct wire_stat_req q = { .mount = mount };
	struct wire_stat_rep a;
	int r = client_call(conn, WIRE_STAT, &q, &a, NULL, path, NULL);

	*ret = a.attr;
	return r;
}

Test(names, stat_of_a_file)
{
	struct wire_attr attr;

	put("file", "hello");
	cr_assert_eq(call_stat(0, "file", &attr), 0);
	cr_assert_eq(attr.size, 5);
	cr_assert(S_ISREG(attr.mode));
}

Test(names, stat_of_a_missing_name_has_an_empty_reply)
{
	struct wire_attr attr;

	cr_assert_eq(call_stat(0, "nothing", &attr), -ENOENT);
	cr_assert_eq(attr.mode, 0);
}

Test(names, a_mount_that_is_none)
{
	struct wire_attr attr;

	cr_assert_eq(call_stat(2, "", &attr), -EINVAL);
	cr_assert_eq(call_stat(UINT32_MAX, "", &attr), -EINVAL);
}

Test(names, flags_that_are_none)
{
	struct wire_stat_req q = { .flags = 0x80 };
	struct wire_stat_rep a;
	struct wire_setattr_req set = { .mask = 0x8000 };
	struct wire_setattr_rep set_a;

	cr_assert_eq(client_call(conn, WIRE_STAT, &q, &a, NULL, "", NULL), -EINVAL);
	cr_assert_eq(client_call(conn, WIRE_SETATTR, &set, &set_a, NULL, "", NULL), -EINVAL);
}

Test(names, mkdir_and_rmdir)
{
	struct wire_mkdir_req q = { .mode = 0755 };
	struct wire_mkdir_rep a;
	struct wire_rmdir_req rm = { 0 };
	struct wire_rmdir_rep rm_a;
	struct stat st;

	cr_assert_eq(client_call(conn, WIRE_MKDIR, &q, &a, NULL, "dir", NULL), 0);
	cr_assert_eq(stat(host("dir"), &st), 0);
	cr_assert(S_ISDIR(st.st_mode));
	cr_assert_eq(client_call(conn, WIRE_MKDIR, &q, &a, NULL, "dir", NULL), -EEXIST);
	cr_assert_eq(client_call(conn, WIRE_RMDIR, &rm, &rm_a, NULL, "dir", NULL), 0);
	cr_assert_eq(stat(host("dir"), &st), -1);
}

Test(names, rename_and_unlink)
{
	struct wire_rename_req q = { 0 };
	struct wire_rename_rep a;
	struct wire_unlink_req un = { 0 };
	struct wire_unlink_rep un_a;

	put("old", "x");
	cr_assert_eq(client_call(conn, WIRE_RENAME, &q, &a, NULL, "old", "new"), 0);
	cr_assert_eq(access(host("new"), F_OK), 0);
	cr_assert_eq(client_call(conn, WIRE_UNLINK, &un, &un_a, NULL, "new", NULL), 0);
	cr_assert_eq(client_call(conn, WIRE_UNLINK, &un, &un_a, NULL, "new", NULL), -ENOENT);
}

Test(names, between_mounts_is_exdev)
{
	struct wire_rename_req q = { .mount2 = 1 };
	struct wire_rename_rep a;
	struct wire_link_name_req link_q = { .mount2 = 1 };
	struct wire_link_name_rep link_a;

	put("old", "x");
	cr_assert_eq(client_call(conn, WIRE_RENAME, &q, &a, NULL, "old", "new"), -EXDEV);
	cr_assert_eq(client_call(conn, WIRE_LINK_NAME, &link_q, &link_a, NULL, "old", "new"), -EXDEV);
	q.mount2 = 7;
	cr_assert_eq(client_call(conn, WIRE_RENAME, &q, &a, NULL, "old", "new"), -EINVAL);
}

Test(names, symlink_and_readlink)
{
	struct wire_symlink_req q = { 0 };
	struct wire_symlink_rep a;
	struct wire_readlink_req rl = { 0 };
	struct wire_readlink_rep rl_a;

	cr_assert_eq(client_call(conn, WIRE_SYMLINK, &q, &a, NULL, "target/there", "link"), 0);
	cr_assert_eq(client_call(conn, WIRE_READLINK, &rl, &rl_a, &answer, "link", NULL), 0);
	cr_assert_eq(answer.tail_len, strlen("target/there"));
	cr_assert_str_eq(answer.tail, "target/there");
}

Test(names, a_link_out_of_the_mount_redirects)
{
	struct wire_stat_req q = { 0 };
	struct wire_stat_rep a;

	cr_assert_eq(symlink("/usr", host("link")), 0);
	cr_assert_eq(client_call(conn, WIRE_STAT, &q, &a, &answer, "link/bin", NULL), WIRE_REDIRECT_1);
	cr_assert_str_eq(answer.tail, "/usr/bin");
	cr_assert_eq(a.attr.mode, 0);
}

Test(names, the_second_path_redirects_as_such)
{
	struct wire_rename_req q = { 0 };
	struct wire_rename_rep a;

	put("old", "x");
	cr_assert_eq(symlink("/usr", host("link")), 0);
	cr_assert_eq(client_call(conn, WIRE_RENAME, &q, &a, &answer, "old", "link/new"), WIRE_REDIRECT_2);
	cr_assert_str_eq(answer.tail, "/usr/new");
}

Test(names, truncate_setattr_access_statfs)
{
	struct wire_truncate_req tr = { .size = 2 };
	struct wire_truncate_rep tr_a;
	struct wire_setattr_req set = { .mask = WIRE_SET_MODE | WIRE_SET_MTIME, .mode = 0600, .mtime_ns = 1000000000 };
	struct wire_setattr_rep set_a;
	struct wire_access_req ac = { .mode = R_OK };
	struct wire_access_rep ac_a;
	struct wire_statfs_req fs = { 0 };
	struct wire_statfs_rep fs_a;
	struct wire_attr attr;

	put("file", "hello");
	cr_assert_eq(client_call(conn, WIRE_TRUNCATE, &tr, &tr_a, NULL, "file", NULL), 0);
	cr_assert_eq(client_call(conn, WIRE_SETATTR, &set, &set_a, NULL, "file", NULL), 0);
	cr_assert_eq(call_stat(0, "file", &attr), 0);
	cr_assert_eq(attr.size, 2);
	cr_assert_eq(attr.mode & 07777, 0600);
	cr_assert_eq(attr.mtime_ns, 1000000000);
	cr_assert_eq(client_call(conn, WIRE_ACCESS, &ac, &ac_a, NULL, "file", NULL), 0);
	cr_assert_eq(client_call(conn, WIRE_STATFS, &fs, &fs_a, NULL, "file", NULL), 0);
	cr_assert_gt(fs_a.bsize, 0);
	tr.size = UINT64_MAX;
	cr_assert_eq(client_call(conn, WIRE_TRUNCATE, &tr, &tr_a, NULL, "file", NULL), -EINVAL);
}
