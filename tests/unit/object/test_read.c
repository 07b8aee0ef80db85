#include "bench.h"

#include "base/util.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void make(void)
{
	bench_open(&(struct object_store_config){ 0 });
}

TestSuite(object_read, .init = make, .fini = bench_close);

static void expect(struct prog *p, unsigned seed, uint64_t off, size_t len)
{
	cleanup_free char *buf = malloc(len);

	cr_assert_eq(prog_read(p, buf, len, off), (int)len);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq((unsigned char)buf[i], bench_byte(seed, off + i), "at %zu", (size_t)off + i);
}

Test(object_read, a_small_object_is_one_get)
{
	struct prog p;

	bench_make("k", 1000, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, 0, 1000);
	prog_close(&p);
	cr_assert_eq(fake_total(), 1);
	cr_assert_eq(fake_count(S3_GET_OBJECT), 1);
}

Test(object_read, a_complete_object_says_so_in_its_slot)
{
	struct prog p;

	bench_make("k", 1000, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, 0, 1000);
	cr_assert(atomic_load(&arena_slot(bench.arena, object_slot(p.o))->flags) & WIRE_SLOT_COMPLETE);
	prog_close(&p);
}

Test(object_read, a_missing_object_is_enoent)
{
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), -ENOENT);
	cr_assert_eq(fake_total(), 1);
}

