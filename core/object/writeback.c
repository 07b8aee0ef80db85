#include "object/writeback.h"

#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/*
 * The staged file is played back into a new open object: its data by claims and writes, so that the object layer itself
 * fetches what is missing and sends what differs. Holes below base_end and the journal's missing range are the base's.
 */
#define STEP_BYTES MIB(8)

struct playback {
	const struct recover_entry *e;
	struct object *o;
	int from, to;
	char *buf;
};

static int head(struct s3_client *client, const struct recover_entry *e, bool *ret_there, struct s3_info *ret,
		struct err *err)
{
	struct s3_call *call = malloc(sizeof(*call));
	int r;

	if (!call)
		return err_set(err, ENOMEM, "no memory");
	s3_call_init(call, S3_HEAD_OBJECT, e->bucket, e->key);
	r = s3_run(client, call);
	*ret_there = r == 0;
	if (r == 0)
		*ret = call->info;
	else if (r != -ENOENT)
		*err = call->err;
	free(call);
	return r == -ENOENT ? 0 : r;
}

static int copy_span(struct playback *p, uint64_t off, uint64_t end, struct err *err)
{
	struct object_range claimed;
	int r = 0;

	for (; off < end && r == 0;) {
		size_t n = (size_t)min_u64(STEP_BYTES, end - off);
		ssize_t got = pread(p->from, p->buf, n, (off_t)off);

		if (got <= 0)
			return err_set(err, EIO, "reading '%s': %s", p->e->path,
				       got < 0 ? strerror(errno) : "it ended early");
		r = object_claim(p->o, off, (uint64_t)got, &claimed, err);
		if (r == 0 && pwrite(p->to, p->buf, (size_t)got, (off_t)off) != got)
			r = err_set(err, errno, "writing into the staging folder: %s", strerror(errno));
		off += (uint64_t)got;
	}
	return r;
}

/* Data of the staged file, but for the range that the journal says was never fetched though no hole shows it. */
static int copy_data(struct playback *p, struct err *err)
{
	const struct recover_entry *e = p->e;
	off_t at = 0, hole;
	int r = 0;

	while (r == 0 && (at = lseek(p->from, at, SEEK_DATA)) >= 0) {
		uint64_t off = (uint64_t)at, end;

		hole = lseek(p->from, at, SEEK_HOLE);
		end = hole < 0 ? e->size : (uint64_t)hole;
		if (e->missing_off < e->missing_end) {
			r = copy_span(p, off, min_u64(end, e->missing_off), err);
			off = max_u64(off, e->missing_end);
		}
		if (r == 0)
			r = copy_span(p, off, end, err);
		at = (off_t)end;
	}
	return r;
}

static int play(struct playback *p, uint64_t base_end, struct err *err)
{
	int r = object_size(p->o) > base_end ? object_truncate(p->o, base_end, err) : 0;

	if (r == 0)
		r = copy_data(p, err);
	if (r == 0 && object_size(p->o) != p->e->size)
		r = object_truncate(p->o, p->e->size, err);
	if (r == 0)
		object_touch(p->o, p->e->mtime_ns);
	return r;
}

static int play_into(struct playback *p, uint64_t base_end, struct err *err)
{
	bool last;
	int r = object_reopen(p->o, O_RDWR | O_CLOEXEC, &p->to, err);

	if (r < 0)
		return r;
	object_handed_out(p->o, true);
	r = play(p, base_end, err);
	close(p->to);
	if (r < 0) {
		(void)object_forget(p->o, NULL);
		return r;
	}
	return object_closed(p->o, &last, err);
}

static int check_version(const struct recover_entry *e, bool there, const struct s3_info *base, bool force,
			 struct err *err)
{
	bool same = there ? e->base_etag[0] && s3_etag_equal(base->etag, e->base_etag) : !e->base_etag[0];

	if (same)
		return 0;
	if (e->partial)
		return err_set(
		    err, ESTALE,
		    "s3://%s/%s is not the version any more that was being changed, and not all of that is here: "
		    "'%s' holds what was written",
		    e->bucket, e->key, e->path);
	return force ? 0
		     : err_set(err, ESTALE, "s3://%s/%s was changed by somebody else since; --force replaces it",
			       e->bucket, e->key);
}

static bool prepare(void *arg, struct object *o, struct s3_meta *meta, char *content_type, size_t room)
{
	const struct recover_entry *e = arg;
	char text[32];

	(void)o, (void)content_type, (void)room;
	(void)snprintf(text, sizeof(text), "%lldns", (long long)e->mtime_ns);
	(void)s3_meta_set(meta, "file-mtime", text);
	return false; /* what is written back is whole */
}

int writeback_run(struct object_store *store, struct s3_client *client, const struct recover_entry *e, bool force,
		  struct err *err)
{
	struct object_name name = { .client = client, .bucket = e->bucket, .key = e->key };
	struct object_events events = { .prepare = prepare };
	cleanup_free struct s3_info *base = calloc(1, sizeof(*base));
	cleanup_free char *buf = malloc(STEP_BYTES);
	cleanup_close int from = open(e->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct playback p = { .e = e, .from = from, .to = -1, .buf = buf };
	enum object_intent intent = OBJECT_WRITE;
	bool there = false;
	int r;

	if (from < 0 || !base || !buf)
		return err_set(err, errno, "'%s': %s", e->path, strerror(errno));
	r = head(client, e, &there, base, err);
	if (r == 0)
		r = check_version(e, there, base, force, err);
	if (r < 0)
		return r;
	if (there && !e->partial)
		intent = OBJECT_TRUNCATE;
	r = object_open(store, &name, intent, there ? base : NULL, &events, (void *)(uintptr_t)e, &p.o, err);
	if (r < 0)
		return r;
	r = play_into(&p, intent == OBJECT_TRUNCATE ? 0 : e->base_end, err);
	object_unref(p.o);
	return r;
}
