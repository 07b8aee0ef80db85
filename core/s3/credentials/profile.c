/*
 * A profile of the shared files (AWS SDKs and Tools Reference Guide, "Shared config and credentials files"). What a
 * profile says is read from both files at once; of its sources the first of these is taken:
 *
 *     role_arn -+- web_identity_token_file
 *               +- source_profile: that profile's keys (itself: its own static ones), sign AssumeRole
 *               +- credential_source: Environment, Ec2InstanceMetadata, EcsContainer, likewise
 *     aws_access_key_id and aws_secret_access_key: the credentials file's, else the config file's
 *     sso_*: a sentence
 *     credential_process
 */
#include "s3/credentials/process.h"
#include "s3/credentials/provider.h"
#include "s3/credentials/sts.h"
#include "s3/ini.h"

#include "base/util.h"

#include <stdio.h>
#include <string.h>

#define CHAIN_MAX 8

enum field {
	ACCESS_KEY_ID,
	SECRET_KEY,
	SESSION_TOKEN,
	REGION,
	ROLE_ARN,
	SOURCE_PROFILE,
	CREDENTIAL_SOURCE,
	EXTERNAL_ID,
	ROLE_SESSION_NAME,
	DURATION_SECONDS,
	MFA_SERIAL,
	WEB_IDENTITY_TOKEN_FILE,
	CREDENTIAL_PROCESS,
	SSO_SESSION,
	SSO_START_URL,
	FIELDS
};

static const char *const names[FIELDS] = {
	[ACCESS_KEY_ID] = "aws_access_key_id",
	[SECRET_KEY] = "aws_secret_access_key",
	[SESSION_TOKEN] = "aws_session_token",
	[REGION] = "region",
	[ROLE_ARN] = "role_arn",
	[SOURCE_PROFILE] = "source_profile",
	[CREDENTIAL_SOURCE] = "credential_source",
	[EXTERNAL_ID] = "external_id",
	[ROLE_SESSION_NAME] = "role_session_name",
	[DURATION_SECONDS] = "duration_seconds",
	[MFA_SERIAL] = "mfa_serial",
	[WEB_IDENTITY_TOKEN_FILE] = "web_identity_token_file",
	[CREDENTIAL_PROCESS] = "credential_process",
	[SSO_SESSION] = "sso_session",
	[SSO_START_URL] = "sso_start_url",
};

struct profile {
	const char *name, *section; /* section: as it stands in the brackets of the file that is read */
	bool found;
	char *value[FIELDS]; /* NULL: not there */
	bool here[FIELDS];   /* in the file that is read */
	int line;
};

static void set(struct profile *p, int field, char *value)
{
	if (p->value[field])
		explicit_bzero(p->value[field], strlen(p->value[field]));
	free(p->value[field]);
	p->value[field] = value;
}

static void profile_deinit(struct profile *p)
{
	for (int i = 0; i < FIELDS; i++)
		set(p, i, NULL);
}

#define cleanup_profile __attribute__((cleanup(profile_deinit)))

static int on_entry(void *arg, const char *section, const char *name, const char *value, int line)
{
	struct profile *p = arg;

	if (strcmp(section, p->section) != 0)
		return 0;
	p->found = true;
	p->line = line;
	for (int i = 0; name && i < FIELDS; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		char *copy = *value ? strdup(value) : NULL;
		if (*value && !copy)
			return -ENOMEM;
		set(p, i, copy);
		p->here[i] = copy;
	}
	return 0;
}

/* Path of a shared file: its variable, else below $HOME. */
static void shared_path(const char *variable, const char *below_home, char *to, size_t size)
{
	const char *path = provider_env(variable), *home = provider_env("HOME");

	snprintf(to, size, "%s%s", path ? path : home ? home : "", path ? "" : below_home);
}

static int read_file(const char *path, struct profile *p, struct err *err)
{
	const struct ini_handler handler = { .entry = on_entry, .arg = p };

	memset(p->here, 0, sizeof(p->here));
	/* the pair is one: half of it in this file does not join half of it in the other */
	int r = ini_read(path, &handler, err);
	if (r == -ENOENT)
		return 0;
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "out of memory");
	if (r < 0)
		return r;
	if (p->here[ACCESS_KEY_ID] != p->here[SECRET_KEY])
		return err_set(err, EINVAL, "'%s' line %d: profile '%s' has %s but no %s", path, p->line, p->name,
			       p->here[ACCESS_KEY_ID] ? names[ACCESS_KEY_ID] : names[SECRET_KEY],
			       p->here[ACCESS_KEY_ID] ? names[SECRET_KEY] : names[ACCESS_KEY_ID]);
	if (p->here[ACCESS_KEY_ID] && !p->here[SESSION_TOKEN])
		set(p, SESSION_TOKEN, NULL);
	return 0;
}

