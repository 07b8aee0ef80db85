#include "object/plan.h"
#include "object/present.h"

#include "base/util.h"
#include "s3/s3.h"

#include <criterion/criterion.h>

/* What S3 demands of any plan. */
static void check(const struct plan *p, uint64_t size)
{
	uint64_t pos = 0;

	cr_assert_leq(p->count, S3_PARTS_MAX);
	for (size_t i = 0; i < p->count; i++) {
		cr_assert_eq(p->parts[i].off, pos);
		cr_assert_leq(p->parts[i].len, S3_PART_MAX);
		cr_assert(i + 1 == p->count || p->parts[i].len >= S3_PART_MIN, "part %zu has %llu bytes", i + 1,
			  (unsigned long long)p->parts[i].len);
		pos += p->parts[i].len;
	}
	cr_assert_eq(pos, size);
}

static void make(const struct plan_range *changed, size_t count, uint64_t size, uint64_t part, struct plan *ret)
{
	struct plan_ranges r = { 0 };

	for (size_t i = 0; i < count; i++)
		cr_assert_eq(plan_ranges_add(&r, changed[i].off, changed[i].end), 0);
	cr_assert_eq(plan_make(&r, size, part, ret), 0);
	plan_ranges_deinit(&r);
	check(ret, size);
}

Test(plan, five_tebibytes_fit)
{
	struct plan p;

	make(&(struct plan_range){ 0, GIB(5120) }, 1, GIB(5120), MIB(8), &p);
	plan_deinit(&p);
}

Test(plan, a_byte_behind_a_gibibyte_is_one_copy_and_one_part)
{
	struct plan p;

	make(&(struct plan_range){ GIB(1), GIB(1) + 1 }, 1, GIB(1) + 1, MIB(8), &p);
	cr_assert_eq(p.count, 2);
	cr_assert(p.parts[0].copy);
	cr_assert_eq(p.parts[0].len, GIB(1));
	cr_assert_not(p.parts[1].copy);
	plan_deinit(&p);
}

Test(plan, short_gaps_are_sent_with_their_neighbours)
{
	struct plan_range changed[] = { { MIB(10), MIB(11) }, { MIB(12), MIB(13) }, { MIB(40), MIB(41) } };
	struct plan p;

	make(changed, 3, MIB(60), MIB(8), &p);
	cr_assert_eq(p.count, 5);
	plan_deinit(&p);
}

Test(plan, a_change_in_the_first_block_takes_from_what_follows)
{
	struct plan p;

	make(&(struct plan_range){ 0, 10 }, 1, MIB(20), MIB(8), &p);
	cr_assert_eq(p.count, 2);
	cr_assert_eq(p.parts[0].len, S3_PART_MIN);
	cr_assert(p.parts[1].copy);
	plan_deinit(&p);
}

Test(plan, holds_for_changes_anywhere)
{
	unsigned r = 7;

	for (int round = 0; round < 2000; round++) {
		struct plan_range changed[8];
		uint64_t pos = 0, size;
		size_t n = 0;
		struct plan p;

		for (; n < 8; n++) {
			r = r * 1664525 + 1013904223;
			pos += (r >> 4) % (n & 1 ? MIB(30) : MIB(3)) + 1;
			changed[n].off = pos;
			r = r * 1664525 + 1013904223;
			pos += (r >> 4) % (n & 2 ? MIB(20) : KIB(100)) + 1;
			changed[n].end = pos;
		}
		size = r & 64 ? pos : pos + (r >> 8) % MIB(20);
		make(changed, n, size, MIB(5) + (r >> 12) % MIB(10) / BLOCK_BYTES * BLOCK_BYTES, &p);
		plan_deinit(&p);
	}
}

Test(plan, the_grid_is_the_plan_of_a_new_file)
{
	struct plan p;

	make(&(struct plan_range){ 0, GIB(20) }, 1, GIB(20), MIB(8), &p);
	for (size_t i = 0; i < p.count; i++) {
		struct plan_range at = plan_grid((unsigned)i + 1, MIB(8));

		cr_assert_eq(p.parts[i].off, at.off);
		cr_assert(i + 1 == p.count || at.end - at.off == p.parts[i].len);
	}
	plan_deinit(&p);
}

Test(plan, five_tebibytes_fit_and_ten_gibibytes_are_some_hundred_parts)
{
	cr_assert_geq(plan_grid(3000, MIB(5)).end, GIB(5120));
	cr_assert_geq(plan_grid(450, MIB(8)).end, GIB(10));
}

Test(present, of_five_tebibytes_takes_little_until_something_comes)
{
	struct present p;
	uint64_t crc = 42, got = 0;

	cr_assert_eq(present_init(&p, GIB(5120)), 0);
	cr_assert_eq(present_set(&p, 12345678, &crc), 0);
	cr_assert(present_has(&p, 12345678));
	cr_assert(present_crc(&p, 12345678, &got));
	cr_assert_eq(got, 42);
	cr_assert_eq(present_next_missing(&p, 12345678, p.blocks), 12345679);
	cr_assert_eq(present_next_missing(&p, 0, p.blocks), 0);
	present_deinit(&p);
}

Test(present, is_whole_when_every_block_is)
{
	struct present p;

	cr_assert_eq(present_init(&p, BLOCK_BYTES * 300 + 1), 0);
	cr_assert_eq(p.blocks, 301);
	for (uint64_t b = p.blocks; b-- > 0;) {
		cr_assert_lt(present_next_missing(&p, 0, p.blocks), p.blocks);
		cr_assert_eq(present_set(&p, b, NULL), 0);
	}
	cr_assert_eq(present_next_missing(&p, 0, p.blocks), p.blocks);
	present_deinit(&p);
}

Test(present, rebased_it_forgets_what_was_cut)
{
	struct present p, sent;
	uint64_t crc = 1, got;

	cr_assert_eq(present_init(&p, BLOCK_BYTES * 10), 0);
	cr_assert_eq(present_init(&sent, BLOCK_BYTES * 5), 0);
	for (uint64_t b = 0; b < 10; b++)
		cr_assert_eq(present_set(&p, b, b == 3 ? NULL : &crc), 0);
	crc = 2;
	cr_assert_eq(present_set(&sent, 4, &crc), 0);
	cr_assert_eq(present_rebase(&p, &sent, BLOCK_BYTES * 5), 0);
	cr_assert(present_crc(&p, 4, &got) && got == 2);
	cr_assert(present_crc(&p, 2, &got) && got == 1);
	cr_assert(present_has(&p, 3) && !present_crc(&p, 3, &got));
	present_deinit(&sent);
	cr_assert_eq(present_init(&sent, BLOCK_BYTES * 10), 0);
	cr_assert_eq(present_rebase(&p, &sent, BLOCK_BYTES * 10), 0);
	cr_assert_not(present_has(&p, 5));
	present_deinit(&sent);
	present_deinit(&p);
}
