/**
 * credentials.h - where keys come from.
 *
 * The chain of the AWS SDKs (AWS SDKs and Tools Reference Guide, "Standardized credential providers"): explicit
 * options, environment, shared config and credentials files with profiles. Web identity, containers, IMDS and assumed
 * roles join the same table of sources later. What was found is kept; s3_credentials_get() asks the source again when
 * it expires.
 *
 * Secrets stay in this struct and in the signer's scratch memory, which is wiped; nothing here logs them.
 */
#ifndef S3SHIM_S3_CREDENTIALS_H
#define S3SHIM_S3_CREDENTIALS_H

#include "base/err.h"

#include <stdint.h>

struct s3_credentials;

struct s3_credentials_config {
	const char *access_key_id, *secret_key, *session_token; /* explicit; all of it or NULL */
	const char *profile;                                    /* default: $AWS_PROFILE, else "default" */
};

struct s3_keys {
	char access_key_id[256], secret_key[256], session_token[4096]; /* token "" if there is none */
};

/**
 * s3_credentials_new() - find a source; environment and files are read now
 * Return: 0; -ENOKEY where no source has any, with a sentence that lists what was tried and what to set;
 * -EINVAL where one is incomplete or malformed (half a key pair, an unknown profile), naming file, line and remedy.
 */
int s3_credentials_new(const struct s3_credentials_config *config, struct s3_credentials **ret, struct err *err);
struct s3_credentials *s3_credentials_free(struct s3_credentials *c); /* wipes; returns NULL */

/** s3_credentials_get() - keys that are valid now. Any thread. Return: 0; -EACCES if they expired and none came. */
int s3_credentials_get(struct s3_credentials *c, struct s3_keys *ret, struct err *err);

/** s3_credentials_region() - the region that the profile or environment names, "" if none. Borrowed. */
const char *s3_credentials_region(const struct s3_credentials *c);

#endif
