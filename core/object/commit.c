#include "object/internal.h"

#include "base/counters.h"
#include "base/io.h"
#include "base/log.h"
#include "object/plan.h"
#include "object/style.h"
#include "object/upload.h"
#include "s3/checksum.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * A commit makes the object on the server what the file is, in four steps:
 *
 *   scan      each block that is in the file is compared with the crc of what once arrived; the others are as they were
 *   send      nothing, a copy onto itself (only metadata changed), one PUT, or parts: changed ranges and copies
 *   publish   the PUT or Complete itself, under conditions; `publishing` holds new fills back meanwhile
 *   rebind    what was sent is the base now: its crcs, its ETag, its end
 *
 * Quiet and live: a quiet commit has proof that nobody can write (and open for writing waits for it), so the file
 * itself is what is sent. In a live one, of fsync, what is hashed and sent is a private copy; the file stays dirty.
 *
 * The gap: an object that was appended to has, in the block where its old base ended, bytes of the base that may never
 * have arrived and bytes that the program wrote. After the commit both belong to the base, and a fill of that block
 * would run over a live writer. So of this one block only what lies before the old end counts as missing (gap_block,
 * gap_end). There is never more than one: all blocks behind an old end are in the file. A live commit leaves none: it
 * fetches the block before.
 */
struct commit {
	struct object *o;
	struct object_store *store;
	struct name *name;
	bool live, touched;
	uint64_t size;
	uint64_t base_end; /* as it was when the scan began; truncate waits for the commit */
	struct s3_info base, result;
	struct s3_meta meta;
	char content_type[128];
	struct upload_terms terms;
	struct present sent; /* crcs of what the object holds after it */
	struct plan_ranges changed;
	bool published; /* something was sent: rebind */
	uint64_t bytes; /* of it, taken from the quota */
	char *buf;      /* a block */
};

/* What it shrank by meanwhile is zeros: a later commit will see. */
static int read_file(const struct commit *c, char *to, size_t len, uint64_t off)
{
	return io_pread_padded(c->o->stage.ro, to, len, off);
}

/* A block that never came is as it was, but for the gap's: there a part of it may have been written since. */
static int scan_absent(struct commit *c, uint64_t block, uint64_t old_end, uint64_t end)
{
	struct object *o = c->o;
	uint64_t gap_end = 0;
	uint64_t crc = 0;
	int r;

	pthread_mutex_lock(&o->lock);
	if (o->gap_end && o->gap_block == block) {
		gap_end = o->gap_end;
		crc = o->gap_crc;
	}
	pthread_mutex_unlock(&o->lock);
	if (!gap_end || gap_end >= old_end)
		return plan_ranges_add(&c->changed, old_end, end);
	r = read_file(c, c->buf, (size_t)(old_end - gap_end), gap_end);
	if (r < 0)
		return r;
	if (crc64_update(0, c->buf, (size_t)(old_end - gap_end)) != crc)
		old_end = gap_end;
	return plan_ranges_add(&c->changed, old_end, end);
}

/* Compare one block; add what differs to the changed ranges. */
static int scan_block(struct commit *c, uint64_t block)
{
	struct object *o = c->o;
	uint64_t off = block * BLOCK_BYTES, end = min_u64(off + BLOCK_BYTES, c->size);
	uint64_t old_end = min_u64(off + BLOCK_BYTES, o->present.size); /* the base's part of the block */
	bool in_base = old_end > off && old_end <= c->base_end && old_end <= c->size, here, known;
	uint64_t crc = 0, full;
	uint64_t from = off;
	int r;

	pthread_mutex_lock(&o->lock);
	here = present_has(&o->present, block);
	known = present_crc(&o->present, block, &crc);
	pthread_mutex_unlock(&o->lock);
	if (!here &&
	    off < c->base_end) /* the base may have been cut within it: what lies before the cut is as it was */
		return scan_absent(c, block, min_u64(min_u64(old_end, c->base_end), c->size), end);
	r = read_file(c, c->buf, (size_t)(end - off), off);
	if (r < 0)
		return r;
	full = crc64_update(0, c->buf, (size_t)(end - off));
	if (in_base && known && crc == (old_end == end ? full : crc64_update(0, c->buf, (size_t)(old_end - off))))
		from = old_end;
	if (from >= end)
		return 0;
	r = plan_ranges_add(&c->changed, from, end);
	if (r == 0 && !c->live)
		r = present_set(&c->sent, block, &full);
	return r;
}

