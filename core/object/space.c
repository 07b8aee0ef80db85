#include "object/internal.h"

#include "base/counters.h"
#include "base/log.h"

#include <string.h>

/*
 * How much there is, and what goes when there is too much. What an object's bytes count as was decided when its file
 * was made (object.c):
 *
 *   opened for reading, fits into memory      a memfd, all of it set aside. Up to STREAM_MIN nothing is dropped; above,
 *                                             what a sequential reader leaves behind is
 *   opened for reading, does not fit          a nameless file, or a memfd where there is no folder; each fill counts,
 *                                             and beyond the bound what was not of use for longest is dropped
 *   opened for writing                        a named file; nothing is dropped
 *
 * Why behind readers even where there is room: the pages that are freed are those that the next fill is given, warm and
 * backed by the host. 1 GiB written into a memfd and read: 0.7 to 1.9 GiB/s on pages never touched before, 2.9 to 3.4
 * with 16 MiB in use (docs/PERFORMANCE.md). Who reads what was dropped a second time ends that: then it is kept.
 *
 * Why no reader sees a hole (wire.h: struct wire_slot; measured): under the object's lock, which no grant is given
 * without, the generation is bumped, then a fence, then the blocks are missing and the hole is punched. A read that began before finds the generation
 * changed behind it, and asks again; a grant that is given later was given for what is present then. Never dropped are
 * blocks that are pinned (mapped, sent by the kernel), or waited for at this moment, and anything of an object that was
 * made writable: space_keep_locked() comes before its first writer, under the same lock.
 */
#define BEHIND_BYTES MIB(8) /* kept behind a reader, and dropped at once; less where the bound is small */

static uint64_t *used_of(struct object *o)
{
	return o->space == SPACE_FILE ? &o->store->cached : &o->store->memory_used;
}

