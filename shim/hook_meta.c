/*
 * Mode, owner, times, extended attributes. Native descriptors are the kernel's; objects and folders are the broker's,
 * by path or by description. Extended attributes are not supported, and say so; so does inotify.
 */
#include "shim/meta.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/names.h"
#include "shim/shim.h"
#include "shim/vfork.h"

#include <string.h>

static _Atomic int umask_known = -1; /* the mask, once it was read or set */

/* Line "Umask:\t0022" of /proc/self/status; without /proc, the system call that changes it. */
static int umask_read(void)
{
	char text[1024];
	const char *p;
	int mask = 0;
	long fd = SYS(openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC), n = -1;

	if (fd >= 0) {
		n = SYS(read, fd, text, sizeof(text) - 1);
		(void)SYS(close, fd);
	}
	text[n > 0 ? n : 0] = '\0';
	p = strstr(text, "\nUmask:\t");
	if (!p) {
		mask = (int)SYS(umask, 077);
		(void)SYS(umask, mask);
		return mask;
	}
	for (p += 8; *p >= '0' && *p <= '7'; p++)
		mask = mask * 8 + (*p - '0');
	return mask;
}

mode_t meta_umask(void)
{
	int mask = umask_known;

	/* A vfork child has a mask of its own, but our memory is its parent's. */
	if (vfork_child())
		return (mode_t)umask_read();
	if (mask < 0)
		umask_known = mask = umask_read();
	return (mode_t)mask;
}

EXPORT mode_t umask(mode_t mask)
{
	mode_t old = REAL(umask)(mask);

	if (!vfork_child())
		umask_known = (int)(mask & 0777);
	return old;
}

#define META_FOREIGN NAMES_LEFT

/* What is to be changed, in the wire's words. */
struct change {
	uint32_t mask, mode, uid, gid;
	int64_t atime_ns, mtime_ns;
};

static int set_path(struct route *r, bool nofollow, const struct change *c)
{
	struct wire_setattr_req req = { .atime_ns = (uint64_t)c->atime_ns,
					.mtime_ns = (uint64_t)c->mtime_ns,
					.flags = nofollow ? WIRE_NOFOLLOW : 0,
					.mask = c->mask,
					.mode = c->mode,
					.uid = c->uid,
					.gid = c->gid };
	struct wire_setattr_rep rep;

	return names_call(r, WIRE_SETATTR, &req, &req.mount, &rep, NULL);
}

static int set_fd(int fd, const struct change *c)
{
	struct wire_fsetattr_req req = { .atime_ns = (uint64_t)c->atime_ns,
					 .mtime_ns = (uint64_t)c->mtime_ns,
					 .mask = c->mask,
					 .mode = c->mode,
					 .uid = c->uid,
					 .gid = c->gid };
	struct wire_fsetattr_rep rep;
	struct desc *d = fdtab_ours(fd);
	int rc;

	if (!d)
		return META_FOREIGN;
	req.file = d->file;
	rc = link_call(WIRE_FSETATTR, &req, &rep, NULL);
	desc_put(d);
	return rc;
}

/* fchmod and its kin, by number: they refuse an O_PATH descriptor. */
static int set_open(int fd, const struct change *c)
{
	struct desc *d = fdtab_get(fd);
	bool path_only = d && (d->flags & O_PATH) && fdtab_verify(fd, d);

	desc_put(d);
	return path_only ? -EBADF : set_fd(fd, c);
}

/* 0; -errno; META_FOREIGN: libc's, with the arguments as they are now. */
static int set_at(int *dirfd, const char **path, int flags, const struct change *c, struct route *r)
{
	int rc, fd;

	if (!route_active())
		return META_FOREIGN;
	if (flags & AT_EMPTY_PATH && (!*path || !**path))
		return *dirfd >= 0 ? set_fd(*dirfd, c) : META_FOREIGN;
	fd = flags & AT_SYMLINK_NOFOLLOW ? -1 : route_proc_fd(*path);
	if (fd >= 0)
		return set_fd(fd, c);
	rc = route_at(dirfd, path, r);
	if (rc != ROUTE_MOUNT)
		return rc == ROUTE_FOREIGN ? META_FOREIGN : rc;
	rc = set_path(r, flags & AT_SYMLINK_NOFOLLOW, c);
	if (rc == NAMES_LEFT) {
		*dirfd = AT_FDCWD;
		*path = r->path;
	}
	return rc;
}

/* What libc said of a foreign path, if it was right. */
static int set_again(int done, int dirfd, const char *path, int flags, const struct change *c, struct route *r)
{
	if (likely(foreign_again(done, dirfd, path, flags, r) != FOREIGN_MOUNT))
		return done;
	return (int)ret_errno(set_path(r, flags & AT_SYMLINK_NOFOLLOW, c));
}

