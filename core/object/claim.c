#include "object/internal.h"

#include "base/io.h"
#include "s3/quota.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

/*
 * Writes and changes of size. What a claim answers with is present or beyond the base, so that no fill will ever write
 * there: that is what makes the kernel's own writes safe. Whole blocks are filled even if all of them is to be
 * overwritten, because a program may die between its claim and its write.
 */

/* Memory is paid for here, 8 MiB ahead of the writer: a page that the program touched first would be the program's. */
static int allocate_ahead_locked(struct object *o, uint64_t end, struct err *err)
{
	uint64_t want = round_up(end, CLAIM_WINDOW);
	int r;

	if (o->stage.rw < 0 || end <= o->allocated || end == UINT64_MAX)
		return 0;
	if (space_charge(o, want - o->allocated, false) < 0) {
		want = end;
		if (space_charge(o, want - o->allocated, false) < 0)
			return err_set(err, ENOSPC, "no memory is left for files that are being written");
	}
	r = stage_allocate(&o->stage, o->allocated, want - o->allocated);
	if (r < 0) {
		space_discharge(o, want - o->allocated);
		return err_set(err, -r, "allocating memory for a file: %s", strerror(-r));
	}
	o->allocated = want;
	return 0;
}

/* Of a new file a window ends, so that its writer can be held back; while little is owed, its slot says not to ask. */
static bool sent_ahead(const struct object *o)
{
	return o->stage.rw < 0 && o->base_end == 0 && !o->forgotten;
}

int object_claim(struct object *o, uint64_t off, uint64_t len, struct object_range *ret, struct err *err)
{
	uint64_t end = range_end(off, len), accepted = UINT64_MAX;
	struct quota *q = o->store->config.quota;
	struct object_range w;
	int r;

	if (len != UINT64_MAX && end > OBJECT_SIZE_MAX)
		return err_set(err, EFBIG, "an S3 object holds at most %llu bytes", OBJECT_SIZE_MAX);
	pthread_mutex_lock(&o->lock);
	if (o->store->throttled && sent_ahead(o) && end != UINT64_MAX)
		stream_hold_locked(o);
	r = q && quota_writes(q) ? account_claim_locked(o, off, end, &accepted, err) : 0;
	if (r == 0 && off < o->base_end && len)
		r = fill_range_locked(o, off, min_u64(end, o->base_end), err);
	if (r == 0)
		r = allocate_ahead_locked(o, end, err);
	if (r == 0) {
		w = object_window_locked(o, off);
		if (o->stage.rw >= 0 && end != UINT64_MAX)
			w.len = min_u64(range_end(w.off, w.len), max_u64(o->allocated, end)) - w.off;
		if (sent_ahead(o) && end != UINT64_MAX)
			w.len = min_u64(range_end(w.off, w.len), round_up(end, CLAIM_WINDOW)) - w.off;
		if (accepted != UINT64_MAX)
			w = (struct object_range){ off, min_u64(range_end(w.off, w.len), accepted) - off, w.gen };
		*ret = w;
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}

/* A change of size by the broker, as a claim of what it adds. */
static int account_size_locked(struct object *o, uint64_t size, struct err *err)
{
	struct quota *q = o->store->config.quota;
	uint64_t ignored;

	return q && quota_writes(q) ? account_claim_locked(o, min_u64(size, stage_size(&o->stage)), size, &ignored, err)
				    : 0;
}

/* What lies behind @size is no longer the base's, for good: the file may grow again, with zeros. */
static void cut_base_locked(struct object *o, uint64_t size)
{
	struct wire_slot *slot = arena_slot(o->store->config.arena, o->slot);

	if (slot) {
		atomic_fetch_add(&slot->gen, 1);
		atomic_thread_fence(memory_order_seq_cst);
	}
	if (size >= o->base_end)
		return;
	o->base_end = size;
	fill_drop_locked(o, size);
}

int object_truncate(struct object *o, uint64_t size, struct err *err)
{
	int fd, r;

	if (size > OBJECT_SIZE_MAX)
		return err_set(err, EFBIG, "an S3 object holds at most %llu bytes", OBJECT_SIZE_MAX);
	pthread_mutex_lock(&o->lock);
	object_wait_commit_locked(o);
	r = account_size_locked(o, size, err);
	if (r == 0)
		r = object_make_writable_locked(o, err);
	if (r == 0) {
		uint64_t before = o->base_end;

		pthread_rwlock_wrlock(&o->cut);
		cut_base_locked(o, size);
		fd = stage_borrow(&o->stage, o->watched);
		r = fd < 0 ? fd : ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
		if (fd >= 0)
			stage_return(&o->stage, o->watched, fd);
		pthread_rwlock_unlock(&o->cut);
		if (r < 0)
			err_set(err, -r, "truncating to %llu: %s", (unsigned long long)size, strerror(-r));
		if (o->base_end != before && !o->forgotten)
			(void)object_journal_locked(o, NULL, NULL);
		o->dirty = !o->forgotten;
		o->failed = false;
		object_slot_update_locked(o);
		pthread_cond_broadcast(&o->cond);
	}
	pthread_mutex_unlock(&o->lock);
	fill_kick_dropped(o);
	return r;
}

static int write_zeros(int fd, uint64_t off, uint64_t end)
{
	static const char zeros[65536];
	int r = 0;

	for (; off < end && r == 0; off += sizeof(zeros))
		r = io_pwrite(fd, zeros, (size_t)min_u64(sizeof(zeros), end - off), off);
	return r;
}

/*
 * Within what was the base zeros are written, not punched: to whoever recovers the staging file after a crash, a hole
 * there is what was never fetched.
 */
static int zero_range(struct object *o, int fd, uint64_t off, uint64_t end, bool keep_size)
{
	uint64_t size = stage_size(&o->stage), stop = min_u64(end, size);
	uint64_t in_base = min_u64(stop, max_u64(off, o->base_end));
	int r = 0;

	if (off < stop)
		r = write_zeros(fd, off, in_base);
	if (r == 0 && in_base < stop &&
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)in_base, (off_t)(stop - in_base)) < 0)
		r = -errno;
	if (r == 0 && !keep_size && end > size && ftruncate(fd, (off_t)end) < 0)
		r = -errno;
	return r;
}

int object_allocate(struct object *o, uint32_t mode, uint64_t off, uint64_t len, struct err *err)
{
	uint64_t end = range_end(off, len);
	struct object_range claimed;
	bool zeroes = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	int fd, r;

	if (mode & ~(uint32_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!len)
		return -EINVAL;
	if (end > OBJECT_SIZE_MAX)
		return err_set(err, EFBIG, "an S3 object holds at most %llu bytes", OBJECT_SIZE_MAX);
	r = zeroes ? object_claim(o, off, len, &claimed, err) : 0;
	if (r < 0)
		return r;
	pthread_mutex_lock(&o->lock);
	object_wait_commit_locked(o);
	r = account_size_locked(o, end, err);
	if (r == 0)
		r = object_make_writable_locked(o, err);
	if (r == 0)
		r = allocate_ahead_locked(o, end, err);
	if (r == 0) {
		fd = stage_borrow(&o->stage, o->watched);
		if (fd < 0)
			r = fd;
		else if (zeroes)
			r = zero_range(o, fd, off, end, mode & FALLOC_FL_KEEP_SIZE);
		else
			r = fallocate(fd, (int)mode, (off_t)off, (off_t)len) < 0 ? -errno : 0;
		if (fd >= 0)
			stage_return(&o->stage, o->watched, fd);
		o->dirty = !o->forgotten;
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}
