#include "object/internal.h"

#include "base/log.h"
#include "object/upload.h"

#include <string.h>

/*
 * A new file that grows past what one PUT takes: its full parts are sent while it is still being written, so that close
 * waits for the tail only. Each part is copied, hashed and sent from the copy; the commit hashes the file again and
 * sends what differs under the same number. The ticker looks at each such file's size a few times a second, a worker
 * sends.
 *
 * stream_run() and a commit exclude each other: `busy` and `committing` are set under the object's lock, and each looks
 * for the other first; a commit waits for the parts that are under way, which it needs anyway.
 *
 * Holding back: the ticker adds up what new files hold that was not sent. When that is half of dirty_max their slots no
 * longer say that writes are free, until little was owed for some seconds; each window of 8 MiB is claimed then, and
 * beyond dirty_max the claim waits for parts on their way. So a writer may be ahead by dirty_max and what it writes within
 * a tick.
 */
#define HOLD_POLL_MS 20

struct stream {
	struct upload upload;
	struct name *name; /* a reference */
	struct s3_meta meta;
	size_t next;       /* parts before it are sent */
	bool busy, broken; /* broken: it failed once; the commit starts over */
};

/* Parts with holes are left to the commit: they are likely to be written yet. */
static size_t full_parts(const struct object *o, size_t from)
{
	uint64_t size = stage_size(&o->stage);

	for (; from < S3_PARTS_MAX; from++) {
		struct plan_range at = plan_grid((unsigned)from + 1, o->store->config.part_bytes);

		if (at.end > size || !stage_is_data(&o->stage, at.off, at.end))
			break;
	}
	return from;
}

static bool wanted_locked(const struct object *o)
{
	const struct object_store_config *c = &o->store->config;
	size_t next = o->stream ? o->stream->next : 0;

	if (o->state != OBJECT_OPEN || !o->writable || !o->dirty || o->forgotten || o->committing || o->failed ||
	    o->base_end || (o->stream && (o->stream->busy || o->stream->broken)))
		return false;
	return stage_size(&o->stage) > c->put_max && full_parts(o, next) > next;
}

uint64_t stream_owes(struct object *o)
{
	uint64_t size = 0, sent = 0;

	pthread_mutex_lock(&o->lock);
	if (o->state == OBJECT_OPEN && o->writable && !o->forgotten && !o->failed && !o->base_end &&
	    (o->dirty || (o->committing && o->store->config.commit_background))) {
		size = stage_size(&o->stage);
		if (o->stream && o->stream->next)
			sent = plan_grid((unsigned)o->stream->next, o->store->config.part_bytes).end;
	}
	pthread_mutex_unlock(&o->lock);
	return size > sent ? size - sent : 0;
}

/* Where nothing is on its way the data stays on the disk, and the writer goes on: that is never a deadlock. */
static bool progresses(struct object *o)
{
	struct object_store *s = o->store;
	unsigned uploading;

	pthread_mutex_lock(&s->lock);
	uploading = s->uploading;
	pthread_mutex_unlock(&s->lock);
	if (wanted_locked(o)) {
		store_queue(o, JOB_STREAM);
		return true;
	}
	return uploading || s->streaming;
}

void stream_hold_locked(struct object *o)
{
	struct object_store *s = o->store;

	while (s->owed > s->config.dirty_max && progresses(o)) {
		uint64_t until = object_now_ns() + HOLD_POLL_MS * 1000000u;
		struct timespec ts = { (time_t)(until / 1000000000u), (long)(until % 1000000000u) };

		(void)pthread_cond_timedwait(&o->cond, &o->lock, &ts);
	}
	s->owed += CLAIM_WINDOW; /* until the next tick counts */
}

bool stream_wanted(struct object *o)
{
	bool wanted;

	pthread_mutex_lock(&o->lock);
	wanted = wanted_locked(o);
	pthread_mutex_unlock(&o->lock);
	return wanted;
}

static void nothing(void *arg, uint64_t off, const void *data, size_t len)
{
	(void)arg, (void)off, (void)data, (void)len;
}

