#include "config/memory.h"
#include "base/util.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MOST  GIB(2)
#define LEAST MIB(16)

/* "max", or a number of bytes. */
static uint64_t read_limit(const char *path)
{
	unsigned long long n = 0;
	FILE *f = fopen(path, "re");
	bool known = f && fscanf(f, "%llu", &n) == 1;

	if (f)
		fclose(f);
	return known ? n : UINT64_MAX;
}

uint64_t memory_cgroup_limit(const char *root, const char *group, const char *file)
{
	char path[PATH_MAX];
	uint64_t least = UINT64_MAX;
	size_t len = strlen(group);

	for (;;) {
		while (len && group[len - 1] == '/')
			len--;
		if (snprintf(path, sizeof(path), "%s%.*s/%s", root, (int)len, group, file) < (int)sizeof(path))
			least = min_u64(least, read_limit(path));
		if (!len)
			return least;
		while (len && group[len - 1] != '/')
			len--;
	}
}

/* Lines "0::/path" (v2) and "N:memory:/path" (v1) of /proc/self/cgroup. */
static uint64_t own_cgroup_limit(void)
{
	char line[PATH_MAX + 64];
	uint64_t least = UINT64_MAX;
	FILE *f = fopen("/proc/self/cgroup", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (controllers[1] == '\0')
			least = min_u64(least, memory_cgroup_limit("/sys/fs/cgroup", group, "memory.max"));
		else if (strcmp(controllers + 1, "memory") == 0)
			least = min_u64(least,
					memory_cgroup_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
	}
	if (f)
		fclose(f);
	return least;
}

uint64_t memory_default(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t there = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : GIB(1);

	return max_u64(LEAST, min_u64(MOST, min_u64(there, own_cgroup_limit()) / 4));
}
