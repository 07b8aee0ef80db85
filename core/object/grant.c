#include "object/internal.h"

#include <string.h>

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

static void read_ahead_locked(struct object *o, struct readahead *ra, uint64_t off, uint64_t end)
{
	const struct object_store_config *c = &o->store->config;

	if (!sequential(ra, off, end)) {
		if (ra->window)
			fill_cancel_ahead_locked(o, ra);
		ra->window = 0;
		return;
	}
	ra->window = ra->window ? min_u64(ra->window * 2, c->readahead_max) : min_u64(c->first_bytes, c->readahead_max);
	fill_ahead_locked(o, ra, off, max_u64(end, range_end(off, ra->window)));
}

int object_grant(struct object *o, struct readahead *ra, uint64_t off, uint64_t len, bool pin, struct object_range *ret,
		 struct err *err)
{
	uint64_t size, end;
	int r = 0;

	(void)pin; /* nothing is evicted, so everything stays */
	pthread_mutex_lock(&o->lock);
	size = stage_size(&o->stage);
	end = len ? min_u64(range_end(off, len), size) : size;
	if (off >= end) {
		*ret = object_window_locked(o, max_u64(off, o->base_end));
		ret->off = off;
		ret->len = 0;
	} else {
		if (ra)
			read_ahead_locked(o, ra, off, end);
		r = fill_range_locked(o, off, min_u64(end, o->base_end), err);
		if (r == 0) {
			*ret = object_window_locked(o, off);
			if (ra)
				ra->next = min_u64(range_end(ret->off, ret->len), size);
		}
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}
