#include "object/plan.h"

#include "base/util.h"
#include "s3/s3.h"

#define COPY_BYTES GIB(1) /* of one UploadPartCopy: larger ones take the server long, one after the other */
/* Fewer and larger parts than 10,000 would allow: servers that keep the list of an object's parts in an extended
 * attribute (4 KiB on ext4; versitygw 1.8) complete some 600 parts and no more. */
#define GRID_STEP 128u

int plan_ranges_add(struct plan_ranges *r, uint64_t off, uint64_t end)
{
	if (off >= end)
		return 0;
	if (r->count && r->at[r->count - 1].end >= off) {
		r->at[r->count - 1].end = max_u64(r->at[r->count - 1].end, end);
		return 0;
	}
	if (r->count == r->room) {
		size_t room = r->room ? r->room * 2 : 16;
		struct plan_range *at = reallocarray(r->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		r->at = at;
		r->room = room;
	}
	r->at[r->count++] = (struct plan_range){ off, end };
	return 0;
}

void plan_ranges_deinit(struct plan_ranges *r)
{
	free(r->at);
	*r = (struct plan_ranges){ 0 };
}

struct plan_range plan_grid(unsigned number, uint64_t part_bytes)
{
	uint64_t off = 0, size = part_bytes;
	unsigned n = number - 1;

	for (; n >= GRID_STEP; n -= GRID_STEP) {
		off += size * GRID_STEP;
		size = min_u64(size * 2, S3_PART_MAX);
	}
	off += size * n;
	return (struct plan_range){ off, off + size };
}

static int add_part(struct plan *p, uint64_t off, uint64_t len, bool copy)
{
	if (!len)
		return 0;
	if (p->count == S3_PARTS_MAX)
		return -EFBIG;
	p->parts[p->count++] = (struct plan_part){ off, len, copy };
	return 0;
}

/* In about equal parts of @size to twice @size, cut at blocks; one if it is smaller. */
static int add_split(struct plan *p, uint64_t off, uint64_t end, uint64_t size, bool copy)
{
	uint64_t len = end - off, n = max_u64(len / size, 1), from = off;
	int r = 0;

	for (uint64_t i = 1; i <= n && r == 0; i++) {
		uint64_t to = i == n ? end : round_down(off + len / n * i, BLOCK_BYTES);

		r = add_part(p, from, to - from, copy);
		from = to;
	}
	return r;
}

/*
 * The changed ranges, widened until every part between can stand: an unchanged gap below 5 MiB is sent with its
 * neighbours, a changed range below 5 MiB takes from the unchanged one behind it. Only the last part may be small.
 */
static int widen(const struct plan_ranges *changed, uint64_t size, struct plan_ranges *ret)
{
	uint64_t pos = 0; /* everything before is covered */
	int r = 0;

	for (size_t i = 0; i < changed->count && r == 0; i++) {
		uint64_t off = max_u64(changed->at[i].off, pos), end = max_u64(changed->at[i].end, pos);

		if (off >= end)
			continue;
		if (off - pos < S3_PART_MIN)
			off = pos;
		if (end < size && end - off < S3_PART_MIN)
			end = min_u64(off + S3_PART_MIN, size);
		r = plan_ranges_add(ret, off, end);
		pos = end;
		/* Joined to the one before, the range may still be short of 5 MiB; then what follows is swallowed. */
		if (ret->count && ret->at[ret->count - 1].end - ret->at[ret->count - 1].off < S3_PART_MIN &&
		    end < size) {
			ret->at[ret->count - 1].end = min_u64(ret->at[ret->count - 1].off + S3_PART_MIN, size);
			pos = ret->at[ret->count - 1].end;
		}
	}
	return r;
}

static int lay_out(const struct plan_ranges *sent, uint64_t size, uint64_t part, uint64_t copy, struct plan *p)
{
	uint64_t pos = 0;
	int r = 0;

	for (size_t i = 0; i < sent->count && r == 0; i++) {
		r = add_split(p, pos, sent->at[i].off, copy, true);
		if (r == 0)
			r = add_split(p, sent->at[i].off, sent->at[i].end, part, false);
		pos = sent->at[i].end;
	}
	return r == 0 ? add_split(p, pos, size, copy, true) : r;
}

static int lay_grid(uint64_t size, uint64_t part_bytes, struct plan *p)
{
	int r = 0;

	for (unsigned n = 1; r == 0; n++) {
		struct plan_range at = plan_grid(n, part_bytes);

		if (at.off >= size && n > 1)
			break;
		r = n > S3_PARTS_MAX ? -EFBIG : add_part(p, at.off, min_u64(at.end, size) - at.off, false);
	}
	return r;
}

int plan_make(const struct plan_ranges *changed, uint64_t size, uint64_t part_bytes, struct plan *ret)
{
	struct plan plan = { calloc(S3_PARTS_MAX, sizeof(*plan.parts)), 0 };
	struct plan_ranges sent = { 0 };
	uint64_t copy = COPY_BYTES;
	int r = plan.parts ? widen(changed, size, &sent) : -ENOMEM;

	if (r == 0 && sent.count == 1 && sent.at[0].off == 0 && sent.at[0].end == size) {
		r = lay_grid(size, part_bytes, &plan);
	} else if (r == 0) {
		/* A block above the least size, because cutting at blocks may take one away. */
		part_bytes = max_u64(part_bytes, S3_PART_MIN + BLOCK_BYTES);
		do {
			plan.count = 0;
			r = lay_out(&sent, size, part_bytes, copy, &plan);
			part_bytes *= 2;
			copy = min_u64(copy * 2, S3_PART_MAX / 2);
		} while (r == -EFBIG && part_bytes <= S3_PART_MAX / 2);
	}
	plan_ranges_deinit(&sent);
	if (r < 0) {
		plan_deinit(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

bool plan_is_whole(const struct plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->parts[i].copy)
			return false;
	return true;
}

void plan_deinit(struct plan *p)
{
	free(p->parts);
	*p = (struct plan){ 0 };
}
