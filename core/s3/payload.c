/* What of a request is the same for all its attempts: the body that the client makes, hashes, and what cannot be sent.
 */
#include "s3/body.h"
#include "s3/request.h"
#include "s3/xml.h"

#include "base/util.h"

#include <stdio.h>
#include <string.h>

static bool clean(const char *text)
{
	for (; text && *text; text++)
		if ((unsigned char)*text < 32 || *text == 127)
			return false;
	return true;
}

/* A name becomes one of a header, where a colon would end it. */
static bool clean_meta(const struct s3_meta *meta)
{
	if (!meta || !meta->len)
		return true;
	if (meta->data[meta->len - 1])
		return false;
	for (size_t at = 0; at < meta->len;) {
		const char *name = meta->data + at, *value = name + strlen(name) + 1;

		if (!clean(name) || strpbrk(name, ": ") || (size_t)(value - meta->data) >= meta->len || !clean(value))
			return false;
		at = (size_t)(value - meta->data) + strlen(value) + 1;
	}
	return true;
}

int request_check(const struct s3_call *call, struct err *err)
{
	const struct op *op = &ops[call->op];

	if (op->target != OP_SERVICE &&
	    (!call->bucket || !*call->bucket || strchr(call->bucket, '/') || !clean(call->bucket)))
		return err_set(err, EINVAL, "%s: the bucket's name is not valid", op->name);
	if (op->target == OP_OBJECT && (!call->key || !*call->key))
		return err_set(err, EINVAL, "%s: no key", op->name);
	if (op->target == OP_OBJECT && strlen(call->key) > S3_KEY_MAX)
		return err_set(err, ENAMETOOLONG, "%s: the key is longer than %d bytes", op->name, S3_KEY_MAX);
	if ((call->op == S3_COPY_OBJECT || call->op == S3_UPLOAD_PART_COPY) &&
	    (!call->source_bucket || !call->source_key))
		return err_set(err, EINVAL, "%s: no source", op->name);
	if (!clean(call->if_match) || !clean(call->if_none_match) || !clean(call->source_if_match) ||
	    !clean(call->content_type) || !clean_meta(call->meta))
		return err_set(err, EINVAL, "%s: metadata or a condition with control characters", op->name);
	if ((op->flags & OP_UP) && call->body.len > S3_PART_MAX)
		return err_set(err, EFBIG, "%s: more than 5 GiB in one request", op->name);
	if (call->op == S3_DELETE_OBJECTS && (!call->key_count || call->key_count > S3_DELETE_MAX))
		return err_set(err, EINVAL, "%s: %zu keys, want 1 to %d", op->name, call->key_count, S3_DELETE_MAX);
	return 0;
}

static int delete_xml(const struct s3_call *call, struct buf *to, struct err *err)
{
	buf_puts(to, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
	for (size_t i = 0; i < call->key_count; i++) {
		buf_puts(to, "<Object><Key>");
		if (xml_escape(to, call->keys[i]) < 0)
			return err_set(err, EILSEQ,
				       "DeleteObjects: a key with control characters, which XML cannot carry");
		buf_puts(to, "</Key></Object>");
	}
	buf_puts(to, "</Delete>");
	return 0;
}

static void part_checksum_xml(const struct s3_call *call, const struct s3_part *part, struct buf *to)
{
	const char *value = strchr(part->checksum, ':');
	int name = value ? (int)(value - part->checksum) : 0;

	if (!call->full_checksum || !name)
		return;
	buf_printf(to, "<Checksum%.*s>", name, part->checksum);
	xml_escape(to, value + 1);
	buf_printf(to, "</Checksum%.*s>", name, part->checksum);
}

static int complete_xml(const struct s3_call *call, struct buf *to)
{
	buf_puts(to, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < call->part_count; i++) {
		const struct s3_part *part = &call->parts[i];
		buf_printf(to, "<Part><PartNumber>%u</PartNumber><ETag>", part->number);
		xml_escape(to, part->etag);
		buf_puts(to, "</ETag>");
		part_checksum_xml(call, part, to);
		buf_puts(to, "</Part>");
	}
	buf_puts(to, "</CompleteMultipartUpload>");
	return 0;
}

static int checksum_of_body(enum checksum kind, const struct s3_body *body, uint64_t *ret)
{
	uint64_t sum = 0, at = 0;
	const size_t step = 128 * 1024;

	if (body->memory) {
		*ret = checksum_update(kind, 0, body->memory, body->len);
		return 0;
	}
	cleanup_free char *piece = malloc(step);
	if (!piece)
		return -ENOMEM;
	while (at < body->len) {
		size_t n = (size_t)min_u64(step, body->len - at);
		int r = body_source_read(body, at, piece, n);
		if (r < 0)
			return r;
		sum = checksum_update(kind, sum, piece, n);
		at += n;
	}
	*ret = sum;
	return 0;
}

static int make_xml(const struct s3_call *call, struct payload *payload, struct err *err)
{
	int r =
	    call->op == S3_DELETE_OBJECTS ? delete_xml(call, &payload->xml, err) : complete_xml(call, &payload->xml);

	if (r < 0)
		return r;
	if (!buf_ok(&payload->xml))
		return err_set(err, ENOMEM, "out of memory");
	payload->body = (struct s3_body){ .memory = buf_str(&payload->xml), .fd = -1, .len = payload->xml.len };
	if (call->op == S3_DELETE_OBJECTS &&
	    checksum_md5_base64(payload->body.memory, payload->body.len, payload->md5) < 0)
		return err_set(err, EIO, "the crypto library refuses MD5, which DeleteObjects needs");
	return 0;
}

bool payload_parts_checksum(enum checksum kind, const struct s3_call *call, uint64_t *ret)
{
	uint64_t sum = 0, part;

	for (size_t i = 0; i < call->part_count; i++) {
		if (!call->parts[i].len || checksum_parse(kind, call->parts[i].checksum, &part) < 0)
			return false;
		sum = checksum_combine(kind, sum, part, call->parts[i].len);
	}
	*ret = sum;
	return kind != CHECKSUM_NONE && call->part_count;
}

int payload_prepare(const struct s3_client *client, const struct s3_call *call, struct payload *ret, struct err *err)
{
	unsigned flags = ops[call->op].flags;
	uint64_t sum;
	int r = 0;

	*ret = (struct payload){ .body = { .fd = -1 } };
	if (flags & OP_XML)
		r = make_xml(call, ret, err);
	else if (flags & OP_UP)
		ret->body = call->body;
	if (r < 0)
		return r;
	if (client->checksum != CHECKSUM_NONE &&
	    (call->op == S3_PUT_OBJECT || (call->op == S3_UPLOAD_PART && call->full_checksum))) {
		r = checksum_of_body(client->checksum, &ret->body, &sum);
		if (r < 0)
			return err_set(err, -r, "reading what is to be uploaded: %s", strerror(-r));
		checksum_base64(client->checksum, sum, ret->checksum);
	}
	if (call->op == S3_COMPLETE_MULTIPART_UPLOAD && call->full_checksum &&
	    payload_parts_checksum(client->checksum, call, &sum))
		checksum_base64(client->checksum, sum, ret->checksum);
	if (ret->body.len && ret->body.memory && (!client->endpoint.https || (flags & OP_XML)) &&
	    !client->config.unsigned_requests && sigv4_sha256_hex(ret->body.memory, ret->body.len, ret->sha256) < 0)
		return err_set(err, EIO, "the crypto library fails");
	return 0;
}

void payload_deinit(struct payload *payload)
{
	buf_deinit(&payload->xml);
}
