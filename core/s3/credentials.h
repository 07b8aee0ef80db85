/**
 * credentials.h - where keys come from, and new ones before they expire.
 *
 * The chain of the AWS SDKs (AWS SDKs and Tools Reference Guide, "Standardized credential providers"), declared in
 * credentials/providers.def, each source a file of credentials/. The first source that has keys is kept. Keys that
 * expire are asked for again in the background, by one thread however many ask: 15 minutes before, or a quarter of
 * their life where that is shorter; 10 minutes (an eighth) before their end requests wait for it. While the source is
 * down, what there is serves until it expires, which is said in the log.
 *
 * Secrets stay in this struct and in scratch memory, which is wiped; nothing here logs them.
 */
#ifndef S3SHIM_S3_CREDENTIALS_H
#define S3SHIM_S3_CREDENTIALS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct s3_credentials;

/** Strings are copied; NULL where nothing was said. */
struct s3_credentials_config {
	const char *access_key_id, *secret_key, *session_token; /* explicit; all of it or NULL */
	const char *passwd_file;                                /* s3fs's; with .bucket, whose lines come first */
	const char *bucket;
	const char *profile;  /* default: $AWS_PROFILE, else "default" */
	const char *role_arn; /* to assume with the keys that the chain finds */
	const char *region;   /* of STS; default: as s3_credentials_region(), else us-east-1 */
	/* the way to STS, as in struct s3_config */
	const char *ca_file, *ca_path, *proxy, *proxy_user, *proxy_password;
};

struct s3_keys {
	char access_key_id[256], secret_key[256], session_token[4096]; /* token "" if there is none */
	int64_t expires_s;                                             /* since the epoch; 0: never */
	unsigned generation;                                           /* for s3_credentials_refused() */
};

/**
 * s3_credentials_new() - find a source and get its first keys; blocks on the network where it needs it
 * The environment must not change while the struct lives.
 * Return: 0; -ENOKEY where no source has any, with a sentence that lists what was tried and what to set;
 * -EINVAL where one is incomplete or malformed (half a key pair, an unknown profile), naming file, line and remedy;
 * another negative errno where it could not be asked.
 */
int s3_credentials_new(const struct s3_credentials_config *config, struct s3_credentials **ret, struct err *err);
struct s3_credentials *s3_credentials_free(struct s3_credentials *c); /* wipes; returns NULL */

/**
 * s3_credentials_get() - keys that are valid now; never blocks on the network
 * Any thread. Return: 0; -EAGAIN while they are being renewed: ask again in some milliseconds; -EACCES if they expired
 * and none came, with a sentence.
 */
int s3_credentials_get(struct s3_credentials *c, struct s3_keys *ret, struct err *err);

/**
 * s3_credentials_refused() - the store does not accept the keys of @generation (any more): renew them
 * Any thread; many may say it of the same keys, which are renewed once. Return: true where another try by what
 * s3_credentials_get() gives next may help, false where the source has no others.
 */
bool s3_credentials_refused(struct s3_credentials *c, unsigned generation);

/** s3_credentials_region() - the region that the profile or environment names, "" if none. Borrowed. */
const char *s3_credentials_region(const struct s3_credentials *c);

#endif
