/*
 * The reader's half of the protocol that wire.h tells (struct wire_slot). Grants and claims are remembered per
 * description, as a range and the generation it was given under, behind a sequence count: a reader that sees it odd or
 * changed asks the broker, which is always right. Writers of a range hold desc.meta with signals blocked, so that no
 * handler can find a count odd on its own thread. A range that a slow thread stores late carries an old generation and
 * is never believed.
 *
 * The offset lock is held over messages, with signals open: a handler that reads the same description on the thread
 * that holds it would wait for itself, so the owner passes through (offset_depth). The owner is told by the address of
 * a thread-local variable and, as locks are (lock.h), by the process's generation: in a forked child nobody is.
 *
 * An object without a slot has no generation to compare: what it is granted is pinned, and stays.
 */
#include "shim/present.h"
#include "shim/link.h"
#include "shim/shim.h"

static __thread char self __attribute__((tls_model("initial-exec")));

static bool slot_says(const struct desc *d, uint32_t flag)
{
	const struct wire_slot *s;

	if (d->kind != WIRE_KIND_OBJECT)
		return true;
	s = link_slot(d->slot);
	return s && atomic_load_explicit(&s->flags, memory_order_acquire) & flag;
}

bool present_complete(const struct desc *d)
{
	return slot_says(d, WIRE_SLOT_COMPLETE);
}

bool present_writes_free(const struct desc *d)
{
	return slot_says(d, WIRE_SLOT_NO_CLAIM);
}

static bool range_covers(const struct desc_range *r, uint64_t off, uint64_t end, uint64_t gen)
{
	uint32_t seq = atomic_load_explicit(&r->seq, memory_order_acquire);
	uint64_t r_off = atomic_load_explicit(&r->off, memory_order_relaxed);
	uint64_t r_end = atomic_load_explicit(&r->end, memory_order_relaxed);
	uint64_t r_gen = atomic_load_explicit(&r->gen, memory_order_relaxed);

	atomic_thread_fence(memory_order_acquire);
	return !(seq & 1) && seq == atomic_load_explicit(&r->seq, memory_order_relaxed) && r_gen == gen &&
	       r_off <= off && end <= r_end && r_off < r_end;
}

static void range_store(struct desc *d, struct desc_range *r, uint64_t off, uint64_t end, uint64_t gen)
{
	lock_mask mask = lock_take(&d->meta);
	uint32_t seq = (atomic_load_explicit(&r->seq, memory_order_relaxed) + 1) & ~1u; /* odd: left by a fork */

	atomic_store_explicit(&r->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&r->off, off, memory_order_relaxed);
	atomic_store_explicit(&r->end, end, memory_order_relaxed);
	atomic_store_explicit(&r->gen, gen, memory_order_relaxed);
	atomic_store_explicit(&r->seq, seq + 2, memory_order_release);
	lock_drop(&d->meta, mask);
}

void present_opened(struct desc *d, const struct wire_open_rep *rep)
{
	if (rep->grant_len)
		range_store(d, &d->grant, rep->grant_off, range_end(rep->grant_off, rep->grant_len), rep->grant_gen);
	if (rep->claim_len)
		range_store(d, &d->claim, rep->claim_off, range_end(rep->claim_off, rep->claim_len), rep->grant_gen);
}

/* The broker that is there now does not know the description: its own broker is gone. */
static int lost_is_eio(int rc)
{
	return rc == -EBADF || rc == -ENOENT || rc == -ENXIO ? -EIO : rc;
}

static int ask_grant(struct desc *d, uint64_t off, uint64_t len, uint32_t flags, struct wire_grant_rep *rep)
{
	struct wire_grant_req req = { .file = d->file, .off = off, .len = len, .flags = flags };

	return lost_is_eio(link_call(WIRE_GRANT, &req, rep, NULL));
}

/* Present by the grant at hand, or behind the base? */
static bool covered(const struct desc *d, const struct wire_slot *s, uint64_t off, uint64_t len, uint64_t gen)
{
	uint64_t base_end = s ? atomic_load_explicit(&s->base_end, memory_order_acquire) : UINT64_MAX;
	uint64_t end = min_u64(range_end(off, len), base_end);

	return off >= end || range_covers(&d->grant, off, end, gen);
}