#define SET_AT(dirfd, flags, change, real) \
	do { \
		struct route r_; \
		int rc_ = set_at(&(dirfd), &path, (flags), &(change), &r_); \
		return rc_ == META_FOREIGN ? set_again(real, dirfd, path, (flags), &(change), &r_) \
					   : (int)ret_errno(rc_); \
	} while (0)

#define SET_FD(change, real) \
	do { \
		int rc_ = fdtab_routed(fd) ? set_open(fd, &(change)) : META_FOREIGN; \
		return rc_ == META_FOREIGN ? (real) : (int)ret_errno(rc_); \
	} while (0)

static struct change change_mode(mode_t mode)
{
	return (struct change){ .mask = WIRE_SET_MODE, .mode = mode & 07777 };
}

EXPORT int chmod(const char *path, mode_t mode)
{
	struct change c = change_mode(mode);
	int at = AT_FDCWD;

	SET_AT(at, 0, c, REAL(chmod)(path, mode));
}

EXPORT int lchmod(const char *path, mode_t mode)
{
	struct change c = change_mode(mode);
	int at = AT_FDCWD;

	SET_AT(at, AT_SYMLINK_NOFOLLOW, c, REAL(lchmod)(path, mode));
}

EXPORT int fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
	struct change c = change_mode(mode);

	SET_AT(dirfd, flags, c, REAL(fchmodat)(dirfd, path, mode, flags));
}

EXPORT int fchmod(int fd, mode_t mode)
{
	struct change c = change_mode(mode);

	SET_FD(c, REAL(fchmod)(fd, mode));
}

static struct change change_owner(uid_t uid, gid_t gid)
{
	return (struct change){ .mask = (uid == (uid_t)-1 ? 0u : WIRE_SET_UID) | (gid == (gid_t)-1 ? 0u : WIRE_SET_GID),
				.uid = uid,
				.gid = gid };
}

EXPORT int chown(const char *path, uid_t uid, gid_t gid)
{
	struct change c = change_owner(uid, gid);
	int at = AT_FDCWD;

	SET_AT(at, 0, c, REAL(chown)(path, uid, gid));
}

EXPORT int lchown(const char *path, uid_t uid, gid_t gid)
{
	struct change c = change_owner(uid, gid);
	int at = AT_FDCWD;

	SET_AT(at, AT_SYMLINK_NOFOLLOW, c, REAL(lchown)(path, uid, gid));
}

EXPORT int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	struct change c = change_owner(uid, gid);

	SET_AT(dirfd, flags, c, REAL(fchownat)(dirfd, path, uid, gid, flags));
}

EXPORT int fchown(int fd, uid_t uid, gid_t gid)
{
	struct change c = change_owner(uid, gid);

	SET_FD(c, REAL(fchown)(fd, uid, gid));
}

