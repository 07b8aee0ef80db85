/*
 * Keys of an EC2 instance's role, by version 2 of its metadata service (EC2 User Guide, "Use the Instance Metadata
 * Service"): a token first, by PUT, then the role's name, then its keys. Version 1 is not spoken: it answers whoever can
 * make this machine send a GET. It is the last of the chain, and where nobody answers there is no such service.
 */
#include "s3/credentials/fetch.h"
#include "s3/credentials/provider.h"
#include "s3/uri.h"

#include "base/util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_MS 1000
#define ROLES      "/latest/meta-data/iam/security-credentials/"

static int base_url(char *to, size_t size, struct err *err)
{
	const char *url = provider_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = provider_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	struct uri_endpoint at;

	if (!url)
		url = mode && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
	if (uri_parse_endpoint(url, "http", &at, err) < 0)
		return err_wrap(err, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	snprintf(to, size, "%s://%s%s", at.https ? "https" : "http", at.host, at.prefix);
	return 0;
}

/* @header: one more, NULL none. */
static int ask_service(const struct provider_ask *ask, const char *method, const char *path, const char *header,
		       struct fetch_answer *ret, struct err *err)
{
	char url[1024];
	struct fetch fetch = { .method = method,
			       .url = url,
			       .headers = { header },
			       .connect_ms = TIMEOUT_MS,
			       .total_ms = TIMEOUT_MS,
			       .direct = true };

	int r = base_url(url, sizeof(url) - 512, err);
	if (r < 0)
		return r;
	snprintf(url + strlen(url), 512, "%s", path);
	return fetch_retry(ask, &fetch, ret, err);
}

/* 1 and "x-aws-ec2-metadata-token: ..."; 0: no such service here. */
static int get_token(const struct provider_ask *ask, char *line, size_t size, struct err *err)
{
	bool expected = provider_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	struct fetch_answer answer;
	int n;

	int r =
	    ask_service(ask, "PUT", "/latest/api/token", "x-aws-ec2-metadata-token-ttl-seconds: 21600", &answer, err);
	if (r < 0)
		return expected || r == -ENOMEM || r == -EINVAL ? r : 0;
	answer.body[strcspn(answer.body, "\r\n")] = '\0';
	n = snprintf(line, size, "x-aws-ec2-metadata-token: %s", answer.body);
	if (answer.status != 200)
		r = expected || answer.status != 404
			? err_set(err, EACCES, "it gives no token: HTTP status %d", answer.status)
			: 0;
	else
		r = n < (int)size ? 1 : err_set(err, EBADMSG, "its token is too long");
	fetch_answer_deinit(&answer);
	return r;
}

/* The path of the keys of the instance's role. 0: it has no role. */
static int get_role(const struct provider_ask *ask, const char *token, char *path, size_t size, struct err *err)
{
	struct fetch_answer answer;

	int r = ask_service(ask, "GET", ROLES, token, &answer, err);
	if (r < 0)
		return r;
	answer.body[strcspn(answer.body, "\r\n")] = '\0';
	if (answer.status == 404 || (answer.status == 200 && !answer.body[0]))
		r = 0;
	else if (answer.status != 200)
		r = err_set(err, EACCES, "asking for the instance's role: HTTP status %d", answer.status);
	else if (snprintf(path, size, ROLES "%s", answer.body) >= (int)size || strpbrk(answer.body, "/? "))
		r = err_set(err, EBADMSG, "the instance's role has a name that none can have");
	else
		r = 1;
	fetch_answer_deinit(&answer);
	return r;
}

static int get_keys(const struct provider_ask *ask, const char *token, const char *path, struct s3_keys *ret,
		    struct err *err)
{
	struct fetch_answer answer;

	int r = ask_service(ask, "GET", path, token, &answer, err);
	if (r < 0)
		return r;
	if (answer.status == 200)
		r = provider_json(answer.body, answer.len, "Token", ret, err);
	else
		r = err_set(err, EACCES, "asking for the keys of '%s': HTTP status %d", path + strlen(ROLES),
			    answer.status);
	fetch_answer_deinit(&answer);
	return r;
}

int provider_instance(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	const char *disabled = provider_env("AWS_EC2_METADATA_DISABLED");
	char token[1024], path[512];

	if (disabled && strcasecmp(disabled, "true") == 0)
		return PROVIDER_NONE;
	int r = get_token(ask, token, sizeof(token), err);
	if (r > 0)
		r = get_role(ask, token, path, sizeof(path), err);
	if (r > 0)
		r = get_keys(ask, token, path, ret, err);
	explicit_bzero(token, sizeof(token));
	return r < 0 ? err_wrap(err, "the instance's metadata service") : r;
}
