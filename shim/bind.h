/**
 * bind.h - libc's own functions: the originals behind the hooks.
 *
 * hooks.def lists every interposed symbol. REAL(name) is the original, found at first use by an ELF lookup of our own
 * over dl_iterate_phdr: the default version, in the first object after ours in load order that defines it. (Unversioned
 * references would bind the oldest version; dlsym is outside libc.so before glibc 2.34.) Lock-free: two threads that
 * resolve at once find the same.
 */
#ifndef S3SHIM_SHIM_BIND_H
#define S3SHIM_SHIM_BIND_H

#include "shim/abi.h"

#include <stdatomic.h>
#include <stdbool.h>

enum hook_id {
#define HOOK(family, name) HOOK_##name,
#include "shim/hooks.def"
#undef HOOK
	HOOK_MAX
};

extern _Atomic(void *) bind_table[HOOK_MAX];

/** bind_resolve() - look it up and remember it. Return: the address; NULL if no object has it. */
void *bind_resolve(enum hook_id id);

static inline void *bind_get(enum hook_id id)
{
	void *p = atomic_load_explicit(&bind_table[id], memory_order_relaxed);

	return __builtin_expect(p != NULL, 1) ? p : bind_resolve(id);
}

/** REAL(name)(args) - libc's. Only for symbols that every libc has; HAVE(name) asks for the others first. */
#define REAL(name) ((__typeof__(&name))(uintptr_t)bind_get(HOOK_##name))
#define HAVE(name) (bind_get(HOOK_##name) != NULL)

/**
 * bind_mentioned() - does the program or a library, libc and the shim apart, have one of @names among its dynamic
 * symbols, imported or copied? Looks at what is loaded now; enters the loader.
 */
bool bind_mentioned(const char *const *wanted, size_t count);

/** bind_library_path() - where libs3shim.so was loaded from, absolute; "" if unknown. */
const char *bind_library_path(void);

#endif
