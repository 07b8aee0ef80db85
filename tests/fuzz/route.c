/* Which paths the shim takes for its own: compared with what a plain reading of the path says. */
#include "fuzz.h"

#include "shim/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

__thread int vfork_depth; /* hook_process.c, which has hooks */

static const char *const mounts[] = { "/s3", "/srv/store", "/srv/store/inner", "/x" };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	setenv("S3SHIM_ROUTES", "/s3:/srv/store:/srv/store/inner:/x", 1);
	CHECK(route_active());
	return 0;
}

/* The longest mount point that @path (normalised) is at or below; -1: none. */
static int mount_of(const char *path)
{
	int best = -1;

	for (int i = 0; i < 4; i++) {
		size_t len = strlen(mounts[i]);

		if (strncmp(path, mounts[i], len) == 0 && (path[len] == '/' || !path[len]) &&
		    (best < 0 || len > strlen(mounts[best])))
			best = i;
	}
	return best;
}

static void check_absolute(const char *path)
{
	char normal[WIRE_PATH_MAX];
	const char *p = path;
	struct route r;
	int rc, want;

	if (path_normalise("/", path, normal, sizeof(normal)) < 0)
		return;
	want = mount_of(normal);
	if (strncmp(normal, "/dev", 4) == 0 || strncmp(normal, "/proc", 5) == 0)
		return;
	rc = route(&p, &r);
	if (strstr(path, "..")) { /* behind a name in a mount it is the broker's */
		CHECK(want < 0 || rc != ROUTE_FOREIGN || p != path || !route_foreign(path));
		return;
	}
	CHECK(rc == -ENAMETOOLONG || (rc == ROUTE_MOUNT) == (want >= 0));
	CHECK(want < 0 || !route_foreign(path));
	if (rc == ROUTE_MOUNT) {
		CHECK(r.mount == (uint32_t)want);
		CHECK(r.rel >= r.path && r.rel <= r.path + strlen(r.path) && r.rel[0] != '/');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, data + size };
	char *path = fuzz_text(&f), *to = fuzz_text(&f), child[256];
	uint32_t at = 0;

	(void)route_proc_fd(path);
	if (path[0] == '/') {
		struct route r = { .hops = 0 };

		check_absolute(path);
		(void)route_is_ancestor(path);
		while (route_child(path, &at, child))
			CHECK(child[0] && !strchr(child, '/'));
		if (to[0] == '/')
			CHECK(route_redirect(&r, to) <= ROUTE_MOUNT);
	}
	fuzz_free();
	return 0;
}
