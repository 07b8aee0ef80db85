/**
 * provider.h - a source of keys: one function in one file, a row of providers.def.
 *
 * Contract of provider_<name>(): look now, in environment, files or the network, and keep nothing: it is asked again
 * for other keys. Fills all of *ret: keys, and in expires_s when they end (seconds since the epoch, 0: never).
 *
 * Return: PROVIDER_FOUND; PROVIDER_NONE where this source was not configured, so the next is asked; a negative errno
 * where it was but has no keys, with a sentence that names variable, file or server, and the remedy. That ends the
 * chain: going on to another account's keys would surprise more than an error. A sentence never holds a key or token.
 *
 * Threads: one at a time per struct s3_credentials, any thread; may block for as long as its own limits allow, and
 * returns soon after *ask->stop is set. The environment must not change meanwhile.
 */
#ifndef S3SHIM_S3_CREDENTIALS_PROVIDER_H
#define S3SHIM_S3_CREDENTIALS_PROVIDER_H

#include "s3/credentials.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { PROVIDER_NONE, PROVIDER_FOUND };

struct provider_ask {
	const struct s3_credentials_config *config;
	const char *profile;    /* the one to use */
	bool profile_by_option; /* an option names it: it beats the environment */
	bool profile_named;     /* option or AWS_PROFILE: it must exist */
	const char *region;     /* for requests to STS */
	const _Atomic bool *stop;
};

#define P(name, renewable, where) \
	int provider_##name(const struct provider_ask *ask, struct s3_keys *ret, struct err *err);
#include "s3/credentials/providers.def"
#undef P

/** provider_env() - the environment's value, NULL where it is not set or empty. */
const char *provider_env(const char *name);

/**
 * provider_keys() - a key pair into *ret, which never expires
 * @token: NULL: none. Return: PROVIDER_FOUND; -EINVAL: too long, or the id has blanks or slashes.
 */
int provider_keys(const char *id, const char *secret, const char *token, struct s3_keys *ret, struct err *err);

/**
 * provider_json() - what containers, instances and processes answer: AccessKeyId, SecretAccessKey, @token_name,
 * Expiration (ISO 8601; may be missing). Return: PROVIDER_FOUND; -EBADMSG with a sentence that quotes nothing of it.
 */
int provider_json(const char *text, size_t len, const char *token_name, struct s3_keys *ret, struct err *err);

/** provider_expiry() - ISO 8601 with Z or an offset, into seconds since the epoch. Return: 0; -EINVAL. */
int provider_expiry(const char *text, int64_t *ret_s);

/** provider_profile_region() - the region that @name's profile says, "" if none; faults of files do not matter. */
void provider_profile_region(const char *name, char *to, size_t size);

#endif
