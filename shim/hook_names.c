/* Names: making, moving, removing, reading links, and the one true path. */
#include "shim/cwd.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/meta.h"
#include "shim/names.h"
#include "shim/shim.h"

#include <linux/fs.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Where every hook of one path ends: @left is libc's function with r.path. */
#define FINISH(rc, left) ((rc) == NAMES_LEFT ? (left) : (int)ret_errno(rc))

static int call_mkdir(struct route *r, mode_t mode)
{
	struct wire_mkdir_req req = { .mode = mode & ~meta_umask() };
	struct wire_mkdir_rep rep;

	return names_call(r, WIRE_MKDIR, &req, &req.mount, &rep, NULL);
}

EXPORT int mkdirat(int dirfd, const char *path, mode_t mode)
{
	struct route r;
	int rc = route_at(&dirfd, &path, &r);

	PASS_ON(rc, REAL(mkdirat)(dirfd, path, mode), dirfd, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_mkdir(&r, mode);
	return FINISH(rc, REAL(mkdirat)(AT_FDCWD, r.path, mode));
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	struct route r;
	int rc = route(&path, &r);

	PASS_ON(rc, REAL(mkdir)(path, mode), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_mkdir(&r, mode);
	return FINISH(rc, REAL(mkdir)(r.path, mode));
}

static int call_unlink(struct route *r, int flags)
{
	struct wire_unlink_req req = { 0 };
	struct wire_unlink_rep rep;

	/* RMDIR's request and reply have UNLINK's shape. */
	return names_call(r, flags & AT_REMOVEDIR ? WIRE_RMDIR : WIRE_UNLINK, &req, &req.mount, &rep, NULL);
}

EXPORT int unlinkat(int dirfd, const char *path, int flags)
{
	struct route r;
	int rc = route_at(&dirfd, &path, &r);

	PASS_ON(rc, REAL(unlinkat)(dirfd, path, flags), dirfd, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_unlink(&r, flags);
	return FINISH(rc, REAL(unlinkat)(AT_FDCWD, r.path, flags));
}

EXPORT int unlink(const char *path)
{
	struct route r;
	int rc = route(&path, &r);

	PASS_ON(rc, REAL(unlink)(path), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_unlink(&r, 0);
	return FINISH(rc, REAL(unlink)(r.path));
}

EXPORT int rmdir(const char *path)
{
	struct route r;
	int rc = route(&path, &r);

	PASS_ON(rc, REAL(rmdir)(path), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_unlink(&r, AT_REMOVEDIR);
	return FINISH(rc, REAL(rmdir)(r.path));
}

EXPORT int remove(const char *path)
{
	struct route r;
	int rc = route(&path, &r);

	PASS_ON(rc, REAL(remove)(path), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT) {
		rc = call_unlink(&r, 0);
		if (rc == -EISDIR || rc == -EPERM)
			rc = call_unlink(&r, AT_REMOVEDIR);
	}
	return FINISH(rc, REAL(remove)(r.path));
}

/* Two names: both inside mounts, or on two file systems. FOREIGN says that both are libc's. */
#define PAIR_FOREIGN 1

struct pair {
	struct route a, b;
	int rc_a, rc_b;
};

static int pair_call(struct pair *p, enum wire_type type, uint32_t flags)
{
	int rc;

	if (p->rc_a != ROUTE_MOUNT || p->rc_b != ROUTE_MOUNT)
		return -EXDEV;
	rc = names_call_pair(&p->a, &p->b, type, flags);
	return rc > 0 ? -EXDEV : rc;
}

/* What the kernel finds wrong with a name on another file system before it says so: 0, or -errno. */
static int wrong(int dirfd, const char *path)
{
	long rc = 0;

	if (!path)
		return -EFAULT;
	if (!*path)
		return -ENOENT;
	if (*path != '/' && dirfd != AT_FDCWD)
		rc = SYS(fcntl, dirfd, F_GETFD);
	return rc < 0 ? (int)rc : 0;
}

static int pair(int *fromfd, const char **from, int *tofd, const char **to, enum wire_type type, uint32_t flags)
{
	struct pair p;
	int rc = 0;

	p.rc_a = route_at(fromfd, from, &p.a);
	p.rc_b = route_at(tofd, to, &p.b);
	if (p.rc_a == ROUTE_FOREIGN && p.rc_b == ROUTE_FOREIGN && *from != p.a.path && *to != p.b.path)
		return PAIR_FOREIGN;
	if (p.rc_a < 0 || p.rc_b < 0)
		return p.rc_a < 0 ? p.rc_a : p.rc_b;
	if (p.rc_a == ROUTE_MOUNT && p.rc_b == ROUTE_FOREIGN)
		p.rc_b = foreign_lead(*tofd, *to, AT_SYMLINK_NOFOLLOW, &p.b) == FOREIGN_MOUNT;
	else if (p.rc_b == ROUTE_MOUNT && p.rc_a == ROUTE_FOREIGN)
		p.rc_a = foreign_lead(*fromfd, *from, AT_SYMLINK_NOFOLLOW, &p.a) == FOREIGN_MOUNT;
	if (p.rc_a != ROUTE_MOUNT && p.rc_b == ROUTE_MOUNT)
		rc = wrong(*fromfd, *from);
	else if (p.rc_a == ROUTE_MOUNT && p.rc_b != ROUTE_MOUNT)
		rc = wrong(*tofd, *to);
	if (rc)
		return rc;
	if (p.rc_a == ROUTE_MOUNT || p.rc_b == ROUTE_MOUNT)
		return pair_call(&p, type, flags);
	/* Both foreign, one of them by `..` out of a mount: the rewritten path lives in a buffer of ours. */
	if (type == WIRE_RENAME)
		return (int)SYS(renameat2, *fromfd, *from, *tofd, *to, flags);
	return (int)SYS(linkat, *fromfd, *from, *tofd, *to, flags);
}

/* What libc said of two foreign names; both may lead into mounts by links. */
static int pair_again(int done, int fromfd, const char *from, int tofd, const char *to, enum wire_type type,
		      uint32_t flags)
{
	struct pair p;
	int saved = errno;

	if (likely(done >= 0) || (errno != ENOENT && errno != ENOTDIR) || !route_active())
		return done;
	p.rc_a = foreign_lead(fromfd, from, AT_SYMLINK_NOFOLLOW, &p.a) == FOREIGN_MOUNT;
	p.rc_b = foreign_lead(tofd, to, AT_SYMLINK_NOFOLLOW, &p.b) == FOREIGN_MOUNT;
	errno = saved;
	return p.rc_a || p.rc_b ? (int)ret_errno(pair_call(&p, type, flags)) : done;
}

EXPORT int renameat2(int fromfd, const char *from, int tofd, const char *to, unsigned flags)
{
	int rc = pair(&fromfd, &from, &tofd, &to, WIRE_RENAME, flags);

	if (rc != PAIR_FOREIGN)
		return (int)ret_errno(rc);
	rc = REAL(renameat2)(fromfd, from, tofd, to, flags);
	return pair_again(rc, fromfd, from, tofd, to, WIRE_RENAME, flags);
}

EXPORT int renameat(int fromfd, const char *from, int tofd, const char *to)
{
	int rc = pair(&fromfd, &from, &tofd, &to, WIRE_RENAME, 0);

	if (rc != PAIR_FOREIGN)
		return (int)ret_errno(rc);
	rc = REAL(renameat)(fromfd, from, tofd, to);
	return pair_again(rc, fromfd, from, tofd, to, WIRE_RENAME, 0);
}

EXPORT int rename(const char *from, const char *to)
{
	int fromfd = AT_FDCWD, tofd = AT_FDCWD, rc = pair(&fromfd, &from, &tofd, &to, WIRE_RENAME, 0);

	if (rc != PAIR_FOREIGN)
		return (int)ret_errno(rc);
	rc = REAL(rename)(from, to);
	return pair_again(rc, AT_FDCWD, from, AT_FDCWD, to, WIRE_RENAME, 0);
}

EXPORT int linkat(int fromfd, const char *from, int tofd, const char *to, int flags)
{
	int rc = pair(&fromfd, &from, &tofd, &to, WIRE_LINK_NAME, (uint32_t)flags);

	if (rc != PAIR_FOREIGN)
		return (int)ret_errno(rc);
	rc = REAL(linkat)(fromfd, from, tofd, to, flags);
	return pair_again(rc, fromfd, from, tofd, to, WIRE_LINK_NAME, (uint32_t)flags);
}

EXPORT int link(const char *from, const char *to)
{
	int fromfd = AT_FDCWD, tofd = AT_FDCWD, rc = pair(&fromfd, &from, &tofd, &to, WIRE_LINK_NAME, 0);

	if (rc != PAIR_FOREIGN)
		return (int)ret_errno(rc);
	rc = REAL(link)(from, to);
	return pair_again(rc, AT_FDCWD, from, AT_FDCWD, to, WIRE_LINK_NAME, 0);
}

static int call_symlink(const char *target, struct route *r)
{
	struct wire_symlink_req req = { 0 };
	struct wire_symlink_rep rep;
	struct link_extra x = { .string = { target }, .fd = -1 };

	if (!target[0])
		return -ENOENT;
	return names_call(r, WIRE_SYMLINK, &req, &req.mount, &rep, &x);
}

EXPORT int symlinkat(const char *target, int dirfd, const char *path)
{
	struct route r;
	int rc = route_at(&dirfd, &path, &r);

	PASS_ON(rc, REAL(symlinkat)(target, dirfd, path), dirfd, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_symlink(target, &r);
	return FINISH(rc, REAL(symlinkat)(target, AT_FDCWD, r.path));
}

EXPORT int symlink(const char *target, const char *path)
{
	struct route r;
	int rc = route(&path, &r);

	PASS_ON(rc, REAL(symlink)(target, path), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_symlink(target, &r);
	return FINISH(rc, REAL(symlink)(target, r.path));
}

/* @buf of WIRE_PATH_MAX. Return: the target's length, -errno, or NAMES_LEFT through *ret_left. */
static long call_readlink(struct route *r, char *buf, bool *ret_left)
{
	struct wire_readlink_req req = { 0 };
	struct wire_readlink_rep rep;
	struct link_extra x = { .tail = buf, .tail_room = WIRE_PATH_MAX, .fd = -1 };
	int rc = names_call(r, WIRE_READLINK, &req, &req.mount, &rep, &x);

	*ret_left = rc == NAMES_LEFT;
	return rc ? rc : (long)x.tail_len;
}

/* The path of a routed descriptor, as readlink of /proc/self/fd/N shows it. Return: length; 0 if it is foreign. */
static long descriptor_path(const char *path, char *buf)
{
	int fd = route_active() ? route_proc_fd(path) : -1;
	struct desc *d = fd >= 0 ? fdtab_get(fd) : NULL;
	long n = 0;

	if (d && d->kind != DESC_ANCESTOR && fdtab_verify(fd, d)) {
		n = (long)strlen(d->path);
		memcpy(buf, d->path, (size_t)n + 1);
	}
	desc_put(d);
	return n;
}

EXPORT ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size)
{
	char target[WIRE_PATH_MAX];
	struct route r;
	bool left = false;
	long n = descriptor_path(path, target);
	int rc;

	if (!n) {
		rc = route_at(&dirfd, &path, &r);
		PASS_ON(rc, REAL(readlinkat)(dirfd, path, buf, size), dirfd, path, AT_SYMLINK_NOFOLLOW, &r);
		n = rc < 0 ? rc : call_readlink(&r, target, &left);
		if (left)
			return REAL(readlinkat)(AT_FDCWD, r.path, buf, size);
	}
	if (n < 0)
		return ret_errno(n);
	if (!size)
		return ret_errno(-EINVAL);
	n = (long)min_u64((uint64_t)n, size);
	memcpy(buf, target, (size_t)n);
	return n;
}

EXPORT ssize_t readlink(const char *path, char *buf, size_t size)
{
	return readlinkat(AT_FDCWD, path, buf, size);
}

EXPORT ssize_t __readlink_chk(const char *path, char *buf, size_t n, size_t room)
{
	return readlinkat(AT_FDCWD, path, buf, n < room ? n : room);
}

EXPORT ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t n, size_t room)
{
	return readlinkat(dirfd, path, buf, n < room ? n : room);
}

static int call_mknod(struct route *r, mode_t mode, dev_t dev)
{
	struct wire_mknod_req req = { .rdev = dev, .mode = mode & ~meta_umask() };
	struct wire_mknod_rep rep;

	return names_call(r, WIRE_MKNOD, &req, &req.mount, &rep, NULL);
}

EXPORT int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
{
	struct route r;
	int rc = route_at(&dirfd, &path, &r);

	PASS_ON(rc,
		(HAVE(mknodat) ? REAL(mknodat)(dirfd, path, mode, dev)
			       : (int)ret_errno(SYS(mknodat, dirfd, path, mode, (unsigned)dev))),
		dirfd, path, AT_SYMLINK_NOFOLLOW, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_mknod(&r, mode, dev);
	return FINISH(rc, (int)ret_errno(SYS(mknodat, AT_FDCWD, r.path, mode, (unsigned)dev)));
}

EXPORT int mknod(const char *path, mode_t mode, dev_t dev)
{
	return mknodat(AT_FDCWD, path, mode, dev);
}

EXPORT int mkfifoat(int dirfd, const char *path, mode_t mode)
{
	return mknodat(dirfd, path, (mode & 07777) | S_IFIFO, 0);
}

EXPORT int mkfifo(const char *path, mode_t mode)
{
	return mknodat(AT_FDCWD, path, (mode & 07777) | S_IFIFO, 0);
}

EXPORT int __xmknod(int ver, const char *path, mode_t mode, dev_t *dev)
{
	(void)ver;
	return mknodat(AT_FDCWD, path, mode, *dev);
}

EXPORT int __xmknodat(int ver, int dirfd, const char *path, mode_t mode, dev_t *dev)
{
	(void)ver;
	return mknodat(dirfd, path, mode, *dev);
}

static int call_truncate(struct route *r, off_t size)
{
	struct wire_truncate_req req = { .size = (uint64_t)size };
	struct wire_truncate_rep rep;

	if (size < 0)
		return -EINVAL;
	return names_call(r, WIRE_TRUNCATE, &req, &req.mount, &rep, NULL);
}

EXPORT int truncate(const char *path, off_t size)
{
	struct route r;
	int rc = route(&path, &r);

	PASS_ON(rc, REAL(truncate)(path, size), AT_FDCWD, path, 0, &r);
	if (rc == ROUTE_MOUNT)
		rc = call_truncate(&r, size);
	return FINISH(rc, REAL(truncate)(r.path, size));
}

EXPORT int truncate64(const char *path, off64_t size)
{
	return truncate(path, size);
}

EXPORT char *realpath(const char *path, char *out)
{
	char found[WIRE_PATH_MAX];
	struct wire_attr a;
	struct route r;
	int rc;

	if (path && descriptor_path(path, found) > 0) {
		rc = 0;
	} else {
		rc = route(&path, &r);
		if (rc == ROUTE_FOREIGN) {
			char *done = REAL(realpath)(path, out);
			if (done || foreign_again(-1, AT_FDCWD, path, 0, &r) != FOREIGN_MOUNT)
				return done;
			rc = ROUTE_MOUNT;
		}
		if (rc == ROUTE_MOUNT)
			rc = names_realpath(&r, &a, found);
		if (rc == NAMES_LEFT)
			return REAL(realpath)(r.path, out);
	}
	if (rc) {
		errno = -rc;
		return NULL;
	}
	if (!out && !(out = malloc(strlen(found) + 1)))
		return NULL;
	return strcpy(out, found);
}

EXPORT char *__realpath_chk(const char *path, char *out, size_t room)
{
	(void)room; /* glibc demands PATH_MAX of it, as we do */
	return realpath(path, out);
}

EXPORT char *canonicalize_file_name(const char *path)
{
	return realpath(path, NULL);
}
