/**
 * maps.h - writable shared mappings of objects: what msync has to upload.
 *
 * munmap is not hooked, so a record can outlive its mapping: then a file is synced once more than needed. When the
 * table is full, everything of the session is synced instead.
 */
#ifndef S3SHIM_SHIM_MAPS_H
#define S3SHIM_SHIM_MAPS_H

#include <stddef.h>
#include <stdint.h>

/** maps_add() - [addr, addr + len) maps @file now. maps_gone() - something else was mapped there. */
void maps_add(const void *addr, size_t len, uint64_t file);
void maps_gone(const void *addr, size_t len);

/** maps_sync() - upload what the range maps. Return: 0 or -errno. */
int maps_sync(const void *addr, size_t len);

#endif