static int begin(struct object *o, struct stream *st, struct err *err)
{
	char content_type[128] = "";

	if (st->upload.id[0])
		return 0;
	pthread_mutex_lock(&o->lock);
	if (o->has_base) {
		st->meta = o->base.meta;
		memcpy(content_type, o->base.content_type, sizeof(content_type));
	}
	pthread_mutex_unlock(&o->lock);
	if (o->events.prepare)
		(void)o->events.prepare(o->arg, o, &st->meta, content_type, sizeof(content_type));
	return upload_begin(&st->upload, o->store, st->name, true, &st->meta, content_type, err);
}

static int send_some(struct object *o, struct stream *st, size_t end, struct err *err)
{
	struct upload_source from = { .fd = o->stage.ro, .live = true, .sent = nothing };
	struct plan plan = { calloc(end, sizeof(*plan.parts)), end };
	int r;

	if (!plan.parts)
		return err_set(err, ENOMEM, "no memory");
	for (size_t i = st->next; i < end; i++) {
		struct plan_range at = plan_grid((unsigned)i + 1, o->store->config.part_bytes);

		plan.parts[i] = (struct plan_part){ at.off, at.end - at.off, false };
	}
	r = upload_send(&st->upload, &plan, st->next, end, &from, err);
	plan_deinit(&plan);
	return r;
}

void stream_run(struct object *o)
{
	struct err err = ERR_INIT;
	struct stream *st;
	int r;

	pthread_mutex_lock(&o->lock);
	if (!wanted_locked(o) || (!o->stream && !(o->stream = calloc(1, sizeof(*o->stream))))) {
		pthread_mutex_unlock(&o->lock);
		return;
	}
	st = o->stream;
	if (!st->name)
		st->name = name_ref(o->name);
	st->busy = true;
	o->store->streaming++;
	pthread_mutex_unlock(&o->lock);
	r = begin(o, st, &err);
	pthread_mutex_lock(&o->lock);
	while (r == 0 && !o->committing && !o->forgotten && !o->base_end) {
		size_t end = min_u64(full_parts(o, st->next), st->next + o->store->config.parallel);

		if (end == st->next ||
		    !account_stream_locked(o, plan_grid((unsigned)end, o->store->config.part_bytes).end))
			break;
		pthread_mutex_unlock(&o->lock);
		r = send_some(o, st, end, &err);
		pthread_mutex_lock(&o->lock);
		if (r == 0)
			st->next = end;
	}
	if (r < 0) {
		st->broken = true;
		log_warn("object", "sending '" NAME_FMT "' ahead of its close: %s, ignoring", NAME_ARG(st->name),
			 err_text(&err));
	}
	st->busy = false;
	o->store->streaming--;
	pthread_cond_broadcast(&o->cond);
	pthread_mutex_unlock(&o->lock);
}

void stream_wait(struct object *o)
{
	pthread_mutex_lock(&o->lock);
	while (o->stream && o->stream->busy)
		pthread_cond_wait(&o->cond, &o->lock);
	pthread_mutex_unlock(&o->lock);
}

bool stream_take(struct object *o, struct upload *ret, struct s3_meta *ret_meta)
{
	struct stream *st;

	pthread_mutex_lock(&o->lock);
	st = o->stream;
	if (st && st->broken) {
		stream_drop_locked(o);
		st = NULL;
	}
	o->stream = NULL;
	pthread_mutex_unlock(&o->lock);
	if (!st)
		return false;
	*ret = st->upload;
	ret->name = o->name; /* the same name: a rename drops the stream */
	*ret_meta = st->meta;
	name_unref(st->name);
	free(st);
	return true;
}

void stream_drop_locked(struct object *o)
{
	struct stream *st;

	while (o->stream && o->stream->busy)
		pthread_cond_wait(&o->cond, &o->lock);
	st = o->stream;
	if (!st)
		return;
	o->stream = NULL;
	pthread_mutex_unlock(&o->lock);
	upload_abort(&st->upload);
	name_unref(st->name);
	free(st);
	pthread_mutex_lock(&o->lock);
}
