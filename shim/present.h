/**
 * present.h - never a wrong byte: grants before reads, claims before writes, and the check of the generation after.
 *
 * The protocol is wire.h's (struct wire_slot). An object that is complete costs one load. All functions are for
 * WIRE_KIND_OBJECT; for other kinds they do nothing and succeed.
 */
#ifndef S3SHIM_SHIM_PRESENT_H
#define S3SHIM_SHIM_PRESENT_H

#include "shim/fdtab.h"

#include <stdbool.h>
#include <stdint.h>

/** present_complete() - may the kernel be asked without more? present_writes_free() - may be written without claims? */
bool present_complete(const struct desc *d);
bool present_writes_free(const struct desc *d);

/**
 * present_ready(), present_claimed() - would present_begin(), present_claim() answer without a message? Where not, the
 * caller believes the table's entry only after fdtab_verify().
 */
bool present_ready(const struct desc *d, uint64_t off, uint64_t len);
bool present_claimed(const struct desc *d, uint64_t off, uint64_t len);

/** present_opened() - the ranges that came with an open. */
void present_opened(struct desc *d, const struct wire_open_rep *rep);

/** present_base_end() - bytes from here on need no grant; where O_APPEND claims from. */
uint64_t present_base_end(const struct desc *d);

/**
 * present_begin() - before a real read of [off, off + len): asks for a grant if ours does not cover it
 * @ret_gen: for present_end(). Return: 0; -errno (the read fails with it).
 * present_end() - after it: true if what was read counts, false to begin again.
 */
int present_begin(struct desc *d, uint64_t off, uint64_t len, uint64_t *ret_gen);
bool present_end(struct desc *d, uint64_t gen);

/** present_pin() - complete and pinned, for who reads without a hook. len 0: to the end. */
int present_pin(struct desc *d, uint64_t off, uint64_t len);

/** present_claim() - before a real write. len UINT64_MAX: to infinity; for O_APPEND from present_base_end(). */
int present_claim(struct desc *d, uint64_t off, uint64_t len);

/**
 * present_offset_lock() - the offset is ours until unlock: by the description's lock among threads, by the broker's
 * among processes where desc.shared says so. Not needed when present_complete() and the description cannot write.
 */
int present_offset_lock(struct desc *d);
void present_offset_unlock(struct desc *d);

#endif