/* Behind the base, zeros that nobody wrote: known without a look. @zeros: the crc of a block of them. */
static int scan_hole(struct commit *c, uint64_t block, uint64_t zeros)
{
	uint64_t off = block * BLOCK_BYTES, end = min_u64(off + BLOCK_BYTES, c->size);
	int r = plan_ranges_add(&c->changed, off, end);
	uint64_t crc = zeros;

	if (end - off < BLOCK_BYTES) { /* the last */
		memset(c->buf, 0, BLOCK_BYTES);
		crc = crc64_update(0, c->buf, (size_t)(end - off));
	}
	return r == 0 && !c->live ? present_set(&c->sent, block, &crc) : r;
}

static int scan(struct commit *c)
{
	uint64_t blocks = present_blocks(c->size), data = 0, zeros;
	int r = 0;

	c->buf = calloc(1, BLOCK_BYTES);
	if (!c->buf)
		return -ENOMEM;
	zeros = crc64_update(0, c->buf, BLOCK_BYTES);
	for (uint64_t b = 0; b < blocks && r == 0; b++) {
		uint64_t off = b * BLOCK_BYTES;

		if (off >= c->base_end && off >= data)
			data = stage_next_data(&c->o->stage, off);
		if (off >= c->base_end && min_u64(off + BLOCK_BYTES, c->size) <= data)
			r = scan_hole(c, b, zeros);
		else
			r = scan_block(c, b);
	}
	return r;
}

/* A live commit's bytes go by: note the crc of each block that is wholly in them. */
static void note_sent(void *arg, uint64_t off, const void *data, size_t len)
{
	struct commit *c = arg;
	const char *p = data;
	uint64_t end = off + len;

	while (off < end) {
		uint64_t block = off / BLOCK_BYTES, from = block * BLOCK_BYTES;
		uint64_t stop = min_u64(from + BLOCK_BYTES, c->size), to = min_u64(stop, end);
		bool whole = off == from && to == stop, here = true;
		uint64_t crc = crc64_update(0, p, (size_t)(to - off));

		if (!whole) { /* the gap's block stays missing */
			pthread_mutex_lock(&c->o->lock);
			here = present_has(&c->o->present, block) || from >= c->base_end;
			pthread_mutex_unlock(&c->o->lock);
		}
		if (here && present_set(&c->sent, block, whole ? &crc : NULL) < 0)
			log_warn("object", "no memory for checksums, ignoring: '" NAME_FMT "'", NAME_ARG(c->name));
		p += to - off;
		off = to;
	}
}

static bool part_crc(void *arg, uint64_t off, uint64_t len, uint64_t *ret)
{
	const struct commit *c = arg;
	uint64_t sum = 0, end = off + len;
	uint64_t crc;

	if (off % BLOCK_BYTES || (end % BLOCK_BYTES && end != c->size))
		return false;
	for (; off < end; off += BLOCK_BYTES) {
		if (!present_crc(&c->sent, off / BLOCK_BYTES, &crc))
			return false;
		sum = checksum_combine(CHECKSUM_CRC64NVME, sum, crc, min_u64(BLOCK_BYTES, end - off));
	}
	*ret = sum;
	return true;
}

static int fetch(struct commit *c, uint64_t off, uint64_t end, struct err *err)
{
	struct object *o = c->o;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (off < o->base_end)
		r = fill_range_locked(o, off, min_u64(end, o->base_end), err);
	pthread_mutex_unlock(&o->lock);
	return r;
}

static int fetch_gap(struct commit *c, struct err *err)
{
	uint64_t gap_end;
	int r;

	pthread_mutex_lock(&c->o->lock);
	gap_end = c->o->gap_end;
	pthread_mutex_unlock(&c->o->lock);
	r = gap_end ? fetch(c, gap_end - 1, gap_end, err) : 0;
	return r == 0 && c->base_end % BLOCK_BYTES ? fetch(c, c->base_end - 1, c->base_end, err) : r;
}

static void set_publishing(struct commit *c, bool on)
{
	pthread_mutex_lock(&c->o->lock);
	c->o->publishing = on;
	pthread_cond_broadcast(&c->o->cond);
	pthread_mutex_unlock(&c->o->lock);
}

static int account(struct commit *c, uint64_t bytes, struct err *err)
{
	int r = account_commit(c->o, c->size, bytes, err);

	c->bytes = r == 0 ? bytes : 0;
	return r;
}

