#include "object/internal.h"

#include <fcntl.h>
#include <string.h>

#define GRANT_BYTES MIB(8)
#define STRIDE_MIN  2

/*
 * A grant makes what was asked present and answers with all that is present around it. Sequential readers are known by
 * asking where their last grant ended: their window doubles from first_bytes to readahead_max, and what lies in it is
 * fetched while they read. So the first read of a file costs nothing beyond the open's own GET, and whoever jumps about
 * fetches the blocks that he touches and nothing else, unless his gaps are all alike: a stride, forward or backward.
 */
struct object_range object_window_locked(struct object *o, uint64_t off)
{
	const struct wire_slot *slot = arena_slot(o->store->config.arena, o->slot);
	uint64_t blocks = present_blocks(o->base_end), b = off / BLOCK_BYTES, next;
	struct object_range w = { .off = off, .gen = slot ? atomic_load(&slot->gen) : 0 };

	if (off >= o->base_end) {
		w.off = o->base_end;
		w.len = UINT64_MAX - w.off;
		return w;
	}
	if (!present_has(&o->present, b))
		return w;
	next = present_next_missing(&o->present, b, blocks);
	for (unsigned back = 0; b > 0 && back < 128 && present_has(&o->present, b - 1); back++)
		b--;
	w.off = b * BLOCK_BYTES;
	w.len = (next >= blocks ? UINT64_MAX : next * BLOCK_BYTES) - w.off;
	return w;
}

/* A read that begins in the last grant and ends behind it is as sequential as one that begins at its end. */
static bool sequential(const struct readahead *ra, uint64_t off, uint64_t end)
{
	if (off <= ra->next)
		return end > ra->next && (ra->window || off == ra->next);
	return ra->window && off - ra->next <= ra->window;
}

/* What is fetched ahead must fit, beside what is being read. */
static uint64_t window_max(const struct object *o)
{
	const struct object_store_config *c = &o->store->config;

	return o->evict == EVICT_ANY ? min_u64(c->readahead_max, c->memory_max / 2) : c->readahead_max;
}

static void list_locked(struct object *o, struct readahead *ra)
{
	if (!ra->listed)
		DL_APPEND2(o->readers, ra, prev, next_reader);
	ra->listed = true;
}

void object_reader_gone(struct object *o, struct readahead *ra)
{
	pthread_mutex_lock(&o->lock);
	if (ra->listed)
		DL_DELETE2(o->readers, ra, prev, next_reader);
	ra->listed = false;
	pthread_mutex_unlock(&o->lock);
}

/* In whole parts, once the window is larger than one. */
static void fill_window_locked(struct object *o, struct readahead *ra, uint64_t off, uint64_t end)
{
	uint64_t part = fill_blocks(o) * BLOCK_BYTES, until = range_end(off, ra->window);

	if (ra->window > part && until < o->base_end)
		until = round_down(until, part);
	fill_ahead_locked(o, ra, off, max_u64(end, until));
}

/*
 * Three gaps of the same length are a stride, forward or backward: what the next reads will touch is fetched, twice as
 * much each time. A stride no longer than the read itself is one range.
 */
static void stride_ahead_locked(struct object *o, struct readahead *ra, uint64_t off, uint64_t end)
{
	uint64_t len = end - off, gap = (uint64_t)(ra->stride < 0 ? -ra->stride : ra->stride);
	uint64_t most =
	    min_u64(1ull << min_u64(ra->repeats - 1, 6), max_u64(window_max(o) / max_u64(len, BLOCK_BYTES), 1));

	if (gap <= round_up(len, BLOCK_BYTES) && ra->stride < 0) {
		fill_ahead_locked(o, ra, off - min_u64(off, most * gap), off);
		return;
	}
	for (uint64_t i = 1; i <= most; i++) {
		uint64_t at = off + i * (uint64_t)ra->stride; /* wraps where it leaves the file */

		if (at >= o->base_end)
			break;
		fill_ahead_locked(o, ra, at, range_end(at, len));
	}
}

static void stride_locked(struct object *o, struct readahead *ra, uint64_t was, uint64_t off, uint64_t end)
{
	int64_t stride = (int64_t)(off - was);
	bool same = stride && stride == ra->stride;

	if (!same && ra->repeats >= STRIDE_MIN)
		fill_cancel_ahead_locked(o, ra);
	ra->repeats = same ? ra->repeats + 1 : 0;
	ra->stride = stride;
	if (ra->repeats >= STRIDE_MIN && ra->advice != POSIX_FADV_RANDOM)
		stride_ahead_locked(o, ra, off, end);
}

