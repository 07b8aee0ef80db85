/*
 * Why the table needs no lock.
 *
 * An entry owns one reference of its description and changes by one atomic exchange, so each entry's reference is given
 * back exactly once. A reader loads the entry, raises `refs` unless it is 0, and loads the entry again:
 *   - refs was 0: the description was being freed, so the entry has changed since; try again.
 *   - it was freed and used again between the load and the raise: memory of descriptions is never used for anything
 *     else (they go to a list of their own, not to mem_free()), so what was raised is a count. Raising it read a value
 *     that was stored after the entry was exchanged (exchange, put, new: each releases, the raise acquires), so the
 *     second load sees the exchange, and the reader gives back what it raised. If the entry holds the same description
 *     anew, it is the right one.
 *   - otherwise the entry held it when it was loaded, and it lives as long as the reference.
 *
 * `fds` counts descriptors, not references: it falls after the real close, so that of two closers the one that brings
 * it to 0 knows that both are closed, and asks the broker "was that the last?".
 *
 * A number is dropped before its real close: afterwards the kernel may give it away at once, to a thread whose
 * fdtab_set() must not be undone. The list of free descriptions has the only lock here; its two stores are each
 * harmless in a forked child that inherits the list between them.
 *
 * A vfork child shares this memory with a parent that has other threads: what it changes goes into an overlay on its
 * own thread (suspended in the parent), and counts no descriptors.
 */
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/mem.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/state.h"
#include "shim/unhooked.h"
#include "shim/vfork.h"

#include <string.h>

#define TABLE_MAX   (1 << 20)
#define OVERLAY_MAX 126

typedef _Atomic(struct desc *) entry;

struct overlay {
	int count;
	struct {
		int fd;
		struct desc *desc; /* NULL: closed in the child */
	} at[OVERLAY_MAX];
};

static struct {
	_Atomic(entry *) entries; /* NULL: nothing was ever routed */
	_Atomic int high;         /* no entry at or above */
	_Atomic int ready;        /* what exec left was looked at */
	struct lock lock;         /* of free */
	struct desc *free;
} table HOT;

static __thread struct overlay *overlay __attribute__((tls_model("initial-exec")));

/* ---- descriptions ---- */

static char *copy_path(const char *path)
{
	size_t n = path ? strlen(path) : 0;
	char *ret = mem_alloc(n + 1);

	if (!ret)
		return NULL;
	if (n)
		memcpy(ret, path, n);
	while (n > 1 && ret[n - 1] == '/')
		n--;
	ret[n] = '\0';
	return ret;
}

struct desc *desc_new(uint32_t kind, const char *path)
{
	char *copy;
	struct desc *d;
	lock_mask mask;

	fork_check();
	copy = copy_path(path);
	if (!copy)
		return NULL;
	mask = lock_take(&table.lock);
	d = table.free;
	if (d)
		table.free = d->next_free;
	lock_drop(&table.lock, mask);
	if (!d) {
		d = mem_alloc(sizeof(*d));
		if (!d) {
			mem_free(copy);
			return NULL;
		}
		atomic_store_explicit(&d->refs, 0, memory_order_relaxed);
	}
	memset((char *)d + sizeof(d->refs), 0, sizeof(*d) - sizeof(d->refs));
	d->kind = kind;
	d->slot = WIRE_NO_SLOT;
	d->path = copy;
	atomic_store_explicit(&d->refs, 1, memory_order_release);
	return d;
}

void desc_put(struct desc *d)
{
	lock_mask mask;
	char *path;

	if (!d)
		return;
	path = d->path;
	if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	mem_free(path);
	mask = lock_take(&table.lock);
	d->next_free = table.free;
	table.free = d;
	lock_drop(&table.lock, mask);
}

/* What F_GETFL knows of a description that was not attached: enough to tell writers. */
static void learn_flags(int fd, struct desc *d)
{
	if (d->kind == DESC_UNATTACHED)
		atomic_store(&d->flags, (uint32_t)max_u64((uint64_t)SYS(fcntl, fd, F_GETFL, 0), 0));
}

