/**
 * fd_open.h - from a routed path to a descriptor in the table.
 */
#ifndef S3SHIM_SHIM_FD_OPEN_H
#define S3SHIM_SHIM_FD_OPEN_H

#include "shim/fdtab.h"
#include "shim/route.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>

/**
 * fd_open() - open what @r names
 * @flags, @mode: as open(2)'s; the umask is applied here. Follows redirects (@r changes); one that leaves every mount
 * is opened by libc. Return: a new descriptor, already in the table; -errno.
 */
int fd_open(struct route *r, int flags, mode_t mode);

/** fd_open_at() is not about this path: libc's call, with the arguments, which may have been rewritten. */
#define FD_FOREIGN (-4096)

/**
 * fd_open_at() - route *@path and open it; /proc/self/fd/N and its like on a routed descriptor open that object again
 * @keep: the rewritten *@path points into it. Return: as fd_open(); FD_FOREIGN.
 */
int fd_open_at(int *dirfd, const char **path, int flags, mode_t mode, struct route *keep);

/** fd_opened() - a foreign open gave @fd: forget what the number was, remember an ancestor of a mount. Return: @fd. */
int fd_opened_note(int fd, int dirfd, const char *path, int flags);

static inline int fd_opened(int fd, int dirfd, const char *path, int flags)
{
	if (fd < 0 || (fdtab_idle() && !(flags & (O_DIRECTORY | O_PATH)) && path[0] && path[1]))
		return fd;
	return fd_opened_note(fd, dirfd, path, flags);
}

#define FD_ABOVE UINT32_MAX /* desc.mount of such a folder */

/** fd_open_has_mode() - only then has an open a third argument; FD_OPEN_MODE() takes it. */
static inline bool fd_open_has_mode(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#define FD_OPEN_MODE(flags, mode) \
	mode_t mode = 0; \
	if (fd_open_has_mode(flags)) { \
		va_list ap_; \
		va_start(ap_, flags); \
		mode = va_arg(ap_, mode_t); \
		va_end(ap_); \
	}

/** fd_open_above() - a folder above a mount point that the kernel lacks. Return: a descriptor; -errno. */
int fd_open_above(const char *path, int flags);

/** fd_absolute() - the absolute, normalised form of a foreign path (WIRE_PATH_MAX), where that can be told. */
bool fd_absolute(int dirfd, const char *path, char *ret);

/** fd_proc_name() - "/proc/self/fd/N" into @ret, 32 bytes. */
void fd_proc_name(int fd, char *ret);

#endif
