/*
 * One record, struct wire_attr, gives every flavour of stat, so that programs which compare stat(path) with fstat(fd)
 * and with statx() find them equal. On x86_64 and aarch64 struct stat64 is struct stat, and both are the kernel's;
 * where libc lacks a symbol (stat before glibc 2.33, the old ABI in musl) the kernel is asked by itself.
 */
#include "shim/fd_open.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/names.h"
#include "shim/shim.h"

#include <string.h>
#include <sys/sysmacros.h>

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one stat for both");

static struct timespec timespec_of(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}

static int fill_stat(struct stat *st, const struct wire_attr *a)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = a->dev;
	st->st_ino = a->ino;
	st->st_mode = a->mode;
	st->st_nlink = a->nlink;
	st->st_uid = a->uid;
	st->st_gid = a->gid;
	st->st_rdev = a->rdev;
	st->st_size = (off_t)a->size;
	st->st_blksize = (blksize_t)a->blksize;
	st->st_blocks = (blkcnt_t)a->blocks;
	st->st_atim = timespec_of(a->atime_ns);
	st->st_mtim = timespec_of(a->mtime_ns);
	st->st_ctim = timespec_of(a->ctime_ns);
	return 0;
}

static struct statx_timestamp statx_time(int64_t ns)
{
	struct timespec t = timespec_of(ns);

	return (struct statx_timestamp){ .tv_sec = t.tv_sec, .tv_nsec = (uint32_t)t.tv_nsec };
}

static int fill_statx(struct statx *st, const struct wire_attr *a)
{
	memset(st, 0, sizeof(*st));
	st->stx_mask = STATX_BASIC_STATS;
	st->stx_blksize = a->blksize;
	st->stx_nlink = a->nlink;
	st->stx_uid = a->uid;
	st->stx_gid = a->gid;
	st->stx_mode = (uint16_t)a->mode;
	st->stx_ino = a->ino;
	st->stx_size = a->size;
	st->stx_blocks = a->blocks;
	st->stx_atime = statx_time(a->atime_ns);
	st->stx_mtime = statx_time(a->mtime_ns);
	st->stx_ctime = statx_time(a->ctime_ns);
	st->stx_rdev_major = major(a->rdev);
	st->stx_rdev_minor = minor(a->rdev);
	st->stx_dev_major = major(a->dev);
	st->stx_dev_minor = minor(a->dev);
	return 0;
}

/* Outcomes of look(): 0 and a record; -errno; or libc is to be asked with the arguments, which may have changed. */
#define LOOK_FOREIGN 1

/* A folder above a mount point that the kernel lacks: each has an inode number of its own. */
static int above(const char *path, struct wire_attr *ret)
{
	uint64_t ino = 0xcbf29ce484222325;

	while (*path)
		ino = (ino ^ (unsigned char)*path++) * 0x100000001b3;
	*ret = (struct wire_attr){ .mode = S_IFDIR | 0555, .nlink = 2, .ino = ino | 1, .blksize = 4096 };
	return 0;
}

static int look_above(int fd, struct wire_attr *ret)
{
	struct desc *d = fdtab_get(fd);
	int rc = LOOK_FOREIGN;

	if (d && d->kind == DESC_ANCESTOR && d->mount == FD_ABOVE && fdtab_verify(fd, d))
		rc = above(d->path, ret);
	desc_put(d);
	return rc;
}

static int look_fd(int fd, struct wire_attr *ret)
{
	struct wire_fstat_req req;
	struct wire_fstat_rep rep;
	struct desc *d = fdtab_ours(fd);
	int rc;

	if (!d)
		return likely(!fdtab_routed(fd)) ? LOOK_FOREIGN : look_above(fd, ret);
	req.file = d->file;
	rc = link_call(WIRE_FSTAT, &req, &rep, NULL);
	if (!rc)
		*ret = rep.attr;
	desc_put(d);
	return rc;
}

static int look(int *dirfd, const char **path, int flags, struct route *r, struct wire_attr *ret)
{
	int rc, fd;

	if (!route_active())
		return LOOK_FOREIGN;
	if (flags & AT_EMPTY_PATH && (!*path || !**path))
		return *dirfd >= 0 ? look_fd(*dirfd, ret) : LOOK_FOREIGN;
	if (!(flags & AT_SYMLINK_NOFOLLOW) && (fd = route_proc_fd(*path)) >= 0)
		return look_fd(fd, ret);
	rc = route_at(dirfd, path, r);
	if (rc != ROUTE_MOUNT)
		return rc == ROUTE_FOREIGN ? LOOK_FOREIGN : rc;
	rc = names_stat(r, flags & AT_SYMLINK_NOFOLLOW ? WIRE_NOFOLLOW : 0, ret);
	if (rc == NAMES_LEFT) {
		*dirfd = AT_FDCWD;
		*path = r->path;
		return LOOK_FOREIGN;
	}
	return rc;
}

/* libc's answer on a foreign path is @done, with its record in @st: a failure, or the folder under a mount point, may be
 * ours after all. Return: as look(). */
static int look_again(int done, int dirfd, const char *path, int flags, const struct stat *st, struct route *r,
		      struct wire_attr *ret)
{
	uint32_t nofollow = flags & AT_SYMLINK_NOFOLLOW ? WIRE_NOFOLLOW : 0;
	enum foreign lead = FOREIGN_FAILED;

