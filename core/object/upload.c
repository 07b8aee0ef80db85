#include "object/upload.h"

#include "base/io.h"
#include "base/log.h"
#include "object/internal.h"
#include "object/style.h"
#include "s3/checksum.h"

#include <stdio.h>
#include <string.h>

/*
 * A 412 is believed only after a HEAD: if that shows the very ETag that was asked for, the server meant something else,
 * and the next style (style.h) is tried.
 *
 * A 412 may also be the answer to our own retry, after an answer that was lost: then the HEAD shows the MD5 of what we
 * sent (PUT), or the upload is gone and the object has as many parts and bytes as ours (Complete).
 */
#define BUFFER_MAX    MIB(16) /* of a part that is copied before it is sent; beyond it a scratch file is used */
#define CONFLICTS_MAX 3       /* 409 ConditionalRequestConflict: two writers crossed, ask again */

static void bare_etag(const char *etag, char ret[S3_ETAG_MAX])
{
	size_t len;

	if (etag[0] == 'W' && etag[1] == '/')
		etag += 2;
	if (etag[0] == '"')
		etag++;
	len = strlen(etag);
	if (len && etag[len - 1] == '"')
		len--;
	memcpy(ret, etag, len);
	ret[len] = '\0';
}

static int head(const struct name *n, struct s3_info *ret)
{
	struct s3_call *call = malloc(sizeof(*call));
	int r;

	if (!call)
		return -ENOMEM;
	s3_call_init(call, S3_HEAD_OBJECT, n->bucket, n->key);
	call->accepted = true;
	r = s3_run(n->client, call);
	if (r == 0)
		*ret = call->info;
	free(call);
	return r;
}

static bool is_md5_of(const char *etag, const void *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[25], bare[S3_ETAG_MAX], hex[33];
	unsigned bits = 0, count = 0, out = 0;

	bare_etag(etag, bare);
	if (strlen(bare) != 32 || checksum_md5_base64(data, len, text) < 0)
		return false;
	for (const char *p = text; *p && *p != '=' && out < 32; p++) {
		const char *d = strchr(digits, *p);

		if (!d)
			return false;
		bits = bits << 6 | (unsigned)(d - digits);
		for (count += 6; count >= 4 && out < 32; count -= 4)
			hex[out++] = "0123456789abcdef"[bits >> (count - 4) & 15];
	}
	hex[out] = '\0';
	return strcasecmp(hex, bare) == 0;
}

/* What a refused condition means. Return: 0 and *ret if the object is ours after all; 1: again; negative errno. */
static int look_again(struct object_store *s, struct name *n, const struct s3_call *call, const struct upload_terms *t,
		      struct s3_info *ret, struct err *err)
{
	enum style_condition kind = style_condition(s, n->client);
	struct s3_info there;

	if (call->http_status == 501 && kind != STYLE_NONE) {
		style_set_condition(s, n, STYLE_NONE);
		return 1;
	}
	if (call->status != -ESTALE && call->status != -EEXIST)
		return call->status;
	if (head(n, &there) == 0) {
		if (call->op == S3_PUT_OBJECT && there.size == call->body.len &&
		    is_md5_of(there.etag, call->body.memory, (size_t)call->body.len)) {
			*ret = there;
			return 0;
		}
		if (t->has_base && s3_etag_equal(there.etag, t->etag) && kind != STYLE_NONE) {
			style_set_condition(s, n, kind + 1);
			return 1;
		}
	}
	if (t->exclusive && !t->has_base)
		return err_set(err, EEXIST, NAME_FMT " was made by somebody else meanwhile", NAME_ARG(n));
	return err_set(err, ESTALE, NAME_FMT " was changed by somebody else meanwhile", NAME_ARG(n));
}

