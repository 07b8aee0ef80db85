#include "fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

TestSuite(mapping, .init = fixture_begin, .fini = fixture_end);

static const struct mount_config *at(const char *mount)
{
	for (size_t i = 0; i < config.mount_count; i++)
		if (strcmp(config.mounts[i].mount, mount) == 0)
			return &config.mounts[i];
	return NULL;
}

/* The load of @text fails with "<file>:@place: @sentence". */
static void fails_at(const char *text, const char *place, const char *sentence)
{
	const char *file = json_file(text);
	char expected[ERR_TEXT_MAX];

	snprintf(expected, sizeof(expected), "%s:%s: %s", file, place, sentence);
	cr_assert_eq(load("--config", file), -EINVAL);
	cr_assert_str_eq(err_text(&err), expected);
}

static const char sandboxes[] =
    "{ \"sandboxMapping\": {\n"
    "  \"\": { \"/s3\": { \"type\": \"S3\", \"bucketName\": \"sandboxBucket\", \"path\": \"/\",\n"
    "                    \"region\": \"us-west-2\", \"accessKeyId\": \"AK\", \"secretKey\": \"SK\" },\n"
    "          \"/work\": { \"type\": \"File\", \"path\": \"/home/%u\" } },\n"
    "  \"alice\": { \"/data\": \"/srv/alice\", \"/s3\": \"/srv/s3\" } } }\n";

Test(mapping, everybody_and_short_form)
{
	cr_assert_eq(load("--config", json_file(sandboxes), "--user", "bob"), 0, "%s", err_text(&err));
	cr_assert_eq(config.mount_count, 2);
	cr_assert_str_eq(at("/s3")->bucket, "sandboxBucket");
	cr_assert_str_eq(at("/s3")->prefix, "");
	cr_assert_str_eq(at("/s3")->region, "us-west-2");
	cr_assert_str_eq(at("/s3")->access_key_id, "AK");
	cr_assert_str_eq(at("/s3")->secret_key, "SK");
	cr_assert_str_eq(at("/work")->path, "/home/bob");
}

Test(mapping, own_entry_comes_first)
{
	cr_assert_eq(load("--config", json_file(sandboxes), "--user", "alice"), 0, "%s", err_text(&err));
	cr_assert_eq(config.mount_count, 3);
	cr_assert_eq(at("/s3")->type, MOUNT_FILE);
	cr_assert_str_eq(at("/s3")->path, "/srv/s3");
	cr_assert_str_eq(at("/data")->path, "/srv/alice");
	cr_assert_str_eq(at("/work")->path, "/home/alice");
}

Test(mapping, empty_path_is_the_default_mount_point)
{
	const char *file = json_file("{\"sandboxMapping\": {\"\": {\"\": \"/srv\"}}}");

	cr_assert_eq(load("--config", file), 0);
	cr_assert_not_null(at("/s3"));
}

Test(mapping, placeholders)
{
	const char *file = json_file("{\"sandboxMapping\": {\"\": {\"/a\": \"/d/%d/%u\", \"/b\": \"/100%%/%f\"}}}");

	cr_assert_eq(load("--config", file, "--user", "ann@lab.org"), 0, "%s", err_text(&err));
	cr_assert_str_eq(at("/a")->path, "/d/lab.org/ann");
	cr_assert_str_eq(at("/b")->path, "/100%/ann@lab.org");
}

Test(mapping, placeholders_that_are_refused)
{
	const char *file = json_file("{\"sandboxMapping\": {\"\": {\"/a\": \"/d/%u\"}}}");
	char expected[256];

	snprintf(expected, sizeof(expected),
		 "%s:1:32: %%u in '/d/%%u' is empty: the user name is not known; give it by "
		 "--user NAME",
		 file);
	cr_fails(expected, "--config", file);
	snprintf(expected, sizeof(expected),
		 "%s:1:32: the user name 'a/b' cannot stand in '/d/%%u': it holds '/' or '..'", file);
	cr_fails(expected, "--config", file, "--user", "a/b");
	snprintf(expected, sizeof(expected),
		 "%s:1:32: the user name '..' cannot stand in '/d/%%u': it holds '/' or '..'", file);
	cr_fails(expected, "--config", file, "--user", "..");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": \"/d/%x\"}}}", "1:32", "'/d/%x': after '%' goes u, d, f or %");
}

Test(mapping, domain_must_be_known)
{
	const char *file = json_file("{\"sandboxMapping\": {\"\": {\"/a\": \"/d/%d\"}}}");

	cr_assert_eq(load("--config", file, "--user", "ann"), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "the domain is not known; give it by --user NAME@DOMAIN"));
	cr_assert_eq(load("--config", file, "--user", "LAB\\ann"), 0);
	cr_assert_str_eq(at("/a")->path, "/d/LAB");
}