static uint64_t generation(const struct wire_slot *s)
{
	return s ? atomic_load_explicit(&s->gen, memory_order_acquire) : 0;
}

bool present_ready(const struct desc *d, uint64_t off, uint64_t len)
{
	const struct wire_slot *s = link_slot(d->slot);

	return present_complete(d) || covered(d, s, off, len, generation(s));
}

int present_begin(struct desc *d, uint64_t off, uint64_t len, uint64_t *ret_gen)
{
	const struct wire_slot *s = link_slot(d->slot);
	uint64_t gen = generation(s);
	struct wire_grant_rep rep;
	int rc;

	if (d->kind != WIRE_KIND_OBJECT || present_complete(d) || covered(d, s, off, len, gen)) {
		*ret_gen = gen;
		return 0;
	}
	rc = ask_grant(d, off, len, s ? 0 : WIRE_PIN, &rep);
	if (rc)
		return rc;
	if (!s)
		rep.gen = 0;
	if (rep.len)
		range_store(d, &d->grant, rep.off, range_end(rep.off, rep.len), rep.gen);
	*ret_gen = rep.gen;
	return 0;
}

bool present_end(struct desc *d, uint64_t gen)
{
	const struct wire_slot *s = d->kind == WIRE_KIND_OBJECT ? link_slot(d->slot) : NULL;

	atomic_thread_fence(memory_order_acquire);
	return !s || atomic_load_explicit(&s->gen, memory_order_relaxed) == gen;
}

int present_pin(struct desc *d, uint64_t off, uint64_t len)
{
	struct wire_grant_rep rep;

	return present_complete(d) ? 0 : ask_grant(d, off, len, WIRE_PIN, &rep);
}

bool present_claimed(const struct desc *d, uint64_t off, uint64_t len)
{
	return present_writes_free(d) ||
	       range_covers(&d->claim, off, range_end(off, len), generation(link_slot(d->slot)));
}

int present_claim(struct desc *d, uint64_t off, uint64_t len)
{
	struct wire_claim_req req = { .file = d->file, .off = off, .len = len };
	struct wire_claim_rep rep;
	int rc;

	if (present_claimed(d, off, len))
		return 0;
	rc = lost_is_eio(link_call(WIRE_CLAIM, &req, &rep, NULL));
	if (rc)
		return rc;
	range_store(d, &d->claim, rep.off, range_end(rep.off, rep.len), rep.gen);
	return 0;
}

uint64_t present_base_end(const struct desc *d)
{
	const struct wire_slot *s = link_slot(d->slot);

	return s ? atomic_load_explicit(&s->base_end, memory_order_acquire) : 0;
}

static int remote_lock(struct desc *d, uint32_t op)
{
	struct wire_offset_req req = { .file = d->file, .op = op };
	struct wire_offset_rep rep;

	if (op == WIRE_LOCK)
		return lost_is_eio(link_call(WIRE_OFFSET, &req, &rep, NULL));
	link_post(WIRE_OFFSET, &req);
	return 0;
}

int present_offset_lock(struct desc *d)
{
	int rc;

	if (d->kind != WIRE_KIND_OBJECT)
		return 0;
	fork_check();
	if (__atomic_load_n(&d->offset_owner, __ATOMIC_RELAXED) == &self && d->offset_generation == lock_generation) {
		d->offset_depth++;
		return 0;
	}
	lock_wait(&d->offset);
	__atomic_store_n(&d->offset_owner, &self, __ATOMIC_RELAXED);
	d->offset_generation = lock_generation;
	d->offset_depth = 1;
	d->offset_remote = atomic_load(&d->shared);
	if (!d->offset_remote)
		return 0;
	rc = remote_lock(d, WIRE_LOCK);
	if (rc) {
		d->offset_remote = 0;
		present_offset_unlock(d);
	}
	return rc;
}

void present_offset_unlock(struct desc *d)
{
	uint32_t remote = d->offset_remote;

	if (d->kind != WIRE_KIND_OBJECT || --d->offset_depth)
		return;
	d->offset_remote = 0;
	__atomic_store_n(&d->offset_owner, NULL, __ATOMIC_RELAXED);
	if (remote)
		(void)remote_lock(d, 0);
	lock_wake(&d->offset);
}
