#include "s3/credentials/provider.h"
#include "s3/credentials/sts.h"

#include "base/util.h"

int provider_web_identity(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	const char *file = provider_env("AWS_WEB_IDENTITY_TOKEN_FILE"), *arn = provider_env("AWS_ROLE_ARN");
	const struct sts_role role = { .arn = arn, .session_name = provider_env("AWS_ROLE_SESSION_NAME") };

	if (!file)
		return PROVIDER_NONE;
	if (!arn)
		return err_set(err, EINVAL, "environment: AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not");
	return sts_web_identity(ask, &role, file, ret, err);
}
