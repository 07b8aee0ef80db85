#include "object/internal.h"
#include "s3/quota.h"

#include "object/plan.h"
#include "base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

/*
 * The life of an object:
 *
 *   object_open() ──► OPENING ──headers came, or nothing to ask──► OPEN ──last unref──► freed
 *                        └── FAILED: out of the table at once; those who waited for it get its error
 *
 *   while OPEN:   clean ──a writer is handed out, truncate, times set──► dirty ──commit──► clean
 *                                                                          └─ failed: dirty, data and journal are kept
 *                 forgotten (unlinked, renamed over): out of the table, never dirty again
 *                 no descriptor is left, nothing to upload ──► idle() ──► the owner's unrefs
 *
 * Two that open one name at once make one object: who finds it OPENING waits. idle() and object_reopen() exclude each
 * other by `idling`, so a file whose reopen has returned is never forgotten by an idle() that was decided before. A
 * quiet commit and a writable reopen exclude each other by `committing`.
 */

/* references */

static void free_object(struct object *o)
{
	/* What failed to be uploaded stays for recovery; what was never handed out holds nothing of a program's. */
	bool keep = o->failed && o->dirty && !o->forgotten;

	pthread_mutex_lock(&o->lock);
	stream_drop_locked(o);
	cached_detach_locked(o);
	pthread_mutex_unlock(&o->lock);
	watch_remove(o->watched);
	arena_slot_free(o->store->config.arena, o->slot);
	stage_deinit(&o->stage, keep);
	present_deinit(&o->present);
	space_discharge(o, o->charged);
	account_give_back(o, o->taken);
	name_unref(o->name);
	pthread_rwlock_destroy(&o->cut);
	pthread_cond_destroy(&o->cond);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

struct object *object_ref(struct object *o)
{
	pthread_mutex_lock(&o->store->lock);
	o->refs++;
	pthread_mutex_unlock(&o->store->lock);
	return o;
}

void object_settle(struct object *o)
{
	pthread_mutex_lock(&o->lock);
	fill_drop_locked(o, 0);
	pthread_mutex_unlock(&o->lock);
	fill_kick_dropped(o);
	pthread_mutex_lock(&o->lock);
	while (o->fills)
		pthread_cond_wait(&o->cond, &o->lock);
	pthread_mutex_unlock(&o->lock);
}

void object_free_all(struct object_store *s)
{
	while (s->all) {
		struct object *o = s->all;

		if (o->in_table)
			HASH_DEL(s->table, o);
		DL_DELETE2(s->all, o, all_prev, all_next);
		free_object(o);
	}
}

static bool owes_commit(struct object *o)
{
	bool owes;

	pthread_mutex_lock(&o->lock);
	owes = o->state == OBJECT_OPEN && o->dirty && !o->failed && !o->forgotten && o->handed_out;
	pthread_mutex_unlock(&o->lock);
	return owes;
}

struct object *object_unref(struct object *o)
{
	struct object_store *s;
	bool last;

	if (!o)
		return NULL;
	s = o->store;
	pthread_mutex_lock(&s->lock);
	last = o->refs == 1 && !s->stop;
	pthread_mutex_unlock(&s->lock);
	if (last && owes_commit(o))
		store_queue(o, JOB_COMMIT | JOB_IDLE); /* holds it until that is done */
	pthread_mutex_lock(&s->lock);
	last = --o->refs == 0;
	if (last) {
		if (o->in_table)
			HASH_DEL(s->table, o);
		DL_DELETE2(s->all, o, all_prev, all_next);
	}
	pthread_mutex_unlock(&s->lock);
	if (last)
		free_object(o);
	return NULL;
}

struct object *object_find_locked(struct object_store *s, const struct name *n)
{
	struct object *o = NULL;

	HASH_FIND(hh, s->table, n->hash, n->hash_len, o);
	return o;
}

void object_leave_table(struct object *o)
{
	pthread_mutex_lock(&o->store->lock);
	if (o->in_table)
		HASH_DEL(o->store->table, o);
	o->in_table = false;
	pthread_mutex_unlock(&o->store->lock);
}

struct object *object_find(struct object_store *s, const struct object_name *name)
{
	struct name *n = name_new(name);
	struct object *o;

	if (!n)
		return NULL;
	pthread_mutex_lock(&s->lock);
	o = object_find_locked(s, n);
	if (o)
		o->refs++;
	pthread_mutex_unlock(&s->lock);
	name_unref(n);
	if (!o)
		return NULL;
	pthread_mutex_lock(&o->lock);
	while (o->state == OBJECT_OPENING)
		pthread_cond_wait(&o->cond, &o->lock);
	if (o->state != OBJECT_OPEN) {
		pthread_mutex_unlock(&o->lock);
		return object_unref(o);
	}
	pthread_mutex_unlock(&o->lock);
	return o;
}

/* waiting */

int object_wait_locked(struct object *o, uint64_t since_ns)
{
	uint64_t patience = (uint64_t)o->store->config.deadline_ms * 1000000u;
	uint64_t until = max_u64(since_ns, o->progress_ns) + patience;
	struct timespec ts = { (time_t)(until / 1000000000u), (long)(until % 1000000000u) };

	if (o->publishing) {
		pthread_cond_wait(&o->cond, &o->lock); /* a request that has deadlines of its own */
		o->progress_ns = object_now_ns();
		return 0;
	}
	(void)pthread_cond_timedwait(&o->cond, &o->lock, &ts);
	return object_now_ns() >= max_u64(since_ns, o->progress_ns) + patience ? -ETIMEDOUT : 0;
}

void object_wait_commit_locked(struct object *o)
{
	while (o->committing)
		pthread_cond_wait(&o->cond, &o->lock);
}

/* making */

static struct object *new_locked(struct object_store *s, struct name *n, const struct object_events *events, void *arg)
{
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->store = s;
	o->id = s->next_id++;
	o->refs = 1;
	o->state = OBJECT_OPENING;
	o->name = name_ref(n);
	o->stage = (struct stage)STAGE_INIT;
	o->slot = WIRE_NO_SLOT;
	if (events)
		o->events = *events;
	o->arg = arg;
	pthread_mutex_init(&o->lock, NULL);
	clock_cond_init(&o->cond);
	pthread_rwlock_init(&o->cut, NULL);
	o->in_table = true;
	HASH_ADD_KEYPTR(hh, s->table, o->name->hash, o->name->hash_len, o);
	DL_APPEND2(s->all, o, all_prev, all_next);
	return o;
}

void object_slot_update_locked(struct object *o)
{
	struct wire_slot *slot = arena_slot(o->store->config.arena, o->slot);
	uint64_t blocks = present_blocks(o->base_end);
	uint32_t flags = 0;

	if (!slot)
		return;
	if (o->evict == EVICT_NEVER && present_next_missing(&o->present, 0, blocks) >= blocks) {
		flags |= WIRE_SLOT_COMPLETE;
		/* memory is bounded by claims; what is not sent yet, too, once there is much of it */
		if (o->stage.rw < 0 && (o->base_end || !o->store->throttled) && !quota_writes(o->store->config.quota))
			flags |= WIRE_SLOT_NO_CLAIM;
	}
	atomic_store(&slot->base_end, o->base_end);
	atomic_store(&slot->flags, flags);
}

static int make_stage_locked(struct object *o, uint64_t size, bool writable, struct err *err)
{
	enum object_evict evict = writable || o->slot == WIRE_NO_SLOT ? EVICT_NEVER : EVICT_ANY;
	const char *dir = o->store->staging_dir;
	int r;

	if (!dir) {
		space_is_locked(o, SPACE_FILLS, evict);
		o->allocated = size;
		return stage_memory(&o->stage, err);
	}
	if (!writable && space_charge(o, size, false) == 0) {
		r = stage_memory(&o->stage, err);
		if (r == 0) {
			space_is_locked(o, SPACE_WHOLE, evict && size > STREAM_MIN ? EVICT_BEHIND : EVICT_NEVER);
			o->allocated = size;
		}
		if (r == 0 || r != -EMFILE)
			return r;
		space_discharge(o, size);
	}
	space_is_locked(o, writable ? SPACE_WHOLE : SPACE_FILE, evict);
	return stage_file(&o->stage, dir, o->id, writable, err);
}

int object_ready_locked(struct object *o, const struct s3_info *info, enum object_intent intent, struct err *err)
{
	uint64_t size = info && intent != OBJECT_TRUNCATE ? info->size : 0;
	struct watch_ops ops;
	int fd, r;

	if (size > OBJECT_SIZE_MAX)
		return err_set(err, EFBIG, NAME_FMT ": larger than any S3 object", NAME_ARG(o->name));
	o->slot =
	    arena_slot_new(o->store->config.arena); /* without a generation nobody could be told what is dropped */
	r = make_stage_locked(o, size, intent != OBJECT_READ, err);
	if (r == 0)
		r = watch_add(o->store->config.watch, o->stage.ro, o->stage.rw, store_watch_ops(o, &ops), &o->watched,
			      err);
	if (r < 0)
		return r;
	r = present_init(&o->present, size);
	if (r == 0) {
		fd = stage_borrow(&o->stage, o->watched);
		r = fd < 0 ? fd : ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
		if (fd >= 0)
			stage_return(&o->stage, o->watched, fd);
	}
	if (r < 0)
		return err_set(err, -r, "a staging file of %llu bytes: %s", (unsigned long long)size, strerror(-r));
	if (info) {
		if (info != &o->base)
			o->base = *info;
		o->has_base = true;
		if (intent != OBJECT_TRUNCATE)
			(void)stage_set_mtime(&o->stage, o->watched, info->mtime_ns);
	}
	o->mtime_ns = stage_mtime_ns(&o->stage);
	o->times_kept = intent != OBJECT_READ;
	o->base_end = size;
	object_slot_update_locked(o);
	return 0;
}

/*
 * What is missing of the block in which the base, or an older base (the gap), ends. It may share a page of the file
 * with what was written behind it, so that no hole shows it.
 */
static struct plan_range missing_tail(const struct object *o)
{
	struct plan_range gap = { o->gap_block * BLOCK_BYTES, min_u64(o->gap_end, o->base_end) };
	struct plan_range tail = { round_down(o->base_end, BLOCK_BYTES), o->base_end };

	if (o->gap_end && gap.off < gap.end && !present_has(&o->present, o->gap_block))
		return gap;
	if (tail.off < tail.end && !present_has(&o->present, tail.off / BLOCK_BYTES))
		return tail;
	return (struct plan_range){ 0, 0 };
}

void object_journal_filled_locked(struct object *o)
{
	struct plan_range missing;

	if (!o->journaled || !o->journal_missing)
		return;
	missing = missing_tail(o);
	if (missing.off == missing.end)
		(void)object_journal_locked(o, NULL, NULL);
}

int object_journal_locked(struct object *o, const char *reason, struct err *err)
{
	struct plan_range missing = missing_tail(o);
	struct stage_journal j = { .bucket = o->name->bucket,
				   .key = o->name->key,
				   .endpoint = o->name->endpoint,
				   .base_etag = o->has_base ? o->base.etag : "",
				   .reason = reason ? reason : "the broker ended before the upload",
				   .base_end = o->base_end,
				   .missing_off = missing.off,
				   .missing_end = missing.end };
	int r = stage_write_journal(&o->stage, &j, err);

	o->journaled = r == 0;
	o->journal_missing = missing.off < missing.end;
	return r;
}

/* From here on st_mtime is the program's. Who is writing what arrived looks at times_kept under `cut`. */
static void keep_times_locked(struct object *o)
{
	if (o->times_kept)
		return;
	pthread_rwlock_wrlock(&o->cut);
	(void)stage_set_mtime(&o->stage, o->watched, o->mtime_ns);
	o->times_kept = true;
	pthread_rwlock_unlock(&o->cut);
}

int object_make_writable_locked(struct object *o, struct err *err)
{
	int r = 0;

	space_keep_locked(o);
	keep_times_locked(o);
	if (o->store->staging_dir && !o->forgotten)
		r = stage_name(&o->stage, o->store->staging_dir, o->id, err);
	if (r == 0 && !o->journaled && !o->forgotten)
		r = object_journal_locked(o, NULL, err);
	return r;
}

/* The first opener's part: ask the server, or believe the caller. */
static int make(struct object *o, enum object_intent intent, const struct s3_info *base, struct err *err)
{
	int r;

	if (intent == OBJECT_READ && !base) {
		r = cached_open(o, err);
		return r > 0 ? fill_first(o, err) : r;
	}
	pthread_mutex_lock(&o->lock);
	r = object_ready_locked(o, base, intent, err);
	if (r == 0 && base && intent == OBJECT_WRITE)
		cached_attach_locked(o);
	if (r == 0 && intent != OBJECT_READ)
		r = object_make_writable_locked(o, err);
	if (r == 0 && (intent == OBJECT_TRUNCATE || (intent == OBJECT_WRITE && !base)))
		o->dirty = true;
	pthread_mutex_unlock(&o->lock);
	return r;
}

static int open_existing(struct object *o, enum object_intent intent, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&o->lock);
	while (o->state == OBJECT_OPENING)
		pthread_cond_wait(&o->cond, &o->lock);
	if (o->state == OBJECT_FAILED) {
		r = o->open_status;
		if (err)
			*err = o->open_err;
	} else if (intent != OBJECT_READ) {
		object_wait_commit_locked(o);
		r = object_make_writable_locked(o, err);
	}
	pthread_mutex_unlock(&o->lock);
	if (r == 0 && intent == OBJECT_TRUNCATE)
		r = object_truncate(o, 0, err);
	return r;
}

