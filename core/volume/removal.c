#include "volume/s3volume.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

/*
 * A round takes what is queued, as up to BATCHES requests side by side. It begins when one of them is full, when somebody
 * waits (holds.urged), or DELAY_MS after the first was queued. What a request could not do is asked for one by one: that
 * tells whose fault it is, and serves a store without DeleteObjects.
 */
#define DELAY_MS    100
#define BATCHES     4
#define PENDING_MAX 4000
#define SINGLES     64

struct removal {
	struct s3volume *v; /* waits for it before it is freed */
	struct node *node;  /* pinned */
	struct hold hold;
	int status;
	struct err err;
	struct removal *prev, *next;
};

static_assert(PENDING_MAX <= BATCHES * S3_DELETE_MAX, "one round takes all of one bucket");

void removals_init(struct removals *r)
{
	memset(r, 0, sizeof(*r));
	pthread_cond_init(&r->finished, NULL);
}

/* requests, without the lock; of a removal only status and err are written */

static const char *key_of(const struct removal *r)
{
	return strchr(r->hold.id[0], '/') + 1;
}

struct batch {
	struct s3_call call;
	char bucket[S3PATH_BUCKET_MAX];
	struct removal **all; /* of the round's */
	size_t count;
	const char *keys[S3_DELETE_MAX];
};

struct round {
	struct removal *all[BATCHES * S3_DELETE_MAX];
	size_t count;
	struct batch batches[BATCHES];
};

static void start_batch(struct space *s, struct batch *b)
{
	struct s3key k;

	names_key(b->all[0]->hold.id[0], &k);
	memcpy(b->bucket, k.bucket, sizeof(b->bucket));
	for (size_t i = 0; i < b->count; i++)
		b->keys[i] = key_of(b->all[i]);
	s3_ask_init(b->all[0]->v, &b->call, S3_DELETE_OBJECTS, b->bucket, NULL);
	b->call.keys = b->keys;
	b->call.key_count = b->count;
	s3_start(s->client, &b->call);
}

/* Again as one request each, SINGLES at a time. */
static void run_singles(struct space *s, struct batch *b)
{
	struct s3_call *calls = malloc(SINGLES * sizeof(*calls));

	for (size_t at = 0; at < b->count; at += SINGLES) {
		size_t n = min_u64(SINGLES, b->count - at);

		for (size_t i = 0; calls && i < n; i++) {
			s3_ask_init(b->all[at + i]->v, &calls[i], S3_DELETE_OBJECT, b->bucket, b->keys[at + i]);
			s3_start(s->client, &calls[i]);
		}
		for (size_t i = 0; i < n; i++) {
			struct removal *r = b->all[at + i];

			r->status = calls ? s3_wait(s->client, &calls[i]) : -ENOMEM;
			if (calls)
				r->err = calls[i].err;
			if (r->status == -ENOENT)
				r->status = 0;
		}
	}
	free(calls);
}

static void end_batch(struct space *s, struct batch *b)
{
	int rc = s3_wait(s->client, &b->call);

	if (rc == -EIO || rc == -ETIMEDOUT || rc == -ENOMEM) {
		for (size_t i = 0; i < b->count; i++) {
			b->all[i]->status = rc;
			b->all[i]->err = b->call.err;
		}
	} else if (rc || b->call.delete_failed) {
		log_debug("volume", "removing %zu objects one by one: %s", b->count, err_text(&b->call.err));
		run_singles(s, b);
	}
}

/* Return: how many of round->all were dealt with, from the first. */
static size_t run_round(struct space *s, struct round *round)
{
	size_t taken = 0, n = 0;

	for (; n < BATCHES && taken < round->count; n++) {
		struct batch *b = &round->batches[n];
		const struct s3volume *v = round->all[taken]->v;
		const char *id = round->all[taken]->hold.id[0];
		size_t bucket = strcspn(id, "/") + 1;

		*b = (struct batch){ .all = round->all + taken };
		while (taken < round->count && b->count < S3_DELETE_MAX && round->all[taken]->v == v &&
		       strncmp(round->all[taken]->hold.id[0], id, bucket) == 0) {
			taken++;
			b->count++;
		}
		start_batch(s, b);
	}
	for (size_t i = 0; i < n; i++)
		end_batch(s, &round->batches[i]);
	return taken;
}

/* what has come of it */

static void finish_locked(struct space *s, struct removal *r)
{
	struct node *node = r->node;

	node->doomed = false;
	names_set_absent(&s->names, node);
	if (r->status)
		node->kind = NODE_UNKNOWN; /* it is there still: to be asked for */
	names_changed(&s->names, &r->v->root, node);
	names_unpin(&s->names, node);
	hold_drop_locked(&s->holds, &r->hold);
	DL_DELETE(s->removals.queue, r);
	s->removals.count--;
	s->removals.done++;
	if (r->status) {
		s->removals.refused++;
		s->removals.last_error = r->status;
	}
}

