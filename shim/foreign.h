/**
 * foreign.h - a second look at a foreign path that libc has failed on.
 *
 * A symlink outside may lead into a mount, where the kernel finds nothing; and the folders above a mount point may not
 * exist in the kernel's tree. Both are ENOENT or ENOTDIR at first, so that paths that work cost nothing; then the links
 * are read here.
 */
#ifndef S3SHIM_SHIM_FOREIGN_H
#define S3SHIM_SHIM_FOREIGN_H

#include "shim/route.h"
#include "shim/shim.h"

enum foreign {
	FOREIGN_FAILED = 0, /* libc was right */
	FOREIGN_MOUNT = 1,  /* *ret is filled as route_at() does it */
	FOREIGN_ABOVE = 2,  /* a folder above a mount point, which only we know: ret->path */
};

/**
 * foreign_lead() - where @path leads (@flags: AT_SYMLINK_NOFOLLOW, for a last component that is a link)
 * Costs two system calls where the folder exists and has no such name. errno is untouched.
 */
enum foreign foreign_lead(int dirfd, const char *path, int flags, struct route *ret);

/** foreign_again() - the same for the result of libc's call: FOREIGN_FAILED at once where that is no such failure. */
static inline enum foreign foreign_again(long rc, int dirfd, const char *path, int flags, struct route *ret)
{
	if (likely(rc >= 0) || (errno != ENOENT && errno != ENOTDIR) || !route_active())
		return FOREIGN_FAILED;
	return foreign_lead(dirfd, path, flags, ret);
}

/**
 * PASS_ON() - in a hook, behind route_at(): a foreign path is libc's, @call; where that fails and the path leads into
 * a mount, the hook goes on with that
 */
#define PASS_ON(rc, call, dirfd, path, flags, r) \
	do { \
		if (likely((rc) == ROUTE_FOREIGN)) { \
			__typeof__(call) done_ = (call); \
			if (likely(foreign_again((long)done_, dirfd, path, flags, r) != FOREIGN_MOUNT)) \
				return done_; \
			(rc) = ROUTE_MOUNT; \
		} \
	} while (0)

/** foreign_covers() - does a mount point lie over a folder that exists? Where not, nothing needs to be compared. */
bool foreign_covers(void);

/** foreign_is_mount() - is @st the folder that lies under a mount point, reached by a link? Then *ret is its route. */
bool foreign_is_mount(const struct stat *st, struct route *ret);

#endif
