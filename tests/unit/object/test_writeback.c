#include "bench.h"

#include "base/util.h"
#include "object/writeback.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* What a broker held when it was killed goes to the bucket after all. The bucket's objects are made anew on this side. */
#define BIG (MIB(12) + 100)

static char left[sizeof(bench.cache)]; /* the killed broker's cache folder */

static void make_objects(void)
{
	bench_make("small", 100, 1);
	bench_make("big", BIG, 2);
	bench_make("cut", BIG, 3);
	bench_make("other", 100, 4);
}

static void open_and(struct prog *p, const char *key, const char *text, uint64_t off)
{
	cr_assert_eq(prog_open(p, key, OBJECT_WRITE, O_RDWR), 0);
	if (text)
		cr_assert_eq(prog_write(p, text, strlen(text), off), (int)strlen(text));
}

static void broker_that_is_killed(int fd)
{
	struct prog p;

	bench_open(&(struct object_store_config){ 0 });
	make_objects();
	if (write(fd, bench.cache, sizeof(bench.cache)) != sizeof(bench.cache))
		_exit(1);
	open_and(&p, "small", "tail", 100);
	open_and(&p, "big", "middle", MIB(5));
	cr_assert_eq(prog_write(&p, "tail", 4, BIG), 4);
	open_and(&p, "cut", NULL, 0);
	cr_assert_eq(object_truncate(p.o, 70000, NULL), 0);
	cr_assert_eq(object_truncate(p.o, 200000, NULL), 0);
	open_and(&p, "other", "XY", 10);
	open_and(&p, "new", "fresh", 3);
	kill(getpid(), SIGKILL);
}

static void make(void)
{
	int fds[2];
	pid_t child;

	cr_assert_eq(pipe(fds), 0);
	child = fork();
	if (!child)
		broker_that_is_killed(fds[1]);
	waitpid(child, NULL, 0);
	cr_assert_eq(read(fds[0], left, sizeof(left)), (ssize_t)sizeof(left));
	bench_open(&(struct object_store_config){ 0 });
	make_objects();
}

static void drop(void)
{
	char command[200];

	bench_close();
	snprintf(command, sizeof(command), "rm -rf %s", left);
	cr_assert_eq(system(command), 0);
}

TestSuite(writeback, .init = make, .fini = drop);

struct order {
	const char *key;
	bool force;
	int status;
};

static void write_one(void *arg, const struct recover_entry *e)
{
	struct order *order = arg;
	struct err err = ERR_INIT;

	if (strcmp(e->key, order->key) != 0)
		return;
	order->status = writeback_run(bench.store, fake_client(), e, order->force, &err);
	if (order->status == 0)
		cr_assert_eq(recover_drop(e, &err), 0);
}

static int write_back(const char *key, bool force)
{
	struct order order = { key, force, 1 };
	struct err err = ERR_INIT;

	cr_assert_geq(recover_list(left, write_one, &order, &err), 0);
	return order.status;
}

Test(writeback, an_append_behind_bytes_that_were_never_fetched)
{
	cleanup_free char *want = bench_bytes(104, 1);

	memcpy(want + 100, "tail", 4);
	cr_assert_eq(write_back("small", false), 0);
	cr_assert(fake_is("small", want, 104));
	cr_assert_eq(write_back("small", false), 1, "it is dropped");
}

Test(writeback, changes_of_a_big_object)
{
	cleanup_free char *want = bench_bytes(BIG + 4, 2);

	memcpy(want + MIB(5), "middle", 6);
	memcpy(want + BIG, "tail", 4);
	cr_assert_eq(write_back("big", false), 0);
	cr_assert(fake_is("big", want, BIG + 4));
	cr_assert_gt(fake_count(S3_UPLOAD_PART_COPY), 0);
}

Test(writeback, what_was_cut_stays_cut)
{
	cleanup_free char *want = bench_bytes(200000, 3);

	memset(want + 70000, 0, 130000);
	cr_assert_eq(write_back("cut", false), 0);
	cr_assert(fake_is("cut", want, 200000));
}

Test(writeback, a_new_file)
{
	cr_assert_eq(write_back("new", false), 0);
	cr_assert(fake_is("new", "\0\0\0fresh", 8));
}

Test(writeback, what_others_made_since_is_replaced_by_force_alone)
{
	cleanup_free char *want = bench_bytes(100, 4);

	memcpy(want + 10, "XY", 2);
	bench_make("other", 50, 9);
	cr_assert_eq(write_back("other", false), -ESTALE);
	cr_assert_eq(write_back("other", true), 0);
	cr_assert(fake_is("other", want, 100));
}

Test(writeback, what_cannot_be_put_together_is_kept)
{
	bench_make("big", 50, 9);
	cr_assert_eq(write_back("big", true), -ESTALE);
	bench_make("big", BIG, 2);
	cr_assert_eq(write_back("big", false), 0);
}
