#include "fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(mounts, .init = fixture_begin, .fini = fixture_end);

Test(mounts, bucket_alone_is_at_s3)
{
	cr_assert_eq(load("--bucket", "b", "--prefix", "/a/b/"), 0, "%s", err_text(&err));
	cr_assert_eq(config.mount_count, 1);
	cr_assert_str_eq(config.mounts[0].mount, "/s3");
	cr_assert_str_eq(config.mounts[0].bucket, "b");
	cr_assert_str_eq(config.mounts[0].prefix, "a/b");
	cr_assert_eq(config.mounts[0].type, MOUNT_S3);
}

Test(mounts, several)
{
	char routes[64];

	cr_assert_eq(load("--mount", "/s3=s3://b/p/q/", "--mount=/work=file:/srv/x", "--mount", "/all=s3://"), 0, "%s",
		     err_text(&err));
	cr_assert_eq(config.mount_count, 3);
	cr_assert_str_eq(config.mounts[0].bucket, "b");
	cr_assert_str_eq(config.mounts[0].prefix, "p/q");
	cr_assert_eq(config.mounts[1].type, MOUNT_FILE);
	cr_assert_str_eq(config.mounts[1].path, "/srv/x");
	cr_assert_null(config.mounts[2].bucket);
	cr_assert_str_eq(config.mounts[2].prefix, "");
	cr_assert_eq(config_routes(&config, routes, sizeof(routes)), 0);
	cr_assert_str_eq(routes, "/s3:/work:/all");
	cr_assert_eq(config_routes(&config, routes, 8), -ENAMETOOLONG);
}

Test(mounts, points_are_normalised)
{
	cr_assert_eq(load("--mount", "//data/./x//=s3://b"), 0);
	cr_assert_str_eq(config.mounts[0].mount, "/data/x");
}

Test(mounts, file_as_a_url)
{
	cr_assert_eq(load("--mount", "/w=file:///srv/x"), 0);
	cr_assert_str_eq(config.mounts[0].path, "/srv/x");
}

Test(mounts, bucket_and_point_may_come_from_different_places)
{
	setenv("S3SHIM_BUCKET", "b", 1);
	cr_assert_eq(load("--mount", "/data"), 0);
	cr_assert_str_eq(config.mounts[0].mount, "/data");
	cr_assert_str_eq(config.mounts[0].bucket, "b");
}

Test(mounts, flags_that_name_mounts_replace_the_environment)
{
	setenv("S3SHIM_BUCKET", "b", 1);
	cr_assert_eq(load("--mount", "/work=file:/srv"), 0);
	cr_assert_eq(config.mount_count, 1);
	cr_assert_str_eq(config.mounts[0].mount, "/work");
}

Test(mounts, environment_may_say_it_in_full)
{
	setenv("S3SHIM_MOUNT", "/work=file:/srv/x", 1);
	cr_assert_eq(load("true"), 0, "%s", err_text(&err));
	cr_assert_eq(config.mount_count, 1);
	cr_assert_str_eq(config.mounts[0].path, "/srv/x");
}

Test(mounts, session_settings_reach_every_s3_mount)
{
	cr_assert_eq(load("--mount", "/a=s3://a", "--mount", "/b=s3://b", "--region=x", "--read-only"), 0);
	cr_assert_str_eq(config.mounts[0].region, "x");
	cr_assert_str_eq(config.mounts[1].region, "x");
	cr_assert(config.mounts[1].read_only);
}

Test(mounts, no_bucket)
{
	cr_fails("no bucket: give --bucket NAME, S3SHIM_BUCKET or --mount /s3=s3://NAME", "true");
	cr_fails("no bucket: give --bucket NAME, S3SHIM_BUCKET or --mount /d=s3://NAME", "--mount", "/d");
}

Test(mounts, root_is_refused)
{
	static const char sentence[] =
	    "--mount: a mount point cannot be '/': it would hide every file of the machine; name "
	    "a folder of its own, as in --mount /s3";

	cr_fails(sentence, "--mount", "/=s3://b");
	cr_fails(sentence, "--mount", "//.//=s3://b");
	cr_fails(sentence, "--mount", "/");
}