Test(mapping, session_settings_hold_where_the_mount_says_nothing)
{
	const char *file =
	    json_file("{\"region\": \"r1\", \"accessKeyId\": \"A\", \"secretKey\": \"S\", \"sessionToken\": "
		      "\"T\", \"sandboxMapping\": {\"\": {\n"
		      "\"/a\": {\"type\": \"S3\", \"bucketName\": \"a\"},\n"
		      "\"/b\": {\"type\": \"S3\", \"bucketName\": \"b\", \"region\": \"r2\", \"accessKeyId\": "
		      "\"B\", \"secretKey\": \"X\", \"verifySSL\": false}}}}");

	cr_assert_eq(load("--config", file), 0, "%s", err_text(&err));
	cr_assert_str_eq(at("/a")->region, "r1");
	cr_assert_str_eq(at("/a")->session_token, "T");
	cr_assert_str_eq(at("/b")->region, "r2");
	cr_assert_str_eq(at("/b")->access_key_id, "B");
	cr_assert_null(at("/b")->session_token, "keys are never mixed");
	cr_assert(at("/b")->verify_tls_off);
}

Test(mapping, flags_replace_it)
{
	cr_assert_eq(load("--config", json_file(sandboxes), "--bucket", "b"), 0);
	cr_assert_eq(config.mount_count, 1);
	cr_assert_str_eq(config.mounts[0].bucket, "b");
}

Test(mapping, nothing_for_the_user)
{
	const char *file = json_file("{\"sandboxMapping\": {\"alice\": {\"/a\": \"/srv\"}}}");
	char expected[256];

	snprintf(expected, sizeof(expected), "%s: sandboxMapping has nothing for user 'bob' and nothing for \"\"",
		 file);
	cr_fails(expected, "--config", file, "--user", "bob");
}

Test(mapping, unknown_keys)
{
	fails_at("{\n  \"regoin\": \"x\"}", "2:3", "unknown key 'regoin'; did you mean 'region'?");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"S3\",\n \"bucketname\": \"b\"}}}}", "2:2",
		 "unknown key 'bucketname' in an S3 sandbox; did you mean 'bucketName'?");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"File\",\n \"pth\": \"/b\"}}}}", "2:2",
		 "unknown key 'pth' in a File sandbox; did you mean 'path'?");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"S3\", \"bucketName\": \"b\",\n \"ttl\": 5}}}}",
		 "2:2", "unknown key 'ttl' in an S3 sandbox");
}

Test(mapping, wrong_kinds)
{
	fails_at("{\"ttl\": true}", "1:9", "'ttl' must be a string or a number, not true or false");
	fails_at("{\"readOnly\": \"yes\"}", "1:14", "'readOnly' must be true or false, not a string");
	fails_at("{\"region\": 5}", "1:12", "'region' must be a string, not a number");
	fails_at("[]", "1:1", "the file must hold an object, { ... }, not a list");
	fails_at("{\"sandboxMapping\": []}", "1:20",
		 "'sandboxMapping' maps users to virtual paths: an object, not a list");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": 5}}}", "1:32",
		 "a sandbox is an object, or a string with a folder, not a number");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"SMB\"}}}}", "1:41",
		 "'type' must be \"S3\" or \"File\"");
}

Test(mapping, what_is_needed)
{
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"S3\"}}}}", "1:32",
		 "an S3 sandbox needs 'bucketName'");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"File\"}}}}", "1:32", "a File sandbox needs 'path'");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": {}}}}", "1:32", "a sandbox needs 'type': \"S3\" or \"File\"");
}

Test(mapping, bad_values_have_their_place)
{
	fails_at("{\"bucketName\": \"b\",\n\"ttl\": \"soon\"}", "2:8",
		 "'ttl' 'soon' is not a time such as 500ms or 30s");
}

Test(mapping, windows_shares)
{
	fails_at(
	    "{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"File\", \"path\": \"/x\",\n\"shareName\": \"s\"}}}}",
	    "2:1",
	    "'shareName' is for Windows shares, which this system does not have; mount the share and give its folder "
	    "as "
	    "'path'");
}

Test(mapping, prefix_cannot_climb)
{
	fails_at(
	    "{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"S3\", \"bucketName\": \"b\", \"path\": \"a/../..\"}}}}",
	    "1:74", "'path': prefix 'a/../..' cannot climb out of the bucket by '..'");
}

Test(mapping, root_is_no_mount_point)
{
	const char *file = json_file("{\"sandboxMapping\": {\"\": {\"/\": \"/srv\"}}}");

	cr_assert_eq(load("--config", file), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "a mount point cannot be '/'"));
}

Test(mapping, half_a_key)
{
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": {\"type\": \"S3\", \"bucketName\": \"b\", "
		 "\"accessKeyId\": \"A\"}}}}",
		 "1:81", "'accessKeyId' is there without 'secretKey'; a key has both");
}