/* The reply's facts; the kind last, because it tells other threads that the rest is there. */
static void attach_fill(struct desc *d, const struct wire_attach_rep *rep, const char *path)
{
	char *copy = copy_path(path);
	lock_mask mask = lock_take(&d->meta);

	if (copy && d->kind == DESC_UNATTACHED) {
		char *old = d->path;
		d->object = rep->object;
		d->slot = rep->slot;
		d->flags = rep->flags;
		d->path = copy;
		copy = old;
		__atomic_store_n(&d->kind, rep->kind, __ATOMIC_RELEASE);
	}
	lock_drop(&d->meta, mask);
	mem_free(copy);
}

/* Return: false if the broker does not know it: foreign after all. */
static bool attach(int fd, struct desc *d)
{
	char path[WIRE_PATH_MAX + 1];
	struct link_extra x = { .tail = path, .tail_room = WIRE_PATH_MAX, .fd = -1 };
	struct wire_attach_req req = { .file = d->file };
	struct wire_attach_rep rep;
	int rc = link_call(WIRE_ATTACH, &req, &rep, &x);

	if (rc == -ENOENT || rc == -EBADF)
		return false;
	if (rc < 0) {
		rep = (struct wire_attach_rep){ .kind = WIRE_KIND_OBJECT, .slot = WIRE_NO_SLOT };
		rep.flags = (uint32_t)SYS(fcntl, fd, F_GETFL, 0);
		x.tail_len = 0;
	}
	path[min_u64(x.tail_len, WIRE_PATH_MAX)] = '\0';
	attach_fill(d, &rep, path);
	return true;
}

/* ---- entries ---- */

_Atomic uint32_t fdtab_use HOT;

static entry *entries(void)
{
	uint32_t unknown = FDTAB_UNKNOWN;

	if (unlikely(!atomic_load_explicit(&table.ready, memory_order_acquire))) {
		if (route_active())
			state_load();
		atomic_store_explicit(&table.ready, 1, memory_order_release);
		(void)atomic_compare_exchange_strong(&fdtab_use, &unknown, FDTAB_IDLE);
	}
	return atomic_load_explicit(&table.entries, memory_order_acquire);
}

static entry *entries_made(void)
{
	entry *e = atomic_load_explicit(&table.entries, memory_order_acquire), *expect = NULL;
	long at;

	if (e)
		return e;
	at = SYS(mmap, NULL, TABLE_MAX * sizeof(entry), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0 && at > -4096)
		return NULL;
	e = (entry *)at;
	atomic_store(&fdtab_use, FDTAB_USED);
	if (atomic_compare_exchange_strong(&table.entries, &expect, e))
		return e;
	(void)SYS(munmap, e, TABLE_MAX * sizeof(entry));
	return expect;
}

static int overlay_find(int fd)
{
	if (unlikely(overlay != NULL) && vfork_child())
		for (int i = 0; i < overlay->count; i++)
			if (overlay->at[i].fd == fd)
				return i;
	return -1;
}

/* With a reference, not attached. */
static struct desc *get_raw(entry *e, int fd)
{
	for (;;) {
		struct desc *d = atomic_load_explicit(&e[fd], memory_order_acquire);
		uint32_t refs;
		if (!d)
			return NULL;
		refs = atomic_load_explicit(&d->refs, memory_order_relaxed);
		while (refs && !atomic_compare_exchange_weak_explicit(&d->refs, &refs, refs + 1, memory_order_acq_rel,
								      memory_order_relaxed))
			;
		if (!refs)
			continue;
		if (likely(atomic_load_explicit(&e[fd], memory_order_acquire) == d))
			return d;
		desc_put(d);
	}
}

static struct desc *get_any(int fd)
{
	entry *e = entries();
	int i;