/* The config file first, so that the credentials file has the last word. *p is the caller's to deinit in any case. */
static int load(const char *name, bool must_exist, struct profile *p, struct err *err)
{
	char credentials[4096], config[4096], section[300];

	*p = (struct profile){ .name = name };
	shared_path("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", credentials, sizeof(credentials));
	shared_path("AWS_CONFIG_FILE", "/.aws/config", config, sizeof(config));
	snprintf(section, sizeof(section), strcmp(name, "default") == 0 ? "%s" : "profile %s", name);
	p->section = section;
	int r = read_file(config, p, err);
	cleanup_free char *region = p->value[REGION] ? strdup(p->value[REGION]) : NULL;
	p->section = name;
	if (r == 0)
		r = read_file(credentials, p, err);
	p->section = NULL;
	if (region)
		set(p, REGION, steal_ptr(&region));
	if (r == 0 && must_exist && !p->found)
		r = err_set(err, EINVAL, "there is no profile '%s' in '%s' or '%s': check AWS_PROFILE", name,
			    credentials, config);
	return r;
}

static int static_keys(const struct profile *p, struct s3_keys *ret, struct err *err)
{
	int r = provider_keys(p->value[ACCESS_KEY_ID], p->value[SECRET_KEY], p->value[SESSION_TOKEN], ret, err);

	return r < 0 ? err_wrap(err, "profile '%s'", p->name) : r;
}

static int from_source(const struct provider_ask *ask, const struct profile *p, struct s3_keys *ret, struct err *err)
{
	static const struct {
		const char *name;
		int (*get)(const struct provider_ask *ask, struct s3_keys *ret, struct err *err);
	} sources[] = { { "Environment", provider_environment },
			{ "Ec2InstanceMetadata", provider_instance },
			{ "EcsContainer", provider_container } };
	const char *name = p->value[CREDENTIAL_SOURCE];
	struct provider_ask plain = *ask;

	plain.profile_by_option = false; /* the profile itself asks for the environment */
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (strcmp(sources[i].name, name) != 0)
			continue;
		int r = sources[i].get(&plain, ret, err);
		return r == PROVIDER_NONE ? err_set(err, EINVAL, "credential_source %s has no keys", name) : r;
	}
	return err_set(err, EINVAL, "credential_source '%s' is none of Environment, Ec2InstanceMetadata, EcsContainer",
		       name);
}

static int resolve(const struct provider_ask *ask, const char *name, int depth, struct s3_keys *ret, struct err *err);

/* The keys that sign the request for the role. */
static int base_keys(const struct provider_ask *ask, const struct profile *p, int depth, struct s3_keys *ret,
		     struct err *err)
{
	const char *source = p->value[SOURCE_PROFILE];
	int r;

	if (source && strcmp(source, p->name) == 0 && p->value[ACCESS_KEY_ID])
		return static_keys(p, ret, err);
	if (source && depth == CHAIN_MAX)
		return err_set(err, ELOOP, "source_profile '%s': the chain of profiles is too long, or a circle",
			       source);
	r = source ? resolve(ask, source, depth + 1, ret, err) : from_source(ask, p, ret, err);
	return r == PROVIDER_NONE ? err_set(err, EINVAL, "source_profile '%s' has no keys", source ? source : "") : r;
}

static int role_keys(const struct provider_ask *ask, const struct profile *p, int depth, struct s3_keys *ret,
		     struct err *err)
{
	const struct sts_role role = { .arn = p->value[ROLE_ARN],
				       .session_name = p->value[ROLE_SESSION_NAME],
				       .external_id = p->value[EXTERNAL_ID],
				       .duration = p->value[DURATION_SECONDS] };
	struct s3_keys base;

	if (p->value[WEB_IDENTITY_TOKEN_FILE])
		return sts_web_identity(ask, &role, p->value[WEB_IDENTITY_TOKEN_FILE], ret, err);
	if (p->value[MFA_SERIAL])
		return err_set(err, EINVAL, "mfa_serial wants a code from a person, which is not supported");
	if (!p->value[SOURCE_PROFILE] == !p->value[CREDENTIAL_SOURCE])
		return err_set(err, EINVAL,
			       "role_arn wants one of source_profile, credential_source, web_identity_token_file");
	int r = base_keys(ask, p, depth, &base, err);
	if (r > 0)
		r = sts_assume_role(ask, &role, &base, ret, err);
	explicit_bzero(&base, sizeof(base));
	return r;
}

static int resolve(const struct provider_ask *ask, const char *name, int depth, struct s3_keys *ret, struct err *err)
{
	cleanup_profile struct profile p;
	int r = load(name, depth > 0 || ask->profile_named, &p, err);

	if (r < 0)
		return r;
	if (p.value[ROLE_ARN])
		r = role_keys(ask, &p, depth, ret, err);
	else if (p.value[ACCESS_KEY_ID])
		return static_keys(&p, ret, err);
	else if (p.value[SSO_SESSION] || p.value[SSO_START_URL])
		r = err_set(err, EINVAL,
			    "keys by SSO are not supported: log in by 'aws sso login' and put \"credential_process = "
			    "aws configure export-credentials --profile %s --format process\" into another profile",
			    name);
	else if (p.value[CREDENTIAL_PROCESS])
		r = process_keys(ask, p.value[CREDENTIAL_PROCESS], ret, err);
	return r < 0 ? err_wrap(err, "profile '%s'", name) : r;
}

int provider_profile(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	return resolve(ask, ask->profile, 0, ret, err);
}

void provider_profile_region(const char *name, char *to, size_t size)
{
	cleanup_profile struct profile p;

	(void)load(name, false, &p, NULL);
	snprintf(to, size, "%s", p.value[REGION] ? p.value[REGION] : "");
}
