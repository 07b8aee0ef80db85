#include "object/arena.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct arena *arena;

static void make(void)
{
	struct err err = ERR_INIT;

	cr_assert_eq(arena_new(&arena, &err), 0, "%s", err_text(&err));
}

static void drop(void)
{
	arena = arena_free(arena);
}

TestSuite(arena, .init = make, .fini = drop);

Test(arena, cannot_be_written_or_truncated_by_whoever_gets_it)
{
	int fd = arena_fd(arena);

	cr_assert_lt(pwrite(fd, "x", 1, 0), 0);
	cr_assert_lt(ftruncate(fd, 0), 0);
	cr_assert_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

Test(arena, what_the_broker_stores_is_seen_by_a_reader)
{
	uint32_t slot = arena_slot_new(arena);
	const struct wire_slot *seen = mmap(NULL, WIRE_ARENA_BYTES, PROT_READ, MAP_SHARED, arena_fd(arena), 0);

	cr_assert_neq(seen, MAP_FAILED);
	atomic_store(&arena_slot(arena, slot)->base_end, 42);
	cr_assert_eq(atomic_load(&((struct wire_slot *)seen)[slot].base_end), 42);
	munmap((void *)seen, WIRE_ARENA_BYTES);
}

Test(arena, a_slot_that_is_used_again_has_another_generation)
{
	uint32_t first = arena_slot_new(arena);
	uint64_t gen = atomic_load(&arena_slot(arena, first)->gen);

	atomic_store(&arena_slot(arena, first)->flags, WIRE_SLOT_COMPLETE);
	arena_slot_free(arena, first);
	cr_assert_eq(arena_slot_new(arena), first);
	cr_assert_neq(atomic_load(&arena_slot(arena, first)->gen), gen);
	cr_assert_eq(atomic_load(&arena_slot(arena, first)->flags), 0);
}

Test(arena, runs_out_without_failing)
{
	for (unsigned i = 0; i < WIRE_ARENA_SLOTS; i++)
		cr_assert_lt(arena_slot_new(arena), WIRE_ARENA_SLOTS);
	cr_assert_eq(arena_slot_new(arena), WIRE_NO_SLOT);
	cr_assert_null(arena_slot(arena, WIRE_NO_SLOT));
	arena_slot_free(arena, WIRE_NO_SLOT);
}