Test(mounts, bad_points)
{
	cr_fails("--mount: mount point 's3' must be an absolute path, as in /s3", "--mount", "s3=s3://b");
	cr_fails("--mount: mount point '/a:b' cannot hold a ':'", "--mount", "/a:b=s3://b");
	cr_fails("--mount: mount point '/a/../b' cannot hold '..'", "--mount", "/a/../b=s3://b");
	cr_fails("--mount: mount point '/a' is given twice", "--mount", "/a=s3://b", "--mount", "//a/=s3://c");
	cr_fails("--mount '/b': one mount can go without '='; write --mount /b=s3://bucket/prefix", "--bucket=x",
		 "--mount", "/a", "--mount", "/b");
}

Test(mounts, bad_targets)
{
	cr_fails("--mount '/a=ftp://x': behind '=' goes s3://bucket/prefix, s3:// or file:/folder", "--mount",
		 "/a=ftp://x");
	cr_fails("--mount: prefix '/p/../..' cannot climb out of the bucket by '..'", "--mount", "/a=s3://b/p/../..");
	cr_fails("--prefix: prefix '../x' cannot climb out of the bucket by '..'", "--bucket=b", "--prefix=../x");
	cr_fails("--mount: 's3:///p' names no bucket; s3://bucket/prefix, or s3:// for all", "--mount", "/a=s3:///p");
	cr_fails("--bucket 'b/p': a bucket's name has no '/'; give what follows it as --prefix", "--bucket=b/p");
	cr_fails("--bucket 's3://b': give the bucket's name alone, or --mount /s3=s3://b", "--bucket=s3://b");
}

Test(mounts, session_folder_is_ours_alone)
{
	char runtime[] = "/tmp/s3shim-test-XXXXXX", dir[128], expected[128];
	struct stat st;

	cr_assert_not_null(mkdtemp(runtime));
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	cr_assert_eq(config_session_dir(dir, sizeof(dir), &err), 0, "%s", err_text(&err));
	snprintf(expected, sizeof(expected), "%s/s3shim", runtime);
	cr_assert_str_eq(dir, expected);
	cr_assert_eq(stat(dir, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	rmdir(dir);
	rmdir(runtime);
}

Test(mounts, log_goes_to_the_state_folder)
{
	char state[] = "/tmp/s3shim-test-XXXXXX", path[128], expected[128];

	cr_assert_not_null(mkdtemp(state));
	setenv("XDG_STATE_HOME", state, 1);
	cr_assert_eq(config_log_default("x", path, sizeof(path), &err), 0, "%s", err_text(&err));
	snprintf(expected, sizeof(expected), "%s/s3shim/x.log", state);
	cr_assert_str_eq(path, expected);
	*strrchr(expected, '/') = '\0';
	rmdir(expected);
	rmdir(state);
}

Test(mounts, sandbox_dir_is_a_folder_for_everybody)
{
	cr_assert_eq(load("--sandbox-dir", "/srv/%u", "--user", "ann"), 0, "%s", err_text(&err));
	cr_assert_eq(config.mount_count, 1);
	cr_assert_eq(config.mounts[0].type, MOUNT_FILE);
	cr_assert_str_eq(config.mounts[0].mount, "/s3");
	cr_assert_str_eq(config.mounts[0].path, "/srv/ann");
	cr_assert_eq(load("--sandbox-dir", "/srv", "--mount", "/data"), 0, "%s", err_text(&err));
	cr_assert_str_eq(config.mounts[0].mount, "/data");
}

Test(mounts, sandbox_dir_comes_before_what_is_said_farther_away)
{
	setenv("S3SHIM_BUCKET", "b", 1);
	cr_assert_eq(load("--sandbox-dir", "/srv"), 0);
	cr_assert_eq(config.mounts[0].type, MOUNT_FILE);
	cr_fails("--sandbox-dir '/srv' and --bucket 'c': which of them should be at '/s3'?", "--sandbox-dir=/srv",
		 "--bucket=c");
}

Test(mounts, a_bucket_beside_a_mount_at_its_place)
{
	cr_fails("--mount: mount point '/s3' is given twice", "--bucket=b", "--mount=/s3=s3://c");
}
