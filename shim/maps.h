/**
 * maps.h - mappings of objects: what msync has to upload, and what mremap may show that was not there.
 *
 * Those that are shared and writable, and those of objects that were not complete. munmap is not hooked, so a record can
 * outlive its mapping: then a file is synced once more than needed. When the table is full, everything of the session is
 * synced instead, and a mapping that has no record is not grown.
 */
#ifndef S3SHIM_SHIM_MAPS_H
#define S3SHIM_SHIM_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** maps_add() - [addr, addr + len) maps @file from @off now. maps_gone() - something else was mapped there. */
void maps_add(const void *addr, size_t len, uint64_t file, uint64_t off, bool writes);
void maps_gone(const void *addr, size_t len);

/** maps_sync() - upload what the range maps. Return: 0 or -errno. */
int maps_sync(const void *addr, size_t len);

/**
 * maps_grow() - before mremap(2) makes the mapping at @addr @len long: what comes to light is present, pinned, claimed
 * Return: 0; -ENOMEM where that cannot be had. maps_moved() - after it.
 */
int maps_grow(const void *addr, size_t len);
void maps_moved(const void *from, size_t from_len, const void *to, size_t to_len);

#endif
