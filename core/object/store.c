#include "object/internal.h"
#include "object/style.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * The store's threads: workers take objects from a queue and commit them, tell their owners that nobody holds them, or
 * send parts ahead; the reaper waits for calls that have ended; the ticker looks for files that have grown. An object
 * is in the queue or with one worker, never both: jobs that come meanwhile are done afterwards. Either way it is
 * referred to.
 */
#define TICK_MS     200
#define CALM_TICKS  20 /* with little owed, before writers need not claim any more */
#define IDLE_JOBS   (JOB_COMMIT | JOB_IDLE)
#define STATUS_ROWS 200

static void *worker_main(void *arg);

/* Where a thread cannot be made the others do the work. */
static void worker_for_one_more_locked(struct object_store *s)
{
	if (s->queued > s->worker_count - s->busy && s->worker_count < s->config.uploads &&
	    pthread_create(&s->workers[s->worker_count], NULL, worker_main, s) == 0)
		s->worker_count++;
}

static void queue_locked(struct object *o, unsigned jobs)
{
	struct object_store *s = o->store;

	o->jobs |= jobs;
	if (o->queued || o->running || s->stop)
		return;
	o->queued = true;
	o->refs++;
	DL_APPEND2(s->queue, o, queue_prev, queue_next);
	s->queued++;
	worker_for_one_more_locked(s);
	pthread_cond_signal(&s->work);
}

void store_queue(struct object *o, unsigned jobs)
{
	pthread_mutex_lock(&o->store->lock);
	if (o->refs)
		queue_locked(o, jobs);
	pthread_mutex_unlock(&o->store->lock);
}

/* On the watch's thread; the object may be on its way out, then it has no references left. */
static void on_no_writers(void *arg)
{
	store_queue(arg, JOB_COMMIT);
}

static void on_no_holders(void *arg)
{
	store_queue(arg, IDLE_JOBS);
}

const struct watch_ops *store_watch_ops(struct object *o, struct watch_ops *ops)
{
	*ops = (struct watch_ops){ on_no_writers, on_no_holders, o };
	return ops;
}

/* failures */

void store_failed(struct object *o, const char *sentence)
{
	struct object_store *s = o->store;
	struct failure *f;

	pthread_mutex_lock(&s->lock);
	DL_SEARCH_SCALAR(s->failures, f, id, o->id);
	if (!f) {
		f = calloc(1, sizeof(*f));
		if (f) {
			f->id = o->id;
			DL_APPEND(s->failures, f);
		}
	}
	if (f) {
		(void)snprintf(f->what.name, sizeof(f->what.name), NAME_FMT, NAME_ARG(o->name));
		(void)snprintf(f->what.sentence, sizeof(f->what.sentence), "%s", sentence);
	}
	pthread_mutex_unlock(&s->lock);
}

void store_succeeded(struct object *o)
{
	struct object_store *s = o->store;
	struct failure *f;

	pthread_mutex_lock(&s->lock);
	DL_SEARCH_SCALAR(s->failures, f, id, o->id);
	if (f) {
		DL_DELETE(s->failures, f);
		free(f);
	}
	pthread_mutex_unlock(&s->lock);
}

/* workers */

static void commit_if_due(struct object *o, unsigned jobs)
{
	pthread_mutex_lock(&o->lock);
	if ((jobs & JOB_FORCE) || !o->failed)
		(void)commit_locked(o, !(jobs & JOB_FORCE), NULL); /* a failure is recorded */
	pthread_mutex_unlock(&o->lock);
}

static void tell_idle(struct object *o)
{
	bool idle;

	pthread_mutex_lock(&o->lock);
	object_wait_commit_locked(o);
	idle = o->handed_out && !o->idling && (!o->dirty || o->failed) && watch_try_no_holders(o->watched);
	if (idle) {
		o->idling = true;
		o->handed_out = false;
	}
	pthread_mutex_unlock(&o->lock);
	if (!idle)
		return;
	if (o->events.idle)
		o->events.idle(o->arg, o);
	pthread_mutex_lock(&o->lock);
	o->idling = false;
	pthread_cond_broadcast(&o->cond);
	pthread_mutex_unlock(&o->lock);
}

