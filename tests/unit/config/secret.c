/* Secrets of the file that lie elsewhere, and files that everybody can read. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char secret_path[64];

static void begin(void)
{
	fixture_begin();
	snprintf(secret_path, sizeof(secret_path), "/tmp/s3shim-secret-%d", (int)getpid());
}

static void end(void)
{
	unlink(secret_path);
	fixture_end();
}

TestSuite(secret, .init = begin, .fini = end);

static void secret_file(const char *text, mode_t mode)
{
	FILE *f = fopen(secret_path, "w");

	fputs(text, f);
	fclose(f);
	chmod(secret_path, mode);
}

static const char *file_with(const char *id, const char *secret)
{
	static char text[512];
	const char *file;

	snprintf(text, sizeof(text), "{\"bucketName\": \"b\",\n\"accessKeyId\": %s,\n\"secretKey\": %s}", id, secret);
	file = json_file(text);
	chmod(file, 0600);
	return file;
}

static const char *secret_in_file(void)
{
	static char text[128];

	snprintf(text, sizeof(text), "{\"file\": \"%s\"}", strrchr(secret_path, '/') + 1);
	return text;
}

static void refused(const char *secret, const char *sentence)
{
	cr_assert_eq(load("--config", file_with("\"A\"", secret)), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), sentence), "%s", err_text(&err));
}

Test(secret, from_a_file_beside_the_configuration)
{
	secret_file("S3CR3T\n", 0600);
	cr_assert_eq(load("--config", file_with("\"A\"", secret_in_file())), 0, "%s", err_text(&err));
	cr_assert_str_eq(config.mounts[0].secret_key, "S3CR3T");
	cr_assert_null(config.warning);
}

Test(secret, from_the_environment)
{
	setenv("MY_ID", "ID", 1);
	setenv("MY_KEY", "S3CR3T", 1);
	cr_assert_eq(load("--config", file_with("{\"env\": \"MY_ID\"}", "{\"env\": \"MY_KEY\"}")), 0, "%s",
		     err_text(&err));
	cr_assert_str_eq(config.mounts[0].access_key_id, "ID");
	cr_assert_str_eq(config.mounts[0].secret_key, "S3CR3T");
	cr_assert_eq(config.secret_env_count, 2);
	cr_assert_str_eq(config.secret_env[1], "MY_KEY");
}

Test(secret, where_it_cannot_be_had)
{
	refused("{\"env\": \"NOT_THERE\"}", ":3:22: 'secretKey': the environment has no 'NOT_THERE'");
	refused("{\"file\": \"/nonexistent\"}", ":3:23: 'secretKey': file '/nonexistent': No such file");
	refused("{\"fiel\": \"x\"}", ":3:14: 'secretKey' is a string, {\"file\": \"path\"} or {\"env\": \"NAME\"}");
	refused("{}", "'secretKey' is a string, {\"file\"");
	refused("{\"file\": \"x\", \"env\": \"y\"}", "'secretKey' is a string, {\"file\"");
	refused("{\"file\": 5}", "needs the path of a file");
	refused("5", "'secretKey' must be a string, {\"file\": \"path\"} or {\"env\": \"NAME\"}, not a number");
}

Test(secret, a_file_of_several_lines_is_none)
{
	secret_file("one\ntwo\n", 0600);
	refused(secret_in_file(), "must hold the secret in one line");
	secret_file("\n", 0600);
	refused(secret_in_file(), "must hold the secret in one line");
}

Test(secret, everybody_can_read_the_configuration)
{
	const char *file = file_with("\"A\"", "\"S\"");
	char expected[256];

	cr_assert_eq(load("--config", file), 0);
	cr_assert_null(config.warning);
	chmod(file, 0644);
	cr_assert_eq(load("--config", file), 0);
	snprintf(expected, sizeof(expected), "'%s' holds a secret and can be read by everybody; chmod 600 it", file);
	cr_assert_str_eq(config.warning, expected);
}

Test(secret, everybody_can_read_its_file)
{
	secret_file("S3CR3T", 0644);
	cr_assert_eq(load("--config", file_with("{\"env\": \"HOME\"}", secret_in_file())), -EINVAL);
	setenv("HOME", "x", 1);
	cr_assert_eq(load("--config", file_with("{\"env\": \"HOME\"}", secret_in_file())), 0);
	cr_assert_not_null(strstr(config.warning, secret_path));
}

Test(secret, of_other_users_is_not_fetched)
{
	const char *file =
	    json_file("{\"sandboxMapping\": {\"\": {\"/a\": \"/x\"}, \"eve\": {\"/b\": {\"type\": \"S3\", "
		      "\"bucketName\": \"b\", \"accessKeyId\": \"A\", "
		      "\"secretKey\": {\"file\": \"/nonexistent\"}}}}}");

	cr_assert_eq(load("--config", file), 0, "%s", err_text(&err));
	cr_assert_eq(load("--config", file, "--user", "eve"), -EINVAL);
}
