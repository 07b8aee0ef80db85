#include "object/internal.h"

#include "base/counters.h"
#include "s3/checksum.h"

#include <string.h>

/*
 * A fill is one GET of missing blocks, written into the file as it arrives, on a transfer thread:
 *
 *   made, its blocks busy ──s3_start──► under way ──on_data: write, mark present──► on_done: not busy ──► reaped
 *                                           └─ dropped by a truncate: writes nothing more, is cancelled
 *
 * Only blocks that are neither present nor busy are fetched, so nothing is written twice. Whoever needs a range puts
 * himself among the waiters and sleeps until it is present; a fill that fails tells the waiters that it lies in the way
 * of.
 *
 * Why a late fill cannot do harm: it writes while it holds `cut` for reading, after it has looked at `dropped`;
 * truncate sets `dropped` and cuts while it holds `cut` for writing. Its end is fixed when it is made, never beyond the
 * base's, and a base's end only ever sinks between two commits. Blocks of the base are claimed, so filled, before they
 * are written to.
 *
 * Why ESTALE is not always the end: our own commit changes the ETag under fills that are on their way. They are asked
 * for again under the new name and ETag; and while the request that replaces the base is out, no new ones are made.
 */
#define FILL_BLOCKS  128u /* 8 MiB a GET */
#define CACHED_AHEAD MIB(1)
#define FILL_BUFFER  KIB(256) /* gathered before a file is written to: each write opens it anew */

struct fill {
	struct object *o;  /* a reference */
	struct name *name; /* a reference */
	struct s3_call call;
	char etag[S3_ETAG_MAX];
	uint64_t off, end, done; /* bytes; [off, done) is written */
	char *buffer;            /* of what came behind done; NULL: written as it comes, or not needed yet */
	size_t buffered;
	uint64_t crc; /* of the block that done lies in */
	uint64_t
	    *held; /* what comes is compared with a checksum at its end: crcs of blocks that are not shown before */
	struct cache_entry *entry; /* a reference: it comes from there, not from the server */
	unsigned epoch, pins;      /* pins: somebody is about to start or cancel the call */
	int setup;                 /* -errno: the file could not be made */
	bool first, ready, started, dropped, cancelled, ended; /* ready: there is a file to write to */
	const struct readahead *ra; /* whose readahead it is; NULL: somebody waits for it. Compared only */
	struct fill *prev, *next, *list_next;
};

struct waiter {
	uint64_t off, end;
	int status;
	struct err err;
	struct waiter *prev, *next;
};

static uint64_t first_block(const struct fill *f)
{
	return f->off / BLOCK_BYTES;
}

static void set_busy_locked(struct fill *f, bool busy)
{
	uint64_t to = present_blocks(f->end);

	for (uint64_t b = busy ? first_block(f) : f->done / BLOCK_BYTES; b < to; b++)
		if (!present_has(&f->o->present, b))
			(void)present_set_busy(&f->o->present, b, busy);
}

/* Count what has been written; mark the blocks that are whole now. Return: 1 if there were some; 0; -ENOMEM. */
static int advance_locked(struct fill *f, const char *data, size_t len)
{
	struct object *o = f->o;
	int r = 0;

	while (len) {
		uint64_t block = f->done / BLOCK_BYTES, block_end = (block + 1) * BLOCK_BYTES;
		uint64_t stop = min_u64(block_end, f->end);
		size_t n = (size_t)min_u64(len, stop - f->done);

		f->crc = crc64_update(f->crc, data, n);
		f->done += n;
		data += n;
		len -= n;
		if (f->done < stop)
			continue;
		if (f->held) {
			f->held[block - first_block(f)] = f->crc;
			f->crc = 0;
			continue;
		}
		/* Of a block that is there in part only, the base's crc is not known. */
		if (present_set(&o->present, block, stop == min_u64(block_end, o->present.size) ? &f->crc : NULL) < 0)
			return -ENOMEM;
		f->crc = 0;
		r = 1;
	}
	return r;
}

/* Has somebody now all that he waits for, with what lies before @end? */
static bool awaited_is_here_locked(struct object *o, uint64_t off, uint64_t end)
{
	const struct waiter *w;

	DL_FOREACH (o->waiters, w) {
		uint64_t to = present_blocks(min_u64(w->end, o->base_end));

		if (w->off < end && w->end > off && present_next_missing(&o->present, w->off / BLOCK_BYTES, to) >= to)
			return true;
	}
	return false;
}

