/*
 * The chain, first come first served; a source that has something incomplete ends it with a sentence, because going on
 * to another account's keys would surprise more than an error:
 *
 *     explicit -> environment (unless a profile was asked for by option) -> profile in the shared files
 *
 * A profile's keys come from the credentials file, else from the config file; its region from the config file.
 */
#include "s3/credentials.h"
#include "s3/ini.h"

#include "base/util.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct s3_credentials {
	struct s3_keys keys;
	char region[64];
};

struct profile {
	const char *name, *section; /* as it stands in brackets in the file that is read */
	bool found, has_id, has_secret, has_token;
	struct s3_keys keys;
	char region[64], unsupported[64];
	int line;
};

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int keep(char *to, size_t room, const char *value)
{
	if (strlen(value) >= room)
		return -E2BIG;
	strcpy(to, value);
	return 0;
}

static int set_keys(struct s3_keys *keys, const char *id, const char *secret, const char *token, struct err *err)
{
	if (keep(keys->access_key_id, sizeof(keys->access_key_id), id) < 0 ||
	    keep(keys->secret_key, sizeof(keys->secret_key), secret) < 0 ||
	    keep(keys->session_token, sizeof(keys->session_token), token ? token : "") < 0)
		return err_set(err, EINVAL, "the access key, secret or token is too long");
	if (id[strcspn(id, " \t\r\n/")])
		return err_set(err, EINVAL, "the access key id has blanks or slashes in it");
	return 0;
}

/* sources: 1: found; 0: has none; negative errno with a sentence */

static int from_options(const struct s3_credentials_config *config, struct s3_credentials *c, struct err *err)
{
	if (!config->access_key_id && !config->secret_key)
		return 0;
	if (!config->access_key_id || !config->secret_key)
		return err_set(err, EINVAL, "%s is given without %s",
			       config->secret_key ? "a secret key" : "an access key id",
			       config->secret_key ? "an access key id" : "a secret key");
	int r = set_keys(&c->keys, config->access_key_id, config->secret_key, config->session_token, err);
	return r < 0 ? r : 1;
}

static int from_environment(struct s3_credentials *c, struct err *err)
{
	const char *id = env("AWS_ACCESS_KEY_ID"), *secret = env("AWS_SECRET_ACCESS_KEY");

	if (!id && !secret)
		return 0;
	if (!id || !secret)
		return err_set(err, EINVAL, "environment: %s is set but %s is not",
			       id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
			       id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	int r = set_keys(&c->keys, id, secret, env("AWS_SESSION_TOKEN"), err);
	return r < 0 ? err_wrap(err, "environment") : 1;
}

static int profile_entry(void *arg, const char *section, const char *name, const char *value, int line)
{
	static const char *const unsupported[] = { "credential_process", "sso_session", "sso_start_url", "role_arn",
						   "web_identity_token_file" };
	struct profile *p = arg;

	if (strcmp(section, p->section) != 0)
		return 0;
	p->found = true;
	p->line = line;
	if (!name)
		return 0;
	if (strcmp(name, "aws_access_key_id") == 0) {
		p->has_id = true;
		return keep(p->keys.access_key_id, sizeof(p->keys.access_key_id), value);
	}
	if (strcmp(name, "aws_secret_access_key") == 0) {
		p->has_secret = true;
		return keep(p->keys.secret_key, sizeof(p->keys.secret_key), value);
	}
	if (strcmp(name, "aws_session_token") == 0) {
		p->has_token = true;
		return keep(p->keys.session_token, sizeof(p->keys.session_token), value);
	}
	if (strcmp(name, "region") == 0)
		return keep(p->region, sizeof(p->region), value);
	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++)
		if (strcmp(name, unsupported[i]) == 0)
			snprintf(p->unsupported, sizeof(p->unsupported), "%s", name);
	return 0;
}

/* Path of a shared file: its variable, else below $HOME. */
static void shared_path(const char *variable, const char *below_home, char *to, size_t size)
{
	if (env(variable))
		snprintf(to, size, "%s", env(variable));
	else
		snprintf(to, size, "%s%s", env("HOME") ? env("HOME") : "", below_home);
}

