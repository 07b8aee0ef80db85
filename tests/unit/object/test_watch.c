#include "object/watch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct watch *watch;
static struct watched *watched;
static _Atomic int writers_gone, holders_gone;
static int ro = -1, keep = -1; /* keep: a memfd's own description */

static void on_no_writers(void *arg)
{
	(void)arg;
	atomic_fetch_add(&writers_gone, 1);
}

static void on_no_holders(void *arg)
{
	(void)arg;
	atomic_fetch_add(&holders_gone, 1);
}

static int again(int flags)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ro);
	watch_lock(watched);
	fd = open(path, flags | O_CLOEXEC);
	watch_unlock(watched);
	cr_assert_geq(fd, 0);
	return fd;
}

static bool becomes(_Atomic int *what, int value)
{
	for (int i = 0; i < 3000; i++) {
		if (atomic_load(what) == value)
			return true;
		usleep(1000);
	}
	return false;
}

static void open_file(bool memory)
{
	char path[] = "/tmp/s3shim-test-XXXXXX", proc[64];
	struct watch_ops ops = { on_no_writers, on_no_holders, NULL };
	struct err err = ERR_INIT;
	int fd = memory ? memfd_create("test", MFD_CLOEXEC) : mkstemp(path);

	cr_assert_geq(fd, 0);
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ro = open(proc, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(ro, 0);
	if (memory) {
		keep = fd;
	} else {
		close(fd);
		unlink(path);
	}
	cr_assert_eq(watch_new(&watch, &err), 0, "%s", err_text(&err));
	cr_assert_eq(watch_add(watch, ro, keep, &ops, &watched, &err), 0, "%s", err_text(&err));
}

static void make_file(void)
{
	open_file(false);
}

static void drop(void)
{
	watch_remove(watched);
	watch_free(watch);
	close(ro);
	if (keep >= 0)
		close(keep);
}

TestSuite(watch, .init = make_file, .fini = drop);

Test(watch, the_last_close_of_a_writer_is_told)
{
	int a = again(O_RDWR), b = dup(a);

	watch_handed_out(watched, true);
	close(a);
	usleep(20000);
	cr_assert_eq(writers_gone, 0);
	cr_assert_not(watch_try_no_writers(watched));
	close(b);
	cr_assert(becomes(&writers_gone, 1));
	cr_assert(watch_try_no_writers(watched));
}

Test(watch, nothing_is_told_before_a_descriptor_was_handed_out)
{
	close(again(O_RDWR));
	usleep(20000);
	cr_assert_eq(writers_gone + holders_gone, 0);
}

Test(watch, a_close_before_the_hand_out_was_noted_is_told_all_the_same)
{
	close(again(O_RDWR));
	usleep(20000);
	watch_handed_out(watched, true);
	cr_assert(becomes(&writers_gone, 1));
	cr_assert(becomes(&holders_gone, 1));
}

Test(watch, readers_keep_holders_but_not_writers)
{
	int r = again(O_RDONLY), w = again(O_RDWR);

	watch_handed_out(watched, false);
	watch_handed_out(watched, true);
	close(w);
	cr_assert(becomes(&writers_gone, 1));
	cr_assert_eq(holders_gone, 0);
	cr_assert_not(watch_try_no_holders(watched));
	close(r);
	cr_assert(becomes(&holders_gone, 1));
}

Test(watch, a_writable_mapping_is_a_writer)
{
	int w = again(O_RDWR);
	void *map;

	cr_assert_eq(ftruncate(w, 4096), 0);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, w, 0);
	cr_assert_neq(map, MAP_FAILED);
	watch_handed_out(watched, true);
	close(w);
	usleep(20000);
	cr_assert_eq(writers_gone, 0);
	munmap(map, 4096);
	cr_assert(becomes(&writers_gone, 1));
}

Test(watch, a_killed_writer_is_told)
{
	int w = again(O_RDWR);
	pid_t child;

	watch_handed_out(watched, true);
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	close(w);
	usleep(20000);
	cr_assert_eq(writers_gone, 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_assert(becomes(&writers_gone, 1));
}

Test(watch, every_one_of_many_closes_is_learned_of)
{
	for (int i = 0; i < (watch_scans(watch) ? 20 : 500); i++) {
		int w = again(O_RDWR);

		watch_handed_out(watched, true);
		close(w);
		cr_assert(becomes(&writers_gone, i + 1), "close %d was not told of", i);
	}
}

static void remove_it(void *arg)
{
	(void)arg;
	watch_remove(watched);
	watched = NULL;
	atomic_fetch_add(&holders_gone, 1);
}

Test(watch, a_file_can_be_removed_from_its_own_callback)
{
	struct watch_ops ops = { NULL, remove_it, NULL };
	struct err err = ERR_INIT;

	watch_remove(watched);
	cr_assert_eq(watch_add(watch, ro, keep, &ops, &watched, &err), 0);
	watch_handed_out(watched, false);
	close(again(O_RDONLY));
	cr_assert(becomes(&holders_gone, 1));
	usleep(5000);
}

static void make_memory(void)
{
	open_file(true);
}

Test(watch_memory, a_memfds_own_description_does_not_count, .init = make_memory, .fini = drop)
{
	int w = again(O_RDWR);

	watch_handed_out(watched, true);
	cr_assert_not(watch_try_no_writers(watched));
	close(w);
	cr_assert(becomes(&writers_gone, 1));
	cr_assert(becomes(&holders_gone, 1));
}

Test(watch_prove, holds_for_memory_and_for_a_folder, .init = make_memory, .fini = drop)
{
	struct err err = ERR_INIT;

	cr_assert_eq(watch_prove(watch, NULL, &err), 0, "%s", err_text(&err));
	cr_assert_eq(watch_prove(watch, "/tmp", &err), 0, "%s", err_text(&err));
}

Test(watch_prove, says_what_is_wrong, .init = make_memory, .fini = drop)
{
	struct err err = ERR_INIT;

	cr_assert_eq(watch_prove(watch, "/proc/no-such-folder", &err), -EOPNOTSUPP);
	cr_assert_str_neq(err_text(&err), "no error");
}

Test(watch_sent, is_kept_without_leases_alone, .init = make_memory, .fini = drop)
{
	int fd = again(O_RDONLY), other = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_eq(watch_keeps_sent(watch, fd), watch_scans(watch));
	cr_assert_not(watch_keeps_sent(watch, other));
	close(fd);
	close(other);
}
