/*
 * Files that hold keys: profiles, s3fs's passwd file. What a profile asks of programs, roles and services is not done: the
 * functions that would are here, and answer with a key.
 */
#include "fuzz.h"

#include "s3/credentials/process.h"
#include "s3/credentials/provider.h"
#include "s3/credentials/sts.h"
#include "s3/ini.h"

#include <stdlib.h>
#include <string.h>

static int a_key(struct s3_keys *ret, struct err *err)
{
	return provider_keys("AKID", "secret", NULL, ret, err);
}

int process_keys(const struct provider_ask *ask, const char *command, struct s3_keys *ret, struct err *err)
{
	(void)ask;
	CHECK(command[0]);
	return a_key(ret, err);
}

int sts_assume_role(const struct provider_ask *ask, const struct sts_role *role, const struct s3_keys *base,
		    struct s3_keys *ret, struct err *err)
{
	(void)ask;
	CHECK(role->arn[0] && base->access_key_id[0]);
	return a_key(ret, err);
}

int sts_web_identity(const struct provider_ask *ask, const struct sts_role *role, const char *token_file,
		     struct s3_keys *ret, struct err *err)
{
	(void)ask;
	CHECK(role->arn[0] && token_file[0]);
	return a_key(ret, err);
}

int provider_instance(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	(void)ask;
	return a_key(ret, err);
}

int provider_container(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	(void)ask;
	return a_key(ret, err);
}

static int on_entry(void *arg, const char *section, const char *name, const char *value, int line)
{
	(void)arg;
	CHECK(line > 0 && strlen(section) < 256);
	CHECK(!name || (value && !strchr(value, '\n') && name[strcspn(name, "ABCXYZ=\n")] == '\0'));
	return 0;
}

static void check_keys(int status, const struct s3_keys *keys, const struct err *err)
{
	if (status == PROVIDER_FOUND)
		CHECK(keys->access_key_id[strcspn(keys->access_key_id, " \t\r\n/")] == '\0' &&
		      !strpbrk(keys->secret_key, "\r\n") && !strpbrk(keys->session_token, "\r\n"));
	else if (status < 0)
		CHECK(err->errnum > 0 && !strchr(err->text, '\n'));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[4200];

	(void)argc, (void)argv;
	strcpy(path, fuzz_file("shared", "", 0));
	setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	setenv("AWS_CONFIG_FILE", path, 1);
	unsetenv("AWS_ACCESS_KEY_ID");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const profiles[] = { "default", "a", "b" };
	static const struct ini_handler handler = { on_entry, NULL };
	static const _Atomic bool stop;
	const char *path = fuzz_file("shared", data, size);
	struct s3_credentials_config config = { .passwd_file = path, .bucket = "bucket" };
	struct s3_keys keys = { .expires_s = 0 };
	char region[64];
	int64_t expires_s;

	(void)ini_read(path, &handler, NULL);
	for (size_t i = 0; i < 3; i++) {
		struct provider_ask ask = { &config, profiles[i], false, i > 0, "us-east-1", &stop };
		struct err err = ERR_INIT;

		check_keys(provider_profile(&ask, &keys, &err), &keys, &err);
		provider_profile_region(profiles[i], region, sizeof(region));
		if (i == 0) {
			err = (struct err)ERR_INIT;
			check_keys(provider_passwd_file(&ask, &keys, &err), &keys, &err);
		}
	}
	if (size < 64) {
		struct fuzz f = { data, data + size };
		(void)provider_expiry(fuzz_text(&f), &expires_s);
		fuzz_free();
	}
	return 0;
}
