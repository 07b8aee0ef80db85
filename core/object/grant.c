#include "object/internal.h"

#include <string.h>

#define GRANT_BYTES MIB(8)

/*
 * A grant makes what was asked present and answers with all that is present around it. Sequential readers are known by
 * asking where their last grant ended: their window doubles from first_bytes to readahead_max, and what lies in it is
 * fetched while they read. So the first read of a file costs nothing beyond the open's own GET, and whoever jumps about
 * fetches the blocks that he touches and nothing else.
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

static void read_ahead_locked(struct object *o, struct readahead *ra, uint64_t off, uint64_t end)
{
	uint64_t most = window_max(o);
	bool again = ra->window && off >= ra->pos && end <= ra->next; /* a generation has passed */

	list_locked(o, ra);
	ra->pos = off;
	if (again) {
		fill_window_locked(o, ra, off, end);
		return;
	}
	if (!sequential(ra, off, end)) {
		if (ra->window) {
			fill_cancel_ahead_locked(o, ra);
			present_read_ahead_is_over(&o->present);
		}
		ra->window = 0;
		ra->begin = off;
		return;
	}
	ra->window = min_u64(ra->window ? ra->window * 2 : o->store->config.first_bytes, most);
	fill_window_locked(o, ra, off, end);
	space_drop_behind_locked(o);
}

/* A sequential reader asks again before it has read all that is here, so that more is on its way meanwhile. */
static void limit_locked(const struct object *o, const struct readahead *ra, uint64_t end, struct object_range *r)
{
	uint64_t most = min_u64(max_u64(ra->window / 2, o->store->config.first_bytes), GRANT_BYTES);

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
				limit_locked(o, ra, end, ret);
				ra->next = min_u64(range_end(ret->off, ret->len), size);
			}
		}
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}
