#include "s3/body.h"
#include "s3/request.h"
#include "s3/when.h"

#include "base/util.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* the query */

#define PAIRS_MAX 12

struct pairs {
	struct {
		const char *name, *value;
	} at[PAIRS_MAX];
	size_t count;
};

/* Kept sorted by name, as the signature wants it. NULL values are not sent. */
static void pair(struct pairs *pairs, const char *name, const char *value)
{
	size_t i = pairs->count;

	if (!value || i == PAIRS_MAX)
		return;
	for (; i && strcmp(pairs->at[i - 1].name, name) > 0; i--)
		pairs->at[i] = pairs->at[i - 1];
	pairs->at[i].name = name;
	pairs->at[i].value = value;
	pairs->count++;
}

static void list_pairs(const struct request_ask *ask, struct pairs *pairs, const char *max)
{
	const struct s3_call *call = ask->call;

	pair(pairs, "list-type", "2");
	if (ask->op != call->op) {
		pair(pairs, "max-keys", "1");
		return;
	}
	pair(pairs, "encoding-type", "url");
	pair(pairs, "prefix", call->prefix ? call->prefix : "");
	pair(pairs, "delimiter", call->delimiter && *call->delimiter ? call->delimiter : NULL);
	pair(pairs, "continuation-token", call->token);
	pair(pairs, "start-after", call->start_after && *call->start_after ? call->start_after : NULL);
	pair(pairs, "max-keys", call->max_keys ? max : NULL);
}

static void list_uploads_pairs(const struct s3_call *call, struct pairs *pairs, char *token, const char *max)
{
	char *upload = token ? strrchr(token, '\n') : NULL;

	if (upload)
		*upload++ = '\0';
	pair(pairs, "uploads", "");
	pair(pairs, "encoding-type", "url");
	pair(pairs, "prefix", call->prefix);
	pair(pairs, "key-marker", token);
	pair(pairs, "upload-id-marker", upload && *upload ? upload : NULL);
	pair(pairs, "max-uploads", call->max_keys ? max : NULL);
}

static void build_query(const struct request_ask *ask, struct buf *to)
{
	const struct s3_call *call = ask->call;
	struct pairs pairs = { .count = 0 };
	char max[16], part[16];
	cleanup_free char *token = call->token ? strdup(call->token) : NULL;

	snprintf(max, sizeof(max), "%u", call->max_keys);
	snprintf(part, sizeof(part), "%u", call->part_number);
	switch (ask->op) {
	case S3_LIST_OBJECTS_V2:
		list_pairs(ask, &pairs, max);
		break;
	case S3_LIST_MULTIPART_UPLOADS:
		list_uploads_pairs(call, &pairs, token, max);
		break;
	case S3_DELETE_OBJECTS:
		pair(&pairs, "delete", "");
		break;
	case S3_CREATE_MULTIPART_UPLOAD:
		pair(&pairs, "uploads", "");
		break;
	case S3_UPLOAD_PART:
	case S3_UPLOAD_PART_COPY:
		pair(&pairs, "partNumber", part);
		pair(&pairs, "uploadId", call->upload_id_in);
		break;
	case S3_COMPLETE_MULTIPART_UPLOAD:
	case S3_ABORT_MULTIPART_UPLOAD:
		pair(&pairs, "uploadId", call->upload_id_in);
		break;
	case S3_GET_OBJECT:
	case S3_HEAD_OBJECT:
	case S3_DELETE_OBJECT:
		pair(&pairs, "versionId", ask->op == call->op ? call->version_id : NULL);
		break;
	default:
		break;
	}
	for (size_t i = 0; i < pairs.count; i++) {
		buf_puts(to, i ? "&" : "");
		uri_encode(to, pairs.at[i].name, false);
		buf_puts(to, "=");
		uri_encode(to, pairs.at[i].value, false);
	}
}

/* where to */

static bool in_host(const struct s3_client *client, const char *bucket)
{
	if (client->config.path_style || (!client->aws && !client->config.virtual_host))
		return false;
	return client->config.virtual_host ? !client->endpoint.https || uri_bucket_is_dns(bucket)
					   : uri_bucket_is_dns(bucket);
}

static void build_place(const struct request_ask *ask, struct request *request)
{
	const struct s3_client *client = ask->client;
	bool has_bucket = ops[ask->op].target != OP_SERVICE, virtual = has_bucket && in_host(client, ask->call->bucket);

	if (virtual)
		buf_printf(&request->host, "%s.", ask->call->bucket);
	if (client->aws)
		buf_printf(&request->host, "s3.%s.amazonaws.com%s", ask->region,
			   strncmp(ask->region, "cn-", 3) == 0 ? ".cn" : "");
	else
		buf_puts(&request->host, client->endpoint.host);
	buf_puts(&request->path, client->endpoint.prefix);
	buf_puts(&request->path, "/");
	if (has_bucket && !virtual) {
		uri_encode(&request->path, ask->call->bucket, false);
		if (ops[ask->op].target == OP_OBJECT)
			buf_puts(&request->path, "/");
	}
	if (ops[ask->op].target == OP_OBJECT)
		uri_encode(&request->path, ask->call->key, true);
	build_query(ask, &request->query);
	buf_printf(&request->url, "%s://%s%s%s%s", client->endpoint.https ? "https" : "http", buf_str(&request->host),
		   buf_str(&request->path), request->query.len ? "?" : "", buf_str(&request->query));
}

