/*
 * Most failures are names that are simply not there: their folder exists, and they are no link themselves. Only what is
 * neither is walked, component by component, as the kernel does it (path_resolution(7)), until a part is under a mount
 * point by its text. Where a mount point lies over a folder that exists, the kernel finds that folder behind a link, and
 * not what we have there: then everything is walked, and the folder itself is known by its inode.
 */
#include "shim/foreign.h"
#include "shim/cwd.h"
#include "shim/fd_open.h"
#include "shim/fdtab.h"

#include <string.h>

#define HOPS_MAX  40
#define UNDER_MAX 64

static struct {
	_Atomic int ready;
	_Atomic uint32_t count;
	_Atomic bool gaps; /* a folder above a mount point does not exist */
	struct {
		dev_t dev;
		ino_t ino;
		uint32_t mount;
	} at[UNDER_MAX];
} under;

static bool has_parent(const char *path)
{
	char parent[WIRE_PATH_MAX];
	struct stat st;

	return path_normalise(path, "..", parent, sizeof(parent)) > 0 && SYS(newfstatat, AT_FDCWD, parent, &st, 0) == 0;
}

/* The folders that mount points lie over, looked for once. Threads that do it at once write the same. */
static uint32_t under_count(void)
{
	uint32_t n = 0;
	const char *path;
	struct stat st;

	if (likely(under.ready))
		return under.count;
	for (uint32_t i = 0; n < UNDER_MAX && (path = route_mount_path(i)); i++) {
		if (SYS(newfstatat, AT_FDCWD, path, &st, 0) < 0) {
			under.gaps = under.gaps || !has_parent(path);
			continue;
		}
		under.at[n].dev = st.st_dev;
		under.at[n].ino = st.st_ino;
		under.at[n++].mount = i;
	}
	under.count = n;
	under.ready = 1;
	return n;
}

bool foreign_covers(void)
{
	return under_count() != 0;
}

bool foreign_is_mount(const struct stat *st, struct route *ret)
{
	if (!S_ISDIR(st->st_mode))
		return false;
	for (uint32_t i = 0, n = under_count(); i < n; i++)
		if (under.at[i].dev == st->st_dev && under.at[i].ino == st->st_ino) {
			const char *path = route_mount_path(under.at[i].mount);
			return route(&path, ret) == ROUTE_MOUNT;
		}
	return false;
}

/* The folder of @path exists, and @path is no link. */
static __attribute__((noinline)) bool simply_missing(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[WIRE_PATH_MAX], target[8];
	struct stat st;
	size_t n;

	if (under_count() || (slash && !slash[1]) || SYS(readlinkat, dirfd, path, target, sizeof(target)) >= 0)
		return false;
	if (!slash || slash == path)
		return true;
	n = (size_t)(slash - path);
	if (n >= sizeof(folder))
		return true;
	memcpy(folder, path, n);
	folder[n] = '\0';
	return SYS(newfstatat, dirfd, folder, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* Where relative names begin. */
static bool base_of(int dirfd, const char *path, char *ret)
{
	char name[32];
	long n;

	if (path[0] == '/') {
		memcpy(ret, "/", 2);
		return true;
	}
	if (dirfd == AT_FDCWD)
		return cwd_get(ret, WIRE_PATH_MAX) > 0;
	fd_proc_name(dirfd, name);
	n = SYS(readlinkat, AT_FDCWD, name, ret, WIRE_PATH_MAX - 1);
	ret[n > 0 ? n : 0] = '\0';
	return n > 0 && ret[0] == '/';
}

/* One step: @at, a folder without links, becomes @at/@name. Return: its length; 0 if that is too long. */
static size_t step(char *at, const char *name, size_t len)
{
	size_t n = strlen(at);

	if (n == 1)
		n = 0;
	if (len == 2 && memcmp(name, "..", 2) == 0) {
		while (n && at[--n] != '/')
			;
		n = n ? n : 1;
		at[n] = '\0';
		return n;
	}
	if (len == 1 && *name == '.')
		return n ? n : 1;
	if (n + len + 2 > WIRE_PATH_MAX)
		return 0;
	at[n] = '/';
	memcpy(at + n + 1, name, len);
	at[n + 1 + len] = '\0';
	return n + 1 + len;
}

static bool routed_text(const char *path, struct route *ret)
{
	return route(&path, ret) == ROUTE_MOUNT;
}

/* @at: the base, changed. @path: what follows. */
static __attribute__((noinline)) enum foreign walk(char *at, const char *path, int flags, struct route *ret)
{
	char target[WIRE_PATH_MAX], joined[WIRE_PATH_MAX], rest[WIRE_PATH_MAX];
	char *p = strcpy(rest, path);
	int hops = 0;

	while (*p) {
		size_t len, keep = strlen(at);
		long n;
		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (!len)
			break;
		if (!step(at, p, len))
			return FOREIGN_FAILED;
		p += len;
		/* Under a mount point now: what is left is the broker's to resolve. */
		if (hops && routed_text(at, ret)) {
			if (strlen(at) + strlen(p) >= sizeof(joined))
				return FOREIGN_FAILED;
			(void)strcpy(strcpy(joined, at) + strlen(at), p);
			return routed_text(joined, ret) ? FOREIGN_MOUNT : FOREIGN_FAILED;
		}
		if (!*p && flags & AT_SYMLINK_NOFOLLOW)
			break;
		n = SYS(readlinkat, AT_FDCWD, at, target, sizeof(target) - 1);
		if (n == -EINVAL)
			continue;
		if (n <= 0 || ++hops > HOPS_MAX || (size_t)n + strlen(p) + 1 > WIRE_PATH_MAX)
			return FOREIGN_FAILED;
		memcpy(joined, target, (size_t)n);
		(void)strcpy(joined + n, p);
		p = strcpy(rest, joined);
		if (target[0] == '/')
			keep = 1;
		at[keep ? keep : 1] = '\0';
		at[0] = '/';
	}
	return FOREIGN_FAILED;
}

enum foreign foreign_lead(int dirfd, const char *path, int flags, struct route *ret)
{
	char at[WIRE_PATH_MAX];
	size_t n = path ? strlen(path) : 0;

	if (!n || n >= WIRE_PATH_MAX)
		return FOREIGN_FAILED;
	(void)under_count();
	if (under.gaps && fd_absolute(dirfd, path, at) && route_is_ancestor(at)) {
		(void)strcpy(ret->path, at);
		return FOREIGN_ABOVE;
	}
	if (simply_missing(dirfd, path) || !base_of(dirfd, path, at))
		return FOREIGN_FAILED;
	return walk(at, path, flags, ret);
}
