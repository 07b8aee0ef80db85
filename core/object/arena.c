#include "object/arena.h"

#include "base/util.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Free slots are a stack of indices: the slot freed last is taken next, its cache line is warm. The mapping is made
 * before the seal, which leaves existing writable mappings alone and forbids new ones to everybody, us included.
 */
struct arena {
	int fd;
	struct wire_slot *slots;
	pthread_mutex_t lock;
	uint32_t free_count;
	uint32_t free[WIRE_ARENA_SLOTS];
};

int arena_new(struct arena **ret, struct err *err)
{
	const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	cleanup_close int fd = memfd_create("s3shim-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct arena *arena;
	void *map;

	if (fd < 0)
		return err_set(err, errno, "making the arena: memfd_create: %s", strerror(errno));
	if (ftruncate(fd, (off_t)WIRE_ARENA_BYTES) < 0)
		return err_set(err, errno, "making the arena: ftruncate: %s", strerror(errno));
	map = mmap(NULL, WIRE_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "making the arena: mmap: %s", strerror(errno));
	arena = calloc(1, sizeof(*arena));
	if (!arena || fcntl(fd, F_ADD_SEALS, seals) < 0) {
		int saved = arena ? errno : ENOMEM;

		munmap(map, WIRE_ARENA_BYTES);
		free(arena);
		return err_set(err, saved, "making the arena: sealing it: %s", strerror(saved));
	}
	arena->fd = steal_fd(&fd);
	arena->slots = map;
	pthread_mutex_init(&arena->lock, NULL);
	for (uint32_t i = 0; i < WIRE_ARENA_SLOTS; i++)
		arena->free[i] = WIRE_ARENA_SLOTS - 1 - i;
	arena->free_count = WIRE_ARENA_SLOTS;
	*ret = arena;
	return 0;
}

struct arena *arena_free(struct arena *arena)
{
	if (!arena)
		return NULL;
	munmap(arena->slots, WIRE_ARENA_BYTES);
	close(arena->fd);
	pthread_mutex_destroy(&arena->lock);
	free(arena);
	return NULL;
}

int arena_fd(const struct arena *arena)
{
	return arena->fd;
}

uint32_t arena_slot_new(struct arena *arena)
{
	uint32_t index = WIRE_NO_SLOT;

	pthread_mutex_lock(&arena->lock);
	if (arena->free_count)
		index = arena->free[--arena->free_count];
	pthread_mutex_unlock(&arena->lock);
	if (index != WIRE_NO_SLOT) {
		atomic_store(&arena->slots[index].flags, 0);
		atomic_store(&arena->slots[index].base_end, UINT64_MAX);
	}
	return index;
}

void arena_slot_free(struct arena *arena, uint32_t index)
{
	struct wire_slot *slot = arena_slot(arena, index);

	if (!slot)
		return;
	atomic_store(&slot->flags, 0);
	atomic_store(&slot->base_end, UINT64_MAX);
	atomic_fetch_add(&slot->gen, 1);
	pthread_mutex_lock(&arena->lock);
	arena->free[arena->free_count++] = index;
	pthread_mutex_unlock(&arena->lock);
}

struct wire_slot *arena_slot(struct arena *arena, uint32_t index)
{
	return index < WIRE_ARENA_SLOTS ? &arena->slots[index] : NULL;
}
