/**
 * lock.h - a mutex for a shim: a futex, signals blocked while it is held, reset in a forked child.
 *
 * A handler that interrupted the holder on its own thread would wait for ever, so lock_take() blocks every signal and
 * lock_drop() restores the mask. Held for memory work only, never over a message to the broker, except for
 * a description's offset lock (fdtab.h), which says so itself.
 *
 * After fork only the forking thread lives, and a lock that another one held would stay taken. So a taken lock carries
 * the number of its process's generation, which fork_check() (link.h) raises in a child: one of an older generation is
 * free. Taking a lock asks fork_check() first: a lock that a child took under its parent's number would be free to the
 * next thread. fork_check() itself takes no lock.
 */
#ifndef S3SHIM_SHIM_LOCK_H
#define S3SHIM_SHIM_LOCK_H

#include "shim/sys.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct lock {
	_Atomic uint32_t v; /* 0 free; else generation * 4 + 1 taken, 2 taken and awaited */
};

extern _Atomic uint32_t lock_generation; /* link.c */
void fork_check(void);

typedef uint64_t lock_mask; /* the kernel's sigset */

static inline lock_mask signals_block(void)
{
	lock_mask all = ~(lock_mask)0, old = 0;

	(void)SYS(rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &old, sizeof(old));
	return old;
}

static inline void signals_restore(lock_mask old)
{
	(void)SYS(rt_sigprocmask, 2 /* SIG_SETMASK */, &old, NULL, sizeof(old));
}

/** lock_wait(), lock_wake() - without signals: for the offset lock, whose holder waits with the program's mask. */
static inline void lock_wait(struct lock *l)
{
	uint32_t gen, v = 0;

	fork_check();
	gen = atomic_load_explicit(&lock_generation, memory_order_relaxed) << 2;
	if (atomic_compare_exchange_strong_explicit(&l->v, &v, gen | 1, memory_order_acquire, memory_order_relaxed))
		return;
	for (;;) {
		uint32_t held = v & ~3u, want = gen | 2;
		if ((v == 0 || held != gen || v == (gen | 1)) &&
		    !atomic_compare_exchange_strong_explicit(&l->v, &v, want, memory_order_acquire,
							     memory_order_relaxed))
			continue;
		if (v == 0 || held != gen)
			return;
		(void)SYS(futex, &l->v, FUTEX_WAIT_PRIVATE, want, NULL, NULL, 0);
		v = atomic_load_explicit(&l->v, memory_order_relaxed);
	}
}

static inline void lock_wake(struct lock *l)
{
	if ((atomic_exchange_explicit(&l->v, 0, memory_order_release) & 3) == 2)
		(void)SYS(futex, &l->v, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static inline lock_mask lock_take(struct lock *l)
{
	lock_mask old = signals_block();

	lock_wait(l);
	return old;
}

static inline void lock_drop(struct lock *l, lock_mask old)
{
	lock_wake(l);
	signals_restore(old);
}

#endif
