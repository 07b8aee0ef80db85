/* The default bound of memory: the lowest limit of the cgroups on the way up. */
#include "config/memory.h"
#include "base/util.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>

static char root[] = "/tmp/s3shim-cgroup-XXXXXX";

static void limit(const char *name, const char *value)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	cr_assert(f);
	fprintf(f, "%s\n", value);
	fclose(f);
}

Test(memory, lowest_limit_on_the_way_up)
{
	char path[256];

	cr_assert(mkdtemp(root));
	(void)snprintf(path, sizeof(path), "%s/a", root);
	cr_assert_eq(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/a/b", root);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_eq(memory_cgroup_limit(root, "/a/b", "memory.max"), UINT64_MAX);
	limit("a/b/memory.max", "max");
	cr_expect_eq(memory_cgroup_limit(root, "/a/b", "memory.max"), UINT64_MAX);
	limit("a/memory.max", "1000000");
	cr_expect_eq(memory_cgroup_limit(root, "/a/b", "memory.max"), 1000000);
	limit("a/b/memory.max", "5000000");
	cr_expect_eq(memory_cgroup_limit(root, "/a/b", "memory.max"), 1000000);
	cr_expect_eq(memory_cgroup_limit(root, "/", "memory.max"), UINT64_MAX);
	(void)snprintf(path, sizeof(path), "rm -r %s", root);
	cr_expect_eq(system(path), 0);
}

Test(memory, default_is_within_its_bounds)
{
	uint64_t n = memory_default();

	cr_expect(n >= MIB(16) && n <= GIB(2));
}