/* Times: access first, then modification; NULL is now for both. */
static void set_time(struct change *c, bool modification, const struct timespec *t)
{
	int64_t *ns = modification ? &c->mtime_ns : &c->atime_ns;

	if (t && t->tv_nsec == UTIME_OMIT)
		return;
	c->mask |= modification ? WIRE_SET_MTIME : WIRE_SET_ATIME;
	if (!t || t->tv_nsec == UTIME_NOW)
		c->mask |= modification ? WIRE_SET_MTIME_NOW : WIRE_SET_ATIME_NOW;
	else
		*ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static struct change change_times(const struct timespec *t)
{
	struct change c = { .mask = 0 };

	set_time(&c, false, t ? &t[0] : NULL);
	set_time(&c, true, t ? &t[1] : NULL);
	return c;
}

static struct change change_timevals(const struct timeval *t)
{
	struct timespec ts[2];

	for (int i = 0; t && i < 2; i++)
		ts[i] = (struct timespec){ .tv_sec = t[i].tv_sec, .tv_nsec = t[i].tv_usec * 1000 };
	return change_times(t ? ts : NULL);
}

EXPORT int utimensat(int dirfd, const char *path, const struct timespec t[2], int flags)
{
	struct change c = change_times(t);

	/* The kernel takes a NULL path as the descriptor itself. */
	SET_AT(dirfd, path ? flags : flags | AT_EMPTY_PATH, c, REAL(utimensat)(dirfd, path, t, flags));
}

EXPORT int futimens(int fd, const struct timespec t[2])
{
	struct change c = change_times(t);

	SET_FD(c, REAL(futimens)(fd, t));
}

EXPORT int utimes(const char *path, const struct timeval t[2])
{
	struct change c = change_timevals(t);
	int at = AT_FDCWD;

	SET_AT(at, 0, c, REAL(utimes)(path, t));
}

EXPORT int lutimes(const char *path, const struct timeval t[2])
{
	struct change c = change_timevals(t);
	int at = AT_FDCWD;

	SET_AT(at, AT_SYMLINK_NOFOLLOW, c, REAL(lutimes)(path, t));
}

EXPORT int futimesat(int dirfd, const char *path, const struct timeval t[2])
{
	struct change c = change_timevals(t);

	SET_AT(dirfd, path ? 0 : AT_EMPTY_PATH, c, REAL(futimesat)(dirfd, path, t));
}

EXPORT int futimes(int fd, const struct timeval t[2])
{
	struct change c = change_timevals(t);

	SET_FD(c, REAL(futimes)(fd, t));
}

EXPORT int utime(const char *path, const struct utimbuf *t)
{
	struct timespec ts[2];
	struct change c;
	int at = AT_FDCWD;

	if (t) {
		ts[0] = (struct timespec){ .tv_sec = t->actime };
		ts[1] = (struct timespec){ .tv_sec = t->modtime };
	}
	c = change_times(t ? ts : NULL);
	SET_AT(at, 0, c, REAL(utime)(path, t));
}

/*
 * Of a name that is ours, as on a file system without them: there are none to list, and nothing can be said of one.
 * META_FOREIGN: libc's, with the path as it is now.
 */
static long xattr_path(const char **path, int flags, long answer, struct route *r)
{
	struct wire_attr a;
	int rc = route_active() ? route(path, r) : ROUTE_FOREIGN;

	if (rc != ROUTE_MOUNT)
		return rc == ROUTE_FOREIGN ? META_FOREIGN : rc;
	rc = names_stat(r, (uint32_t)flags, &a);
	if (rc == NAMES_LEFT) {
		*path = r->path;
		return META_FOREIGN;
	}
	return rc < 0 ? rc : answer;
}

static long xattr_fd(int fd, long answer)
{
	struct desc *d = fdtab_ours(fd);

	desc_put(d);
	return d ? answer : META_FOREIGN;
}

#define XATTR_PATH(type, name, params, flags, answer, real) \
	EXPORT type name params \
	{ \
		struct route r; \
		long rc = xattr_path(&path, flags, answer, &r), done; \
		if (rc != META_FOREIGN) \
			return (type)ret_errno(rc); \
		done = REAL(name) real; \
		if (likely(foreign_again(done, AT_FDCWD, path, (flags) ? AT_SYMLINK_NOFOLLOW : 0, &r) != \
			   FOREIGN_MOUNT)) \
			return (type)done; \
		path = r.path; \
		return (type)ret_errno(xattr_path(&path, flags, answer, &r)); \
	}
#define XATTR_FD(type, name, params, answer, real) \
	EXPORT type name params \
	{ \
		long rc = xattr_fd(fd, answer); \
		return rc == META_FOREIGN ? REAL(name) real : (type)ret_errno(rc); \
	}
#define NONE (-EOPNOTSUPP)
XATTR_PATH(ssize_t, getxattr, (const char *path, const char *n, void *v, size_t s), 0, NONE, (path, n, v, s))
XATTR_PATH(ssize_t, lgetxattr, (const char *path, const char *n, void *v, size_t s), WIRE_NOFOLLOW, NONE,
	   (path, n, v, s))
XATTR_FD(ssize_t, fgetxattr, (int fd, const char *n, void *v, size_t s), NONE, (fd, n, v, s))
XATTR_PATH(int, setxattr, (const char *path, const char *n, const void *v, size_t s, int f), 0, NONE,
	   (path, n, v, s, f))
XATTR_PATH(int, lsetxattr, (const char *path, const char *n, const void *v, size_t s, int f), WIRE_NOFOLLOW, NONE,
	   (path, n, v, s, f))
XATTR_FD(int, fsetxattr, (int fd, const char *n, const void *v, size_t s, int f), NONE, (fd, n, v, s, f))
XATTR_PATH(ssize_t, listxattr, (const char *path, char *l, size_t s), 0, 0, (path, l, s))
XATTR_PATH(ssize_t, llistxattr, (const char *path, char *l, size_t s), WIRE_NOFOLLOW, 0, (path, l, s))
XATTR_FD(ssize_t, flistxattr, (int fd, char *l, size_t s), 0, (fd, l, s))
XATTR_PATH(int, removexattr, (const char *path, const char *n), 0, NONE, (path, n))
XATTR_PATH(int, lremovexattr, (const char *path, const char *n), WIRE_NOFOLLOW, NONE, (path, n))
XATTR_FD(int, fremovexattr, (int fd, const char *n), NONE, (fd, n))

EXPORT int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	struct route r;
	long rc = xattr_path(&path, mask & IN_DONT_FOLLOW ? WIRE_NOFOLLOW : 0, -ENOSYS, &r);

	return rc == META_FOREIGN ? REAL(inotify_add_watch)(fd, path, mask) : (int)ret_errno(rc);
}