static void *worker_main(void *arg)
{
	struct object_store *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		struct object *o = s->queue;
		unsigned jobs;

		if (!o) {
			pthread_cond_wait(&s->work, &s->lock);
			continue;
		}
		DL_DELETE2(s->queue, o, queue_prev, queue_next);
		s->queued--;
		o->queued = false;
		o->running = true;
		jobs = o->jobs;
		o->jobs = 0;
		s->busy++;
		pthread_mutex_unlock(&s->lock);
		if (jobs & JOB_STREAM)
			stream_run(o);
		if (jobs & (JOB_COMMIT | JOB_FORCE))
			commit_if_due(o, jobs);
		if (jobs & JOB_IDLE) {
			cached_keep(o);
			tell_idle(o);
		}
		pthread_mutex_lock(&s->lock);
		o->running = false;
		if (o->jobs)
			queue_locked(o, 0);
		s->busy--;
		pthread_cond_broadcast(&s->cond);
		pthread_mutex_unlock(&s->lock);
		object_unref(o);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void *reaper_main(void *arg)
{
	fill_reap(arg);
	return NULL;
}

/* All objects, each with a reference; the array is the caller's. */
static struct object **all_objects(struct object_store *s, size_t *ret_count)
{
	struct object **list, *o;
	size_t n = 0;

	pthread_mutex_lock(&s->lock);
	DL_FOREACH2(s->all, o, all_next)
	{
		n++;
	}
	list = calloc(n + 1, sizeof(struct object *));
	n = 0;
	if (list) {
		DL_FOREACH2(s->all, o, all_next)
		{
			o->refs++;
			list[n++] = o;
		}
	}
	pthread_mutex_unlock(&s->lock);
	*ret_count = n;
	return list;
}

static void throttle(struct object_store *s, struct object **list, size_t count)
{
	uint64_t owed = 0;
	bool much;

	for (size_t i = 0; i < count; i++)
		owed += stream_owes(list[i]);
	s->owed = owed;
	/* A claim costs little, a writer that is let go too early is ahead by what it writes within a tick. */
	s->calm_ticks = owed > s->config.dirty_max / 2 ? 0 : s->calm_ticks + 1;
	much = s->calm_ticks == 0 || (s->throttled && s->calm_ticks < CALM_TICKS);
	if (s->throttled == much)
		return;
	s->throttled = much;
	for (size_t i = 0; i < count; i++) {
		pthread_mutex_lock(&list[i]->lock);
		if (list[i]->state == OBJECT_OPEN)
			object_slot_update_locked(list[i]);
		pthread_mutex_unlock(&list[i]->lock);
	}
}

static void tick(struct object_store *s)
{
	size_t count;
	struct object **list = all_objects(s, &count);

	if (list)
		throttle(s, list, count);
	for (size_t i = 0; i < count; i++) {
		if (stream_wanted(list[i]))
			store_queue(list[i], JOB_STREAM);
		object_unref(list[i]);
	}
	free(list);
}

static void *ticker_main(void *arg)
{
	struct object_store *s = arg;
	struct timespec until;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		bool work = s->all != NULL;

		until = clock_in_ms(TICK_MS);
		while (!s->stop && pthread_cond_timedwait(&s->cond, &s->lock, &until) == 0)
			;
		if (s->stop || !work)
			continue;
		pthread_mutex_unlock(&s->lock);
		tick(s);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* making and freeing */

static int start_threads(struct object_store *s)
{
	int r;

	s->workers = calloc(s->config.uploads, sizeof(*s->workers));
	if (!s->workers)
		return ENOMEM;
	r = pthread_create(&s->reaper, NULL, reaper_main, s);
	s->reaper_runs = r == 0;
	if (r == 0) {
		r = pthread_create(&s->ticker, NULL, ticker_main, s);
		s->ticker_runs = r == 0;
	}
	if (r == 0) {
		r = pthread_create(&s->workers[0], NULL, worker_main, s);
		s->worker_count = r == 0;
	}
	return r;
}

static void set_defaults(struct object_store_config *c)
{
	c->put_max = c->put_max ? c->put_max : MIB(16);
	/* Parts end where blocks end; a checksum of a part is made of its blocks'. */
	c->dirty_max = c->dirty_max ? c->dirty_max : GIB(1);
	c->part_bytes = max_u64(round_up(c->part_bytes ? c->part_bytes : MIB(8), BLOCK_BYTES), S3_PART_MIN);
	c->first_bytes = c->first_bytes ? c->first_bytes : KIB(128);
	c->readahead_max = c->readahead_max ? c->readahead_max : MIB(64);
	c->parallel = c->parallel ? c->parallel : 8;
	c->uploads = c->uploads ? c->uploads : 64;
	c->deadline_ms = c->deadline_ms ? c->deadline_ms : 30000;
}

struct object_store *object_store_free(struct object_store *s)
{
	struct failure *f, *next;
	struct object **list;
	size_t count;

	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->cond);
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->worker_count; i++)
		pthread_join(s->workers[i], NULL);
	if (s->ticker_runs)
		pthread_join(s->ticker, NULL);
	list = all_objects(s, &count);
	for (size_t i = 0; i < count; i++) {
		object_settle(list[i]);
		object_unref(list[i]);
	}
	free(list);
	pthread_mutex_lock(&s->lock);
	s->reaper_stop = true;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
	if (s->reaper_runs)
		pthread_join(s->reaper, NULL);
	object_free_all(s);
	DL_FOREACH_SAFE(s->failures, f, next)
	{
		free(f);
	}
	style_free(s);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->lock);
	free(s->workers);
	free(s->staging_dir);
	free(s);
	return NULL;
}