	if (likely(done >= 0) && (!S_ISDIR(st->st_mode) || !route_active()))
		return LOOK_FOREIGN;
	if (done >= 0)
		lead = foreign_is_mount(st, r) ? FOREIGN_MOUNT : FOREIGN_FAILED;
	else
		lead = foreign_again(done, dirfd, path, flags, r);
	if (lead == FOREIGN_ABOVE)
		return above(r->path, ret);
	return lead == FOREIGN_MOUNT ? names_stat(r, nofollow, ret) : LOOK_FOREIGN;
}

/*
 * The twelve by path: where the record is not ours, libc's function of the same name is asked (another preload may be
 * behind it), or the kernel where libc has none. The old ABI's version number says which struct stat; 64-bit systems
 * have one.
 */
#define BY_PATH(name, params, dirfd_, flags_, real) \
	EXPORT int name params \
	{ \
		struct wire_attr a; \
		struct route r; \
		int at = dirfd_, how = flags_, again; \
		int rc = likely(route_foreign(path)) ? LOOK_FOREIGN : look(&at, &path, how, &r, &a); \
\
		if (!rc) \
			return fill_stat((void *)st, &a); \
		if (rc < 0) \
			return (int)ret_errno(rc); \
		rc = HAVE(name) ? REAL(name) real : (int)ret_errno(SYS(newfstatat, at, path, st, how)); \
		if (likely(rc >= 0) && !S_ISDIR(st->st_mode)) \
			return rc; \
		again = look_again(rc, at, path, how, (const void *)st, &r, &a); \
		if (likely(again > 0)) \
			return rc; \
		return again ? (int)ret_errno(again) : fill_stat((void *)st, &a); \
	}
BY_PATH(stat, (const char *path, struct stat *st), AT_FDCWD, 0, (path, st))
BY_PATH(stat64, (const char *path, struct stat64 *st), AT_FDCWD, 0, (path, st))
BY_PATH(lstat, (const char *path, struct stat *st), AT_FDCWD, AT_SYMLINK_NOFOLLOW, (path, st))
BY_PATH(lstat64, (const char *path, struct stat64 *st), AT_FDCWD, AT_SYMLINK_NOFOLLOW, (path, st))
BY_PATH(fstatat, (int dirfd, const char *path, struct stat *st, int flags), dirfd, flags, (at, path, st, how))
BY_PATH(fstatat64, (int dirfd, const char *path, struct stat64 *st, int flags), dirfd, flags, (at, path, st, how))
BY_PATH(__xstat, (int ver, const char *path, struct stat *st), AT_FDCWD, 0, (ver, path, st))
BY_PATH(__xstat64, (int ver, const char *path, struct stat64 *st), AT_FDCWD, 0, (ver, path, st))
BY_PATH(__lxstat, (int ver, const char *path, struct stat *st), AT_FDCWD, AT_SYMLINK_NOFOLLOW, (ver, path, st))
BY_PATH(__lxstat64, (int ver, const char *path, struct stat64 *st), AT_FDCWD, AT_SYMLINK_NOFOLLOW, (ver, path, st))
BY_PATH(__fxstatat, (int ver, int dirfd, const char *path, struct stat *st, int flags), dirfd, flags,
	(ver, at, path, st, how))
BY_PATH(__fxstatat64, (int ver, int dirfd, const char *path, struct stat64 *st, int flags), dirfd, flags,
	(ver, at, path, st, how))

#define BY_FD(name, params, real) \
	EXPORT int name params \
	{ \
		struct wire_attr a; \
		int rc = fdtab_routed(fd) ? look_fd(fd, &a) : LOOK_FOREIGN; \
\
		if (!rc) \
			return fill_stat((void *)st, &a); \
		if (rc < 0) \
			return (int)ret_errno(rc); \
		return HAVE(name) ? REAL(name) real : (int)ret_errno(SYS(fstat, fd, st)); \
	}
BY_FD(fstat, (int fd, struct stat *st), (fd, st))
BY_FD(fstat64, (int fd, struct stat64 *st), (fd, st))
BY_FD(__fxstat, (int ver, int fd, struct stat *st), (ver, fd, st))
BY_FD(__fxstat64, (int ver, int fd, struct stat64 *st), (ver, fd, st))

EXPORT int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *st)
{
	struct wire_attr a;
	struct route r;
	int rc = likely(route_foreign(path)) ? LOOK_FOREIGN : look(&dirfd, &path, flags, &r, &a), done;
	struct stat seen;

	if (rc == LOOK_FOREIGN) {
		done = HAVE(statx) ? REAL(statx)(dirfd, path, flags, mask, st)
				   : (int)ret_errno(SYS(statx, dirfd, path, flags, mask, st));
		if (done >= 0) {
			seen.st_mode = st->stx_mode;
			seen.st_ino = st->stx_ino;
			seen.st_dev = makedev(st->stx_dev_major, st->stx_dev_minor);
		}
		rc = look_again(done, dirfd, path, flags, &seen, &r, &a);
		if (rc > 0)
			return done;
	}
	return rc ? (int)ret_errno(rc) : fill_statx(st, &a);
}

EXPORT key_t ftok(const char *path, int id)
{
	struct wire_attr a;
	struct route r;
	int at = AT_FDCWD, rc = look(&at, &path, 0, &r, &a);

	if (rc == LOOK_FOREIGN)
		return REAL(ftok)(path, id);
	if (rc < 0)
		return (key_t)ret_errno(rc);
	return (key_t)((a.ino & 0xffff) | (a.dev & 0xff) << 16 | ((uint32_t)id & 0xff) << 24);
}
