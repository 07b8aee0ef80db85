#include "s3/credentials/sts.h"
#include "s3/credentials/fetch.h"
#include "s3/sigv4.h"
#include "s3/uri.h"
#include "s3/xml.h"

#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CONNECT_MS   3000
#define TOTAL_MS     15000
#define TOKEN_MAX    32768
#define FORM_TYPE    "application/x-www-form-urlencoded; charset=utf-8"
#define DEFAULT_NAME "s3shim"

/* Bytes of a body that hold a token are wiped. */
static void wipe_buf(struct buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->room);
	buf_deinit(buf);
}

static int endpoint(const struct provider_ask *ask, struct uri_endpoint *ret, struct err *err)
{
	const char *url = provider_env("AWS_ENDPOINT_URL_STS");
	char own[128];

	if (!url)
		url = provider_env("AWS_ENDPOINT_URL");
	if (!url) {
		snprintf(own, sizeof(own), "sts.%s.amazonaws.com%s", ask->region,
			 strncmp(ask->region, "cn-", 3) == 0 ? ".cn" : "");
		url = own;
	}
	int r = uri_parse_endpoint(url, NULL, ret, err);
	return r < 0 ? err_wrap(err, "the endpoint of STS") : 0;
}

static void form(struct buf *to, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_printf(to, "%s%s=", to->len ? "&" : "", name);
	uri_encode(to, value, false);
}

static void form_role(struct buf *to, const char *action, const struct sts_role *role)
{
	form(to, "Action", action);
	form(to, "Version", "2011-06-15");
	form(to, "RoleArn", role->arn);
	form(to, "RoleSessionName", role->session_name ? role->session_name : DEFAULT_NAME);
	form(to, "DurationSeconds", role->duration);
	form(to, "ExternalId", role->external_id);
}

/* the answer */

struct answer {
	char id[256], secret[256], token[4096], expiration[64];
	char code[64], message[256], request_id[64];
};

