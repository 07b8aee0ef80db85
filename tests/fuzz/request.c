/*
 * A call as it is signed and sent: its URL decodes to the very bytes that were asked for, no text of the caller's becomes a
 * header or a parameter of its own, and the canonical form does not depend on the order of headers.
 */
#include "fuzz.h"

#include "s3/request.h"

#include <string.h>

static struct s3_client *client;
static const struct s3_keys keys = { .access_key_id = "AKIDEXAMPLE", .secret_key = "secret", .session_token = "token" };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct s3_config config = { .endpoint = "http://127.0.0.1:9", .unsigned_requests = true };

	(void)argc, (void)argv;
	return s3_client_new(&config, &client, NULL);
}

static bool is_plain(const char *text, const char *beyond)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%";

	for (; *text; text++)
		if (!strchr(plain, *text) && !strchr(beyond, *text))
			return false;
	return true;
}

static void check_encoding(const char *text)
{
	cleanup_buf struct buf once = BUF_INIT, slashes = BUF_INIT, twice = BUF_INIT;

	uri_encode(&once, text, false);
	uri_encode(&slashes, text, true);
	CHECK(is_plain(buf_str(&once), "") && is_plain(buf_str(&slashes), "/"));
	uri_encode(&twice, buf_str(&once), false);
	if (once.len) {
		CHECK(uri_decode(twice.data) == 0 && strcmp(twice.data, once.data) == 0);
		CHECK(uri_decode(once.data) == 0 && strcmp(once.data, text) == 0);
		CHECK(uri_decode(slashes.data) == 0 && strcmp(slashes.data, text) == 0);
	}
}

static void check_endpoint(const char *text)
{
	struct uri_endpoint e, again;

	if (uri_parse_endpoint(text, NULL, &e, NULL) < 0)
		return;
	cleanup_buf struct buf whole = BUF_INIT;
	buf_printf(&whole, "%s://%s%s", e.https ? "https" : "http", e.host, e.prefix);
	CHECK(e.host[0] && !strpbrk(e.host, "/@?# \r\n") && !strpbrk(e.prefix, "?# \r\n"));
	CHECK(uri_parse_endpoint(buf_str(&whole), NULL, &again, NULL) == 0);
	CHECK(again.https == e.https && strcmp(again.host, e.host) == 0 && strcmp(again.prefix, e.prefix) == 0);
}

/* The value of a parameter, decoded; NULL where the query has none of that name. */
static char *parameter(const char *query, const char *name, char *to, size_t size)
{
	for (const char *p = query; *p; p += *p == '&') {
		size_t len = strcspn(p, "&"), head = strcspn(p, "=");

		if (head == strlen(name) && head < len && memcmp(p, name, head) == 0) {
			CHECK(len - head - 1 < size);
			memcpy(to, p + head + 1, len - head - 1);
			to[len - head - 1] = '\0';
			CHECK(uri_decode(to) == 0);
			return to;
		}
		p += len;
	}
	return NULL;
}

static void check_place(const struct s3_call *call, const struct request *r)
{
	cleanup_buf struct buf want = BUF_INIT, got = BUF_INIT, url = BUF_INIT;
	enum op_target target = ops[call->op].target;

	buf_printf(&want, "/%s%s%s", target == OP_SERVICE ? "" : call->bucket, target == OP_OBJECT ? "/" : "",
		   target == OP_OBJECT ? call->key : "");
	buf_puts(&got, buf_str(&r->path));
	CHECK(is_plain(got.data, "/"));
	CHECK(uri_decode(got.data) == 0 && strcmp(got.data, buf_str(&want)) == 0);
	buf_printf(&url, "http://127.0.0.1:9%s%s%s", buf_str(&r->path), r->query.len ? "?" : "", buf_str(&r->query));
	CHECK(strcmp(buf_str(&url), buf_str(&r->url)) == 0);
}

