/* What holds of the cache in a folder and of that in one file alike: each test runs on both. */
#include "rig.h"

#include "base/counters.h"
#include "s3/checksum.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SIZE (3 * 65536 - 1000)

static void in_folder(void)
{
	rig_open(false, MIB(8));
}

static void in_file(void)
{
	rig_open(true, MIB(8));
}

TestSuite(cache_in_folder, .init = in_folder, .fini = rig_close);
TestSuite(cache_in_file, .init = in_file, .fini = rig_close);

#define BOTH(name) \
	static void name(void); \
	Test(cache_in_folder, name) \
	{ \
		name(); \
	} \
	Test(cache_in_file, name) \
	{ \
		name(); \
	} \
	static void name(void)

BOTH(a_later_session_has_what_was_put)
{
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	cr_assert_eq(rig_put(rig.cache, "small", "\"2\"", 1), 0);
	rig_again(MIB(8));
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert(rig_has(rig.cache, "small", "\"2\"", 1));
	cr_assert_eq(counter_get(COUNTER_shared_cache_stored_bytes), SIZE + 1);
	cr_assert_eq(counter_get(COUNTER_shared_cache_bytes), SIZE + 1);
}

BOTH(another_name_is_not_there)
{
	struct cache_name name = { "place", "bucket", "k", NULL };
	const struct cache_name others[] = { { "elsewhere", "bucket", "k", NULL },
					     { "place", "bucke", "k", NULL },
					     { "place", "bucketk", "", NULL },
					     { "place", "bucket", "k", "v" } };
	struct cache_entry *e;

	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		cr_assert_eq(cache_find(rig.cache, &others[i], &e), -ENOENT);
	cr_assert_eq(cache_find(rig.cache, &name, &e), 0);
	cache_entry_unref(e);
}

BOTH(another_version_is_not_that)
{
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	cr_assert(!rig_has(rig.cache, "k", "\"2\"", SIZE));
	cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE - 1));
	cr_assert_eq(counter_get(COUNTER_shared_cache_thrown_away), 0);
}

BOTH(a_newer_version_takes_the_place_of_an_older_one)
{
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), -EEXIST);
	cr_assert_eq(rig_put(rig.cache, "k", "\"2\"", 100), 0);
	cr_assert(rig_has(rig.cache, "k", "\"2\"", 100));
	cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE));
}

BOTH(an_entry_that_is_replaced_stays_readable)
{
	struct cache_name name = rig_name("k");
	char *buf = malloc(BLOCK_BYTES);
	struct cache_entry *e;

	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", MIB(3)), 0);
	cr_assert_eq(cache_find(rig.cache, &name, &e), 0);
	cr_assert_eq(rig_put(rig.cache, "k", "\"2\"", MIB(3)), 0);
	(void)rig_put(rig.cache, "other", "\"3\"", MIB(2));
	for (uint64_t b = 0; b < MIB(3) / BLOCK_BYTES; b++)
		cr_assert_eq(cache_entry_read(e, b, buf), (int)BLOCK_BYTES);
	cache_entry_unref(e);
	free(buf);
}

BOTH(what_was_aborted_or_is_not_whole_is_not_there)
{
	struct cache_name name = rig_name("k");
	cleanup_close int fd = rig_source("k", "\"1\"", SIZE);
	struct cache_writer *w;

	cr_assert_eq(cache_begin(rig.cache, &name, "\"1\"", SIZE, &w), 0);
	cr_assert_eq(cache_writer_block(w, fd, 0, NULL), 0);
	cr_assert(cache_writer_has(w, 0) && !cache_writer_has(w, 1));
	cache_abort(w);
	cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert_eq(cache_begin(rig.cache, &name, "\"1\"", SIZE, &w), 0);
	cr_assert_eq(cache_writer_block(w, fd, 1, NULL), 0);
	cr_assert_eq(cache_commit(w), -EINVAL);
	cr_assert(!rig_has(rig.cache, "k", "\"1\"", SIZE));
}

BOTH(other_bytes_than_came_are_refused)
{
	struct cache_name name = rig_name("k");
	cleanup_close int fd = rig_source("k", "\"1\"", SIZE);
	struct cache_writer *w;
	uint64_t crc = 1;

	cr_assert_eq(cache_begin(rig.cache, &name, "\"1\"", SIZE, &w), 0);
	cr_assert_eq(cache_writer_block(w, fd, 0, &crc), -EBADMSG);
	cr_assert(!cache_writer_has(w, 0));
	cache_abort(w);
}

BOTH(the_whole_is_compared_with_the_stores_checksum)
{
	struct cache_name name = rig_name("k");
	cleanup_close int fd = rig_source("k", "\"1\"", SIZE);
	struct s3_info info = { .size = SIZE, .etag = "\"1\"" };
	char *data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0), text[CHECKSUM_TEXT_MAX];
	uint64_t crc = crc64_update(0, data, SIZE);
	struct cache_entry *e;

	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	checksum_base64(CHECKSUM_CRC64NVME, crc, text);
	snprintf(info.checksum, sizeof(info.checksum), "CRC64NVME:%s", text);
	cr_assert_eq(cache_find(rig.cache, &name, &e), 0);
	cr_assert(cache_entry_is(e, &info));
	checksum_base64(CHECKSUM_CRC64NVME, crc ^ 1, text);
	snprintf(info.checksum, sizeof(info.checksum), "CRC64NVME:%s", text);
	cr_assert(!cache_entry_is(e, &info));
	cache_entry_unref(e);
	cr_assert_eq(cache_find(rig.cache, &name, &e), -ENOENT);
	cr_assert_eq(counter_get(COUNTER_shared_cache_thrown_away), 1);
}

