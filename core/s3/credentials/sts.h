/**
 * sts.h - keys of a role, from the Security Token Service.
 *
 * Source of facts: AWS STS API Reference, AssumeRole and AssumeRoleWithWebIdentity. The endpoint is
 * AWS_ENDPOINT_URL_STS, else AWS_ENDPOINT_URL, else the region's own. Blocks; threads as provider.h.
 */
#ifndef S3SHIM_S3_CREDENTIALS_STS_H
#define S3SHIM_S3_CREDENTIALS_STS_H

#include "s3/credentials/provider.h"

struct sts_role {
	const char *arn;
	const char *session_name, *external_id, *duration; /* NULL: default, none, the service's own */
};

/** sts_assume_role() - signed with @base. Return: as a provider; -EACCES where STS refuses, with its code. */
int sts_assume_role(const struct provider_ask *ask, const struct sts_role *role, const struct s3_keys *base,
		    struct s3_keys *ret, struct err *err);

/** sts_web_identity() - not signed; the token is read from @token_file each time. */
int sts_web_identity(const struct provider_ask *ask, const struct sts_role *role, const char *token_file,
		     struct s3_keys *ret, struct err *err);

#endif