int space_charge(struct object *o, uint64_t bytes, bool force)
{
	struct object_store *s = o->store;
	uint64_t *used = used_of(o);
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (!force && (bytes > s->config.memory_max || *used > s->config.memory_max - bytes)) {
		r = -ENOSPC;
	} else {
		*used += bytes;
		o->charged += bytes;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void space_discharge(struct object *o, uint64_t bytes)
{
	struct object_store *s = o->store;
	uint64_t *used = used_of(o);

	pthread_mutex_lock(&s->lock);
	*used -= min_u64(bytes, *used);
	o->charged -= min_u64(bytes, o->charged);
	pthread_mutex_unlock(&s->lock);
}

void space_is_locked(struct object *o, enum object_space space, enum object_evict evict)
{
	pthread_mutex_lock(&o->store->lock);
	o->space = space;
	o->evict = evict;
	pthread_mutex_unlock(&o->store->lock);
}

void space_keep_locked(struct object *o)
{
	if (o->evict == EVICT_NEVER)
		return;
	if (o->space == SPACE_FILE) /* it is no cache any more */
		space_discharge(o, o->charged);
	space_is_locked(o, o->space == SPACE_FILE ? SPACE_WHOLE : o->space, EVICT_NEVER);
	object_slot_update_locked(o);
}

static uint64_t bytes_of(const struct object *o, uint64_t from, uint64_t to)
{
	return min_u64(to * BLOCK_BYTES, o->present.size) - from * BLOCK_BYTES;
}

/* After the generation was bumped. */
static uint64_t punch_locked(struct object *o, uint64_t from, uint64_t to)
{
	uint64_t bytes = bytes_of(o, from, to);
	int r = stage_punch(&o->stage, o->watched, from * BLOCK_BYTES, (to - from) * BLOCK_BYTES);

	if (r < 0)
		log_warn("object", "dropping %llu bytes of '" NAME_FMT "': %s, ignoring", (unsigned long long)bytes,
			 NAME_ARG(o->name), strerror(-r));
	if (o->space != SPACE_WHOLE)
		space_discharge(o, bytes);
	counter_add(COUNTER_cache_dropped_bytes, bytes);
	return bytes;
}

uint64_t space_drop_locked(struct object *o, uint64_t from, uint64_t to)
{
	struct wire_slot *slot = arena_slot(o->store->config.arena, o->slot);
	uint64_t bytes = 0;

	if (!slot || o->evict == EVICT_NEVER || o->dirty || o->committing || o->publishing)
		return 0;
	cached_drop_locked(o, from, to);
	atomic_fetch_add(&slot->gen, 1);
	atomic_thread_fence(memory_order_seq_cst);
	for (uint64_t b = from; b < to;) {
		uint64_t stop = to, next = to, lo, hi;

		(void)fill_awaited_locked(o, b, to, &stop, &next);
		while (present_drop(&o->present, b, stop, &lo, &hi)) {
			bytes += punch_locked(o, lo, hi);
			b = hi;
		}
		b = next;
	}
	return bytes;
}

static uint64_t step_of(const struct object *o)
{
	return max_u64(min_u64(BEHIND_BYTES, round_down(o->store->config.memory_max / 8, BLOCK_BYTES)), BLOCK_BYTES);
}

/* Where the hindmost of the sequential readers that are at @begin or beyond it is. */
static uint64_t hindmost_locked(const struct object *o, uint64_t begin)
{
	uint64_t pos = UINT64_MAX;
	const struct readahead *ra;

	DL_FOREACH2(o->readers, ra, next_reader)
	{
		if (ra->window && ra->pos >= begin)
			pos = min_u64(pos, ra->pos);
	}
	return pos;
}

void space_drop_behind_locked(struct object *o)
{
	uint64_t step = step_of(o);
	struct readahead *ra;

	if (o->evict == EVICT_NEVER)
		return;
	DL_FOREACH2(o->readers, ra, next_reader)
	{
		uint64_t end = ra->window ? hindmost_locked(o, ra->begin) : 0;

		if (end < ra->begin + 2 * step)
			continue;
		end = round_down(end - step, BLOCK_BYTES);
		(void)space_drop_locked(o, ra->begin / BLOCK_BYTES, end / BLOCK_BYTES);
		ra->begin = end;
	}
}

static uint64_t drop_oldest_locked(struct object *o, uint64_t need, bool ahead)
{
	uint64_t bytes = 0, from, to;

	if (o->evict != EVICT_ANY || o->space == SPACE_WHOLE)
		return 0;
	for (size_t tries = o->present.chunk_count; tries && bytes < need; tries--) {
		if (!present_oldest(&o->present, ahead ? PRESENT_AHEAD : UINT64_MAX, &from, &to))
			break;
		bytes += space_drop_locked(o, from, to);
		present_use(&o->present, from, to, ++o->clock); /* what is awaited of it */
	}
	return bytes;
}

/* Who has most of that kind of space and may lose some, with a reference. */
static struct object *biggest(struct object_store *s, enum object_space space)
{
	struct object *best = NULL, *o;

	pthread_mutex_lock(&s->lock);
	DL_FOREACH2(s->all, o, all_next)
	{
		if (o->refs && o->space == space && o->evict == EVICT_ANY && (!best || o->charged > best->charged))
			best = o;
	}
	if (best)
		best->refs++;
	pthread_mutex_unlock(&s->lock);
	return best;
}

uint64_t space_make_room(struct object *o, uint64_t need, bool ahead)
{
	struct object *best = biggest(o->store, o->space);
	uint64_t bytes = 0;

	need = max_u64(need, o->store->config.memory_max / 16);
	for (struct object *each = best; each && !bytes; each = each == o ? NULL : o) {
		pthread_mutex_lock(&each->lock);
		bytes = drop_oldest_locked(each, need, ahead);
		pthread_mutex_unlock(&each->lock);
	}
	object_unref(best);
	return bytes;
}