int object_store_new(const struct object_store_config *config, struct object_store **ret, struct err *err)
{
	struct object_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, ENOMEM, "no memory");
	s->config = *config;
	set_defaults(&s->config);
	s->next_id = 1;
	s->staging_dir = config->staging_dir && config->staging_dir[0] ? strdup(config->staging_dir) : NULL;
	pthread_mutex_init(&s->lock, NULL);
	clock_cond_init(&s->cond);
	clock_cond_init(&s->work);
	r = start_threads(s);
	if (r) {
		object_store_free(s);
		return err_set(err, r, "starting threads: %s", strerror(r));
	}
	*ret = s;
	return 0;
}

/* the whole */

/* Give every object @jobs and wait until no work is left. */
static void run_all(struct object_store *s, unsigned jobs)
{
	size_t count;
	struct object **list = all_objects(s, &count);

	for (size_t i = 0; i < count; i++) {
		pthread_mutex_lock(&list[i]->lock);
		if (!list[i]->dirty || list[i]->state != OBJECT_OPEN)
			pthread_mutex_unlock(&list[i]->lock);
		else {
			pthread_mutex_unlock(&list[i]->lock);
			store_queue(list[i], jobs);
		}
		object_unref(list[i]);
	}
	free(list);
	pthread_mutex_lock(&s->lock);
	while (s->queue || s->busy || s->uploading)
		pthread_cond_wait(&s->cond, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

int object_store_sync(struct object_store *s, struct err *err)
{
	size_t count;
	struct object **list;
	int r = 0;

	if (!s->config.fsync_staging)
		run_all(s, JOB_FORCE);
	list = all_objects(s, &count);
	for (size_t i = 0; i < count; i++) {
		if (s->config.fsync_staging && object_dirty(list[i]) && r == 0)
			r = object_fsync(list[i], err);
		pthread_mutex_lock(&list[i]->lock);
		if (list[i]->failed && r == 0) {
			r = list[i]->commit_status;
			if (err)
				*err = list[i]->commit_err;
		}
		pthread_mutex_unlock(&list[i]->lock);
		object_unref(list[i]);
	}
	free(list);
	return r;
}

/* Files whose last descriptor nobody has noticed to be closed, and such as are still open. */
static void keep_all(struct object_store *s)
{
	size_t count;
	struct object **list = all_objects(s, &count);

	for (size_t i = 0; i < count; i++) {
		cached_keep(list[i]);
		object_unref(list[i]);
	}
	free(list);
}

int object_store_drain(struct object_store *s, bool shutdown, void (*each)(void *arg, const struct object_failure *f),
		       void *arg)
{
	struct object_failure *copies;
	struct failure *f;
	int n = 0, i = 0;

	run_all(s, shutdown ? JOB_FORCE : JOB_COMMIT);
	keep_all(s);
	pthread_mutex_lock(&s->lock);
	DL_FOREACH (s->failures, f) {
		n++;
	}
	copies = each ? calloc((size_t)n + 1, sizeof(*copies)) : NULL;
	if (copies) {
		DL_FOREACH (s->failures, f) {
			copies[i++] = f->what;
		}
	}
	pthread_mutex_unlock(&s->lock);
	for (int k = 0; k < i; k++)
		each(arg, &copies[k]);
	free(copies);
	return n;
}

/* status */

struct text {
	char *at;
	size_t size, used;
	bool full;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at + t->used, t->size - t->used, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->size - t->used)
		t->full = true;
	else
		t->used += (size_t)n;
}

static void put_json_string(struct text *t, const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		if (*p < 0x20 || *p == '"' || *p == '\\')
			put(t, "\\u%04x", *p);
		else
			put(t, "%c", *p);
	}
}

