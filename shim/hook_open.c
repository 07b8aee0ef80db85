/* Paths to descriptors. A foreign path costs route_at()'s first question; the libc call is made with the caller's own
 * arguments, which only a relative path out of a mount's folder changes. */
#include "shim/fd_open.h"
#include "shim/foreign.h"
#include "shim/shim.h"

#include <linux/openat2.h>
#include <string.h>

/* libc failed: FD_FOREIGN, and errno, if it was right. */
static int open_again(int dirfd, const char *path, int flags, mode_t mode, struct route *keep)
{
	bool itself = flags & O_NOFOLLOW || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);

	switch (foreign_again(-1, dirfd, path, itself ? AT_SYMLINK_NOFOLLOW : 0, keep)) {
	case FOREIGN_MOUNT:
		return fd_open(keep, flags, mode);
	case FOREIGN_ABOVE:
		return fd_open_above(keep->path, flags);
	default:
		return FD_FOREIGN;
	}
}

/* @real: how libc is asked, with dirfd, path, flags and mode as they are then. */
#define OPEN(real) \
	do { \
		struct route keep; \
		int rc_ = likely(route_foreign(path)) ? FD_FOREIGN : fd_open_at(&dirfd, &path, flags, mode, &keep); \
		if (rc_ == FD_FOREIGN) { \
			rc_ = real; \
			if (likely(rc_ >= 0)) \
				return fd_opened(rc_, dirfd, path, flags); \
			rc_ = open_again(dirfd, path, flags, mode, &keep); \
			if (rc_ == FD_FOREIGN) \
				return -1; \
		} \
		return (int)ret_errno(rc_); \
	} while (0)

/* A plain open has no dirfd, and needs none: a path that is rewritten is absolute. */
EXPORT int open(const char *path, int flags, ...)
{
	int dirfd = AT_FDCWD;
	FD_OPEN_MODE(flags, mode)
	OPEN(REAL(open)(path, flags, mode));
}

EXPORT int open64(const char *path, int flags, ...)
{
	int dirfd = AT_FDCWD;
	FD_OPEN_MODE(flags, mode)
	OPEN(REAL(open64)(path, flags, mode));
}

EXPORT int openat(int dirfd, const char *path, int flags, ...)
{
	FD_OPEN_MODE(flags, mode)
	OPEN(REAL(openat)(dirfd, path, flags, mode));
}

EXPORT int openat64(int dirfd, const char *path, int flags, ...)
{
	FD_OPEN_MODE(flags, mode)
	OPEN(REAL(openat64)(dirfd, path, flags, mode));
}

EXPORT int creat(const char *path, mode_t mode)
{
	int dirfd = AT_FDCWD, flags = O_CREAT | O_WRONLY | O_TRUNC;
	OPEN(REAL(creat)(path, mode));
}

EXPORT int creat64(const char *path, mode_t mode)
{
	int dirfd = AT_FDCWD, flags = O_CREAT | O_WRONLY | O_TRUNC;
	OPEN(REAL(creat64)(path, mode));
}

/* The fortified ones have no mode; with O_CREAT libc ends the program, so that is asked first. */
EXPORT int __open_2(const char *path, int flags)
{
	int dirfd = AT_FDCWD;
	const mode_t mode = 0;

	if (fd_open_has_mode(flags))
		return REAL(__open_2)(path, flags);
	OPEN(REAL(__open_2)(path, flags));
}

EXPORT int __open64_2(const char *path, int flags)
{
	int dirfd = AT_FDCWD;
	const mode_t mode = 0;

	if (fd_open_has_mode(flags))
		return REAL(__open64_2)(path, flags);
	OPEN(REAL(__open64_2)(path, flags));
}

EXPORT int __openat_2(int dirfd, const char *path, int flags)
{
	const mode_t mode = 0;

	if (fd_open_has_mode(flags))
		return REAL(__openat_2)(dirfd, path, flags);
	OPEN(REAL(__openat_2)(dirfd, path, flags));
}

EXPORT int __openat64_2(int dirfd, const char *path, int flags)
{
	const mode_t mode = 0;

	if (fd_open_has_mode(flags))
		return REAL(__openat64_2)(dirfd, path, flags);
	OPEN(REAL(__openat64_2)(dirfd, path, flags));
}

/*
 * openat2(2): what it asks beyond openat() is about links and mount points in between, of which those inside a volume
 * are the broker's. A wish that cannot be promised there is ENOSYS: who makes it knows kernels without the call.
 */
#define RESOLVE_KNOWN ((uint64_t)RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS)

EXPORT int openat2(int dirfd, const char *path, struct open_how *how, size_t size)
{
	struct open_how want = { 0 };
	struct route keep;
	int rc = FD_FOREIGN;

	if (route_active() && how && size >= sizeof(want)) {
		memcpy(&want, how, sizeof(want));
		if (!(want.resolve & ~RESOLVE_KNOWN))
			rc = fd_open_at(&dirfd, &path, (int)want.flags, (mode_t)want.mode, &keep);
		else if (route_at(&dirfd, &path, &keep) == ROUTE_MOUNT)
			rc = -ENOSYS;
	}
	if (rc != FD_FOREIGN)
		return (int)ret_errno(rc);
	rc = (int)ret_errno(SYS(openat2, dirfd, path, how, size));
	return fd_opened(rc, dirfd, path, (int)want.flags);
}