static int put_data(struct fill *f, const char *data, size_t len)
{
	struct object *o = f->o;
	uint64_t from = f->done;
	int r = -ECANCELED;

	pthread_rwlock_rdlock(&o->cut);
	if (!f->dropped)
		r = stage_fill(&o->stage, o->watched, data, len, f->done, o->times_kept);
	pthread_rwlock_unlock(&o->cut);
	if (r < 0)
		return r;
	pthread_mutex_lock(&o->lock);
	o->progress_ns = object_now_ns();
	r = f->dropped ? -ECANCELED : advance_locked(f, data, len);
	if (r > 0) {
		object_journal_filled_locked(o);
		object_slot_update_locked(o);
		/* Each wake-up costs more than a block's copy: only when it is worth one. */
		if (awaited_is_here_locked(o, round_down(from, BLOCK_BYTES), f->done))
			pthread_cond_broadcast(&o->cond);
	}
	pthread_mutex_unlock(&o->lock);
	return r < 0 ? r : 0;
}

/* How much is gathered: one block while somebody is likely to wait for it, more in the long run of a readahead. */
static size_t gather(const struct fill *f)
{
	uint64_t size = f->done - f->off < FILL_BUFFER ? BLOCK_BYTES : FILL_BUFFER;

	return (size_t)min_u64(size, f->end - f->done);
}

static int on_data(struct s3_call *call, uint64_t offset, const void *data, size_t len, void *arg)
{
	struct fill *f = arg;
	const char *p = data;
	int r = 0;

	if (!f->ready)
		return f->setup ? f->setup : -EPROTO;
	if (offset != f->done + f->buffered)
		return -EIO;
	if (call->verified && !f->held && !(f->held = calloc(present_blocks(f->end) + 1, sizeof(*f->held))))
		return -ENOMEM;
	len = (size_t)min_u64(len, f->end - offset);
	if (f->o->stage.rw >= 0)
		return len ? put_data(f, p, len) : 0;
	if (!f->buffer && !(f->buffer = malloc(FILL_BUFFER)))
		return -ENOMEM;
	while (len && r == 0) {
		size_t want = gather(f), n = min_u64(len, want - f->buffered);

		memcpy(f->buffer + f->buffered, p, n);
		f->buffered += n;
		p += n;
		len -= n;
		if (f->buffered < want)
			break;
		f->buffered = 0;
		r = put_data(f, f->buffer, want);
	}
	return r;
}

/* The first answer brings what the object is: now its file can be made. */
static void on_headers(struct s3_call *call, void *arg)
{
	struct fill *f = arg;
	struct object *o = f->o;

	if (call->http_status && call->http_status / 100 != 2)
		return;
	pthread_mutex_lock(&o->lock);
	o->progress_ns = object_now_ns();
	if (o->state == OBJECT_OPENING) {
		f->end = min_u64(f->end, call->info.size);
		f->setup = object_ready_locked(o, &call->info, OBJECT_READ, &o->open_err);
		if (f->setup == 0 && o->space != SPACE_WHOLE && space_charge(o, f->end, o->evict == EVICT_ANY) < 0)
			f->setup = err_set(&o->open_err, ENOSPC, "no memory is left for open objects");
		if (f->setup == 0) {
			set_busy_locked(f, true);
			f->ready = true;
			o->state = OBJECT_OPEN;
		} else {
			o->open_status = f->setup;
			o->state = OBJECT_FAILED;
		}
		pthread_cond_broadcast(&o->cond);
	}
	pthread_mutex_unlock(&o->lock);
}

/* The end of what was held: it is the object's, or nothing of it came. */
static void release_held_locked(struct fill *f)
{
	struct object *o = f->o;
	bool good = f->call.status == 0 && f->done == f->end && !f->dropped;

	if (!f->held)
		return;
	for (uint64_t b = first_block(f); good && b < present_blocks(f->end); b++)
		good = present_set(&o->present, b, &f->held[b - first_block(f)]) == 0;
	if (!good)
		f->done = f->off;
	object_slot_update_locked(o);
}

