#include "shim/link.h"
#include "shim/lock.h"
#include "shim/mem.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__thread int vfork_depth;

Test(mem, aligned_and_disjoint)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 4096, 8000, 8192, 65536, 131072 };
	void *block[11][4];

	for (int i = 0; i < 11; i++)
		for (int k = 0; k < 4; k++) {
			block[i][k] = mem_alloc(sizes[i]);
			cr_assert_not_null(block[i][k]);
			cr_expect_eq((uintptr_t)block[i][k] % 16, 0);
			memset(block[i][k], i * 4 + k, sizes[i]);
		}
	for (int i = 0; i < 11; i++)
		for (int k = 0; k < 4; k++) {
			for (size_t n = 0; n < sizes[i]; n++)
				cr_assert_eq(((unsigned char *)block[i][k])[n], i * 4 + k);
			mem_free(block[i][k]);
		}
}

Test(mem, too_large_is_null)
{
	cr_expect_null(mem_alloc(1 << 20));
	cr_expect_null(mem_alloc(SIZE_MAX - 8));
	mem_free(NULL);
}

Test(mem, freed_is_used_again)
{
	void *p = mem_alloc(40);

	mem_free(p);
	cr_expect_eq(mem_alloc(48), p);
}

static void *churn(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		uint64_t *p = mem_alloc(64), *q = mem_alloc(64);
		*p = (uintptr_t)arg;
		*q = ~*p;
		if (*p != (uintptr_t)arg)
			return (void *)1;
		mem_free(q);
		mem_free(p);
	}
	return NULL;
}

Test(mem, threads_and_a_fork_between)
{
	pthread_t t[4];
	int status = 0;

	fork_check(); /* as the library's constructor */
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, churn, (void *)i);
	for (int i = 0; i < 20 && !status; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(churn(NULL) != NULL);
		waitpid(pid, &status, 0);
	}
	for (int i = 0; i < 4; i++) {
		void *ret;
		pthread_join(t[i], &ret);
		cr_expect_null(ret);
	}
	cr_expect_eq(status, 0);
}

static struct {
	struct lock lock;
	_Atomic int taken, done;
} held;

static void *hold(void *arg)
{
	lock_wait(&held.lock);
	held.taken = 1;
	usleep(50000);
	held.done = 1;
	lock_wake(&held.lock);
	return arg;
}

/* The child's first lock bears its own number: else the second thread would take it for the parent's, and have it too. */
Test(mem, two_threads_of_a_forked_child)
{
	int status = 1;
	pid_t pid;

	fork_check();
	pid = fork();
	if (pid == 0) {
		pthread_t t;
		pthread_create(&t, NULL, hold, NULL);
		while (!held.taken)
			;
		lock_wait(&held.lock);
		_exit(!held.done);
	}
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0);
}