static void check_query(const struct s3_call *call, const struct request *r)
{
	static char value[65536];
	const char *query = buf_str(&r->query), *last = "";
	size_t last_len = 0;

	CHECK(is_plain(query, "=&"));
	for (const char *p = query; *p; p += *p == '&') { /* sorted by name, none twice */
		size_t head = strcspn(p, "="), common = head < last_len ? head : last_len;
		int order = memcmp(last, p, common);

		CHECK(order < 0 || (order == 0 && last_len < head));
		last = p;
		last_len = head;
		p += strcspn(p, "&");
	}
	if (call->op == S3_LIST_OBJECTS_V2) {
		CHECK(parameter(query, "prefix", value, sizeof(value)) && strcmp(value, call->prefix) == 0);
		if (call->token)
			CHECK(parameter(query, "continuation-token", value, sizeof(value)) &&
			      strcmp(value, call->token) == 0);
	}
	if (call->op == S3_GET_OBJECT && call->version_id)
		CHECK(parameter(query, "versionId", value, sizeof(value)) && strcmp(value, call->version_id) == 0);
}

static void check_headers(struct request *r)
{
	struct sigv4_header reversed[REQUEST_HEADERS_MAX];
	struct sigv4_request a = { "GET", buf_str(&r->path), buf_str(&r->query), r->headers, r->header_count, "p" };
	struct sigv4_request b = a;
	cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT, third = BUF_INIT;

	CHECK(r->header_count <= REQUEST_HEADERS_MAX);
	for (size_t i = 0; i < r->header_count; i++) {
		const char *name = r->headers[i].name, *value = r->headers[i].value;

		CHECK(!strpbrk(name, "\r\n:") && !strpbrk(value, "\r\n"));
		reversed[r->header_count - 1 - i] = r->headers[i];
	}
	b.headers = reversed;
	sigv4_canonical_request(&a, &first);
	sigv4_canonical_request(&b, &second);
	sigv4_canonical_request(&a, &third);
	CHECK(strcmp(buf_str(&first), buf_str(&third)) == 0);
	for (size_t i = 1; i < r->header_count; i++) /* of one name twice the order counts */
		if (strcmp(r->headers[i - 1].name, r->headers[i].name) == 0)
			return;
	CHECK(strcmp(buf_str(&first), buf_str(&second)) == 0);
}

static char *or_null(char *text)
{
	return *text ? text : NULL;
}

static void build(struct s3_call *call)
{
	struct payload payload = { .sha256 = "" };
	struct err err = ERR_INIT;
	struct request r;

	if (request_check(call, &err) < 0)
		return;
	if (payload_prepare(client, call, &payload, &err) == 0) {
		const struct request_ask ask = { .op = call->op,
						 .client = client,
						 .call = call,
						 .payload = &payload,
						 .region = "us-east-1",
						 .keys = &keys,
						 .ranged = call->op == S3_GET_OBJECT && call->range_off,
						 .range_off = call->range_off };

		CHECK(request_build(&ask, &r) == 0);
		check_place(call, &r);
		check_query(call, &r);
		check_headers(&r);
		request_deinit(&r);
	}
	payload_deinit(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct s3_call call;
	static struct s3_meta meta;
	struct fuzz f = { data, data + size };
	enum s3_op op = fuzz_byte(&f) % S3_OP_MAX;
	unsigned flags = fuzz_byte(&f);
	char *bucket = fuzz_text(&f), *key = fuzz_text(&f), *name;
	const char *keys_list[1];

	check_encoding(bucket);
	check_encoding(key);
	check_endpoint(bucket);
	s3_call_init(&call, op, bucket, key);
	call.range_off = flags & 1 ? 17 : 0;
	call.prefix = fuzz_text(&f);
	call.delimiter = fuzz_text(&f);
	call.token = or_null(fuzz_text(&f));
	call.start_after = fuzz_text(&f);
	call.version_id = or_null(fuzz_text(&f));
	call.if_match = or_null(fuzz_text(&f));
	call.source_bucket = fuzz_text(&f);
	call.source_key = fuzz_text(&f);
	call.source_if_match = or_null(fuzz_text(&f));
	call.content_type = fuzz_text(&f);
	call.upload_id_in = fuzz_text(&f);
	call.replace_meta = flags & 2;
	meta.len = 0;
	name = fuzz_text(&f);
	(void)s3_meta_set(&meta, name, fuzz_text(&f));
	call.meta = &meta;
	keys_list[0] = key;
	call.keys = keys_list;
	call.key_count = 1;
	call.part_number = 1;
	if (op == S3_PUT_OBJECT || op == S3_UPLOAD_PART) {
		call.body.memory = key;
		call.body.len = strlen(key);
	}
	build(&call);
	fuzz_free();
	return 0;
}