static void put_object(struct text *t, struct object *o, bool first)
{
	pthread_mutex_lock(&o->lock);
	put(t, "%s{\"name\":\"s3://", first ? "" : ",");
	put_json_string(t, o->name->bucket);
	put(t, "/");
	put_json_string(t, o->name->key);
	put(t, "\",\"size\":%" PRIu64 ",\"dirty\":%s,\"uploading\":%s,\"memory\":%s}",
	    o->state == OBJECT_OPEN ? stage_size(&o->stage) : 0, o->dirty ? "true" : "false",
	    o->committing ? "true" : "false", o->stage.rw >= 0 ? "true" : "false");
	pthread_mutex_unlock(&o->lock);
}

int object_store_status(struct object_store *s, char *buf, size_t size)
{
	struct text t = { buf, size, 0, false };
	struct object **list;
	struct failure *f;
	uint64_t staged = 0;
	size_t count, dirty = 0, failures = 0;

	if (!size)
		return -ENOBUFS;
	list = all_objects(s, &count);
	for (size_t i = 0; i < count; i++) {
		pthread_mutex_lock(&list[i]->lock);
		dirty += list[i]->dirty;
		if (list[i]->stage.path)
			staged += stage_size(&list[i]->stage);
		pthread_mutex_unlock(&list[i]->lock);
	}
	pthread_mutex_lock(&s->lock);
	DL_FOREACH (s->failures, f) {
		failures++;
	}
	put(&t,
	    "{\"open\":%zu,\"dirty\":%zu,\"uploading\":%u,\"failed\":%zu,\"staged_bytes\":%" PRIu64
	    ",\"memory_bytes\":%" PRIu64 ",\"cached_bytes\":%" PRIu64 ",\"objects\":[",
	    count, dirty, s->uploading, failures, staged, s->memory_used, s->cached);
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < count; i++) {
		if (i < STATUS_ROWS)
			put_object(&t, list[i], i == 0);
		object_unref(list[i]);
	}
	free(list);
	put(&t, "]}");
	return t.full ? -ENOBUFS : (int)t.used;
}
