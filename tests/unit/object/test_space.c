/* What is dropped, when, and what never is. */
#include "bench.h"

#include "base/util.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(object_space, .fini = bench_close);

static void make(uint64_t memory_max)
{
	bench_open(&(struct object_store_config){ .memory_max = memory_max, .readahead_max = MIB(16) });
}

static void expect(struct prog *p, unsigned seed, uint64_t off, size_t len)
{
	cleanup_free char *buf = malloc(len);

	cr_assert_eq(prog_read(p, buf, len, off), (int)len);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq((unsigned char)buf[i], bench_byte(seed, off + i), "at %zu", (size_t)off + i);
}

static void open_it(struct prog *p, const char *key, size_t size)
{
	bench_make(key, size, 1);
	cr_assert_eq(prog_open(p, key, OBJECT_READ, O_RDONLY), 0);
}

/* What the file takes, in memory or on disk. */
static uint64_t held(const struct prog *p)
{
	struct stat st;

	cr_assert_eq(fstat(p->fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static uint64_t read_through(struct prog *p, uint64_t size, size_t step)
{
	uint64_t most = 0;

	for (uint64_t off = 0; off < size; off += step) {
		expect(p, 1, off, (size_t)min_u64(step, size - off));
		most = max_u64(most, held(p));
	}
	return most;
}

Test(object_space, a_file_larger_than_the_cache_streams_through_it)
{
	struct prog p;

	make(MIB(8));
	open_it(&p, "k", MIB(48));
	cr_assert_leq(read_through(&p, MIB(48), KIB(256)), MIB(10));
	cr_assert_eq(fake_got_bytes(), MIB(48), "every byte is fetched once");
	prog_close(&p);
}

Test(object_space, without_a_folder_it_streams_through_memory)
{
	struct prog p;

	bench_open_memory(&(struct object_store_config){ .memory_max = MIB(8) });
	open_it(&p, "k", MIB(48));
	cr_assert_leq(read_through(&p, MIB(48), KIB(256)), MIB(9));
	cr_assert_eq(fake_got_bytes(), MIB(48));
	prog_close(&p);
}

Test(object_space, what_fits_into_memory_is_dropped_behind_a_reader)
{
	struct prog p;

	make(MIB(512));
	open_it(&p, "k", MIB(128));
	cr_assert_leq(read_through(&p, MIB(128), MIB(1)), MIB(48));
	cr_assert_eq(fake_got_bytes(), MIB(128));
	prog_close(&p);
}

Test(object_space, what_is_read_a_second_time_is_kept)
{
	struct prog p;

	make(MIB(512));
	open_it(&p, "k", MIB(80));
	for (int i = 0; i < 3; i++)
		(void)read_through(&p, MIB(80), MIB(1));
	cr_assert_leq(fake_got_bytes(), 2 * MIB(80));
	cr_assert(atomic_load(&arena_slot(bench.arena, object_slot(p.o))->flags) & WIRE_SLOT_COMPLETE);
	prog_close(&p);
}

Test(object_space, a_small_object_is_kept)
{
	struct prog p;

	make(MIB(512));
	open_it(&p, "k", MIB(32));
	for (int i = 0; i < 3; i++)
		(void)read_through(&p, MIB(32), MIB(1));
	cr_assert_eq(fake_got_bytes(), MIB(32));
	prog_close(&p);
}

Test(object_space, two_readers_share_what_the_slower_has_not_read)
{
	struct prog a, b;

	make(MIB(512));
	open_it(&a, "k", MIB(96));
	cr_assert_eq(prog_open(&b, "k", OBJECT_READ, O_RDONLY), 0);
	for (uint64_t off = 0; off < MIB(96); off += MIB(1)) {
		expect(&a, 1, off, MIB(1));
		if (off >= MIB(20))
			expect(&b, 1, off - MIB(20), MIB(1));
		else
			expect(&b, 1, 0, 1);
	}
	cr_assert_leq(fake_got_bytes(), MIB(96) + KIB(128));
	prog_close(&a);
	prog_close(&b);
}

Test(object_space, what_is_pinned_stays)
{
	struct object_range r;
	struct prog p;
	char buf[100];

	make(MIB(4));
	open_it(&p, "k", MIB(32));
	cr_assert_eq(object_grant(p.o, NULL, MIB(1), MIB(2), true, &r, NULL), 0);
	(void)read_through(&p, MIB(32), KIB(256));
	for (uint64_t off = MIB(1); off < MIB(3); off += KIB(64)) {
		cr_assert_eq(pread(p.fd, buf, sizeof(buf), (off_t)off), sizeof(buf)); /* as who has no hook */
		for (size_t i = 0; i < sizeof(buf); i++)
			cr_assert_eq((unsigned char)buf[i], bench_byte(1, off + i));
	}
	prog_close(&p);
}

Test(object_space, nothing_is_dropped_of_what_was_pinned_whole)
{
	struct object_range r;
	struct prog p, q;

	make(MIB(4));
	open_it(&p, "k", MIB(12));
	open_it(&q, "other", MIB(12));
	cr_assert_eq(object_grant(p.o, NULL, 0, 0, true, &r, NULL), 0);
	cr_assert(atomic_load(&arena_slot(bench.arena, object_slot(p.o))->flags) & WIRE_SLOT_COMPLETE);
	(void)read_through(&q, MIB(12), KIB(256));
	cr_assert_eq(held(&p), MIB(12));
	prog_close(&p);
	prog_close(&q);
}

Test(object_space, a_writer_ends_it)
{
	struct prog r, w;
	char buf[3];

	make(MIB(4));
	open_it(&r, "k", MIB(16));
	(void)read_through(&r, MIB(16), KIB(256));
	cr_assert_eq(prog_open(&w, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(prog_write(&w, "abc", 3, MIB(1)), 3);
	expect(&r, 1, 0, MIB(1));
	expect(&r, 1, MIB(2), MIB(14));
	cr_assert_eq(prog_read(&r, buf, 3, MIB(1)), 3);
	cr_assert_arr_eq(buf, "abc", 3);
	cr_assert_eq(prog_close(&w), 0);
	prog_close(&r);
}

Test(object_space, an_unlinked_file_is_kept_for_its_readers)
{
	struct prog p;

	make(MIB(4));
	open_it(&p, "k", MIB(16));
	(void)read_through(&p, MIB(16), KIB(256));
	cr_assert_eq(object_forget(p.o, NULL), 0);
	fake_delete("k");
	expect(&p, 1, 0, MIB(16));
	prog_close(&p);
}

Test(object_space, an_idle_file_gives_way_to_one_that_is_read)
{
	struct prog p, q;

	make(MIB(8));
	open_it(&p, "idle", MIB(16));
	open_it(&q, "read", MIB(64));
	for (uint64_t off = MIB(8); off > 0; off -= KIB(512)) /* from behind: nothing is read ahead or left behind */
		expect(&p, 1, off - KIB(512), KIB(512));
	(void)read_through(&q, MIB(64), KIB(256));
	cr_assert_leq(held(&p) + held(&q), MIB(11));
	cr_assert_eq(fake_got_bytes(), MIB(8) + MIB(64));
	prog_close(&p);
	prog_close(&q);
}

Test(object_space, what_is_not_needed_is_dropped)
{
	struct prog p;

	make(MIB(512));
	open_it(&p, "k", MIB(80));
	expect(&p, 1, MIB(2), MIB(8));
	cr_assert_geq(held(&p), MIB(8));
	cr_assert_eq(object_advise(p.o, &p.ra, MIB(2), MIB(8), POSIX_FADV_DONTNEED), 0);
	cr_assert_lt(held(&p), MIB(8));
	expect(&p, 1, MIB(2), MIB(8));
	prog_close(&p);
}

Test(object_space, mtime_is_the_bases_whatever_is_dropped)
{
	struct s3_info info;
	struct prog p;

	make(MIB(4));
	open_it(&p, "k", MIB(16));
	(void)read_through(&p, MIB(16), KIB(256));
	cr_assert(object_info(p.o, &info));
	cr_assert_eq(object_mtime_ns(p.o), info.mtime_ns);
	prog_close(&p);
}