BOTH(the_bound_is_held_and_the_oldest_go_first)
{
	char key[32];

	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		cr_assert_eq(rig_put(rig.cache, key, "\"1\"", MIB(1)), 0);
		if (i)
			cr_assert(rig_has(rig.cache, "k0", "\"1\"", MIB(1)), "it is used all the time");
		cr_assert_leq(rig_on_disk(), MIB(8) + KIB(64));
		usleep(2000); /* times of files have the grain of a tick */
	}
	cr_assert(!rig_has(rig.cache, "k1", "\"1\"", MIB(1)));
	cr_assert(rig_has(rig.cache, "k39", "\"1\"", MIB(1)));
	cr_assert(rig_has(rig.cache, "k37", "\"1\"", MIB(1)));
}

BOTH(what_is_larger_than_the_bound_is_refused)
{
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	cr_assert_eq(rig_put(rig.cache, "big", "\"1\"", MIB(9)), -EFBIG);
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
}

BOTH(a_smaller_bound_is_held_from_the_start)
{
	char key[32];

	for (int i = 0; i < 7; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		cr_assert_eq(rig_put(rig.cache, key, "\"1\"", MIB(1) - KIB(100)), 0);
	}
	rig_again(MIB(5));
	cr_assert_leq(rig_on_disk(), MIB(5) + KIB(64));
	cr_assert_eq(rig_put(rig.cache, "new", "\"1\"", MIB(2)), 0);
	cr_assert_leq(rig_on_disk(), MIB(5) + KIB(64));
	cr_assert(rig_has(rig.cache, "new", "\"1\"", MIB(2)));
	rig_again(MIB(16));
	cr_assert(rig_has(rig.cache, "new", "\"1\"", MIB(2)));
	cr_assert_eq(rig_put(rig.cache, "big", "\"1\"", MIB(9)), 0);
	cr_assert(rig_has(rig.cache, "big", "\"1\"", MIB(9)));
}

/* A disk that is full, in the middle of the data and before anything came. */
BOTH(what_does_not_fit_onto_the_disk_is_not_there)
{
	cleanup_close int fd = rig_source("big", "\"1\"", MIB(3));
	struct rlimit was, limit;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit = was;
	limit.rlim_cur = rig.one_file ? MIB(2) : KIB(100);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_lt(rig_put_from(rig.cache, "big", "\"1\"", MIB(3), fd), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
	cr_assert(!rig_has(rig.cache, "big", "\"1\"", MIB(3)));
	cr_assert(rig_has(rig.cache, "k", "\"1\"", SIZE));
	cr_assert_eq(rig_put(rig.cache, "big", "\"1\"", MIB(3)), 0);
	cr_assert(rig_has(rig.cache, "big", "\"1\"", MIB(3)));
}

static void die_while_writing(void)
{
	struct cache_name name = rig_name("left");
	struct cache_writer *w;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd = rig_source("left", "\"1\"", MIB(6));
		rig_again(MIB(8));
		if (cache_begin(rig.cache, &name, "\"1\"", MIB(6), &w) < 0 || cache_writer_block(w, fd, 0, NULL) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	cr_assert(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

BOTH(a_killed_writer_leaves_nothing_and_no_room_is_lost)
{
	for (int i = 0; i < 3; i++) {
		die_while_writing();
		cr_assert(!rig_has(rig.cache, "left", "\"1\"", MIB(6)));
	}
	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", MIB(6)), 0);
	cr_assert(rig_has(rig.cache, "k", "\"1\"", MIB(6)));
	cr_assert_leq(rig_on_disk(), MIB(8) + KIB(64));
}

/* One of several processes that put and take the same names in two versions. */
static int busy(unsigned seed)
{
	int failed = 0;

	rig_again(MIB(8));
	for (int i = 0; i < 150; i++) {
		char key[16];
		unsigned n = seed = seed * 1103515245 + 12345, which = (n >> 16) % 12;
		size_t size = 1000 + which * 97777;

		snprintf(key, sizeof(key), "k%u", which);
		if (n >> 30 & 1) {
			int r = rig_put(rig.cache, key, n >> 29 & 1 ? "\"1\"" : "\"2\"", size);
			failed += r < 0 && r != -EEXIST && r != -ENOSPC && r != -EAGAIN;
		} else if (!rig_has(rig.cache, key, "\"1\"", size)) {
			(void)rig_has(rig.cache, key, "\"2\"", size); /* asserts the bytes of what is there */
		}
	}
	return failed + (counter_get(COUNTER_shared_cache_thrown_away) != 0);
}

BOTH(several_processes_at_once_never_see_a_wrong_byte)
{
	pid_t pids[4];
	int status;

	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(busy(i + 1));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++) {
		cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
	}
	cr_assert_leq(rig_on_disk(), MIB(8) + KIB(64));
	cr_assert_eq(rig_put(rig.cache, "after", "\"1\"", MIB(1)), 0);
	cr_assert(rig_has(rig.cache, "after", "\"1\"", MIB(1)));
}

BOTH(it_is_copied_into_a_file)
{
	struct cache_name name = rig_name("k");
	cleanup_close int from = rig_source("k", "\"1\"", SIZE), to = memfd_create("to", MFD_CLOEXEC);
	static char a[SIZE], b[SIZE];
	struct cache_entry *e;

	cr_assert_eq(rig_put(rig.cache, "k", "\"1\"", SIZE), 0);
	cr_assert_eq(cache_find(rig.cache, &name, &e), 0);
	cr_assert_eq(cache_entry_copy(e, to), 0);
	cr_assert_eq(pread(from, a, SIZE, 0), SIZE);
	cr_assert_eq(pread(to, b, SIZE, 0), SIZE);
	cr_assert_arr_eq(a, b, SIZE);
	cache_entry_unref(e);
}
