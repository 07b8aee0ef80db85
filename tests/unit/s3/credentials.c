#include "s3/credentials.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/s3credXXXXXX";
static char credentials_file[64], config_file[64];

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

static void set_up(void)
{
	static const char *const names[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
					     "AWS_SESSION_TOKEN", "AWS_PROFILE",
					     "AWS_REGION",        "AWS_DEFAULT_REGION" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	cr_assert(mkdtemp(folder));
	snprintf(credentials_file, sizeof(credentials_file), "%s/credentials", folder);
	snprintf(config_file, sizeof(config_file), "%s/config", folder);
	setenv("AWS_SHARED_CREDENTIALS_FILE", credentials_file, 1);
	setenv("AWS_CONFIG_FILE", config_file, 1);
}

static void tear_down(void)
{
	unlink(credentials_file);
	unlink(config_file);
	rmdir(folder);
}

TestSuite(credentials, .init = set_up, .fini = tear_down);

static void assert_found(const struct s3_credentials_config *config, const char *id, const char *secret,
			 const char *token, const char *region)
{
	struct s3_credentials *c = NULL;
	struct err err = ERR_INIT;
	static struct s3_keys keys;

	cr_assert_eq(s3_credentials_new(config, &c, &err), 0, "%s", err_text(&err));
	cr_assert_eq(s3_credentials_get(c, &keys, &err), 0);
	cr_assert_str_eq(keys.access_key_id, id);
	cr_assert_str_eq(keys.secret_key, secret);
	cr_assert_str_eq(keys.session_token, token);
	cr_assert_str_eq(s3_credentials_region(c), region);
	s3_credentials_free(c);
}

static void assert_refused(const struct s3_credentials_config *config, int status, const char *says)
{
	struct s3_credentials *c = NULL;
	struct err err = ERR_INIT;

	cr_assert_eq(s3_credentials_new(config, &c, &err), status);
	cr_assert(strstr(err_text(&err), says), "'%s' is not in '%s'", says, err_text(&err));
	cr_assert_null(c);
}

static const struct s3_credentials_config none;

Test(credentials, explicit_ones_come_first)
{
	const struct s3_credentials_config config = { .access_key_id = "A", .secret_key = "S", .session_token = "T" };

	setenv("AWS_ACCESS_KEY_ID", "B", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "R", 1);
	assert_found(&config, "A", "S", "T", "");
}

Test(credentials, environment)
{
	setenv("AWS_ACCESS_KEY_ID", "A", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
	setenv("AWS_SESSION_TOKEN", "T", 1);
	setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
	assert_found(&none, "A", "S", "T", "eu-west-1");
}

Test(credentials, half_a_pair_in_the_environment)
{
	setenv("AWS_ACCESS_KEY_ID", "A", 1);
	assert_refused(&none, -EINVAL, "AWS_SECRET_ACCESS_KEY is not");
}

Test(credentials, default_profile)
{
	write_file(credentials_file, "# mine\n[default]\naws_access_key_id=A\naws_secret_access_key = S/+= \n\n"
				     "[other]\naws_access_key_id = B\naws_secret_access_key = R\n");
	write_file(config_file, "[default]\nregion = eu-north-1\ns3 =\n  max_concurrent_requests = 20\n");
	assert_found(&none, "A", "S/+=", "", "eu-north-1");
}

Test(credentials, named_profile_and_its_region)
{
	const struct s3_credentials_config config = { .profile = "other" };

	write_file(credentials_file, "[default]\naws_access_key_id=A\naws_secret_access_key=S\n");
	write_file(config_file, "[profile other]\nregion=r1\naws_access_key_id=B\naws_secret_access_key=R\n"
				"aws_session_token=T\n");
	assert_found(&config, "B", "R", "T", "r1");
	setenv("AWS_PROFILE", "other", 1);
	assert_found(&none, "B", "R", "T", "r1");
}

Test(credentials, a_profile_that_is_asked_for_beats_the_environment)
{
	const struct s3_credentials_config config = { .profile = "other" };

	setenv("AWS_ACCESS_KEY_ID", "A", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
	write_file(credentials_file, "[other]\naws_access_key_id=B\naws_secret_access_key=R\n");
	assert_found(&config, "B", "R", "", "");
}

Test(credentials, region_of_the_environment_beats_the_profiles)
{
	write_file(credentials_file, "[default]\naws_access_key_id=A\naws_secret_access_key=S\nregion=r1\n");
	setenv("AWS_REGION", "r2", 1);
	assert_found(&none, "A", "S", "", "r2");
}

Test(credentials, half_a_pair_in_a_file)
{
	write_file(credentials_file, "[default]\naws_access_key_id=A\n");
	assert_refused(&none, -EINVAL, "no aws_secret_access_key");
}

Test(credentials, malformed_file_names_the_line)
{
	write_file(credentials_file, "[default]\naws_access_key_id=A\nwhat is this\n");
	assert_refused(&none, -EINVAL, "line 3");
}

Test(credentials, unknown_profile)
{
	setenv("AWS_PROFILE", "nobody", 1);
	write_file(credentials_file, "[default]\naws_access_key_id=A\naws_secret_access_key=S\n");
	assert_refused(&none, -EINVAL, "no profile 'nobody'");
}

Test(credentials, half_a_pair_does_not_join_the_other_file)
{
	write_file(credentials_file, "[default]\naws_access_key_id=A\naws_secret_access_key=S\n");
	write_file(config_file, "[default]\naws_access_key_id=B\naws_secret_access_key=R\naws_session_token=T\n");
	assert_found(&none, "A", "S", "", "");
}

Test(credentials, a_role_without_a_source)
{
	write_file(config_file, "[default]\nrole_arn=arn:aws:iam::1:role/x\n");
	assert_refused(&none, -EINVAL, "wants one of source_profile");
}

Test(credentials, refused_keys_are_looked_up_again)
{
	struct s3_credentials *c = NULL;
	static struct s3_keys keys;
	struct err err = ERR_INIT;
	int r;

	write_file(credentials_file, "[default]\naws_access_key_id=A\naws_secret_access_key=S\n");
	cr_assert_eq(s3_credentials_new(&none, &c, &err), 0);
	cr_assert_eq(s3_credentials_get(c, &keys, &err), 0);
	write_file(credentials_file, "[default]\naws_access_key_id=B\naws_secret_access_key=R\n");
	cr_assert(s3_credentials_refused(c, keys.generation));
	while ((r = s3_credentials_get(c, &keys, &err)) == -EAGAIN)
		usleep(1000);
	cr_assert_eq(r, 0);
	cr_assert_str_eq(keys.access_key_id, "B");
	cr_assert(s3_credentials_refused(c, keys.generation - 1), "newer ones are there already");
	cr_assert_eq(s3_credentials_get(c, &keys, &err), 0);
	s3_credentials_free(c);
}

Test(credentials, a_source_without_other_keys_is_not_asked_over_and_over)
{
	struct s3_credentials *c = NULL;
	static struct s3_keys keys;
	struct err err = ERR_INIT;
	int r;

	write_file(credentials_file, "[default]\naws_access_key_id=A\naws_secret_access_key=S\n");
	cr_assert_eq(s3_credentials_new(&none, &c, &err), 0);
	cr_assert_eq(s3_credentials_get(c, &keys, &err), 0);
	cr_assert(s3_credentials_refused(c, keys.generation));
	while ((r = s3_credentials_get(c, &keys, &err)) == -EAGAIN)
		usleep(1000);
	cr_assert_eq(r, 0);
	cr_assert_not(s3_credentials_refused(c, keys.generation));
	s3_credentials_free(c);
}

Test(credentials, explicit_keys_have_no_others)
{
	const struct s3_credentials_config config = { .access_key_id = "A", .secret_key = "S" };
	struct s3_credentials *c = NULL;

	cr_assert_eq(s3_credentials_new(&config, &c, NULL), 0);
	cr_assert_not(s3_credentials_refused(c, 0));
	s3_credentials_free(c);
}

Test(credentials, nothing_anywhere)
{
	assert_refused(&none, -ENOKEY, "AWS_ACCESS_KEY_ID");
}
