#include "s3/credentials/provider.h"
#include "s3/when.h"

#include "base/util.h"
#include "config/jtree.h"

#include <stdio.h>
#include <string.h>

const char *provider_env(const char *name)
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

int provider_keys(const char *id, const char *secret, const char *token, struct s3_keys *ret, struct err *err)
{
	if (id[strcspn(id, " \t\r\n/")])
		return err_set(err, EINVAL, "the access key id has blanks or slashes in it");
	if (secret[strcspn(secret, "\r\n")] || (token && token[strcspn(token, "\r\n")]))
		return err_set(err, EINVAL, "the secret key or session token has a line break in it");
	if (keep(ret->access_key_id, sizeof(ret->access_key_id), id) < 0 ||
	    keep(ret->secret_key, sizeof(ret->secret_key), secret) < 0 ||
	    keep(ret->session_token, sizeof(ret->session_token), token ? token : "") < 0)
		return err_set(err, EINVAL, "the access key, secret or token is too long");
	ret->expires_s = 0;
	return PROVIDER_FOUND;
}

static void wipe_free(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
}

#define cleanup_wipe __attribute__((cleanup(wipe_free)))

static char *member(const struct jtree *j, const char *name)
{
	int node = jtree_get(j, 0, name);

	return node >= 0 && jtree_kind(j, node) == JTREE_STRING ? jtree_text(j, node) : NULL;
}

static int take(const struct jtree *j, const char *token_name, struct s3_keys *ret, struct err *err)
{
	cleanup_wipe char *id = member(j, "AccessKeyId"), *secret = member(j, "SecretAccessKey"),
			  *token = member(j, token_name), *expiration = member(j, "Expiration");
	int64_t expires_s = 0;

	if (!id || !*id || !secret || !*secret)
		return err_set(err, EBADMSG, "the answer has no %s", id && *id ? "SecretAccessKey" : "AccessKeyId");
	if (expiration && *expiration && provider_expiry(expiration, &expires_s) < 0)
		return err_set(err, EBADMSG, "the answer's Expiration is no date of ISO 8601");
	int r = provider_keys(id, secret, token, ret, err);
	if (r > 0)
		ret->expires_s = expires_s;
	return r;
}

int provider_json(const char *text, size_t len, const char *token_name, struct s3_keys *ret, struct err *err)
{
	struct jtree j;

	if (jtree_parse(&j, "keys", text, len, NULL) < 0)
		return err_set(err, EBADMSG, "the answer is no JSON");
	int r = jtree_kind(&j, 0) == JTREE_OBJECT ? take(&j, token_name, ret, err)
						  : err_set(err, EBADMSG, "the answer is no JSON object");
	jtree_deinit(&j);
	return r;
}

int provider_expiry(const char *text, int64_t *ret_s)
{
	char plain[40];
	size_t date = strcspn(text, "T"), len = strlen(text), zone;
	int64_t ns, offset_s = 0;
	unsigned hours, minutes;

	if (!text[date] || len >= sizeof(plain) - 1)
		return -EINVAL;
	zone = date + strcspn(text + date, "Z+-");
	if (text[zone] == '+' || text[zone] == '-') {
		if (sscanf(text + zone + 1, "%2u:%2u", &hours, &minutes) != 2 &&
		    sscanf(text + zone + 1, "%2u%2u", &hours, &minutes) != 2)
			return -EINVAL;
		offset_s = ((int64_t)hours * 60 + minutes) * 60 * (text[zone] == '+' ? 1 : -1);
	}
	snprintf(plain, sizeof(plain), "%.*sZ", (int)zone, text);
	if (when_parse_iso(plain, &ns) < 0)
		return -EINVAL;
	*ret_s = ns / 1000000000 - offset_s;
	return 0;
}
