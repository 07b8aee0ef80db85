/*
 * A free list for each power of two. A block has 16 bytes before it that name its class; small ones are cut off a chunk
 * of 256 KiB, large ones are mapped one by one. Nothing goes back to the kernel.
 *
 * A process may be forked between any two stores of another thread that holds the lock, and the child goes on with what
 * it finds (the lock is free there: lock.h). Every state in between is sound or loses a block: a list's head changes by
 * one store, and the chunk's rest is taken before the block is used.
 */
#include "shim/mem.h"
#include "shim/lock.h"
#include "shim/shim.h"

#include <sys/mman.h>

#define SMALLEST    32
#define CLASSES     14 /* 32 bytes to 256 KiB, the header included */
#define CUT_CLASSES 9  /* up to 8 KiB are cut from chunks */
#define CHUNK       KIB(256)

struct block {
	uint32_t class;
	uint32_t reserved;
	struct block *next; /* while it is free */
};
_Static_assert(sizeof(struct block) == 16, "the memory behind a header is 16-aligned");

static struct lock lock;
static struct block *_Atomic list[CLASSES];
static char *_Atomic chunk; /* what is left of it lies before chunk_end */
static char *chunk_end;

static void *pages(size_t bytes)
{
	long p = SYS(mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p < 0 ? NULL : (void *)p;
}

static struct block *fresh_locked(uint32_t class)
{
	size_t bytes = (size_t)SMALLEST << class;
	char *p;

	if (class >= CUT_CLASSES)
		return pages(bytes);
	if (!chunk || (size_t)(chunk_end - chunk) < bytes) {
		p = pages(CHUNK);
		if (!p)
			return NULL;
		atomic_store_explicit(&chunk, NULL, memory_order_release);
		chunk_end = p + CHUNK;
		atomic_store_explicit(&chunk, p, memory_order_release);
	}
	p = chunk;
	atomic_store_explicit(&chunk, p + bytes, memory_order_release);
	return (struct block *)(void *)p;
}

void *mem_alloc(size_t bytes)
{
	uint32_t class = 0;
	struct block *b;
	lock_mask mask;

	if (bytes > CHUNK)
		return NULL;
	while (class < CLASSES && ((size_t)SMALLEST << class) < bytes + sizeof(*b))
		class ++;
	if (class == CLASSES)
		return NULL;
	mask = lock_take(&lock);
	b = list[class];
	if (b)
		atomic_store_explicit(&list[class], b->next, memory_order_release);
	else
		b = fresh_locked(class);
	lock_drop(&lock, mask);
	if (!b)
		return NULL;
	b->class = class;
	return b + 1;
}

void mem_free(void *block)
{
	struct block *b = block;
	lock_mask mask;

	if (!b)
		return;
	b--;
	mask = lock_take(&lock);
	b->next = list[b->class];
	atomic_store_explicit(&list[b->class], b, memory_order_release);
	lock_drop(&lock, mask);
}