	if (likely(!e) || unlikely((unsigned)fd >= TABLE_MAX))
		return NULL;
	i = overlay_find(fd);
	if (unlikely(i >= 0)) {
		if (overlay->at[i].desc)
			atomic_fetch_add(&overlay->at[i].desc->refs, 1);
		return overlay->at[i].desc;
	}
	return get_raw(e, fd);
}

struct desc *fdtab_get(int fd)
{
	struct desc *d = get_any(fd);

	if (likely(!d) || likely(__atomic_load_n(&d->kind, __ATOMIC_ACQUIRE) != DESC_UNATTACHED))
		return d;
	if (fdtab_verify(fd, d)) {
		if (attach(fd, d))
			return d;
		fdtab_forget(fd);
	}
	desc_put(d);
	return NULL;
}

bool fdtab_has(int fd)
{
	entry *e = entries();

	if (likely(!e) || unlikely((unsigned)fd >= TABLE_MAX))
		return false;
	return atomic_load_explicit(&e[fd], memory_order_relaxed) != NULL || unlikely(overlay_find(fd) >= 0);
}

/* In a vfork child: takes @d's reference, gives that of what @fd was. */
static struct desc *overlay_swap(int fd, struct desc *d, int *ret_rc)
{
	struct desc *old = get_any(fd);
	int i = overlay_find(fd);

	if (!old && !d)
		return NULL;
	if (!overlay) {
		overlay = mem_alloc(sizeof(*overlay));
		if (overlay)
			overlay->count = 0;
	}
	if (!overlay || (i < 0 && overlay->count == OVERLAY_MAX)) {
		desc_put(d);
		desc_put(old);
		*ret_rc = -ENOMEM;
		return NULL;
	}
	if (i < 0) {
		i = overlay->count++;
		overlay->at[i].fd = fd;
	} else {
		desc_put(overlay->at[i].desc);
	}
	overlay->at[i].desc = d;
	return old;
}

/* @fd becomes @d (NULL: foreign), whose reference is taken. Return: what it was, its reference the caller's. */
static struct desc *swap(int fd, struct desc *d, int *ret_rc)
{
	entry *e = d ? entries_made() : entries();
	int high;

	if (!e || (unsigned)fd >= TABLE_MAX) {
		if (d)
			*ret_rc = -ENOMEM;
		desc_put(d);
		return NULL;
	}
	if (unlikely(vfork_child()))
		return overlay_swap(fd, d, ret_rc);
	if (!d && !atomic_load_explicit(&e[fd], memory_order_relaxed))
		return NULL;
	if (d)
		atomic_fetch_add(&d->fds, 1);
	high = atomic_load(&table.high);
	while (d && high <= fd && !atomic_compare_exchange_weak(&table.high, &high, fd + 1))
		;
	return atomic_exchange_explicit(&e[fd], d, memory_order_acq_rel);
}

int fdtab_set(int fd, struct desc *d)
{
	struct desc *old;
	int rc = 0;

	atomic_fetch_add(&d->refs, 1);
	old = swap(fd, d, &rc);
	if (unlikely(old != NULL)) {
		if (!vfork_child())
			atomic_fetch_sub(&old->fds, 1);
		desc_put(old);
	}
	return rc;
}

struct desc *fdtab_drop(int fd)
{
	int rc = 0;
	struct desc *d = swap(fd, NULL, &rc);

	if (d)
		learn_flags(fd, d);
	return d;
}

void fdtab_forget(int fd)
{
	struct desc *d = fdtab_drop(fd);

	if (d && !vfork_child())
		atomic_fetch_sub(&d->fds, 1);
	desc_put(d);
}

void fdtab_dup(int from, int to)
{
	struct desc *d = from == to ? NULL : get_any(from), *old;
	int rc = 0;

	if (from == to || (!d && !fdtab_routed(to)))
		return;
	old = swap(to, d, &rc);
	(void)fdtab_closed(old);
	if (to <= 2 && d && !rc && !vfork_child() && (d = fdtab_get(to))) {
		unhooked_standard(to, d);
		desc_put(d);
	}
}

