/* Objects out of the shared cache, and into it. */
#include "bench.h"

#include "base/counters.h"
#include "base/util.h"
#include "cache/cache.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct cache *cache;
static char dir[64];

static void make(uint64_t memory_max)
{
	struct err err = ERR_INIT;

	strcpy(dir, "/var/tmp/s3shim-shared-XXXXXX");
	cr_assert(mkdtemp(dir));
	cr_assert_eq(cache_open_folder(dir, MIB(64), &cache, &err), 0, "%s", err_text(&err));
	bench_open(&(struct object_store_config){ .cache = cache, .memory_max = memory_max, .readahead_max = MIB(4) });
}

static void finish(void)
{
	char command[128];

	bench_close();
	cache = cache_close(cache);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(object_cached, .fini = finish);

/* Of "k": closed, put into the cache where that is due, and gone from the store. */
static void done(struct prog *p)
{
	struct object_name name = bench_name("k");
	struct object *o;

	cr_assert_eq(object_store_drain(bench.store, false, NULL, NULL), 0);
	cr_assert_eq(prog_close(p), 0);
	while ((o = object_find(bench.store, &name))) { /* a worker still looks whether anybody holds it */
		object_unref(o);
		usleep(1000);
	}
}

static void expect(struct prog *p, unsigned seed, uint64_t off, size_t len)
{
	cleanup_free char *buf = malloc(len);

	cr_assert_eq(prog_read(p, buf, len, off), (int)len);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq((unsigned char)buf[i], bench_byte(seed, off + i), "at %zu", (size_t)off + i);
}

static void read_all(struct prog *p, unsigned seed, uint64_t size, size_t step)
{
	for (uint64_t off = 0; off < size; off += step)
		expect(p, seed, off, (size_t)min_u64(step, size - off));
}

static void read_it(unsigned seed, uint64_t size)
{
	struct prog p;

	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	read_all(&p, seed, size, KIB(256));
	done(&p);
}

static uint64_t stored(void)
{
	return counter_get(COUNTER_shared_cache_stored_bytes);
}

Test(object_cached, what_was_read_is_there_at_one_head)
{
	make(MIB(8));
	bench_make("k", 1000001, 1);
	read_it(1, 1000001);
	cr_assert_eq(stored(), 1000001);
	fake_forget_counts();
	read_it(1, 1000001);
	cr_assert_eq(fake_total(), 1);
	cr_assert_eq(fake_count(S3_HEAD_OBJECT), 1);
	cr_assert_eq(counter_get(COUNTER_shared_cache_bytes), 1000001);
	cr_assert_eq(counter_get(COUNTER_shared_cache_hits), 1);
	cr_assert_eq(stored(), 1000001);
}

Test(object_cached, what_was_not_read_whole_is_not_there)
{
	struct prog p;

	make(MIB(8));
	bench_make("k", MIB(1), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	expect(&p, 1, 0, 1000);
	done(&p);
	cr_assert_eq(stored(), 0);
}

Test(object_cached, a_replaced_object_is_fetched_anew)
{
	make(MIB(8));
	bench_make("k", MIB(1), 1);
	read_it(1, MIB(1));
	bench_make("k", MIB(1), 2);
	read_it(2, MIB(1));
	cr_assert_eq(stored(), MIB(2));
	fake_forget_counts();
	read_it(2, MIB(1));
	cr_assert_eq(fake_total(), 1);
}

Test(object_cached, a_deleted_object_is_gone)
{
	struct prog p;

	make(MIB(8));
	bench_make("k", 1000, 1);
	read_it(1, 1000);
	fake_delete("k");
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), -ENOENT);
}

/* Bytes of the only entry. */
static void damage(off_t from_end, size_t every)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while ((e = readdir(d))) {
		cleanup_close int fd = strlen(e->d_name) == 64 ? openat(dirfd(d), e->d_name, O_RDWR) : -1;
		off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
		for (off_t at = size - from_end; fd >= 0 && at < size; at += (off_t)every)
			cr_assert_eq(pwrite(fd, "damaged!", 8, at), 8);
	}
	closedir(d);
}

