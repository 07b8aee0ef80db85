#include "isolate.h"
#include "base/util.h"

#include <string.h>
#include <strings.h>

extern char **environ;

static bool is_named(const char *entry)
{
	static const char *const prefixes[] = { "AWS_", "S3SHIM_", "ASSET_S3_", "BOTO_", "S3CMD_", "MC_HOST_" };
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	/* http_proxy, HTTPS_PROXY, no_proxy, ... */
	return len > 6 && strncasecmp(entry + len - 6, "_proxy", 6) == 0;
}

static bool holds(const char *entry, const char *secret)
{
	return secret && *secret && strstr(entry, secret);
}

/* A secret may have come from a variable of any name; the file names some, also other users' and ones that were not used. */
static bool holds_secret(const char *entry, const struct config *config)
{
	for (size_t i = 0; i < config->secret_env_count; i++) {
		size_t len = strlen(config->secret_env[i]);
		if (strncmp(entry, config->secret_env[i], len) == 0 && entry[len] == '=')
			return true;
	}
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct mount_config *m = &config->mounts[i];
		if (holds(entry, m->secret_key) || holds(entry, m->session_token) || holds(entry, m->proxy_password))
			return true;
	}
	return false;
}

void isolate_environment(const struct config *config)
{
	char **to = environ;

	for (char **from = environ; from && *from; from++)
		if (!is_named(*from) && !holds_secret(*from, config))
			*to++ = *from;
	if (to)
		*to = NULL;
}