/* headers */

static void header(struct request *request, const char *name, const char *value)
{
	if (!value || !*value || request->failed)
		return;
	if (request->header_count == request->header_room) {
		size_t room = request->header_room ? 2 * request->header_room : 32;
		struct sigv4_header *headers = reallocarray(request->headers, room, sizeof(*headers));
		if (!headers) {
			request->failed = true;
			return;
		}
		request->headers = headers;
		request->header_room = room;
	}
	struct sigv4_header *h = &request->headers[request->header_count];
	h->name = strdup(name);
	h->value = strdup(value);
	if (!h->name || !h->value) {
		free(h->name);
		free(h->value);
		request->failed = true;
		return;
	}
	request->header_count++;
}

static void header_n(struct request *request, const char *name, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", (unsigned long)n);
	header(request, name, text);
}

static void headers_of_new_object(const struct request_ask *ask, struct request *request)
{
	const struct s3_config *config = &ask->client->config;
	const struct s3_call *call = ask->call;
	bool copy = ask->op == S3_COPY_OBJECT;

	header(request, "x-amz-storage-class", config->storage_class);
	header(request, "x-amz-server-side-encryption", config->sse);
	header(request, "x-amz-server-side-encryption-aws-kms-key-id", config->sse_kms_key_id);
	if (copy)
		header(request, "x-amz-metadata-directive", call->replace_meta ? "REPLACE" : "COPY");
	if (copy && !call->replace_meta)
		return;
	header(request, "content-type", call->content_type);
	for (size_t at = 0; call->meta && at < call->meta->len;) {
		const char *key = call->meta->data + at, *value = key + strlen(key) + 1;
		cleanup_buf struct buf name = BUF_INIT;
		buf_printf(&name, "x-amz-meta-%s", key);
		request->failed |= !buf_ok(&name);
		header(request, buf_str(&name), value);
		at += (size_t)(value - key) + strlen(value) + 1;
	}
}

static void headers_of_source(const struct request_ask *ask, struct request *request)
{
	const struct s3_call *call = ask->call;
	cleanup_buf struct buf source = BUF_INIT;
	char range[64];

	uri_encode(&source, call->source_bucket, false);
	buf_puts(&source, "/");
	uri_encode(&source, call->source_key, true);
	if (call->source_version_id) {
		buf_puts(&source, "?versionId=");
		uri_encode(&source, call->source_version_id, false);
	}
	request->failed |= !buf_ok(&source);
	header(request, "x-amz-copy-source", buf_str(&source));
	header(request, "x-amz-copy-source-if-match", call->source_if_match);
	if (ask->op == S3_UPLOAD_PART_COPY && call->range_len) {
		snprintf(range, sizeof(range), "bytes=%lu-%lu", (unsigned long)call->range_off,
			 (unsigned long)(call->range_off + call->range_len - 1));
		header(request, "x-amz-copy-source-range", range);
	}
}

static void headers_of_conditions(const struct request_ask *ask, struct request *request)
{
	const char *etag = ask->if_match ? ask->if_match : ask->call->if_match;
	char bare[S3_ETAG_MAX];
	size_t len = etag ? strlen(etag) : 0;

	if (ask->bare_etag && len >= 2 && len < sizeof(bare) && etag[0] == '"') {
		snprintf(bare, sizeof(bare), "%.*s", (int)(len - 2), etag + 1);
		etag = bare;
	}
	header(request, "if-match", etag);
	header(request, "if-none-match", ask->call->if_none_match);
}

static void headers_of_range(const struct request_ask *ask, struct request *request)
{
	char range[64];

	if (!ask->ranged)
		return;
	if (ask->range_end)
		snprintf(range, sizeof(range), "bytes=%lu-%lu", (unsigned long)ask->range_off,
			 (unsigned long)(ask->range_end - 1));
	else
		snprintf(range, sizeof(range), "bytes=%lu-", (unsigned long)ask->range_off);
	header(request, "range", range);
	snprintf(request->note, sizeof(request->note), "%s ", range);
}

/*
 * A multipart upload of parts that are sent has one checksum of the full object: each part carries its own, Complete what
 * they combine to. One that copies parts is made without an algorithm: the store then computes a checksum of the whole
 * from its data, which is compared with what was sent when the upload is completed. With an algorithm, versitygw answers
 * UploadPartCopy of a range with the checksum of the whole source, and stores a wrong one for the new object.
 */
