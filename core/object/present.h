/**
 * present.h - which blocks of an object's base are in its file, and the crc of each as it arrived.
 *
 * Blocks are BLOCK_BYTES; the last one ends with the base. Memory grows with what is present, not with the size: 8 MiB
 * of an object cost 1,100 bytes once the first of its blocks came. Not locked: guarded by the object.
 *
 * The crc tells whether a block was changed, so it must not be one that formats embed: data that carries its own CRC32C
 * (ext4's superblock) has the same CRC32C whatever is written to it. Ours is CRC64NVME.
 */
#ifndef S3SHIM_OBJECT_PRESENT_H
#define S3SHIM_OBJECT_PRESENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct present_chunk;

struct present {
	uint64_t size, blocks; /* the base's bytes, and how many blocks that is */
	uint64_t low;          /* every block before this one is present */
	size_t chunk_count;
	struct present_chunk **chunks; /* NULL: nothing of it is present */
	uint64_t *fell;                /* a bit a chunk: something of it was here and was dropped */
};

/** present_blocks() - how many blocks @bytes take. */
uint64_t present_blocks(uint64_t bytes);

int present_init(struct present *p, uint64_t size); /* nothing present; -ENOMEM */
void present_deinit(struct present *p);

bool present_has(const struct present *p, uint64_t block);
/** present_crc() - Return: true and the crc if the block is present and its crc is known. */
bool present_crc(const struct present *p, uint64_t block, uint64_t *ret);
/** present_set() - it is here now; @crc NULL: unknown, so it counts as changed. Return: 0, also behind the end;
 * -ENOMEM. */
int present_set(struct present *p, uint64_t block, const uint64_t *crc);

/* A block that is on its way: somebody else fetches it. -ENOMEM. Cleared by present_set(). */
bool present_busy(const struct present *p, uint64_t block);
int present_set_busy(struct present *p, uint64_t block, bool busy);

/** present_next_missing() - the first block in [from, to) that is not present, @to if there is none. */
uint64_t present_next_missing(struct present *p, uint64_t from, uint64_t to);

/** present_pin() - the blocks are not dropped any more, now or when they have come. -ENOMEM. */
int present_pin(struct present *p, uint64_t from, uint64_t to);
/**
 * present_drop() - the first run of blocks in [from, to) that are here and not pinned is missing from now on
 * Return: true and the run, which ends with its chunk at the latest; false if there is none.
 */
bool present_drop(struct present *p, uint64_t from, uint64_t to, uint64_t *ret_from, uint64_t *ret_to);
bool present_fell(const struct present *p, uint64_t block); /* was something of its chunk dropped, ever? */

/*
 * A stamp a chunk: when it was last of use. present_oldest() finds the chunk of the lowest one, below @limit, that has
 * something to drop. present_read_ahead_is_over() takes PRESENT_AHEAD, which makes a stamp high, off them all.
 */
#define PRESENT_AHEAD (1ull << 63)
void present_use(struct present *p, uint64_t from, uint64_t to, uint64_t stamp); /* chunks that exist */
bool present_oldest(const struct present *p, uint64_t limit, uint64_t *ret_from, uint64_t *ret_to);
void present_read_ahead_is_over(struct present *p);

/**
 * present_rebase() - the base is @size bytes now; what is present in @sent is so in @p, with its crc
 * Return: 0; -ENOMEM, @p unchanged.
 */
int present_rebase(struct present *p, const struct present *sent, uint64_t size);

#endif