static int status_of(const struct fill *f)
{
	int r = f->call.status;

	if (f->setup)
		return f->setup;
	if (r == -EBADMSG)
		return -EIO;
	if (r == 0 && f->done < f->end && !f->dropped)
		return -EIO;
	if (!f->first && (r == -ENOENT || r == -ERANGE))
		return -ESTALE; /* it was there when it was opened */
	return r;
}

static void tell_waiters_locked(struct fill *f, int status)
{
	struct object *o = f->o;
	struct waiter *w;

	if (f->dropped || f->cancelled || status == -ECANCELED)
		return;
	if (status == -ESTALE && (o->publishing || f->epoch != o->epoch))
		return;
	DL_FOREACH (o->waiters, w) {
		if (w->status || w->off >= f->end || w->end <= f->done)
			continue;
		w->status = status;
		w->err = f->call.err;
		if (status == -ESTALE)
			err_set(&w->err, ESTALE, NAME_FMT " has changed on the server while it was open",
				NAME_ARG(f->name));
		else if (!w->err.errnum)
			err_set(&w->err, -status, "reading " NAME_FMT ": %s", NAME_ARG(f->name), strerror(-status));
	}
}

static void on_done(struct s3_call *call, void *arg)
{
	struct fill *f = arg;
	struct object *o = f->o;
	struct object_store *s = o->store;
	int status;

	pthread_mutex_lock(&o->lock);
	release_held_locked(f);
	status = status_of(f);
	if (o->state == OBJECT_OPENING) {
		/* No headers came, or no body: fill_first() looks at what that means. */
		o->open_status = status;
		o->open_err = call->err;
		if (status == 0 || status == -ERANGE)
			o->base = call->info;
		if (o->base.size == UINT64_MAX) /* not every 416 says of how many bytes */
			o->base.size = 0;
	} else {
		set_busy_locked(f, false);
		if (o->space != SPACE_WHOLE && f->done < f->end) /* what came of the last block comes again */
			space_discharge(o, f->end - max_u64(f->off, round_down(f->done, BLOCK_BYTES)));
		if (status < 0)
			tell_waiters_locked(f, status);
	}
	f->ended = true;
	if (f->ra)
		o->ahead_fills--;
	else
		o->demand_fills--;
	DL_DELETE(o->fills, f);
	if (!o->fills && !o->times_kept && o->state == OBJECT_OPEN)
		(void)stage_set_mtime(&o->stage, o->watched, o->mtime_ns);
	pthread_cond_broadcast(&o->cond);
	pthread_mutex_unlock(&o->lock);
	pthread_mutex_lock(&s->lock);
	LL_PREPEND2(s->ended, f, list_next);
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static struct fill *fill_new_locked(struct object *o, const struct readahead *ra, uint64_t off, uint64_t end)
{
	struct fill *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->o = object_ref(o);
	pthread_mutex_lock(&o->store->lock);
	o->store->fills++;
	pthread_mutex_unlock(&o->store->lock);
	f->name = name_ref(o->name);
	f->off = f->done = off;
	f->end = end;
	f->epoch = o->epoch;
	f->ra = ra;
	f->pins = 1; /* until it is started */
	f->ready = true;
	f->entry = o->entry ? cache_entry_ref(o->entry) : NULL;
	memcpy(f->etag, o->base.etag, sizeof(f->etag));
	s3_call_init(&f->call, S3_GET_OBJECT, f->name->bucket, f->name->key);
	f->call.range_off = off;
	f->call.range_len = end - off;
	f->call.if_match = f->etag[0] ? f->etag : NULL;
	f->call.on_data = on_data;
	f->call.on_done = on_done;
	f->call.arg = f;
	if (ra)
		o->ahead_fills++;
	else
		o->demand_fills++;
	DL_APPEND(o->fills, f);
	return f;
}

static void cancel_locked(struct fill *f)
{
	struct object *o = f->o;

	f->pins++;
	pthread_mutex_unlock(&o->lock);
	s3_cancel(f->name->client, &f->call);
	pthread_mutex_lock(&o->lock);
	f->pins--;
	pthread_cond_broadcast(&o->cond);
}

/*
 * From the shared cache, in the caller's thread: what is damaged there is fetched from the server, by those who wait for
 * it, as if this fill had not been.
 */
static void run_cached(struct fill *f)
{
	struct object *o = f->o;
	cleanup_free char *buf = malloc(BLOCK_BYTES);
	int r = buf ? 0 : -ENOMEM;

	while (r == 0 && f->done < f->end) {
		int n = cache_entry_read(f->entry, f->done / BLOCK_BYTES, buf);
		if (n <= 0) {
			r = -ECANCELED;
			pthread_mutex_lock(&o->lock);
			if (o->entry == f->entry)
				cached_detach_locked(o);
			pthread_mutex_unlock(&o->lock);
		} else {
			r = put_data(f, buf, min_u64((uint64_t)n, f->end - f->done));
		}
	}
	f->call.status = r;
	on_done(&f->call, f);
}

static void start_locked(struct fill *list)
{
	struct fill *f, *next;

	for (f = list; f; f = next) {
		struct object *o = f->o;

		next = f->list_next;
		pthread_mutex_unlock(&o->lock);
		if (f->entry)
			run_cached(f);
		else
			s3_start(f->name->client, &f->call);
		pthread_mutex_lock(&o->lock);
		f->started = true;
		if (f->dropped && !f->ended)
			cancel_locked(f);
		f->pins--;
		pthread_cond_broadcast(&o->cond);
	}
}

/* Blocks of a GET at most; of what is only cached no more than fits beside others. */
uint64_t fill_blocks(const struct object *o)
{
	uint64_t most = o->store->config.memory_max / 4 / BLOCK_BYTES;

	return o->evict == EVICT_ANY ? max_u64(min_u64(most, FILL_BLOCKS), 1) : FILL_BLOCKS;
}

/* Where the run of blocks that are neither here nor on their way, from @block on, ends; ahead of a reader at a multiple
 * of the most, so that parts stay whole however he asks. */
static uint64_t run_end(struct object *o, uint64_t block, uint64_t to, bool ahead)
{
	uint64_t most = fill_blocks(o), b = block;
	uint64_t stop = min_u64(to, (ahead ? round_down(block, most) : block) + most);

	while (b < stop && !present_has(&o->present, b) && !present_busy(&o->present, b))
		b++;
	return b;
}

struct wanted {
	const struct readahead *ra; /* NULL: somebody waits for it */
	uint64_t from, to;          /* blocks */
	bool force;                 /* beyond the bound of what is cached */
	uint64_t lacks;             /* bytes of space that were not to be had */
};

/* One fill, of blocks [from, stop). Return: 0; -ENOMEM; -ENOSPC. */
static int make_fill_locked(struct object *o, struct wanted *want, uint64_t from, uint64_t stop, struct fill **ret)
{
	uint64_t end = min_u64(stop * BLOCK_BYTES, o->base_end);

	if (o->gap_end && o->gap_block >= from && o->gap_block < stop)
		end = min_u64(end, o->gap_end);
	if (o->evict == EVICT_BEHIND && present_fell(&o->present, from))
		space_keep_locked(o); /* it is read again */
	if (o->space != SPACE_WHOLE && space_charge(o, end - from * BLOCK_BYTES, want->force) < 0) {
		want->lacks = end - from * BLOCK_BYTES;
		return -ENOSPC;
	}
	*ret = fill_new_locked(o, want->ra, from * BLOCK_BYTES, end);
	if (!*ret) {
		if (o->space != SPACE_WHOLE)
			space_discharge(o, end - from * BLOCK_BYTES);
		return -ENOMEM;
	}
	set_busy_locked(*ret, true);
	return 0;
}

/* Make fills for what is missing as far as @room goes. Return: 0; -ENOMEM; -ENOSPC. */
static int make_fills_locked(struct object *o, struct wanted *want, unsigned *room, struct fill **ret_list)
{
	struct fill **tail = ret_list;

	for (uint64_t b = want->from; *room && (b = present_next_missing(&o->present, b, want->to)) < want->to;) {
		uint64_t stop = run_end(o, b, want->to, want->ra != NULL);
		int r;

		if (stop == b) {
			b++;
			continue;
		}
		r = make_fill_locked(o, want, b, stop, tail);
		if (r < 0)
			return r;
		tail = &(*tail)->list_next;
		(*room)--;
		b = stop;
	}
	return 0;
}

/* There was no space. Return: 0: some was made, or it may be had by force, or later; -ENOSPC. */
static int find_room_locked(struct object *o, struct wanted *want, uint64_t since)
{
	const struct timespec pause = { 0, 5000000 };
	uint64_t made;
	int r = 0;

	pthread_mutex_unlock(&o->lock);
	made = space_make_room(o, want->lacks, false);
	if (!made && o->space == SPACE_FILLS) /* perhaps all of it is being waited for */
		(void)nanosleep(&pause, NULL);
	pthread_mutex_lock(&o->lock);
	if (!made && o->space == SPACE_FILE)
		want->force = true;
	else if (!made &&
		 (o->evict != EVICT_ANY || object_now_ns() - since > (uint64_t)o->store->config.deadline_ms * 1000000u))
		r = -ENOSPC;
	return r;
}

/* Return: 0: it is present; 1: look again; negative errno. */
static int fetch_locked(struct object *o, struct waiter *w, struct wanted *want, uint64_t since, struct err *err)
{
	const struct object_store_config *c = &o->store->config;
	unsigned room = c->parallel > o->demand_fills ? c->parallel - o->demand_fills : 0;
	struct fill *list = NULL;
	int r = 0;

	want->to = present_blocks(min_u64(w->end, o->base_end));
	if (want->from >= want->to || present_next_missing(&o->present, want->from, want->to) >= want->to)
		return 0;
	if (w->status) {
		if (err)
			*err = w->err;
		return w->status;
	}
	r = o->publishing ? 0 : make_fills_locked(o, want, &room, &list);
	if (list) {
		start_locked(list);
		return 1;
	}
	if (r == -ENOSPC && (r = find_room_locked(o, want, since)) == 0)
		return 1;
	if (r < 0)
		return err_set(err, -r, "reading " NAME_FMT ": %s", NAME_ARG(o->name), strerror(-r));
	r = object_wait_locked(o, since);
	if (r < 0)
		return err_set(err, -r, "reading " NAME_FMT ": nothing arrived for %d ms", NAME_ARG(o->name),
			       c->deadline_ms);
	return 1;
}

int fill_range_locked(struct object *o, uint64_t off, uint64_t end, struct err *err)
{
	uint64_t since = object_now_ns();
	struct wanted want = { .from = off / BLOCK_BYTES };
	struct waiter w = { .off = off, .end = end };
	bool missed = false;
	int r;

	DL_APPEND(o->waiters, &w);
	while ((r = fetch_locked(o, &w, &want, since, err)) > 0)
		missed = true;
	DL_DELETE(o->waiters, &w);
	counter_add(missed || r < 0 ? COUNTER_read_misses : COUNTER_read_hits, 1);
	return r;
}

void fill_ahead_locked(struct object *o, const struct readahead *ra, uint64_t off, uint64_t end)
{
	struct wanted want = { .ra = ra, .from = off / BLOCK_BYTES };

	if (o->entry) /* he waits for all of it */
		end = min_u64(end, range_end(off, CACHED_AHEAD));
	for (int tries = 2; tries && !o->publishing; tries--) {
		unsigned parallel = o->store->config.parallel;
		unsigned room = parallel > o->ahead_fills ? parallel - o->ahead_fills : 0;
		struct fill *list = NULL;
		int r;

		want.to = present_blocks(min_u64(end, o->base_end));
		/* What fails here is met again, and reported, by whoever needs the bytes. */
		r = make_fills_locked(o, &want, &room, &list);
		present_use(&o->present, want.from, want.to, PRESENT_AHEAD | ++o->clock);
		start_locked(list);
		if (r != -ENOSPC)
			break;
		pthread_mutex_unlock(&o->lock);
		(void)space_make_room(o, min_u64(end - off, o->store->config.memory_max / 4), true);
		pthread_mutex_lock(&o->lock);
	}
}

bool fill_awaited_locked(const struct object *o, uint64_t from, uint64_t to, uint64_t *ret_from, uint64_t *ret_to)
{
	const struct waiter *w;
	bool found = false;

	DL_FOREACH (o->waiters, w) {
		uint64_t lo = max_u64(w->off / BLOCK_BYTES, from), hi = min_u64(present_blocks(w->end), to);

		if (lo >= hi || (found && lo >= *ret_from))
			continue;
		*ret_from = lo;
		*ret_to = hi;
		found = true;
	}
	return found;
}

static bool awaited_locked(const struct fill *f)
{
	const struct waiter *w;

	DL_FOREACH (f->o->waiters, w) {
		if (w->off < f->end && w->end > f->done)
			return true;
	}
	return false;
}

void fill_cancel_ahead_locked(struct object *o, const struct readahead *ra)
{
	struct fill *f;

again:
	DL_FOREACH (o->fills, f) {
		if (f->ra != ra || !f->started || f->cancelled || f->dropped || awaited_locked(f))
			continue;
		f->cancelled = true;
		cancel_locked(f);
		goto again; /* the lock was let go */
	}
}

void fill_drop_locked(struct object *o, uint64_t off)
{
	struct fill *f;

	DL_FOREACH (o->fills, f) {
		if (f->end > off)
			f->dropped = true;
	}
}

void fill_kick_dropped(struct object *o)
{
	struct fill *f;

	pthread_mutex_lock(&o->lock);
again:
	DL_FOREACH (o->fills, f) {
		if (!f->dropped || !f->started || f->cancelled)
			continue;
		f->cancelled = true;
		cancel_locked(f);
		goto again;
	}
	pthread_mutex_unlock(&o->lock);
}

/* An empty object has no range that could be asked for (416, or 200 without a body): HEAD tells the rest. */
static int open_empty(struct object *o, struct err *err)
{
	struct s3_call *call = malloc(sizeof(*call));
	int r;

	if (!call)
		return err_set(err, ENOMEM, "no memory");
	s3_call_init(call, S3_HEAD_OBJECT, o->name->bucket, o->name->key);
	r = s3_run(o->name->client, call);
	pthread_mutex_lock(&o->lock);
	if (r == 0 && call->info.size)
		r = err_set(err, ESTALE, NAME_FMT " changes while it is being opened", NAME_ARG(o->name));
	else if (r == 0)
		r = object_ready_locked(o, &call->info, OBJECT_READ, err);
	else if (err)
		*err = call->err;
	pthread_mutex_unlock(&o->lock);
	free(call);
	return r;
}

int fill_first(struct object *o, struct err *err)
{
	uint64_t since = object_now_ns();
	struct fill *f;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	f = fill_new_locked(o, NULL, 0, round_up(o->store->config.first_bytes, BLOCK_BYTES));
	if (!f) {
		pthread_mutex_unlock(&o->lock);
		return err_set(err, ENOMEM, "no memory");
	}
	f->first = true;
	f->ready = false;
	f->call.if_match = NULL;
	f->call.on_headers = on_headers;
	o->open_status = 1; /* nothing is known yet */
	start_locked(f);
	while (o->state == OBJECT_OPENING && o->open_status == 1 && r == 0)
		r = object_wait_locked(o, since);
	if (r < 0) {
		err_set(err, -r, "opening " NAME_FMT ": no answer for %d ms", NAME_ARG(o->name),
			o->store->config.deadline_ms);
		fill_drop_locked(o, 0);
		pthread_mutex_unlock(&o->lock);
		fill_kick_dropped(o);
		return r;
	}
	if (o->state != OBJECT_OPEN)
		r = o->open_status;
	if (r == 0 && o->state == OBJECT_OPENING && o->base.etag[0])
		r = object_ready_locked(o, &o->base, OBJECT_READ, err);
	else if (o->state == OBJECT_OPENING && (r == 0 || (r == -ERANGE && o->base.size == 0)))
		r = 2;
	else if (r < 0 && o->open_err.errnum && err)
		*err = o->open_err;
	pthread_mutex_unlock(&o->lock);
	return r == 2 ? open_empty(o, err) : r;
}

void fill_reap(struct object_store *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->reaper_stop || s->fills) {
		struct fill *f = s->ended;

		if (!f) {
			pthread_cond_wait(&s->cond, &s->lock);
			continue;
		}
		LL_DELETE2(s->ended, f, list_next);
		pthread_mutex_unlock(&s->lock);
		pthread_mutex_lock(&f->o->lock);
		while (f->pins)
			pthread_cond_wait(&f->o->cond, &f->o->lock);
		pthread_mutex_unlock(&f->o->lock);
		if (!f->entry)
			(void)s3_wait(f->name->client, &f->call);
		cache_entry_unref(f->entry);
		name_unref(f->name);
		object_unref(f->o);
		free(f->buffer);
		free(f->held);
		free(f);
		pthread_mutex_lock(&s->lock);
		s->fills--;
	}
	pthread_mutex_unlock(&s->lock);
}