static int put_whole(struct commit *c, struct err *err)
{
	char *data = malloc(c->size ? c->size : 1);
	int r = data ? account(c, c->size, err) : err_set(err, ENOMEM, "no memory");

	if (r == 0)
		r = fetch(c, 0, c->size, err);
	if (r == 0) {
		r = read_file(c, data, (size_t)c->size, 0);
		if (r < 0)
			err_set(err, -r, "reading the staging file: %s", strerror(-r));
	}
	if (r == 0) {
		note_sent(c, 0, data, (size_t)c->size);
		set_publishing(c, true);
		r = upload_put(c->store, c->name, data, (size_t)c->size, &c->meta, c->content_type, &c->terms,
			       &c->result, err);
		c->published = r == 0;
	}
	free(data);
	return r;
}

static int send_parts(struct commit *c, struct upload *u, const struct plan *plan, struct err *err)
{
	struct upload_source from = { .fd = c->o->stage.ro,
				      .live = c->live,
				      .etag = c->base.etag,
				      .crc = part_crc,
				      .sent = note_sent,
				      .arg = c };
	int r = 0;

	for (size_t i = 0; i < plan->count && r == 0; i++)
		if (!plan->parts[i].copy)
			r = fetch(c, plan->parts[i].off, plan->parts[i].off + plan->parts[i].len, err);
	return r == 0 ? upload_send(u, plan, 0, plan->count, &from, err) : r;
}

/* Metadata is given when an upload begins; times that were set since want a copy onto itself. */
static int put_late_meta(struct commit *c, const struct s3_meta *early, struct err *err)
{
	if (c->meta.len == early->len && memcmp(c->meta.data, early->data, early->len) == 0)
		return 0;
	if (c->touched && c->size <= S3_PART_MAX)
		return upload_retouch(c->store, c->name, c->result.etag, &c->meta, c->content_type, &c->result, err);
	c->meta = *early;
	return 0;
}

/* All of it as data, where the server does not copy parts. */
static int plan_whole(struct commit *c, struct plan *ret)
{
	struct plan_ranges all = { 0 };
	int r = plan_ranges_add(&all, 0, c->size);

	if (r == 0)
		r = plan_make(&all, c->size, c->store->config.part_bytes, ret);
	plan_ranges_deinit(&all);
	return r;
}

static int make_plan(struct commit *c, struct plan *ret)
{
	if (c->base_end && !style_has_part_copy(c->store, c->name->client))
		return plan_whole(c, ret);
	return plan_make(&c->changed, c->size, c->store->config.part_bytes, ret);
}

static uint64_t data_bytes(const struct plan *plan)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < plan->count; i++)
		sum += plan->parts[i].copy ? 0 : plan->parts[i].len;
	return sum;
}

static int put_parts(struct commit *c, struct err *err)
{
	struct s3_meta early;
	struct plan plan;
	struct upload u;
	bool begun;
	int r = make_plan(c, &plan);

	if (r < 0)
		return err_set(err, -r, NAME_FMT ": %s", NAME_ARG(c->name), strerror(-r));
	r = account(c, data_bytes(&plan), err);
	if (r < 0) {
		plan_deinit(&plan);
		return r;
	}
	begun = c->base_end == 0 && stream_take(c->o, &u, &early);
	if (!begun) {
		r = upload_begin(&u, c->store, c->name, plan_is_whole(&plan), &c->meta, c->content_type, err);
		if (r < 0) {
			plan_deinit(&plan);
			return r;
		}
	}
	r = send_parts(c, &u, &plan, err);
	if (r == -EOPNOTSUPP && c->base_end) {
		plan_deinit(&plan);
		r = plan_whole(c, &plan);
		r = r == 0 ? send_parts(c, &u, &plan, err)
			   : err_set(err, -r, NAME_FMT ": %s", NAME_ARG(c->name), strerror(-r));
	}
	if (r == 0) {
		set_publishing(c, true);
		r = upload_complete(&u, plan.count, c->size, &c->terms, &c->result, err);
		c->published = r == 0;
	}
	if (r == 0 && begun)
		r = put_late_meta(c, &early, err);
	upload_abort(&u);
	plan_deinit(&plan);
	return r;
}

static bool same_meta(const struct commit *c)
{
	return c->meta.len == c->base.meta.len && memcmp(c->meta.data, c->base.meta.data, c->meta.len) == 0 &&
	       strcmp(c->content_type, c->base.content_type) == 0;
}

static int send(struct commit *c, struct err *err)
{
	bool same = c->terms.has_base && c->changed.count == 0 && c->size == c->base.size;
	int r;

	if (same && (!c->touched || same_meta(c))) {
		(void)account(c, 0, NULL);
		return 0;
	}
	if (same && c->size <= S3_PART_MAX) {
		r = account(c, 0, err);
		if (r < 0)
			return r;
		set_publishing(c, true);
		r = upload_retouch(c->store, c->name, c->base.etag, &c->meta, c->content_type, &c->result, err);
		c->published = r == 0;
		return r;
	}
	r = c->size <= c->store->config.put_max ? put_whole(c, err) : put_parts(c, err);
	if (r == -ENOENT && c->terms.has_base)
		return err_set(err, ESTALE, NAME_FMT " was deleted by somebody else meanwhile", NAME_ARG(c->name));
	return r;
}