static void finish(struct space *s, struct removal *r)
{
	struct s3key k;

	names_key(r->hold.id[0], &k);
	if (r->status)
		space_failed(s, &k, "removing it", &r->err);
	pthread_mutex_lock(&s->names.lock);
	finish_locked(s, r);
	pthread_cond_broadcast(&s->removals.finished);
	pthread_mutex_unlock(&s->names.lock);
	free(r);
}

/* the thread */

static bool due_locked(const struct space *s)
{
	return s->removals.stop || s->holds.urged || s->removals.count >= S3_DELETE_MAX ||
	       clock_now_ms() >= s->removals.oldest_ms + DELAY_MS;
}

/* Wait until there is something to do, and take it. @round stays with nothing when the thread is to end. */
static void take_round_locked(struct space *s, struct round *round)
{
	struct removals *all = &s->removals;
	struct removal *r;

	round->count = 0;
	while (all->queue ? !due_locked(s) : !all->stop) {
		struct timespec ts = clock_in_ms(all->queue ? all->oldest_ms + DELAY_MS - clock_now_ms() : 3600000);

		pthread_cond_timedwait(&s->holds.urge, &s->names.lock, &ts);
	}
	s->holds.urged = false;
	DL_FOREACH (all->queue, r) {
		if (round->count == BATCHES * S3_DELETE_MAX)
			break;
		round->all[round->count++] = r;
	}
}

static void *thread_main(void *arg)
{
	struct space *s = arg;
	struct round *round = s->removals.round;

	for (;;) {
		size_t taken;

		pthread_mutex_lock(&s->names.lock);
		take_round_locked(s, round);
		pthread_mutex_unlock(&s->names.lock);
		if (!round->count)
			return NULL;
		taken = run_round(s, round);
		for (size_t i = 0; i < taken; i++)
			finish(s, round->all[i]);
		pthread_mutex_lock(&s->names.lock);
		/* what came meanwhile has its own delay; what was left over is due */
		if (taken == round->count)
			s->removals.oldest_ms = clock_now_ms();
		pthread_mutex_unlock(&s->names.lock);
	}
}

static bool thread_runs_locked(struct space *s)
{
	struct removals *all = &s->removals;

	if (all->runs || all->stop)
		return all->runs;
	if (!all->round)
		all->round = malloc(sizeof(*all->round));
	all->runs = all->round && pthread_create(&all->thread, NULL, thread_main, s) == 0;
	return all->runs;
}

void removals_deinit(struct space *s)
{
	pthread_mutex_lock(&s->names.lock);
	s->removals.stop = true;
	pthread_cond_broadcast(&s->holds.urge);
	pthread_mutex_unlock(&s->names.lock);
	if (s->removals.runs)
		pthread_join(s->removals.thread, NULL);
	free(s->removals.round);
	pthread_cond_destroy(&s->removals.finished);
}

/* the callers */

/* XML carries no control characters. */
static bool key_fits(const char *key)
{
	for (; *key; key++)
		if ((unsigned char)*key < 32)
			return false;
	return true;
}

static bool queue_locked(struct s3volume *v, struct removal *r, const struct hold *have)
{
	struct space *s = v->space;

	while (s->removals.count >= PENDING_MAX) {
		hold_urge_locked(&s->holds);
		pthread_cond_wait(&s->removals.finished, &s->names.lock);
	}
	r->node = thread_runs_locked(s) ? names_get(&s->names, have->id[0]) : NULL;
	if (!r->node)
		return false;
	r->v = v;
	r->node->pins++;
	r->node->doomed = true;
	names_set_absent(&s->names, r->node);
	hold_again_locked(&s->holds, &r->hold, have);
	if (!s->removals.queue) {
		s->removals.oldest_ms = clock_now_ms();
		pthread_cond_broadcast(&s->holds.urge);
	}
	DL_APPEND(s->removals.queue, r);
	s->removals.count++;
	s->removals.added++;
	return true;
}

bool removal_later(struct walk *w)
{
	struct removal *r;
	bool queued;

	if (!w->v->remove_later || !key_fits(w->key.key))
		return false;
	r = calloc(1, sizeof(*r));
	if (!r)
		return false;
	change_gone(w->v, &w->key);
	pthread_mutex_lock(&w->v->space->names.lock);
	queued = queue_locked(w->v, r, &w->hold);
	pthread_mutex_unlock(&w->v->space->names.lock);
	if (!queued)
		free(r);
	return queued;
}

int removals_flush(struct space *s)
{
	uint64_t until, refused;
	int rc;

	pthread_mutex_lock(&s->names.lock);
	until = s->removals.added;
	refused = s->removals.refused;
	while (s->removals.done < until) {
		hold_urge_locked(&s->holds);
		pthread_cond_wait(&s->removals.finished, &s->names.lock);
	}
	rc = s->removals.refused != refused ? s->removals.last_error : 0;
	pthread_mutex_unlock(&s->names.lock);
	return rc;
}
