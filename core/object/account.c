#include "object/internal.h"

#include "s3/quota.h"

/*
 * The session's quotas, where bytes are written. A claim takes what the commit will send: the whole file where that is one
 * PUT or all of it is new, else the parts that are touched. So what was accepted is never refused later, whoever else
 * writes meanwhile; the rest is given back when the commit knows what it sends. Claims reach ahead by a sixteenth of what
 * is left, so that a sequential writer hardly asks more often, and many side by side do not reserve it all.
 *
 * Who writes without claims of a known length (O_APPEND, stdio, mappings) is counted by what the file has become: each
 * further claim, and the commit. Of these a commit may go UNBOUNDED_MAX beyond the limit; beyond that it fails, and the data
 * is kept for recovery. A commit for which nothing was accepted since the last one does not begin once a quota has ended.
 */
#define UNBOUNDED_MAX MIB(64)
#define AHEAD_SHARE   16

static uint64_t estimate(const struct object *o, uint64_t off, uint64_t end)
{
	uint64_t size = max_u64(stage_size(&o->stage), end), part = o->store->config.part_bytes;

	if (!o->base_end || size <= o->store->config.put_max)
		return size;
	if (off >= o->taken_from && end <= o->taken_end)
		return o->taken;
	return min_u64(size, o->taken + round_up(end, part) - round_down(off, part));
}

static int take_locked(struct object *o, uint64_t need, struct err *err)
{
	int r = need > o->taken ? quota_take(o->store->config.quota, QUOTA_written, need - o->taken, err) : 0;

	if (r == 0)
		o->taken = max_u64(o->taken, need);
	return r;
}

static int claim_unbounded_locked(struct object *o, struct err *err)
{
	uint64_t size = stage_size(&o->stage), grown = size - min_u64(size, o->base_end);
	int r = quota_size(o->store->config.quota, size, err);

	if (r == 0)
		r = take_locked(o, o->base_end && size > o->store->config.put_max ? grown : size, err);
	if (r == 0 && quota_room(o->store->config.quota, QUOTA_written) == 0)
		r = quota_take(o->store->config.quota, QUOTA_written, 1, err);
	o->unbounded |= r == 0;
	return r;
}

static int claim_range_locked(struct object *o, uint64_t off, uint64_t end, uint64_t *ret_end, struct err *err)
{
	struct quota *q = o->store->config.quota;
	uint64_t most = quota_room(q, QUOTA_object_size), ahead;
	int r = quota_size(q, end, err);

	if (r < 0)
		return r;
	ahead = min_u64(CLAIM_WINDOW, quota_room(q, QUOTA_written) / AHEAD_SHARE);
	ahead = min_u64(ahead, most - end);
	if (quota_room(q, QUOTA_written) <=
	    estimate(o, off, end + ahead) - min_u64(o->taken, estimate(o, off, end + ahead)))
		ahead = 0;
	r = take_locked(o, estimate(o, off, end + ahead), err);
	if (r == 0) {
		o->taken_from = round_down(off, o->store->config.part_bytes);
		o->taken_end = round_up(end + ahead, o->store->config.part_bytes);
		*ret_end = end + ahead;
	}
	return r;
}

int account_claim_locked(struct object *o, uint64_t off, uint64_t end, uint64_t *ret_end, struct err *err)
{
	int r = quota_open(o->store->config.quota, err);

	if (r == 0 && end == UINT64_MAX) {
		r = claim_unbounded_locked(o, err);
		*ret_end = off + 1; /* so that every write asks */
	} else if (r == 0) {
		r = claim_range_locked(o, off, end, ret_end, err);
	}
	o->accepted |= r == 0;
	return r;
}

bool account_stream_locked(struct object *o, uint64_t bytes)
{
	return take_locked(o, bytes, NULL) == 0;
}

int account_commit(struct object *o, uint64_t size, uint64_t bytes, struct err *err)
{
	struct quota *q = o->store->config.quota;
	uint64_t more;
	int r;

	if (!q)
		return 0;
	pthread_mutex_lock(&o->lock);
	r = o->accepted ? 0 : quota_open(q, err);
	if (r == 0)
		r = quota_size(q, size, err);
	more = bytes - min_u64(bytes, o->taken);
	if (r == 0 && more) {
		r = quota_take(q, QUOTA_written, more, err);
		if (r < 0 && o->unbounded && more <= UNBOUNDED_MAX) {
			quota_add(q, QUOTA_written, more);
			r = 0;
		}
	}
	if (r == 0 && o->taken > bytes)
		quota_give(q, QUOTA_written, o->taken - bytes);
	if (r == 0) {
		o->taken = o->taken_from = o->taken_end = 0;
		o->accepted = o->unbounded = false;
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}

void account_give_back(struct object *o, uint64_t bytes)
{
	quota_give(o->store->config.quota, QUOTA_written, bytes);
}