int object_open(struct object_store *s, const struct object_name *name, enum object_intent intent,
		const struct s3_info *base, const struct object_events *events, void *arg, struct object **ret,
		struct err *err)
{
	struct name *n = name_new(name);
	struct object *o;
	struct err why = ERR_INIT;
	bool made, again;
	int r;

	if (!n)
		return err_set(err, ENOMEM, "no memory");
	do {
		pthread_mutex_lock(&s->lock);
		o = object_find_locked(s, n);
		made = !o;
		if (o)
			o->refs++;
		else
			o = new_locked(s, n, events, arg);
		pthread_mutex_unlock(&s->lock);
		if (!o) {
			r = err_set(&why, ENOMEM, "no memory");
			break;
		}
		r = made ? make(o, intent, base, &why) : open_existing(o, intent, &why);
		if (made && r < 0)
			object_leave_table(o);
		pthread_mutex_lock(&o->lock);
		if (made) {
			o->state = r < 0 ? OBJECT_FAILED : OBJECT_OPEN;
			o->open_status = r;
			o->open_err = why;
			pthread_cond_broadcast(&o->cond);
		}
		/* A reader that failed before us says nothing of what we want; a name that was forgotten is free. */
		again = !made && ((o->state == OBJECT_FAILED && intent != OBJECT_READ) || o->forgotten);
		pthread_mutex_unlock(&o->lock);
		if (again || r < 0)
			o = object_unref(o);
	} while (again);
	name_unref(n);
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	*ret = o;
	return 0;
}

