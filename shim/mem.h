/**
 * mem.h - memory of the shim's own: size classes on mmap, no malloc.
 *
 * Blocks are type-stable by class: freed memory is never unmapped, so that a stale pointer may be looked at (fdtab.c).
 * Any thread, signal handlers included. Blocks are 16-aligned.
 */
#ifndef S3SHIM_SHIM_MEM_H
#define S3SHIM_SHIM_MEM_H

#include <stddef.h>

void *mem_alloc(size_t bytes); /* up to 128 KiB; NULL if the kernel has none; not zeroed */
void mem_free(void *block);    /* NULL is fine */

#endif
