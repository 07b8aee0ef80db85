/**
 * arena.h - the broker's side of the shared arena (wire.h: struct wire_slot).
 *
 * One memfd, mapped here for writing, then sealed with F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL:
 * programs can map it for reading only and cannot truncate it under us. Threads: any.
 */
#ifndef S3SHIM_OBJECT_ARENA_H
#define S3SHIM_OBJECT_ARENA_H

#include "base/err.h"
#include "base/wire.h"

struct arena;

int arena_new(struct arena **ret, struct err *err);
struct arena *arena_free(struct arena *arena); /* returns NULL */

/** arena_fd() - the sealed memfd; borrowed, hand it out as it is. */
int arena_fd(const struct arena *arena);

/**
 * arena_slot_new() - take a free slot; its flags are 0, its generation goes on from where the last owner left it
 * (a grant of the last owner can never fit).
 * Return: the index, or WIRE_NO_SLOT where all are taken: the object then works without one, at a message a read.
 */
uint32_t arena_slot_new(struct arena *arena);
void arena_slot_free(struct arena *arena, uint32_t index);         /* bumps the generation; WIRE_NO_SLOT is fine */
struct wire_slot *arena_slot(struct arena *arena, uint32_t index); /* NULL for WIRE_NO_SLOT */

#endif