static int on_close(void *arg, const char *parent, const char *name, char *text)
{
	struct answer *a = arg;
	const struct {
		const char *parent, *name;
		char *to;
		size_t size;
	} fields[] = {
		{ "Credentials", "AccessKeyId", a->id, sizeof(a->id) },
		{ "Credentials", "SecretAccessKey", a->secret, sizeof(a->secret) },
		{ "Credentials", "SessionToken", a->token, sizeof(a->token) },
		{ "Credentials", "Expiration", a->expiration, sizeof(a->expiration) },
		{ "Error", "Code", a->code, sizeof(a->code) },
		{ "Error", "Message", a->message, sizeof(a->message) },
		{ "ErrorResponse", "RequestId", a->request_id, sizeof(a->request_id) },
		{ "Error", "RequestId", a->request_id, sizeof(a->request_id) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strcmp(fields[i].parent, parent) == 0 && strcmp(fields[i].name, name) == 0 &&
		    snprintf(fields[i].to, fields[i].size, "%s", text) >= (int)fields[i].size && i < 4)
			return -EBADMSG; /* half a key is none */
	return 0;
}

static int refused(const struct fetch_answer *got, const struct answer *a, struct err *err)
{
	return err_set(err, got->status / 100 == 5 ? EIO : EACCES, "%d%s%s%s%s%s%s%s", got->status, *a->code ? " " : "",
		       a->code, *a->message ? ": " : "", a->message, *a->request_id ? " (request " : "", a->request_id,
		       *a->request_id ? ")" : "");
}

static int take(const struct fetch_answer *got, struct s3_keys *ret, struct err *err)
{
	struct answer a = { .id = "" };
	const struct xml_handler handler = { .close = on_close, .arg = &a };
	int64_t expires_s;

	int r = xml_read(got->body, got->len, &handler);
	if (got->status / 100 != 2)
		r = refused(got, &a, err);
	else if (r < 0 || !*a.id || !*a.secret || provider_expiry(a.expiration, &expires_s) < 0)
		r = err_set(err, EBADMSG, "the answer is none that STS gives: check the endpoint");
	else
		r = provider_keys(a.id, a.secret, a.token, ret, err);
	if (r > 0)
		ret->expires_s = expires_s;
	explicit_bzero(&a, sizeof(a));
	return r;
}

/* the request */

/* The headers that a signature adds, as lines that the caller frees. */
struct signature {
	char *date, *token, *authorization;
};

static void signature_deinit(struct signature *s)
{
	if (s->token)
		explicit_bzero(s->token, strlen(s->token));
	free(s->date);
	free(s->token);
	free(s->authorization);
}

static int sign(const struct provider_ask *ask, const struct uri_endpoint *to, const char *path, const struct buf *body,
		const struct s3_keys *base, struct signature *ret)
{
	cleanup_buf struct buf authorization = BUF_INIT;
	char hash[SIGV4_HEX_SIZE];
	struct sigv4_scope scope = { .access_key_id = base->access_key_id,
				     .secret_key = base->secret_key,
				     .region = ask->region,
				     .service = "sts" };
	struct sigv4_header headers[] = { { (char *)"content-type", (char *)FORM_TYPE },
					  { (char *)"host", (char *)(uintptr_t)to->host },
					  { (char *)"x-amz-date", scope.date },
					  { (char *)"x-amz-security-token", (char *)(uintptr_t)base->session_token } };
	struct sigv4_request request = { .method = "POST",
					 .path = path,
					 .query = "",
					 .headers = headers,
					 .header_count = base->session_token[0] ? 4 : 3,
					 .payload = hash };

	when_basic((int64_t)time(NULL), scope.date);
	int r = sigv4_sha256_hex(buf_str(body), body->len, hash);
	if (r == 0)
		r = sigv4_sign(&request, &scope, &authorization, NULL);
	if (r < 0)
		return r;
	if (asprintf(&ret->date, "x-amz-date: %s", scope.date) < 0 ||
	    asprintf(&ret->authorization, "authorization: %s", buf_str(&authorization)) < 0 ||
	    (base->session_token[0] && asprintf(&ret->token, "x-amz-security-token: %s", base->session_token) < 0))
		return -ENOMEM;
	return 0;
}

static int post(const struct provider_ask *ask, const struct buf *body, const struct s3_keys *base, struct s3_keys *ret,
		struct err *err)
{
	struct signature signature = { NULL, NULL, NULL };
	struct fetch_answer answer;
	struct uri_endpoint to;
	char url[512], path[160];

	int r = endpoint(ask, &to, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/", to.prefix);
	snprintf(url, sizeof(url), "%s://%s%s", to.https ? "https" : "http", to.host, path);
	if (!buf_ok(body) || (base && sign(ask, &to, path, body, base, &signature) < 0)) {
		signature_deinit(&signature);
		return err_set(err, ENOMEM, "STS: the request cannot be made");
	}
	struct fetch fetch = { .method = "POST",
			       .url = url,
			       .headers = { ("content-type: " FORM_TYPE), "accept: text/xml", signature.date,
					    signature.authorization, signature.token },
			       .body = buf_str(body),
			       .connect_ms = CONNECT_MS,
			       .total_ms = TOTAL_MS };
	r = fetch_retry(ask, &fetch, &answer, err);
	signature_deinit(&signature);
	if (r == 0) {
		r = take(&answer, ret, err);
		fetch_answer_deinit(&answer);
		if (r < 0)
			r = err_wrap(err, "'%s'", to.host);
	}
	return r < 0 ? err_wrap(err, "STS") : r;
}

int sts_assume_role(const struct provider_ask *ask, const struct sts_role *role, const struct s3_keys *base,
		    struct s3_keys *ret, struct err *err)
{
	cleanup_buf struct buf body = BUF_INIT;

	form_role(&body, "AssumeRole", role);
	int r = post(ask, &body, base, ret, err);
	return r < 0 ? err_wrap(err, "assuming role '%s'", role->arn) : r;
}

static int read_token(const char *path, char token[TOKEN_MAX], struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, token, TOKEN_MAX - 1);

	if (n < 0)
		return err_set(err, errno, "the web identity token '%s': %s", path, strerror(errno));
	while (n && strchr(" \t\r\n", token[n - 1]))
		n--;
	token[n] = '\0';
	return n ? 0 : err_set(err, EINVAL, "the web identity token '%s' is empty", path);
}

int sts_web_identity(const struct provider_ask *ask, const struct sts_role *role, const char *token_file,
		     struct s3_keys *ret, struct err *err)
{
	struct buf body = BUF_INIT;
	char *token = malloc(TOKEN_MAX);

	int r = token ? read_token(token_file, token, err) : err_set(err, ENOMEM, "out of memory");
	if (r == 0) {
		form_role(&body, "AssumeRoleWithWebIdentity", role);
		form(&body, "WebIdentityToken", token);
		r = post(ask, &body, NULL, ret, err);
	}
	wipe_buf(&body);
	if (token)
		explicit_bzero(token, TOKEN_MAX);
	free(token);
	return r < 0 ? err_wrap(err, "web identity for role '%s'", role->arn) : r;
}
