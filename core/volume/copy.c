#include "volume/s3volume.h"

#include <string.h>

/*
 * CopyObject takes up to 5 GiB; beyond it, an upload whose parts are all UploadPartCopy. A multipart copy does not
 * carry metadata by itself: it is asked for first and given to CreateMultipartUpload.
 */
#define AT_ONCE 8

static int copy_small(struct s3volume *v, const struct copy *c, struct s3_info *ret, struct err *err)
{
	struct s3_call *call = malloc(sizeof(*call));
	int rc;

	if (!call)
		return -ENOMEM;
	s3_call_init(call, S3_COPY_OBJECT, c->to_bucket, c->to);
	call->policy = c->policy;
	call->accepted = c->accepted;
	call->source_bucket = c->bucket;
	call->source_key = c->from;
	call->source_if_match = c->etag && c->etag[0] ? c->etag : NULL;
	call->replace_meta = c->meta != NULL;
	call->meta = c->meta;
	call->content_type = c->meta ? c->content_type : NULL;
	rc = s3_run(v->client, call);
	if (rc && err)
		*err = call->err;
	if (rc == 0)
		*ret = call->info;
	free(call);
	return rc;
}

/* Metadata of the source, where the caller has none. */
static int source_info(struct s3volume *v, const struct copy *c, struct s3_info *ret, struct err *err)
{
	struct s3_call *call = malloc(sizeof(*call));
	int rc;

	if (!call)
		return -ENOMEM;
	s3_call_init(call, S3_HEAD_OBJECT, c->bucket, c->from);
	call->policy = c->policy;
	call->accepted = c->accepted;
	rc = s3_run(v->client, call);
	if (rc && err)
		*err = call->err;
	if (rc == 0)
		*ret = call->info;
	free(call);
	return rc;
}

struct big {
	struct s3volume *v;
	const struct copy *c;
	const char *upload_id, *etag;
	uint64_t part_bytes;
	size_t count;
	struct s3_part *parts;
};

static int copy_parts(struct big *b, struct err *err)
{
	struct s3_call *calls = calloc(AT_ONCE, sizeof(*calls));
	int rc = calls ? 0 : -ENOMEM;

	for (size_t at = 0; at < b->count && rc == 0; at += AT_ONCE) {
		size_t n = min_u64(AT_ONCE, b->count - at);

		for (size_t i = 0; i < n; i++) {
			struct s3_call *c = &calls[i];
			uint64_t off = (at + i) * b->part_bytes;

			s3_call_init(c, S3_UPLOAD_PART_COPY, b->c->to_bucket, b->c->to);
			c->policy = b->c->policy;
			c->accepted = b->c->accepted;
			c->source_bucket = b->c->bucket;
			c->source_key = b->c->from;
			c->source_if_match = b->etag;
			c->upload_id_in = b->upload_id;
			c->part_number = (unsigned)(at + i + 1);
			c->range_off = off;
			c->range_len = min_u64(b->part_bytes, b->c->size - off);
			s3_start(b->v->client, c);
		}
		for (size_t i = 0; i < n; i++) {
			struct s3_part *p = &b->parts[at + i];

			if (s3_wait(b->v->client, &calls[i]) && rc == 0) {
				rc = calls[i].status;
				if (err)
					*err = calls[i].err;
			}
			p->number = (unsigned)(at + i + 1);
			memcpy(p->etag, calls[i].info.etag, sizeof(p->etag));
		}
	}
	free(calls);
	return rc;
}

static int copy_big(struct s3volume *v, const struct copy *c, struct s3_info *ret, struct err *err)
{
	struct s3_call *create = malloc(sizeof(*create)), *end = malloc(sizeof(*end));
	struct s3_info *info = calloc(1, sizeof(*info));
	struct big b = { .v = v, .c = c, .part_bytes = v->copy_part };
	int rc = -ENOMEM;

	while ((c->size + b.part_bytes - 1) / b.part_bytes > S3_PARTS_MAX)
		b.part_bytes *= 2;
	b.count = (c->size + b.part_bytes - 1) / b.part_bytes;
	b.parts = calloc(b.count, sizeof(*b.parts));
	if (create && end && info && b.parts)
		rc = source_info(v, c, info, err);
	if (rc)
		goto out;
	b.etag = c->etag && c->etag[0] ? c->etag : info->etag;
	s3_call_init(create, S3_CREATE_MULTIPART_UPLOAD, c->to_bucket, c->to);
	create->policy = c->policy;
	create->accepted = c->accepted;
	create->meta = c->meta ? c->meta : &info->meta;
	create->content_type = c->meta ? c->content_type : info->content_type;
	rc = s3_run(v->client, create);
	if (rc) {
		if (err)
			*err = create->err;
		goto out;
	}
	b.upload_id = create->upload_id;
	rc = copy_parts(&b, err);
	if (rc == 0) {
		s3_call_init(end, S3_COMPLETE_MULTIPART_UPLOAD, c->to_bucket, c->to);
		end->upload_id_in = create->upload_id;
		end->accepted = true;
		end->parts = b.parts;
		end->part_count = b.count;
		rc = s3_run(v->client, end);
		if (rc && err)
			*err = end->err;
		if (rc == 0)
			*ret = end->info;
	}
	if (rc) {
		s3_call_init(end, S3_ABORT_MULTIPART_UPLOAD, c->to_bucket, c->to);
		end->upload_id_in = create->upload_id;
		(void)s3_run(v->client, end);
	}
out:
	free(b.parts);
	free(info);
	free(end);
	free(create);
	return rc;
}

int copy_run(struct s3volume *v, const struct copy *c, struct s3_info *ret, struct err *err)
{
	return c->size > v->copy_max ? copy_big(v, c, ret, err) : copy_small(v, c, ret, err);
}