Test(object_read, an_empty_object_is_empty)
{
	struct prog p;
	char c;

	bench_make("k", 0, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(object_size(p.o), 0);
	cr_assert_eq(prog_read(&p, &c, 1, 0), 0);
	prog_close(&p);
}

Test(object_read, the_open_returns_before_the_body_is_there)
{
	struct prog p;

	bench_make("k", KIB(100), 1);
	fake.chunk = 1000;
	fake.chunk_delay_us = 5000; /* half a second in all */
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_not(atomic_load(&arena_slot(bench.arena, object_slot(p.o))->flags) & WIRE_SLOT_COMPLETE);
	cr_assert_eq(object_size(p.o), KIB(100));
	expect(&p, 1, KIB(90), 100);
	prog_close(&p);
}

Test(object_read, random_reads_fetch_their_blocks_alone)
{
	struct prog p;

	bench_make("k", MIB(20), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, MIB(15) + 5, 10);
	expect(&p, 1, MIB(7), 10);
	expect(&p, 1, MIB(12) + 777, 10);
	cr_assert_eq(fake_count(S3_GET_OBJECT), 4);
	cr_assert_eq(fake_got_bytes(), KIB(128) + 3 * KIB(64));
	prog_close(&p);
}

Test(object_read, a_sequential_reader_is_read_ahead_of_in_few_requests)
{
	struct prog p;

	bench_make("k", MIB(40), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	for (uint64_t off = 0; off < MIB(40); off += KIB(256))
		expect(&p, 1, off, KIB(256));
	prog_close(&p);
	cr_assert_eq(fake_got_bytes(), MIB(40), "every byte is fetched once");
	cr_assert_leq(fake_count(S3_GET_OBJECT), 32, "%u", fake_count(S3_GET_OBJECT));
}

Test(object_read, a_backward_reader_is_read_ahead_of)
{
	struct prog p;

	bench_make("k", MIB(6), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	for (uint64_t off = MIB(6); off > 0; off -= KIB(4))
		expect(&p, 1, off - KIB(4), KIB(4));
	prog_close(&p);
	cr_assert_eq(fake_got_bytes(), MIB(6));
	cr_assert_leq(fake_count(S3_GET_OBJECT), 40, "%u of 96 blocks", fake_count(S3_GET_OBJECT));
}

Test(object_read, a_strided_reader_is_read_ahead_of_and_gets_nothing_between)
{
	struct prog p;
	unsigned n = 0;

	bench_make("k", MIB(7), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	fake_forget_counts();
	for (uint64_t off = KIB(300); off < MIB(7); off += KIB(192), n++)
		expect(&p, 1, off, 100);
	cr_assert_eq(fake_got_bytes(), n * KIB(64));
	cr_assert_eq(fake_count(S3_GET_OBJECT), n);
	prog_close(&p);
}

Test(object_read, what_a_stride_will_touch_is_on_its_way)
{
	struct prog p;

	bench_make("k", MIB(7), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	for (unsigned i = 0; i < 4; i++)
		expect(&p, 1, MIB(1) + i * KIB(192), 100);
	fake_forget_counts();
	usleep(50000);
	expect(&p, 1, MIB(1) + 4 * KIB(192), 100);
	cr_assert_leq(fake_count(S3_GET_OBJECT), 4, "the next ones, none for this one");
	prog_close(&p);
}

Test(object_read, advice_is_obeyed)
{
	struct prog p;

	bench_make("k", MIB(7), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, 0, 10);
	fake_forget_counts();

	cr_assert_eq(object_advise(p.o, &p.ra, 0, 0, POSIX_FADV_RANDOM), 0);
	for (uint64_t off = MIB(1); off < MIB(2); off += KIB(64))
		expect(&p, 1, off, KIB(64));
	cr_assert_eq(fake_got_bytes(), MIB(1), "nothing ahead");

	cr_assert_eq(object_advise(p.o, &p.ra, MIB(4), MIB(1), POSIX_FADV_WILLNEED), 0);
	expect(&p, 1, MIB(4), MIB(1));
	cr_assert_eq(fake_got_bytes(), MIB(2), "fetched once");
	cr_assert_eq(fake_count(S3_GET_OBJECT), 17, "in one");

	cr_assert_eq(object_advise(p.o, &p.ra, 0, 0, 77), -EINVAL);
	prog_close(&p);
}

Test(object_read, a_sequential_reader_who_says_so_is_read_ahead_of_at_once)
{
	struct prog p;

	bench_make("k", MIB(7), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(object_advise(p.o, &p.ra, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	expect(&p, 1, KIB(400), 10);
	expect(&p, 1, KIB(300), KIB(700));
	cr_assert_leq(fake_count(S3_GET_OBJECT), 4);
	for (int i = 0; i < 200 && fake_got_bytes() < MIB(2); i++)
		usleep(10000);
	cr_assert_geq(fake_got_bytes(), MIB(2));
	prog_close(&p);
}

Test(object_read, beyond_memory_a_file_is_used_and_holds_the_same)
{
	struct prog p;
	char state[4096];

	bench_make("k", MIB(12), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_gt(object_store_status(bench.store, state, sizeof(state)), 0);
	cr_assert(strstr(state, "\"memory\":false"), "%s", state);
	expect(&p, 1, 0, MIB(12));
	prog_close(&p);
}

Test(object_read, a_changed_object_is_estale_and_never_a_mix)
{
	struct prog p;
	char buf[10];

	bench_make("k", MIB(1), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, 0, 10);
	bench_make("k", MIB(1), 2);
	cr_assert_eq(prog_read(&p, buf, 10, KIB(900)), -ESTALE);
	expect(&p, 1, KIB(100), 10);
	prog_close(&p);
}

Test(object_read, a_failed_fetch_is_reported_and_can_be_tried_again)
{
	struct prog p;
	char buf[10];

	bench_make("k", MIB(1), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, 0, 10);
	fake.fail_op = S3_GET_OBJECT;
	fake.fail_times = 1;
	fake.fail_status = -EIO;
	cr_assert_eq(prog_read(&p, buf, 10, KIB(900)), -EIO);
	expect(&p, 1, KIB(900), 10);
	prog_close(&p);
}

Test(object_read_alone, nothing_arriving_is_etimedout)
{
	struct prog p;
	char buf[10];

	bench_open(&(struct object_store_config){ .deadline_ms = 200 });
	bench_make("k", MIB(1), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	fake.delay_us = 1000000;
	cr_assert_eq(prog_read(&p, buf, 10, KIB(900)), -ETIMEDOUT);
	prog_close(&p);
	bench_close();
}

Test(object_read, a_pinned_grant_brings_everything)
{
	struct object_range r;
	struct err err = ERR_INIT;
	struct prog p;

	bench_make("k", MIB(20), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	cr_assert_eq(object_grant(p.o, NULL, 0, 0, true, &r, &err), 0);
	cr_assert_eq(r.off, 0);
	cr_assert_geq(r.len, MIB(20));
	cr_assert(atomic_load(&arena_slot(bench.arena, object_slot(p.o))->flags) & WIRE_SLOT_COMPLETE);
	cr_assert_eq(fake_got_bytes(), MIB(20));
	prog_close(&p);
}

static _Atomic int opened;
static struct prog openers[2];

static void *open_it(void *arg)
{
	opened += prog_open(arg, "k", OBJECT_READ, O_RDONLY) == 0;
	return NULL;
}

Test(object_read, two_openers_make_one_object)
{
	pthread_t t[2];

	bench_make("k", 1000, 1);
	fake.delay_us = 20000;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, open_it, &openers[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(opened, 2);
	cr_assert_eq(openers[0].o, openers[1].o);
	cr_assert_eq(fake_total(), 1);
	prog_close(&openers[0]);
	prog_close(&openers[1]);
}

static void *read_holes(void *arg)
{
	struct prog *p = arg;
	unsigned r = (unsigned)(uintptr_t)p | 1;
	char buf[4096];

	for (int i = 0; i < 400; i++) {
		uint64_t off;

		r = r * 1664525 + 1013904223;
		off = r % (MIB(4) - sizeof(buf));
		if (prog_read(p, buf, sizeof(buf), off) != sizeof(buf))
			return p;
		for (size_t k = 0; k < sizeof(buf); k++)
			if ((unsigned char)buf[k] != bench_byte(1, off + k))
				return p;
	}
	return NULL;
}

Test(object_read, concurrent_readers_never_see_a_hole)
{
	struct prog p[4];
	pthread_t t[4];
	void *wrong;

	bench_make("k", MIB(4), 1);
	fake.chunk = 5000;
	for (int i = 0; i < 4; i++)
		cr_assert_eq(prog_open(&p[i], "k", OBJECT_READ, O_RDONLY), 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, read_holes, &p[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &wrong);
		cr_assert_null(wrong);
	}
	cr_assert_leq(fake_got_bytes(), MIB(4) + KIB(64));
	for (int i = 0; i < 4; i++)
		prog_close(&p[i]);
}

Test(object_read, the_owner_is_told_when_nobody_holds_it)
{
	struct prog p;

	bench_make("k", 1000, 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	close(p.fd);
	p.fd = -1;
	cr_assert(bench_becomes(&bench_idle, 1));
	prog_close(&p);
}

Test(object_read, mtime_is_the_bases)
{
	struct s3_info info;
	struct prog p;

	bench_make("k", KIB(300), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, 0, KIB(300));
	cr_assert(object_info(p.o, &info));
	cr_assert_eq(object_mtime_ns(p.o), info.mtime_ns);
	prog_close(&p);
}

Test(object_read_alone, without_a_folder_memory_is_bounded)
{
	struct prog p;
	char buf[10];

	bench_open_memory(&(struct object_store_config){ .memory_max = MIB(1) });
	bench_make("k", MIB(3), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, MIB(2), 10);
	for (uint64_t off = 0; off < KIB(700); off += KIB(64))
		expect(&p, 1, off, 10);
	cr_assert_eq(object_grant(p.o, NULL, 0, 0, true, &p.grant, NULL), -ENOSPC);
	(void)buf;
	prog_close(&p);
	bench_close();
}
