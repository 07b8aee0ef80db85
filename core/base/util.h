/**
 * util.h - the few words that every layer shares: cleanup attributes, sizes, bounds.
 *
 * Header only, libc only; the shim includes it too, so nothing here may need a library or stdio.
 */
#ifndef S3SHIM_BASE_UTIL_H
#define S3SHIM_BASE_UTIL_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define likely(x)                       __builtin_expect(!!(x), 1)
#define unlikely(x)                     __builtin_expect(!!(x), 0)

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

/** The unit in which the presence of an object's bytes is kept: 64 KiB, DESIGN section 4. */
#define BLOCK_BYTES KIB(64)

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/** round_down(), round_up() - to a multiple of @to, a power of two; round_up() saturates at UINT64_MAX. */
static inline uint64_t round_down(uint64_t n, uint64_t to)
{
	return n & ~(to - 1);
}

static inline uint64_t round_up(uint64_t n, uint64_t to)
{
	return n > UINT64_MAX - (to - 1) ? UINT64_MAX : (n + to - 1) & ~(to - 1);
}

/** range_end() - @off + @len, saturated at UINT64_MAX. */
static inline uint64_t range_end(uint64_t off, uint64_t len)
{
	return len > UINT64_MAX - off ? UINT64_MAX : off + len;
}

/* Variables that release what they hold when they leave scope. Destructors accept NULL and -1. */
static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_p(const int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

#define cleanup_free  __attribute__((cleanup(cleanup_free_p)))
#define cleanup_close __attribute__((cleanup(cleanup_close_p)))

/** steal_fd(), steal_ptr() - take the value out of a cleanup variable: the caller owns it now. */
static inline int steal_fd(int *fd)
{
	int v = *fd;
	*fd = -1;
	return v;
}

static inline void *steal_ptr_(void *pp)
{
	void *v = *(void **)pp;
	*(void **)pp = NULL;
	return v;
}
#define steal_ptr(pp) ((__typeof__(*(pp)))steal_ptr_(pp))

#endif
