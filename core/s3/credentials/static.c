#include "s3/credentials/provider.h"

#include "base/util.h"

int provider_options(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	const struct s3_credentials_config *config = ask->config;

	if (!config->access_key_id && !config->secret_key)
		return PROVIDER_NONE;
	if (!config->access_key_id || !config->secret_key)
		return err_set(err, EINVAL, "%s is given without %s",
			       config->secret_key ? "a secret key" : "an access key id",
			       config->secret_key ? "an access key id" : "a secret key");
	return provider_keys(config->access_key_id, config->secret_key, config->session_token, ret, err);
}

int provider_environment(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	const char *id = provider_env("AWS_ACCESS_KEY_ID"), *secret = provider_env("AWS_SECRET_ACCESS_KEY");

	if (ask->profile_by_option || (!id && !secret))
		return PROVIDER_NONE;
	if (!id || !secret)
		return err_set(err, EINVAL, "environment: %s is set but %s is not",
			       id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
			       id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	int r = provider_keys(id, secret, provider_env("AWS_SESSION_TOKEN"), ret, err);
	return r < 0 ? err_wrap(err, "environment") : r;
}