static void headers_of_checksum(const struct request_ask *ask, struct request *request)
{
	enum checksum kind = ask->client->checksum;
	const char *name = checksum_name(kind);
	char lower[48] = "x-amz-checksum-";

	header(request, "content-md5", ask->payload->md5);
	if (kind == CHECKSUM_NONE)
		return;
	if (ask->op == S3_GET_OBJECT || ask->op == S3_HEAD_OBJECT)
		header(request, "x-amz-checksum-mode", "ENABLED");
	if (ask->op == S3_CREATE_MULTIPART_UPLOAD && ask->call->full_checksum) {
		header(request, "x-amz-checksum-algorithm", name);
		header(request, "x-amz-checksum-type", "FULL_OBJECT");
	}
	if (!ask->payload->checksum[0])
		return;
	for (size_t i = strlen(lower); *name; name++)
		lower[i++] = (char)(*name | 0x20);
	header(request, lower, ask->payload->checksum);
	if (ask->op == S3_COMPLETE_MULTIPART_UPLOAD)
		header(request, "x-amz-checksum-type", "FULL_OBJECT");
	else
		header(request, "x-amz-sdk-checksum-algorithm", checksum_name(kind));
}

static void build_headers(const struct request_ask *ask, struct request *request)
{
	const struct s3_call *call = ask->call;

	if (ask->client->config.requester_pays)
		header(request, "x-amz-request-payer", "requester");
	if (ask->op != call->op) {
		if (ask->op == S3_HEAD_OBJECT && ask->client->checksum != CHECKSUM_NONE)
			header(request, "x-amz-checksum-mode", "ENABLED");
		return;
	}
	if (ask->op == S3_PUT_OBJECT || ask->op == S3_CREATE_MULTIPART_UPLOAD || ask->op == S3_COPY_OBJECT)
		headers_of_new_object(ask, request);
	if (ask->op == S3_COPY_OBJECT || ask->op == S3_UPLOAD_PART_COPY)
		headers_of_source(ask, request);
	if (ask->op == S3_UPLOAD_PART || ask->op == S3_UPLOAD_PART_COPY)
		snprintf(request->note, sizeof(request->note), "part=%u ", call->part_number);
	headers_of_conditions(ask, request);
	headers_of_range(ask, request);
	headers_of_checksum(ask, request);
}

/* the signature */

static bool is_aws(const struct s3_client *client)
{
	static const char domain[] = ".amazonaws.com";
	size_t len = strlen(client->endpoint.host);

	return client->aws || (len >= sizeof(domain) && strstr(client->endpoint.host, domain));
}

static void build_payload_headers(const struct request_ask *ask, struct request *request, const char **ret_hash)
{
	const struct payload *payload = ask->payload;
	bool has_body = ask->op == ask->call->op && payload->body.len;

	*ret_hash = has_body ? payload->sha256 : SIGV4_EMPTY_SHA256;
	if (!**ret_hash)
		*ret_hash = ask->client->endpoint.https ? SIGV4_UNSIGNED : SIGV4_STREAMING;
	if (strcmp(*ret_hash, SIGV4_STREAMING) == 0) {
		request->chunked = true;
		/* AWS asks for it and takes it off again; versitygw and Ceph do neither, and keep it with the object */
		if (is_aws(ask->client))
			header(request, "content-encoding", "aws-chunked");
		header_n(request, "x-amz-decoded-content-length", payload->body.len);
	}
	header(request, "x-amz-content-sha256", *ret_hash);
}

static int sign(const struct request_ask *ask, struct request *request)
{
	cleanup_buf struct buf authorization = BUF_INIT;
	struct sigv4_scope scope = { .access_key_id = ask->keys->access_key_id,
				     .secret_key = ask->keys->secret_key,
				     .region = ask->region };
	struct sigv4_request signed_request = { .method = ops[ask->op].method,
						.path = buf_str(&request->path),
						.query = buf_str(&request->query) };

	when_basic((int64_t)time(NULL) + ask->client->skew_seconds, scope.date);
	build_payload_headers(ask, request, &signed_request.payload);
	header(request, "host", buf_str(&request->host));
	header(request, "x-amz-date", scope.date);
	header(request, "x-amz-security-token", ask->keys->session_token);
	if (request->failed)
		return -ENOMEM;
	signed_request.headers = request->headers;
	signed_request.header_count = request->header_count;
	int r = sigv4_sign(&signed_request, &scope, &authorization, &request->chain);
	if (r == 0)
		header(request, "authorization", buf_str(&authorization));
	return r;
}

int request_build(const struct request_ask *ask, struct request *ret)
{
	*ret = (struct request){ .header_count = 0 };
	build_place(ask, ret);
	build_headers(ask, ret);
	int r = ask->keys ? sign(ask, ret) : 0;
	header(ret, "user-agent", "s3shim/" S3SHIM_VERSION);
	if (r == 0 && (ret->failed || !buf_ok(&ret->url) || !buf_ok(&ret->host) || !buf_ok(&ret->path)))
		r = -ENOMEM;
	return r;
}

void request_deinit(struct request *request)
{
	for (size_t i = 0; i < request->header_count; i++) {
		free(request->headers[i].name);
		free(request->headers[i].value);
	}
	free(request->headers);
	buf_deinit(&request->url);
	buf_deinit(&request->path);
	buf_deinit(&request->query);
	buf_deinit(&request->host);
	sigv4_chain_wipe(&request->chain);
	*request = (struct request){ .header_count = 0 };
}