static int read_profile(const char *path, struct profile *p, struct err *err)
{
	const struct ini_handler handler = { .entry = profile_entry, .arg = p };

	int r = ini_read(path, &handler, err);
	if (r == -ENOENT)
		return 0;
	if (r == -E2BIG)
		return err_set(err, EINVAL, "'%s' line %d: the value is too long", path, p->line);
	if (r < 0)
		return r;
	if (p->has_id != p->has_secret)
		return err_set(err, EINVAL, "'%s' line %d: profile '%s' has %s but no %s", path, p->line, p->name,
			       p->has_id ? "aws_access_key_id" : "aws_secret_access_key",
			       p->has_id ? "aws_secret_access_key" : "aws_access_key_id");
	return 0;
}

static int from_files(const char *name, bool asked, struct s3_credentials *c, struct err *err)
{
	char credentials[4096], config[4096], section[256];
	struct profile in_credentials = { .name = name, .section = name }, in_config = { .name = name };

	shared_path("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", credentials, sizeof(credentials));
	shared_path("AWS_CONFIG_FILE", "/.aws/config", config, sizeof(config));
	snprintf(section, sizeof(section), strcmp(name, "default") == 0 ? "%s" : "profile %s", name);
	in_config.section = section;
	int r = read_profile(credentials, &in_credentials, err);
	if (r == 0)
		r = read_profile(config, &in_config, err);
	if (r == 0 && asked && !in_credentials.found && !in_config.found)
		r = err_set(err, EINVAL, "there is no profile '%s' in '%s' or '%s': check AWS_PROFILE", name,
			    credentials, config);
	if (r == 0) {
		struct profile *p = in_credentials.has_id ? &in_credentials : &in_config;
		memcpy(c->region, in_config.region[0] ? in_config.region : in_credentials.region, sizeof(c->region));
		if (p->has_id) {
			c->keys = p->keys;
			r = 1;
		} else if (in_config.unsupported[0] || in_credentials.unsupported[0]) {
			r = err_set(
			    err, EINVAL,
			    "profile '%s' gets its keys by %s, which is not supported: give it aws_access_key_id "
			    "and aws_secret_access_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
			    name, in_config.unsupported[0] ? in_config.unsupported : in_credentials.unsupported);
		}
	}
	explicit_bzero(&in_credentials, sizeof(in_credentials));
	explicit_bzero(&in_config, sizeof(in_config));
	return r;
}

static int find(const struct s3_credentials_config *config, struct s3_credentials *c, struct err *err)
{
	const char *asked = config->profile && *config->profile ? config->profile : NULL;
	const char *profile = asked ? asked : env("AWS_PROFILE") ? env("AWS_PROFILE") : "default";
	struct s3_credentials unused = { .region = "" };

	int r = from_options(config, c, err);
	if (r == 0 && !asked)
		r = from_environment(c, err);
	if (r < 0)
		return r;
	if (r > 0) {
		/* for the region alone: what is wrong in files that are not needed does not matter */
		from_files(profile, false, &unused, NULL);
		memcpy(c->region, unused.region, sizeof(c->region));
		explicit_bzero(&unused, sizeof(unused));
		return 0;
	}
	r = from_files(profile, asked || env("AWS_PROFILE"), c, err);
	if (r == 0)
		return err_set(
		    err, ENOKEY,
		    "no credentials: tried the options, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and profile "
		    "'%s' in the shared files; set one of them, or ask for unsigned requests",
		    profile);
	return r < 0 ? r : 0;
}

int s3_credentials_new(const struct s3_credentials_config *config, struct s3_credentials **ret, struct err *err)
{
	struct s3_credentials *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	int r = find(config, c, err);
	if (r < 0) {
		s3_credentials_free(c);
		return r;
	}
	const char *region = env("AWS_REGION") ? env("AWS_REGION") : env("AWS_DEFAULT_REGION");
	if (region)
		snprintf(c->region, sizeof(c->region), "%s", region);
	*ret = c;
	return 0;
}

struct s3_credentials *s3_credentials_free(struct s3_credentials *c)
{
	if (c)
		explicit_bzero(c, sizeof(*c));
	free(c);
	return NULL;
}

int s3_credentials_get(struct s3_credentials *c, struct s3_keys *ret, struct err *err)
{
	(void)err;
	*ret = c->keys;
	return 0;
}

const char *s3_credentials_region(const struct s3_credentials *c)
{
	return c->region;
}