Test(mapping, secrets_are_not_in_sentences)
{
	const char *file = json_file("{\"bucketName\": \"b\", \"secretKey\": \"TOPSECRET\", \"accessKeyId\": \"\"}");

	cr_assert_eq(load("--config", file), -EINVAL);
	cr_assert_null(strstr(err_text(&err), "TOPSECRET"));
}

Test(mapping, other_users_entries_are_checked_too)
{
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": \"/srv\"}, \"eve\": {\"/b\": {\"type\": \"S3\"}}}}", "1:55",
		 "an S3 sandbox needs 'bucketName'");
}

Test(mapping, a_file_that_is_not_there)
{
	cr_assert_eq(load("--config", "/nonexistent/x.json"), -ENOENT);
	cr_assert_str_eq(err_text(&err), "configuration file '/nonexistent/x.json': No such file or directory");
}

Test(mapping, nothing_is_given_twice)
{
	fails_at("{\"ttl\": 1,\n \"ttl\": 2}", "2:2", "'ttl' is given twice");
	fails_at("{\"maxFileCacheSize\": 1,\n \"maxCloudCacheSize\": 2}", "2:23",
		 "'maxCloudCacheSize' is given twice, by another name of it");
	fails_at("{\"sandboxMapping\": {\"a\": {},\n\"\\u0061\": {}}}", "2:1", "'a' is given twice");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": \"/x\",\n\"/a\": \"/y\"}}}", "2:1", "'/a' is given twice");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": \"/x\",\n\"//a/\": \"/y\"}}}", "2:1",
		 "mount point '/a' is given twice");
}

Test(mapping, values_are_checked_where_a_flag_says_it_better)
{
	const char *file = json_file("{\"bucketName\": \"b\", \"parallel\": 5000}");
	char expected[256];

	snprintf(expected, sizeof(expected), "%s:1:33: 'parallel' '5000' is not a number from 1 to 1024", file);
	cr_fails(expected, "--config", file, "--parallel=3");
}

Test(mapping, windows_paths)
{
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": \"\\\\\\\\srv\\\\share\"}}}", "1:32",
		 "'\\\\srv\\share' is the name of a Windows share (UNC); mount the share and give its folder");
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": \"//srv/share\"}}}", "1:32",
		 "'//srv/share' is the name of a Windows share (UNC); mount the share and give its folder");
	fails_at("{\"sandboxMapping\": {\"eve\": {\"/a\": \"C:\\\\x\"}}}", "1:35",
		 "'C:\\x' is a path of Windows; a folder here begins with '/'");
}

Test(mapping, other_users_folders_are_checked_too)
{
	fails_at("{\"sandboxMapping\": {\"\": {\"/a\": \"/x\"}, \"eve\": {\"/a\": \"/d/%x\"}}}", "1:53",
		 "'/d/%x': after '%' goes u, d, f or %");
}

Test(mapping, a_dot_is_no_folder_of_its_own)
{
	const char *file = json_file("{\"sandboxMapping\": {\"\": {\"/a\": \"/d/%u\"}}}");

	cr_assert_eq(load("--config", file, "--user", "."), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "it names no folder of its own"));
}

Test(mapping, default_mount_point_is_where_mount_says)
{
	cr_assert_eq(load("--config", json_file("{\"sandboxMapping\": {\"\": {\"\": \"/srv\"}}}"), "--mount", "/data"),
		     0);
	cr_assert_eq(config.mount_count, 1);
	cr_assert_str_eq(config.mounts[0].mount, "/data");
}

Test(mapping, a_bucket_at_the_top_is_everybodys)
{
	cr_assert_eq(load("--config", json_file("{\"bucketName\": \"b\", \"sandboxMapping\": "
						"{\"\": {\"/w\": \"/srv\"}, \"ann\": {\"\": \"/ann\"}}}")),
		     0, "%s", err_text(&err));
	cr_assert_eq(config.mount_count, 2);
	cr_assert_str_eq(at("/s3")->bucket, "b");
	cr_assert_eq(load("--config",
			  json_file("{\"bucketName\": \"b\", \"sandboxMapping\": "
				    "{\"\": {\"/w\": \"/srv\"}, \"ann\": {\"\": \"/ann\"}}}"),
			  "--user", "ann"),
		     0, "%s", err_text(&err));
	cr_assert_str_eq(at("/s3")->path, "/ann");
}

Test(mapping, paths_are_relative_to_the_file)
{
	cr_assert_eq(load("--config", json_file("{\"bucketName\": \"b\", \"caFile\": \"ca.pem\", \"log\": \"-\"}")), 0);
	cr_assert_str_eq(config.mounts[0].ca_file, "/tmp/ca.pem");
	cr_assert_str_eq(config.log_path, "-");
}