int object_reopen(struct object *o, int flags, int *ret_fd, struct err *err)
{
	bool writable = (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
	int fd, r = 0;

	/* O_PATH descriptors are seen by no lease; O_DIRECT would ask for an alignment that the object's file need not
	 * have. */
	flags &= ~(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | O_DIRECTORY | O_NOCTTY | O_DIRECT | O_PATH);
	pthread_mutex_lock(&o->lock);
	while (o->idling || (writable && o->committing))
		pthread_cond_wait(&o->cond, &o->lock);
	if (writable)
		r = object_make_writable_locked(o, err);
	if (r < 0) {
		pthread_mutex_unlock(&o->lock);
		return r;
	}
	watch_lock(o->watched);
	fd = stage_reopen(&o->stage, flags);
	watch_unlock(o->watched);
	if (fd >= 0) {
		o->handed_out = true;
		if (writable) {
			o->writable = true;
			o->failed = false;
			o->dirty = !o->forgotten;
			o->accepted |= quota_open(o->store->config.quota, NULL) == 0;
		}
		watch_handed_out(o->watched, writable);
	}
	pthread_mutex_unlock(&o->lock);
	if (fd < 0)
		return err_set(err, -fd, "opening the file of " NAME_FMT ": %s", NAME_ARG(o->name), strerror(-fd));
	*ret_fd = fd;
	return 0;
}

void object_handed_out(struct object *o, bool writable)
{
	watch_handed_out(o->watched, writable);
}

/* facts */

uint64_t object_id(const struct object *o)
{
	return o->id;
}

uint32_t object_slot(const struct object *o)
{
	return o->slot;
}

uint64_t object_size(struct object *o)
{
	return stage_size(&o->stage);
}

bool object_info(struct object *o, struct s3_info *ret)
{
	bool has;

	pthread_mutex_lock(&o->lock);
	has = o->has_base;
	if (has)
		*ret = o->base;
	pthread_mutex_unlock(&o->lock);
	return has;
}

bool object_dirty(struct object *o)
{
	bool dirty;

	pthread_mutex_lock(&o->lock);
	dirty = o->dirty;
	pthread_mutex_unlock(&o->lock);
	return dirty;
}

int64_t object_mtime_ns(struct object *o)
{
	int64_t ns;

	pthread_mutex_lock(&o->lock);
	ns = o->times_kept ? stage_mtime_ns(&o->stage) : o->mtime_ns;
	pthread_mutex_unlock(&o->lock);
	return ns;
}

void object_touch(struct object *o, int64_t mtime_ns)
{
	pthread_mutex_lock(&o->lock);
	space_keep_locked(o);
	keep_times_locked(o);
	(void)stage_set_mtime(&o->stage, o->watched, mtime_ns);
	o->touched = true;
	o->dirty = !o->forgotten;
	pthread_mutex_unlock(&o->lock);
}

void object_set_base_mtime(struct object *o, int64_t mtime_ns)
{
	pthread_mutex_lock(&o->lock);
	if (!o->dirty)
		(void)stage_set_mtime(&o->stage, o->watched, mtime_ns);
	pthread_mutex_unlock(&o->lock);
}

void object_exclusive(struct object *o)
{
	pthread_mutex_lock(&o->lock);
	o->exclusive = true;
	pthread_mutex_unlock(&o->lock);
}
