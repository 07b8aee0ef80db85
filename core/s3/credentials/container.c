/*
 * Keys of a container's task or pod (AWS SDKs and Tools Reference Guide, "Container credential provider"). The relative
 * URI is one of ECS's agent. A full URI without TLS must be on this machine or at the addresses of ECS and EKS, so that
 * an environment cannot send the authorization token anywhere. The token's file is read each time: EKS rotates it.
 */
#include "s3/credentials/fetch.h"
#include "s3/credentials/provider.h"
#include "s3/uri.h"

#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define ECS_HOST  "169.254.170.2"
#define TOKEN_MAX 8192

static bool is_near(const char *host)
{
	static const char *const near[] = {
		"localhost", "127.", ECS_HOST, "169.254.170.23", "[::1]", "[fd00:ec2::23]"
	};
	size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	for (size_t i = 0; i < ARRAY_SIZE(near); i++) {
		size_t n = strlen(near[i]);
		bool prefix = near[i][n - 1] == '.';
		if (strncmp(host, near[i], n) == 0 && (len == n || (prefix && strspn(host, "0123456789.") == len)))
			return true;
	}
	return false;
}

static int check_url(const char *url, struct err *err)
{
	struct uri_endpoint at;
	cleanup_free char *base = strndup(url, strcspn(url, "?"));
	const char *name = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

	if (!base)
		return err_set(err, ENOMEM, "out of memory");
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return err_set(err, EINVAL, "%s: '%s' is no URL of http or https", name, base);
	/* of the path only its beginning matters here */
	char *path = strchr(strstr(base, "://") + 3, '/');
	if (path)
		*path = '\0';
	if (uri_parse_endpoint(base, NULL, &at, err) < 0)
		return err_wrap(err, "%s", name);
	if (!at.https && !is_near(at.host))
		return err_set(err, EINVAL, "%s: '%s' is neither https nor an address of this machine, ECS or EKS",
			       name, at.host);
	return 0;
}

/* "authorization: <token>" into @line, or "" where there is none. */
static int authorization(char *line, size_t size, struct err *err)
{
	const char *path = provider_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *plain = provider_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char *token = line + snprintf(line, size, "authorization: ");
	size_t room = size - (size_t)(token - line);

	if (path) {
		cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, token, room - 1);
		if (n < 0)
			return err_set(err, errno, "the container's token '%s': %s", path, strerror(errno));
		while (n && strchr("\r\n", token[n - 1]))
			n--;
		token[n] = '\0';
	} else {
		snprintf(token, room, "%s", plain ? plain : "");
	}
	if (token[strcspn(token, "\r\n")])
		return err_set(err, EINVAL, "the container's token has a line break in it");
	if (!*token)
		*line = '\0';
	return 0;
}

static int ask_service(const struct provider_ask *ask, const char *url, struct s3_keys *ret, struct err *err)
{
	struct fetch_answer answer;
	char line[TOKEN_MAX];
	struct fetch fetch = { .method = "GET",
			       .url = url,
			       .headers = { "accept: application/json", NULL },
			       .connect_ms = 2000,
			       .total_ms = 5000,
			       .direct = true };

	int r = authorization(line, sizeof(line), err);
	if (r == 0 && *line)
		fetch.headers[1] = line;
	if (r == 0)
		r = fetch_retry(ask, &fetch, &answer, err);
	explicit_bzero(line, sizeof(line));
	if (r < 0)
		return r;
	if (answer.status == 200)
		r = provider_json(answer.body, answer.len, "Token", ret, err);
	else
		r = err_set(err, EACCES, "HTTP status %d", answer.status);
	fetch_answer_deinit(&answer);
	return r;
}

int provider_container(const struct provider_ask *ask, struct s3_keys *ret, struct err *err)
{
	const char *relative = provider_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = provider_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	char url[2048];
	int r = 0;

	if (!relative && !full)
		return PROVIDER_NONE;
	if (relative && relative[0] != '/')
		return err_set(err, EINVAL, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
	if (snprintf(url, sizeof(url), "%s%s", relative ? "http://" ECS_HOST : "", relative ? relative : full) >=
	    (int)sizeof(url))
		return err_set(err, EINVAL, "the container's credentials URI is too long");
	if (!relative)
		r = check_url(url, err);
	if (r == 0)
		r = ask_service(ask, url, ret, err);
	return r < 0 ? err_wrap(err, "container credentials") : r;
}