/* Run what @ask describes under the terms. @ask is left alone; each try is made of a copy. */
static int run_conditional(struct object_store *s, struct name *n, const struct s3_call *ask,
			   const struct upload_terms *t, struct s3_info *ret, struct err *err)
{
	struct s3_call *call = malloc(sizeof(*call));
	char bare[S3_ETAG_MAX];
	int r, conflicts = 0;

	if (!call)
		return err_set(err, ENOMEM, "no memory");
	do {
		enum style_condition kind = style_condition(s, n->client);

		*call = *ask;
		bare_etag(t->etag, bare);
		if (kind != STYLE_NONE && !t->has_base)
			call->if_none_match = "*";
		else if (kind != STYLE_NONE && t->etag[0])
			call->if_match = kind == STYLE_BARE ? bare : t->etag;
		r = s3_run(n->client, call);
		if (r == 0 && call->info.etag[0]) {
			*ret = call->info;
		} else if (r == 0) {
			r = head(n, ret); /* some servers do not say what they made */
			if (r < 0)
				err_set(err, -r, "learning the ETag of " NAME_FMT ": %s", NAME_ARG(n), strerror(-r));
		} else {
			if (err)
				*err = call->err;
			r = call->http_status == 409 && conflicts++ < CONFLICTS_MAX
				? 1
				: look_again(s, n, call, t, ret, err);
		}
	} while (r > 0);
	free(call);
	return r;
}

static struct s3_call *new_call(enum s3_op op, const struct name *n)
{
	struct s3_call *call = malloc(sizeof(*call));

	if (call) {
		s3_call_init(call, op, n->bucket, n->key);
		call->accepted = true;
	}
	return call;
}

int upload_put(struct object_store *s, struct name *n, const void *data, size_t len, const struct s3_meta *meta,
	       const char *content_type, const struct upload_terms *terms, struct s3_info *ret, struct err *err)
{
	struct s3_call *ask = new_call(S3_PUT_OBJECT, n);
	int r;

	if (!ask)
		return err_set(err, ENOMEM, "no memory");
	ask->body.memory = data;
	ask->body.len = len;
	ask->meta = meta;
	ask->content_type = content_type && content_type[0] ? content_type : NULL;
	r = run_conditional(s, n, ask, terms, ret, err);
	if (r == 0)
		ret->size = len;
	free(ask);
	return r;
}

int upload_retouch(struct object_store *s, struct name *n, const char *etag, const struct s3_meta *meta,
		   const char *content_type, struct s3_info *ret, struct err *err)
{
	struct s3_call *call = new_call(S3_COPY_OBJECT, n);
	int r;

	(void)s;
	if (!call)
		return err_set(err, ENOMEM, "no memory");
	call->source_bucket = n->bucket;
	call->source_key = n->key;
	call->source_if_match = etag[0] ? etag : NULL;
	call->replace_meta = true;
	call->meta = meta;
	call->content_type = content_type && content_type[0] ? content_type : NULL;
	r = s3_run(n->client, call);
	if (r == 0)
		*ret = call->info;
	else if (err)
		*err = call->err;
	free(call);
	return r;
}

int upload_begin(struct upload *u, struct object_store *s, struct name *n, bool whole, const struct s3_meta *meta,
		 const char *content_type, struct err *err)
{
	struct s3_call *call = new_call(S3_CREATE_MULTIPART_UPLOAD, n);
	int r;

	*u = (struct upload){ .store = s, .name = n, .whole = whole };
	if (!call)
		return err_set(err, ENOMEM, "no memory");
	call->full_checksum = whole;
	call->meta = meta;
	call->content_type = content_type && content_type[0] ? content_type : NULL;
	r = s3_run(n->client, call);
	if (r == 0)
		memcpy(u->id, call->upload_id, sizeof(u->id));
	else if (err)
		*err = call->err;
	free(call);
	return r;
}

/* One part under way. */
struct flight {
	struct s3_call call;
	bool busy;
	size_t index;
	uint64_t len;
	uint64_t crc;
	void *buffer;
	int scratch;
};

static void flight_clear(struct flight *f)
{
	free(f->buffer);
	f->buffer = NULL;
	cleanup_close_p(&f->scratch);
	f->scratch = -1;
	f->busy = false;
}

