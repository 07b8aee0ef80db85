/**
 * memory.h - how much memory the content of open files may take where nobody said.
 */
#ifndef S3SHIM_CONFIG_MEMORY_H
#define S3SHIM_CONFIG_MEMORY_H

#include <stdint.h>

/**
 * memory_default() - a quarter of what there is, at most 2 GiB: of the machine's memory, or of the limit of this process's
 * cgroup (v2: memory.max of it and of those above; v1: memory.limit_in_bytes) where that is less. cgroups(7).
 */
uint64_t memory_default(void);

/** memory_cgroup_limit() - the lowest limit on the way from @group ("/a/b") up to @root, UINT64_MAX if there is none. */
uint64_t memory_cgroup_limit(const char *root, const char *group, const char *file);

#endif