static void read_ahead_locked(struct object *o, struct readahead *ra, uint64_t off, uint64_t end)
{
	uint64_t most = window_max(o), was = ra->pos;
	bool again = ra->window && off >= ra->pos && end <= ra->next; /* a generation has passed */

	list_locked(o, ra);
	ra->pos = off;
	if (again) {
		fill_window_locked(o, ra, off, end);
		return;
	}
	if (ra->advice == POSIX_FADV_RANDOM || (!sequential(ra, off, end) && ra->advice != POSIX_FADV_SEQUENTIAL)) {
		if (ra->window) {
			fill_cancel_ahead_locked(o, ra);
			present_read_ahead_is_over(&o->present);
		}
		ra->window = 0;
		ra->begin = off;
		stride_locked(o, ra, was, off, end);
		return;
	}
	ra->repeats = 0;
	if (!sequential(ra, off, end))
		ra->begin = off;
	if (ra->advice == POSIX_FADV_SEQUENTIAL)
		ra->window = max_u64(ra->window, fill_blocks(o) * BLOCK_BYTES);
	ra->window = min_u64(ra->window ? ra->window * 2 : o->store->config.first_bytes, most);
	fill_window_locked(o, ra, off, end);
	space_drop_behind_locked(o);
}

/* A sequential reader asks again before it has read all that is here, so that more is on its way meanwhile. */
static void limit_locked(const struct object *o, const struct readahead *ra, uint64_t off, uint64_t end,
			 struct object_range *r)
{
	uint64_t most = min_u64(max_u64(ra->window / 2, o->store->config.first_bytes), GRANT_BYTES);

	if (ra->repeats >= STRIDE_MIN && off >= r->off) { /* and who strides asks each time, so that it is seen */
		uint64_t until = min_u64(round_up(end, BLOCK_BYTES), range_end(r->off, r->len));

		r->off = round_down(off, BLOCK_BYTES);
		r->len = until - r->off;
	}
	if (ra->window && range_end(r->off, r->len) < o->base_end && range_end(end, most) < range_end(r->off, r->len))
		r->len = range_end(end, most) - r->off;
}

/* Mapped, or sent by the kernel: it stays from now on, and what is missing of it when it has come. */
static int pin_locked(struct object *o, uint64_t off, uint64_t end)
{
	if (o->evict == EVICT_NEVER)
		return 0;
	if (off == 0 && end >= o->base_end) {
		space_keep_locked(o);
		return 0;
	}
	return present_pin(&o->present, off / BLOCK_BYTES, present_blocks(end));
}

int object_grant(struct object *o, struct readahead *ra, uint64_t off, uint64_t len, bool pin, struct object_range *ret,
		 struct err *err)
{
	uint64_t size, end;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	size = stage_size(&o->stage);
	end = len ? min_u64(range_end(off, len), size) : size;
	if (off >= end) {
		*ret = object_window_locked(o, max_u64(off, o->base_end));
		ret->off = off;
		ret->len = 0;
	} else {
		if (pin)
			r = pin_locked(o, off, end);
		if (ra && !pin)
			read_ahead_locked(o, ra, off, end);
		if (r == 0)
			r = fill_range_locked(o, off, min_u64(end, o->base_end), err);
		if (r == 0) {
			present_use(&o->present, off / BLOCK_BYTES, present_blocks(end), ++o->clock);
			*ret = object_window_locked(o, off);
			if (ra && !pin) {
				limit_locked(o, ra, off, end, ret);
				ra->next = min_u64(range_end(ret->off, ret->len), size);
			}
		}
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}

static const struct readahead advised; /* whose fetches no seek cancels */

int object_advise(struct object *o, struct readahead *ra, uint64_t off, uint64_t len, uint32_t advice)
{
	uint64_t size, end;

	pthread_mutex_lock(&o->lock);
	size = o->base_end;
	end = min_u64(len ? range_end(off, len) : size, size);
	switch (advice) {
	case POSIX_FADV_NORMAL:
	case POSIX_FADV_SEQUENTIAL:
		ra->advice = advice;
		break;
	case POSIX_FADV_RANDOM:
		ra->advice = advice;
		fill_cancel_ahead_locked(o, ra);
		ra->window = 0;
		break;
	case POSIX_FADV_WILLNEED: /* as far as there are transfers and room; the rest is read as it comes */
		if (off < end)
			fill_ahead_locked(o, &advised, off, min_u64(end, range_end(off, window_max(o))));
		break;
	case POSIX_FADV_DONTNEED:
		if (off < end)
			(void)space_drop_locked(o, present_blocks(off),
						end == size ? present_blocks(end) : end / BLOCK_BYTES);
		break;
	default:
		break;
	}
	pthread_mutex_unlock(&o->lock);
	return advice <= POSIX_FADV_NOREUSE ? 0 : -EINVAL;
}