bool fdtab_verify(int fd, struct desc *d)
{
	struct stat st;
	entry *e = entries();
	struct desc *expect = d;

	if (SYS(fstat, fd, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino)
		return true;
	if (overlay_find(fd) < 0 && e && (unsigned)fd < TABLE_MAX && !vfork_child() &&
	    atomic_compare_exchange_strong(&e[fd], &expect, NULL)) {
		atomic_fetch_sub(&d->fds, 1);
		desc_put(d);
	}
	return false;
}

struct desc *fdtab_ours(int fd)
{
	struct desc *d = likely(!fdtab_routed(fd)) ? NULL : fdtab_get(fd);

	if (likely(!d))
		return NULL;
	if ((d->kind == WIRE_KIND_OBJECT || d->kind == WIRE_KIND_DIR) && fdtab_verify(fd, d))
		return d;
	desc_put(d);
	return NULL;
}

/* ---- closing ---- */

static bool may_have_written(const struct desc *d)
{
	return (d->kind == WIRE_KIND_OBJECT || d->kind == DESC_UNATTACHED) && d->file && desc_writable(d);
}

static int tell_closed(const struct desc *d)
{
	struct wire_closed_req req = { .file = d->file };
	struct wire_closed_rep rep;
	int rc = link_call(WIRE_CLOSED, &req, &rep, NULL);

	return rc == -EBADF ? -EIO : rc; /* a broker that never knew it: ours is gone */
}

int fdtab_closed(struct desc *d)
{
	int rc = 0;

	if (!d)
		return 0;
	if (!vfork_child() && atomic_fetch_sub(&d->fds, 1) == 1 && may_have_written(d))
		rc = tell_closed(d);
	desc_put(d);
	return rc;
}

int fdtab_close(int fd)
{
	struct desc *d = fdtab_drop(fd);
	int rc = (int)SYS(close, fd), uploaded = fdtab_closed(d);

	return rc < 0 ? rc : uploaded;
}

int fdtab_each(int (*f)(int fd, struct desc *d, void *arg), void *arg)
{
	entry *e = entries();
	int high = atomic_load(&table.high), rc = 0;

	if (overlay && vfork_child())
		for (int i = 0; i < overlay->count; i++)
			if (overlay->at[i].fd >= high)
				high = overlay->at[i].fd + 1;
	for (int fd = 0; e && fd < high && !rc; fd++) {
		struct desc *d = get_any(fd);
		if (!d)
			continue;
		rc = f(fd, d, arg);
		desc_put(d);
	}
	return rc;
}

/* All are closed before the first is waited for: their uploads overlap. */
void fdtab_close_writers(void)
{
	entry *e = entries();
	struct desc *writers = NULL, *d;

	if (!e || vfork_child())
		return;
	for (int fd = 0; fd < atomic_load(&table.high); fd++) {
		d = get_any(fd);
		if (!d)
			continue;
		learn_flags(fd, d);
		if (!may_have_written(d) || !fdtab_verify(fd, d)) {
			desc_put(d);
			continue;
		}
		desc_put(d);
		d = fdtab_drop(fd);
		(void)SYS(close, fd);
		if (d && atomic_fetch_sub(&d->fds, 1) == 1) {
			d->next_free = writers;
			writers = d;
		} else {
			desc_put(d);
		}
	}
	while ((d = writers)) {
		writers = d->next_free;
		(void)tell_closed(d);
		desc_put(d);
	}
}

/* ---- fork ---- */

static int share(int fd, struct desc *d, void *arg)
{
	(void)fd;
	(void)arg;
	atomic_store(&d->shared, 1);
	return 0;
}

void fdtab_mark_shared(void)
{
	if (atomic_load(&table.entries))
		(void)fdtab_each(share, NULL);
}

void fdtab_vfork_done(void)
{
	struct overlay *o = overlay;

	overlay = NULL;
	for (int i = 0; o && i < o->count; i++)
		desc_put(o->at[i].desc);
	mem_free(o);
}