static void note_gap_locked(struct commit *c)
{
	struct object *o = c->o;
	uint64_t block = o->base_end / BLOCK_BYTES, end;

	if (o->gap_end && (o->base_end <= o->gap_block * BLOCK_BYTES || present_has(&o->present, o->gap_block)))
		o->gap_end = 0; /* cut off, or filled */
	if (o->gap_end)
		o->gap_end = min_u64(o->gap_end, o->base_end);
	if (o->base_end % BLOCK_BYTES && c->size > o->base_end && !present_has(&o->present, block) && !o->gap_end) {
		o->gap_block = block;
		o->gap_end = o->base_end;
	}
	end = min_u64((o->gap_block + 1) * BLOCK_BYTES, c->size);
	if (o->gap_end && o->gap_end < end && read_file(c, c->buf, (size_t)(end - o->gap_end), o->gap_end) == 0)
		o->gap_crc = crc64_update(0, c->buf, (size_t)(end - o->gap_end));
}

/* The info of an object that we have just made: what its answer left out. */
static void complete_info(struct commit *c)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	c->result.size = c->size;
	c->result.meta = c->meta;
	if (!c->result.mtime_ns)
		c->result.mtime_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	memcpy(c->result.content_type, c->content_type, sizeof(c->result.content_type));
}

static int rebind_locked(struct commit *c)
{
	struct object *o = c->o;
	int r = 0;

	if (c->published) {
		complete_info(c);
		note_gap_locked(c);
		r = present_rebase(&o->present, &c->sent, c->size);
		o->base_end = r == 0 ? c->size : 0;
		o->base = c->result;
		o->has_base = true;
		o->exclusive = false;
		cached_detach_locked(o);
		o->epoch++;
	}
	o->touched = false;
	return r;
}

static int prepare(struct commit *c, struct err *err)
{
	struct object *o = c->o;

	pthread_mutex_lock(&o->lock);
	c->name = name_ref(o->name);
	c->size = stage_size(&o->stage);
	c->base_end = o->base_end;
	c->base = o->base;
	c->touched = o->touched;
	c->terms.has_base = o->has_base;
	c->terms.exclusive = o->exclusive;
	memcpy(c->terms.etag, o->base.etag, sizeof(c->terms.etag));
	pthread_mutex_unlock(&o->lock);
	if (c->terms.has_base) {
		c->meta = c->base.meta;
		memcpy(c->content_type, c->base.content_type, sizeof(c->content_type));
	}
	if (o->events.prepare && o->events.prepare(o->arg, o, &c->meta, c->content_type, sizeof(c->content_type))) {
		pthread_mutex_lock(&o->lock);
		c->touched = o->touched = true; /* the object's too: should this upload fail, the next one sends it */
		pthread_mutex_unlock(&o->lock);
	}
	if (present_init(&c->sent, c->size) < 0)
		return err_set(err, ENOMEM, "no memory");
	return 0;
}

static int run(struct commit *c, struct err *err)
{
	struct object *o = c->o;
	int r = prepare(c, err);

	if (r == 0 && c->live)
		r = fetch_gap(c, err);
	if (r == 0) {
		r = scan(c);
		if (r < 0)
			err_set(err, -r, "reading the staging file: %s", strerror(-r));
	}
	if (r == 0)
		r = send(c, err);
	if (r < 0 && !c->published)
		account_give_back(o, c->bytes);
	pthread_mutex_lock(&o->lock);
	if (r == 0)
		stream_drop_locked(o); /* it was not taken: the file has shrunk */
	if (r == 0 && rebind_locked(c) < 0)
		r = err_set(err, ENOMEM, "no memory");
	o->publishing = false;
	object_slot_update_locked(o);
	pthread_cond_broadcast(&o->cond);
	pthread_mutex_unlock(&o->lock);
	if (c->published && o->events.committed)
		o->events.committed(o->arg, o, &c->result);
	return r;
}

static void succeed_locked(struct commit *c)
{
	struct object *o = c->o;

	o->failed = false;
	o->commit_status = 0;
	if (c->live)
		o->dirty = true;
	if (c->published)
		counter_add(COUNTER_uploads, 1);
	if (!o->dirty) {
		stage_drop_journal(&o->stage);
		o->journaled = false;
	} else if (c->published) {
		(void)object_journal_locked(o, NULL, NULL);
	}
	store_succeeded(o);
}

