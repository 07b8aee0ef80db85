/* Which paths are foreign at once: whatever their alignment, none that leads to a mount point. */
#include "shim/route.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

__thread int vfork_depth; /* hook_process.c, which has hooks */

static char *page; /* a page, with nothing behind it */

static void one_mount(void)
{
	page = (char *)mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + 4096, 4096, PROT_NONE);
	setenv("S3SHIM_ROUTES", "/srv/store", 1);
	cr_assert(route_active());
}

/* At every place of the last bytes of the page. */
static int foreign_everywhere(const char *path)
{
	size_t n = strlen(path) + 1;
	int yes = 0;

	for (size_t back = 0; back < 40; back++) {
		memset(page + 4000, 's', 96);
		memcpy(page + 4096 - n - back, path, n);
		yes += route_foreign(page + 4096 - n - back);
	}
	return yes;
}

Test(route, a_mount_point_is_never_foreign, .init = one_mount)
{
	static const char *const paths[] = { "/srv/store",
					     "/srv/store/x",
					     "/srv//store/",
					     "/srv/./store",
					     "/a/long/way/round/../../../../srv/store/and/on",
					     "/st/st/store" };
	struct route r;

	for (size_t i = 0; i < 5; i++) {
		const char *p = paths[i];
		cr_assert_eq(route(&p, &r), ROUTE_MOUNT, "%s", paths[i]);
	}
	for (size_t i = 0; i < 6; i++)
		cr_assert_eq(foreign_everywhere(paths[i]), 0, "%s", paths[i]);
}

Test(route, what_never_begins_so_is, .init = one_mount)
{
	static const char *const paths[] = { "/",           "/etc/passwd",     "/usr/lib/x86_64-linux-gnu/libs3.so",
					     "/srv/sstore", "/home/best/list", "/usr/share/zoneinfo/tzdata/es/t" };

	for (size_t i = 0; i < 6; i++)
		if (__builtin_cpu_supports("sse2"))
			cr_assert_geq(foreign_everywhere(paths[i]), 35, "%s", paths[i]);
}

Test(route, descriptors_and_relative_names_are_looked_at, .init = one_mount)
{
	cr_assert_not(route_foreign("/proc/self/fd/3"));
	cr_assert_not(route_foreign("/dev/stdin"));
	cr_assert_not(route_foreign("x"));
	cr_assert_not(route_foreign(""));
	cr_assert_not(route_foreign(NULL));
}
