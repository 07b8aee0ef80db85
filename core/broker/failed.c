#include "broker/failed.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The first span that ends at @id or behind it. */
static size_t find(const struct failed *f, uint64_t id)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->at[mid].last < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void join_with_next(struct failed *f, size_t i)
{
	if (f->at[i].status != f->at[i + 1].status)
		f->at[i].status = -EIO;
	f->at[i].last = f->at[i + 1].last;
	f->count--;
	memmove(&f->at[i + 1], &f->at[i + 2], (f->count - i - 1) * sizeof(f->at[0]));
}

static bool touch(const struct failed *f, size_t i)
{
	return i + 1 < f->count && f->at[i].last + 1 == f->at[i + 1].first && f->at[i].status == f->at[i + 1].status;
}

static void join_nearest(struct failed *f)
{
	size_t nearest = 0;

	for (size_t i = 1; i + 1 < f->count; i++)
		if (f->at[i + 1].first - f->at[i].last < f->at[nearest + 1].first - f->at[nearest].last)
			nearest = i;
	join_with_next(f, nearest);
}

void failed_add(struct failed *f, uint64_t id, int status)
{
	size_t i = find(f, id);

	if (i < f->count && f->at[i].first <= id)
		return; /* within a span that was joined */
	memmove(&f->at[i + 1], &f->at[i], (f->count - i) * sizeof(f->at[0]));
	f->at[i] = (struct failed_span){ id, id, status };
	f->count++;
	if (touch(f, i))
		join_with_next(f, i);
	if (i > 0 && touch(f, i - 1))
		join_with_next(f, i - 1);
	if (f->count > FAILED_MAX)
		join_nearest(f);
}

int failed_find(const struct failed *f, uint64_t id)
{
	size_t i = find(f, id);

	return i < f->count && f->at[i].first <= id ? f->at[i].status : 0;
}
