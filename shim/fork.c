/*
 * A word in a page that the kernel wipes in a forked child (MADV_WIPEONFORK, Linux 4.14): 0 in a process that is new.
 * That sees fork, _Fork, clone and raw system calls alike, but not vfork, whose child shares the page. Where the kernel
 * cannot wipe, the pid is compared, which costs a system call each time.
 */
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/lock.h"
#include "shim/shim.h"
#include "shim/vfork.h"

#include <sys/mman.h>

#define MADV_WIPE  18 /* MADV_WIPEONFORK */
#define PAGE_BYTES 4096

_Atomic uint32_t lock_generation HOT;

static _Atomic uint32_t *_Atomic seen HOT; /* the word: 0 in a process that is new, 1 seen, 2 being seen to */
static _Atomic uint32_t seen_no_wipe HOT;
static _Atomic long seen_pid HOT; /* where the kernel cannot wipe; else 0 */

static void seen_init(void)
{
	_Atomic uint32_t *word = &seen_no_wipe, *none = NULL;
	long page;

	page = SYS(mmap, NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page > 0 && SYS(madvise, page, PAGE_BYTES, MADV_WIPE) == 0)
		word = (_Atomic uint32_t *)page;
	else
		seen_pid = SYS(getpid);
	*word = 1;
	if (!atomic_compare_exchange_strong(&seen, &none, word) && page > 0)
		(void)SYS(munmap, page, PAGE_BYTES);
}

void fork_check(void)
{
	_Atomic uint32_t *word = atomic_load_explicit(&seen, memory_order_acquire);
	uint32_t v = 0;
	lock_mask mask;

	if (unlikely(!word)) {
		seen_init();
		return;
	}
	if (likely(atomic_load_explicit(word, memory_order_acquire) == 1)) {
		if (likely(!seen_pid) || vfork_child() || seen_pid == SYS(getpid))
			return;
		seen_pid = SYS(getpid);
		*word = 0;
	}
	mask = signals_block();
	if (atomic_compare_exchange_strong(word, &v, 2)) {
		atomic_fetch_add(&lock_generation, 1);
		link_fork_child();
		atomic_store(word, 1);
		fdtab_mark_shared();
	} else {
		while (atomic_load(word) == 2)
			(void)SYS(sched_yield);
	}
	signals_restore(mask);
}