static int copy_out(struct upload *u, struct flight *f, const struct plan_part *p, const struct upload_source *from)
{
	size_t step = (size_t)min_u64(p->len, BUFFER_MAX);
	bool whole = step == p->len;
	int r = 0;

	f->crc = 0;
	f->buffer = malloc(step);
	if (!f->buffer)
		return -ENOMEM;
	if (!whole)
		f->scratch = stage_scratch(u->store->staging_dir);
	if (!whole && f->scratch < 0)
		return f->scratch;
	for (uint64_t done = 0; done < p->len && r == 0; done += step) {
		size_t n = (size_t)min_u64(step, p->len - done);

		r = io_pread_padded(from->fd, f->buffer, n, p->off + done);
		if (r == 0 && !whole && pwrite(f->scratch, f->buffer, n, (off_t)done) != (ssize_t)n)
			r = -ENOSPC;
		if (r == 0) {
			f->crc = crc64_update(f->crc, f->buffer, n);
			from->sent(from->arg, p->off + done, f->buffer, n);
		}
	}
	f->call.body.memory = whole ? f->buffer : NULL;
	f->call.body.fd = f->scratch;
	return r;
}

static int flight_start(struct upload *u, struct flight *f, size_t index, const struct plan_part *p,
			const struct upload_source *from)
{
	struct upload_part *part = &u->parts[index];
	bool known = false;
	int r = 0;

	f->index = index;
	f->len = p->len;
	f->crc = 0;
	s3_call_init(&f->call, p->copy ? S3_UPLOAD_PART_COPY : S3_UPLOAD_PART, u->name->bucket, u->name->key);
	f->call.accepted = true;
	f->call.upload_id_in = u->id;
	f->call.part_number = (unsigned)index + 1;
	f->call.full_checksum = u->whole;
	if (p->copy) {
		f->call.source_bucket = u->name->bucket;
		f->call.source_key = u->name->key;
		f->call.source_if_match = from->etag && from->etag[0] ? from->etag : NULL;
		f->call.range_off = p->off;
		f->call.range_len = p->len;
	} else if (from->live) {
		r = copy_out(u, f, p, from);
		known = true;
	} else {
		known = from->crc && from->crc(from->arg, p->off, p->len, &f->crc);
		f->call.body.fd = from->fd;
		f->call.body.offset = p->off;
	}
	if (!p->copy)
		f->call.body.len = p->len;
	if (r < 0 || (!p->copy && known && part->sent && part->len == p->len && part->crc == f->crc)) {
		flight_clear(f);
		return r;
	}
	part->sent = false;
	f->busy = true;
	s3_start(u->name->client, &f->call);
	return 0;
}

/* A part that the server could not copy: does it not know how? An answer that is none may come of one that took it for
 * an UploadPart; then the next upload asks again. */
static int copy_refused(struct upload *u, const struct s3_call *call)
{
	if (call->status == -ENOTSUP || call->http_status == 501 || call->http_status == 405) {
		style_set_no_part_copy(u->store, u->name);
		return -EOPNOTSUPP;
	}
	return call->http_status == 200 && call->status == -EIO ? -EOPNOTSUPP : call->status;
}

static int flight_end(struct upload *u, struct flight *f, struct err *err)
{
	struct upload_part *part = &u->parts[f->index];
	int r;

	if (!f->busy)
		return 0;
	r = s3_wait(u->name->client, &f->call);
	if (r < 0 && f->call.op == S3_UPLOAD_PART_COPY)
		r = copy_refused(u, &f->call);
	if (r == 0) {
		part->sent = true;
		part->len = f->len;
		part->crc = f->crc;
		part->part.len = f->len;
		part->part.number = (unsigned)f->index + 1;
		memcpy(part->part.etag, f->call.info.etag, sizeof(part->part.etag));
		memcpy(part->part.checksum, f->call.info.checksum, sizeof(part->part.checksum));
	} else if (err && !err->errnum) {
		*err = f->call.err;
	}
	flight_clear(f);
	return r;
}