static void fail_locked(struct commit *c, int status, const struct err *why)
{
	struct object *o = c->o;
	char kept[ERR_TEXT_MAX];

	counter_add(status == -ESTALE || status == -EEXIST ? COUNTER_conflicts : COUNTER_upload_failures, 1);
	o->dirty = o->failed = true;
	o->commit_status = status;
	if (o->stage.path)
		(void)snprintf(kept, sizeof(kept), "its data is kept in '%s'", o->stage.path);
	else
		(void)snprintf(kept, sizeof(kept), "its data is in memory only and goes with the last descriptor");
	err_set(&o->commit_err, -status, "%.700s; %.300s", err_text(why), kept);
	(void)object_journal_locked(o, err_text(why), NULL);
	log_error("object", "uploading '" NAME_FMT "': %s", NAME_ARG(o->name), err_text(&o->commit_err));
	store_failed(o, err_text(&o->commit_err));
}

int commit_locked(struct object *o, bool quiet_only, struct err *err)
{
	struct object_store *s = o->store;
	struct err why = ERR_INIT;
	struct commit *c;
	bool quiet;
	int r;

	object_wait_commit_locked(o);
	if (o->forgotten || !o->dirty)
		return 0;
	if (quiet_only && o->failed) { /* while we waited: nobody wrote since, so it is not tried again */
		if (err)
			*err = o->commit_err;
		return o->commit_status;
	}
	quiet = watch_try_no_writers(o->watched);
	if (quiet_only && !quiet)
		return 1;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ENOMEM, "no memory");
	c->o = o;
	c->store = s;
	c->live = !quiet;
	o->committing = true;
	o->quiet = quiet;
	o->dirty = false;
	pthread_mutex_unlock(&o->lock);
	stream_wait(o);
	pthread_mutex_lock(&s->lock);
	s->uploading++;
	pthread_mutex_unlock(&s->lock);
	r = run(c, &why);
	pthread_mutex_lock(&s->lock);
	s->uploading--;
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&o->lock);
	if (r == 0)
		succeed_locked(c);
	else
		fail_locked(c, r, &why);
	if (r < 0 && err)
		*err = o->commit_err;
	o->committing = o->quiet = false;
	pthread_cond_broadcast(&o->cond);
	name_unref(c->name);
	present_deinit(&c->sent);
	plan_ranges_deinit(&c->changed);
	free(c->buf);
	free(c);
	return r;
}

/* Close does not wait where the bytes outlive the broker. How it went, drain tells. */
static bool in_background(const struct object *o)
{
	return o->store->config.commit_background && o->stage.path && o->journaled;
}

int object_closed(struct object *o, bool *ret_last, struct err *err)
{
	bool last = true;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (o->committing && o->quiet && in_background(o)) {
		r = 0;
	} else if (o->committing && o->quiet) {
		object_wait_commit_locked(o); /* nobody could write since it began: it is ours too */
		r = o->failed ? o->commit_status : 0;
	} else if (!watch_try_no_writers(o->watched)) {
		last = false;
	} else if (o->failed) {
		r = o->commit_status;
	} else if (in_background(o)) {
		store_queue(o, JOB_COMMIT);
	} else {
		r = commit_locked(o, true, NULL);
		last = r != 1;
	}
	if (r < 0 && err)
		*err = o->commit_err;
	pthread_mutex_unlock(&o->lock);
	*ret_last = last;
	return r < 0 ? r : 0;
}

int object_fsync(struct object *o, struct err *err)
{
	bool staged;
	int r;

	pthread_mutex_lock(&o->lock);
	staged = o->store->config.fsync_staging && o->stage.path && o->journaled && !o->forgotten &&
		 (o->dirty || o->committing);
	pthread_mutex_unlock(&o->lock);
	if (!staged)
		return object_sync(o, err);
	r = stage_sync(&o->stage);
	if (r == -ENOENT)
		return object_sync(o, err); /* its upload was confirmed meanwhile */
	return r < 0 ? err_set(err, -r, "the staging file of " NAME_FMT ": %s", NAME_ARG(o->name), strerror(-r)) : 0;
}

int object_result(struct object *o)
{
	int r;

	pthread_mutex_lock(&o->lock);
	r = o->failed ? o->commit_status : 0;
	pthread_mutex_unlock(&o->lock);
	return r;
}

int object_sync(struct object *o, struct err *err)
{
	int r;

	pthread_mutex_lock(&o->lock);
	r = commit_locked(o, false, err);
	pthread_mutex_unlock(&o->lock);
	return r;
}
