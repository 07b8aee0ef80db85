#include "shim/maps.h"
#include "shim/link.h"
#include "shim/lock.h"
#include "shim/shim.h"

#define MAPS_MAX 256

struct map {
	uintptr_t begin, end;
	uint64_t file; /* 0: a free row */
	uint64_t off;  /* in the file, of begin */
	bool writes;
};

static struct {
	struct lock lock;
	_Atomic uint32_t used; /* rows from here on were never used */
	bool overflown;
	struct map map[MAPS_MAX];
} maps;

static bool overlaps(const struct map *m, uintptr_t begin, uintptr_t end)
{
	return m->file && m->begin < end && begin < m->end;
}

static void remove_locked(uintptr_t begin, uintptr_t end)
{
	for (uint32_t i = 0; i < maps.used; i++)
		if (overlaps(&maps.map[i], begin, end) && begin <= maps.map[i].begin && maps.map[i].end <= end)
			maps.map[i].file = 0;
}

static struct map *row_locked(void)
{
	for (uint32_t i = 0; i < maps.used; i++)
		if (!maps.map[i].file)
			return &maps.map[i];
	return maps.used < MAPS_MAX ? &maps.map[maps.used++] : NULL;
}

void maps_add(const void *addr, size_t len, uint64_t file, uint64_t off, bool writes)
{
	uintptr_t begin = (uintptr_t)addr, end = begin + len;
	lock_mask mask = lock_take(&maps.lock);
	struct map *m;

	remove_locked(begin, end);
	m = row_locked();
	if (m)
		*m = (struct map){ .begin = begin, .end = end, .file = file, .off = off, .writes = writes };
	else
		maps.overflown = true;
	lock_drop(&maps.lock, mask);
}

void maps_gone(const void *addr, size_t len)
{
	lock_mask mask;

	if (likely(!atomic_load_explicit(&maps.used, memory_order_relaxed)))
		return;
	mask = lock_take(&maps.lock);
	remove_locked((uintptr_t)addr, (uintptr_t)addr + len);
	lock_drop(&maps.lock, mask);
}

/* The lock is not held over the message: row by row. */
static uint64_t file_at(uint32_t row, uintptr_t begin, uintptr_t end)
{
	lock_mask mask = lock_take(&maps.lock);
	uint64_t file = overlaps(&maps.map[row], begin, end) && maps.map[row].writes ? maps.map[row].file : 0;

	lock_drop(&maps.lock, mask);
	return file;
}

static int sync_file(uint64_t file)
{
	struct wire_sync_req req = { .file = file };
	struct wire_sync_rep rep;
	int rc = link_call(WIRE_SYNC, &req, &rep, NULL);

	return rc == -EBADF || rc == -ENOENT ? 0 : rc;
}

int maps_sync(const void *addr, size_t len)
{
	uintptr_t begin = (uintptr_t)addr, end = begin + len;
	int rc = 0;

	if (unlikely(maps.overflown))
		return sync_file(0);
	for (uint32_t i = 0; i < atomic_load(&maps.used); i++) {
		uint64_t file = file_at(i, begin, end);
		int one = file ? sync_file(file) : 0;
		if (one && !rc)
			rc = one;
	}
	return rc;
}

/* ---- mremap ---- */

static bool find(uintptr_t at, struct map *ret)
{
	lock_mask mask = lock_take(&maps.lock);
	bool found = false;

	for (uint32_t i = 0; i < maps.used && !found; i++)
		if (overlaps(&maps.map[i], at, at + 1)) {
			*ret = maps.map[i];
			found = true;
		}
	lock_drop(&maps.lock, mask);
	return found;
}

int maps_grow(const void *addr, size_t len)
{
	struct map m;
	int rc;

	if (likely(!atomic_load_explicit(&maps.used, memory_order_relaxed)))
		return 0;
	if (!find((uintptr_t)addr, &m))
		return maps.overflown ? -ENOMEM : 0;
	struct wire_grant_req grant = {
		.file = m.file, .off = m.off + ((uintptr_t)addr - m.begin), .len = len, .flags = WIRE_PIN
	};
	struct wire_claim_req claim = { .file = m.file, .off = grant.off, .len = len };
	struct wire_grant_rep granted;
	struct wire_claim_rep claimed;
	rc = link_call(WIRE_GRANT, &grant, &granted, NULL);
	if (!rc && m.writes)
		rc = link_call(WIRE_CLAIM, &claim, &claimed, NULL);
	return rc ? -ENOMEM : 0; /* the description may be closed: nobody can be asked for more of it */
}

void maps_moved(const void *from, size_t from_len, const void *to, size_t to_len)
{
	struct map m;

	if (likely(!atomic_load_explicit(&maps.used, memory_order_relaxed)))
		return;
	if (!find((uintptr_t)from, &m)) {
		maps_gone(to, to_len);
		return;
	}
	m.off += (uintptr_t)from - m.begin;
	maps_gone(from, from_len);
	maps_add(to, to_len, m.file, m.off, m.writes);
}