static int make_room(struct upload *u, size_t count)
{
	struct upload_part *parts;

	if (count <= u->room)
		return 0;
	parts = reallocarray(u->parts, count, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	memset(parts + u->room, 0, (count - u->room) * sizeof(*parts));
	u->parts = parts;
	u->room = count;
	return 0;
}

int upload_send(struct upload *u, const struct plan *plan, size_t first, size_t end, const struct upload_source *from,
		struct err *err)
{
	size_t lanes = min_u64(max_u64(u->store->config.parallel, 1), end - first);
	struct flight *flights = calloc(lanes + 1, sizeof(*flights));
	struct err why = ERR_INIT;
	int r = flights ? make_room(u, end) : -ENOMEM, status;

	for (size_t i = 0; flights && i < lanes; i++)
		flights[i].scratch = -1;
	for (size_t i = first; i < end && r == 0; i++) {
		struct flight *f = &flights[(i - first) % lanes];

		r = flight_end(u, f, &why);
		if (r == 0)
			r = flight_start(u, f, i, &plan->parts[i], from);
	}
	for (size_t i = 0; flights && r < 0 && i < lanes; i++)
		if (flights[i].busy)
			s3_cancel(u->name->client, &flights[i].call);
	for (size_t i = 0; flights && i < lanes; i++) {
		status = flight_end(u, &flights[i], &why);
		if (r == 0)
			r = status;
	}
	free(flights);
	if (r < 0 && err) {
		*err = why;
		if (!why.errnum)
			err_set(err, -r, "sending " NAME_FMT ": %s", NAME_ARG(u->name), strerror(-r));
	}
	return r;
}

/* Our Complete may have been done though its answer was lost; then the upload is gone and the object is there. */
static bool completed_already(const struct upload *u, size_t count, uint64_t size, struct s3_info *ret)
{
	struct s3_info there;
	char bare[S3_ETAG_MAX], suffix[32];
	size_t n, k;

	if (head(u->name, &there) < 0 || there.size != size)
		return false;
	bare_etag(there.etag, bare);
	k = (size_t)snprintf(suffix, sizeof(suffix), "-%zu", count);
	n = strlen(bare);
	if (n < k || strcmp(bare + n - k, suffix) != 0)
		return false;
	*ret = there;
	return true;
}

int upload_complete(struct upload *u, size_t count, uint64_t size, const struct upload_terms *terms,
		    struct s3_info *ret, struct err *err)
{
	struct s3_call *ask = new_call(S3_COMPLETE_MULTIPART_UPLOAD, u->name);
	struct s3_part *parts = calloc(count, sizeof(*parts));
	int r = ask && parts ? 0 : err_set(err, ENOMEM, "no memory");

	if (r == 0) {
		for (size_t i = 0; i < count; i++)
			parts[i] = u->parts[i].part;
		ask->upload_id_in = u->id;
		ask->parts = parts;
		ask->part_count = count;
		ask->full_checksum = u->whole;
		r = run_conditional(u->store, u->name, ask, terms, ret, err);
		if (r == -ENOENT && completed_already(u, count, size, ret))
			r = 0;
		if (r == 0) {
			ret->size = size;
			u->id[0] = '\0';
		}
	}
	free(parts);
	free(ask);
	return r;
}

void upload_abort(struct upload *u)
{
	struct s3_call *call = u->id[0] ? new_call(S3_ABORT_MULTIPART_UPLOAD, u->name) : NULL;

	if (call) {
		call->upload_id_in = u->id;
		if (s3_run(u->name->client, call) < 0)
			log_warn("object", "aborting the upload of '" NAME_FMT "': %s, ignoring", NAME_ARG(u->name),
				 err_text(&call->err));
	}
	free(call);
	free(u->parts);
	*u = (struct upload){ 0 };
}
