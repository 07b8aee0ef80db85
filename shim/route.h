/**
 * route.h - is a path under a mount point? Everything else is libc's, untouched.
 *
 * Mount points come from S3SHIM_ROUTES (wire.h), read at first use from the process's environment as it was at start;
 * where that is unset, bare mode: S3SHIM_MOUNT (default /s3) if S3SHIM_BUCKET is set. Without either nothing is routed
 * and every check is one load.
 *
 * Paths are compared by component after `.`, empty components and climbing `..` were removed. Resolution of names below
 * a mount point is the broker's; a symlink that leads out comes back as WIRE_REDIRECT with the path to go on with.
 */
#ifndef S3SHIM_SHIM_ROUTE_H
#define S3SHIM_SHIM_ROUTE_H

#include "base/path.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct route {
	uint32_t mount;  /* index */
	uint32_t hops;   /* redirects that were followed: 40 are ELOOP */
	const char *rel; /* into .path: behind the mount point, without a leading slash; a trailing slash is kept */
	char path[WIRE_PATH_MAX]; /* absolute: mount point and rest; of a path that left the mount, the foreign one */
};

enum route_result {
	ROUTE_FOREIGN = 0, /* not ours: call libc with the arguments, which may have been rewritten */
	ROUTE_MOUNT = 1,   /* ours: *ret is filled */
};

/**
 * route_at() - of *@path relative to *@dirfd (AT_FDCWD: the current directory)
 * A relative path that leads out of the mount that its base is in is foreign, but the kernel cannot know its base: then
 * *@dirfd becomes AT_FDCWD and *@path the absolute path (in ret->path), so that a hook ends in one way:
 *
 *     if (!(rc = route_at(&dirfd, &path, &r)))
 *             return REAL(openat)(dirfd, path, flags, mode);
 *
 * NULL and "" are foreign (libc has the right error), as is a relative path below a descriptor that is neither routed
 * nor an ancestor of a mount point. Return: enum route_result; -ENAMETOOLONG; -ENOTDIR (*@dirfd is a routed file).
 */
int route_at(int *dirfd, const char **path, struct route *ret);

/**
 * route_foreign() - is @path surely none of ours? For the first line of a hook: some twenty instructions
 * False where it takes a closer look: relative paths, /dev and /proc (a descriptor's name), what begins as a mount point.
 */
bool route_foreign(const char *path);

/** route() - the same of a path alone. */
static inline int route(const char **path, struct route *ret)
{
	int dirfd = -100; /* AT_FDCWD */

	return route_at(&dirfd, path, ret);
}

/**
 * route_proc_fd() - does @path name a descriptor of this process (/proc/self/fd/N, /dev/fd/N, /dev/stdin, ...)?
 * Return: its number; -1.
 */
int route_proc_fd(const char *path);

/**
 * route_redirect() - go on with @to, an absolute path that the broker sent
 * Return: ROUTE_MOUNT, ROUTE_FOREIGN (ret->path is what to give to libc), -ELOOP, -ENAMETOOLONG.
 */
int route_redirect(struct route *r, const char *to);

/** route_active() - is there any mount point? */
bool route_active(void);

/** route_mount_path() - the mount point of index @mount; NULL beyond the last. For `..` and listings of parents. */
const char *route_mount_path(uint32_t mount);

/** route_is_ancestor() - is @path (absolute, normalised) a proper ancestor of a mount point? */
bool route_is_ancestor(const char *path);

/**
 * route_child() - names directly below @dir (absolute, normalised) that lead to mount points and that the kernel's
 * folder lacks: one a call, each once
 * @at: 0 at first. @ret: 256 bytes. Return: false when there are no more.
 */
bool route_child(const char *dir, uint32_t *at, char *ret);

/** route_bare() - does the environment say what to mount, so that without a session's socket a broker is to be started? */
bool route_bare(void);

#endif