Test(object_cached, a_damaged_block_is_fetched_from_the_server)
{
	make(MIB(8));
	bench_make("k", MIB(1), 1);
	read_it(1, MIB(1));
	damage(KIB(100), MIB(1));
	fake_forget_counts();
	read_it(1, MIB(1));
	cr_assert_eq(fake_count(S3_HEAD_OBJECT), 1);
	cr_assert_geq(fake_count(S3_GET_OBJECT), 1);
	cr_assert_leq(fake_got_bytes(), KIB(192));
	cr_assert_eq(counter_get(COUNTER_shared_cache_thrown_away), 1);
	cr_assert_eq(stored(), MIB(2));
	fake_forget_counts();
	read_it(1, MIB(1));
	cr_assert_eq(fake_total(), 1);
}

Test(object_cached, a_file_that_does_not_stay_here_is_saved_as_it_is_dropped)
{
	make(MIB(4));
	bench_make("k", MIB(24) + 5, 1);
	read_it(1, MIB(24) + 5);
	cr_assert_gt(counter_get(COUNTER_cache_dropped_bytes), MIB(12));
	cr_assert_eq(stored(), MIB(24) + 5);
	fake_forget_counts();
	read_it(1, MIB(24) + 5);
	cr_assert_eq(fake_total(), 1);
}

Test(object_cached, who_jumps_about_saves_nothing)
{
	struct prog p;

	make(MIB(4));
	bench_make("k", MIB(24), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	for (uint64_t i = 0; i < 200; i++)
		expect(&p, 1, i * 7919 % 384 * KIB(64), 5000);
	done(&p);
	cr_assert_gt(counter_get(COUNTER_cache_dropped_bytes), 0);
	cr_assert_eq(stored(), 0);
}

Test(object_cached, what_was_written_is_there)
{
	cleanup_free char *data = bench_bytes(300000, 3);
	struct prog p;

	make(MIB(8));
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(prog_write(&p, data, 300000, 0), 300000);
	done(&p);
	cr_assert(fake_is("k", data, 300000));
	fake_forget_counts();
	read_it(3, 300000);
	read_it(3, 300000);
	cr_assert_leq(fake_got_bytes(), 300000);
}

/* The old version's bytes come from the cache; what the object is afterwards, from what was sent. */
Test(object_cached, a_change_in_the_middle_takes_the_rest_from_there)
{
	struct prog p;

	make(MIB(8));
	bench_make("k", MIB(1), 1);
	read_it(1, MIB(1));
	fake_forget_counts();
	cr_assert_eq(prog_open(&p, "k", OBJECT_WRITE, O_RDWR), 0);
	cr_assert_eq(prog_write(&p, "changed", 7, 500000), 7);
	cr_assert_eq(prog_close(&p), 0);
	cr_assert_eq(fake_got_bytes(), 0);
	cleanup_free char *want = bench_bytes(MIB(1), 1);
	memcpy(want + 500000, "changed", 7);
	cr_assert(fake_is("k", want, MIB(1)));
}

Test(object_cached, a_program_that_scribbles_into_its_file_spoils_no_entry)
{
	struct prog p;
	char path[64];

	make(MIB(8));
	bench_make("k", MIB(1), 1);
	cr_assert_eq(prog_open(&p, "k", OBJECT_READ, O_RDONLY), 0);
	read_all(&p, 1, MIB(1), KIB(256));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p.fd);
	cleanup_close int fd = open(path, O_RDWR);
	if (fd >= 0)
		cr_assert_eq(pwrite(fd, "not what came", 13, 70000), 13);
	done(&p);
	cr_assert_eq(stored(), fd >= 0 ? 0 : MIB(1));
}
