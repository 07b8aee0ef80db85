/**
 * shim.h - the words that all of the shim shares.
 *
 * Three worlds, three ways to call: `open` is an export of a few lines; REAL(open) is libc's; SYS(openat, ...) is the
 * kernel. Logic is in modules with a prefix (route_, fdtab_, link_, cwd_, present_), which return 0 or -errno and never
 * touch errno; only an export turns that into errno, by ret_errno().
 *
 * Everything here must be safe in a signal handler, before the constructor, after fork and in a vfork child: no malloc,
 * no stdio, no libc lock; locks of our own are held with signals blocked (lock.h).
 */
#ifndef S3SHIM_SHIM_SHIM_H
#define S3SHIM_SHIM_SHIM_H

#include "base/util.h"
#include "shim/bind.h"
#include "shim/sys.h"

#define EXPORT __attribute__((visibility("default")))

/** HOT - of a variable that every process touches: all of them lie on one page, which is dirty anyway. Each page more
 * costs every exec a fault or two. */
#define HOT __attribute__((section(".data")))

/** ret_errno() - end of an export: a negative @rc becomes errno and -1. */
static inline long ret_errno(long rc)
{
	if (rc >= 0)
		return rc;
	errno = (int)-rc;
	return -1;
}

#endif
