/* Permissions, and what file system is underneath. */
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/names.h"
#include "shim/shim.h"

#include <string.h>

/* The answer about a route; NAMES_LEFT: it left every mount. */
static int access_route(int mode, int flags, struct route *r)
{
	struct wire_access_req req = { .mode = (uint32_t)mode };
	struct wire_access_rep rep;

	req.flags = (flags & AT_EACCESS ? WIRE_EFFECTIVE : 0) | (flags & AT_SYMLINK_NOFOLLOW ? WIRE_NOFOLLOW : 0);
	return names_call(r, WIRE_ACCESS, &req, &req.mount, &rep, NULL);
}

/* 0; -errno; NAMES_LEFT: ask libc with the arguments, which may have changed. */
static int access_at(int *dirfd, const char **path, int mode, int flags, struct route *r)
{
	int rc = route_at(dirfd, path, r);

	if (rc != ROUTE_MOUNT)
		return rc == ROUTE_FOREIGN ? NAMES_LEFT : rc;
	rc = access_route(mode, flags, r);
	if (rc == NAMES_LEFT) {
		*dirfd = AT_FDCWD;
		*path = r->path;
	}
	return rc;
}

/* What libc said of a foreign path, if it was right. */
static int access_again(int done, int dirfd, const char *path, int mode, int flags, struct route *r)
{
	switch (foreign_again(done, dirfd, path, flags, r)) {
	case FOREIGN_MOUNT:
		return (int)ret_errno(access_route(mode, flags, r));
	case FOREIGN_ABOVE:
		return mode & W_OK ? (int)ret_errno(-EROFS) : 0;
	default:
		return done;
	}
}

EXPORT int faccessat(int dirfd, const char *path, int mode, int flags)
{
	struct route r;
	int rc = access_at(&dirfd, &path, mode, flags, &r);

	if (rc != NAMES_LEFT)
		return (int)ret_errno(rc);
	return access_again(REAL(faccessat)(dirfd, path, mode, flags), dirfd, path, mode, flags, &r);
}

EXPORT int access(const char *path, int mode)
{
	struct route r;
	int dirfd = AT_FDCWD;
	int rc = access_at(&dirfd, &path, mode, 0, &r);

	if (rc != NAMES_LEFT)
		return (int)ret_errno(rc);
	return access_again(REAL(access)(path, mode), AT_FDCWD, path, mode, 0, &r);
}

EXPORT int eaccess(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS);
}

EXPORT int euidaccess(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS);
}

static int ask_statfs(struct route *r, struct wire_statfs_rep *ret)
{
	struct wire_statfs_req req = { 0 };

	return names_call(r, WIRE_STATFS, &req, &req.mount, ret, NULL);
}

/* Of a descriptor: by its path. A native one's own file system is the kernel's to tell. */
static int ask_fstatfs(int fd, struct wire_statfs_rep *ret)
{
	struct desc *d = fdtab_ours(fd);
	struct route r;
	int rc;

	if (!d)
		return NAMES_LEFT;
	rc = route_redirect(memset(&r, 0, offsetof(struct route, path)), d->path);
	if (rc == ROUTE_MOUNT)
		r.rel = ""; /* the file may have lost its name; the mount point has not */
	rc = rc == ROUTE_MOUNT ? ask_statfs(&r, ret) : NAMES_LEFT;
	desc_put(d);
	return rc;
}

static int fill_statfs(struct statfs *st, const struct wire_statfs_rep *a)
{
	memset(st, 0, sizeof(*st));
	st->f_type = (__fsword_t)a->type;
	st->f_bsize = (__fsword_t)a->bsize;
	st->f_frsize = (__fsword_t)a->bsize;
	st->f_blocks = a->blocks;
	st->f_bfree = st->f_bavail = a->bfree;
	st->f_files = a->files;
	st->f_ffree = a->ffree;
	st->f_namelen = (__fsword_t)a->namelen;
	st->f_flags = a->readonly ? ST_RDONLY : 0;
	memcpy(&st->f_fsid, &a->fsid, sizeof(st->f_fsid));
	return 0;
}

static int fill_statvfs(struct statvfs *st, const struct wire_statfs_rep *a)
{
	memset(st, 0, sizeof(*st));
	st->f_bsize = st->f_frsize = a->bsize;
	st->f_blocks = a->blocks;
	st->f_bfree = st->f_bavail = a->bfree;
	st->f_files = a->files;
	st->f_ffree = st->f_favail = a->ffree;
	st->f_fsid = a->fsid;
	st->f_flag = a->readonly ? ST_RDONLY : 0;
	st->f_namemax = a->namelen;
	return 0;
}

/* The four by path and the four by descriptor differ in name and type only; the 64 names are the same on 64 bits. */
#define BY_PATH(name, type, fill) \
	EXPORT int name(const char *path, struct type *st) \
	{ \
		struct wire_statfs_rep rep; \
		struct route r; \
		int rc = route(&path, &r); \
\
		PASS_ON(rc, REAL(name)(path, st), AT_FDCWD, path, 0, &r); \
		if (rc == ROUTE_MOUNT) \
			rc = ask_statfs(&r, &rep); \
		if (rc == NAMES_LEFT) \
			return REAL(name)(r.path, st); \
		return rc ? (int)ret_errno(rc) : fill((void *)st, &rep); \
	}
BY_PATH(statfs, statfs, fill_statfs)
BY_PATH(statfs64, statfs64, fill_statfs)
BY_PATH(statvfs, statvfs, fill_statvfs)
BY_PATH(statvfs64, statvfs64, fill_statvfs)

#define BY_FD(name, type, fill) \
	EXPORT int name(int fd, struct type *st) \
	{ \
		struct wire_statfs_rep rep; \
		int rc = ask_fstatfs(fd, &rep); \
\
		if (rc == NAMES_LEFT) \
			return REAL(name)(fd, st); \
		return rc ? (int)ret_errno(rc) : fill((void *)st, &rep); \
	}
BY_FD(fstatfs, statfs, fill_statfs)
BY_FD(fstatfs64, statfs64, fill_statfs)
BY_FD(fstatvfs, statvfs, fill_statvfs)
BY_FD(fstatvfs64, statvfs64, fill_statvfs)

static long configured(int name)
{
	switch (name) {
	case _PC_LINK_MAX:
		return 1;
	case _PC_NAME_MAX:
		return 255;
	case _PC_PATH_MAX:
	case _PC_PIPE_BUF:
	case _PC_SYMLINK_MAX:
		return 4096;
	case _PC_CHOWN_RESTRICTED:
	case _PC_NO_TRUNC:
	case _PC_2_SYMLINKS:
		return 1;
	case _PC_FILESIZEBITS:
		return 64;
	default:
		errno = EINVAL;
		return -1;
	}
}

EXPORT long pathconf(const char *path, int name)
{
	struct wire_attr a;
	struct route r;
	int rc = route(&path, &r);

	PASS_ON(rc, REAL(pathconf)(path, name), AT_FDCWD, path, 0, &r);
	if (rc == ROUTE_MOUNT)
		rc = names_stat(&r, 0, &a);
	if (rc == NAMES_LEFT)
		return REAL(pathconf)(r.path, name);
	return rc ? ret_errno(rc) : configured(name);
}

EXPORT long fpathconf(int fd, int name)
{
	struct desc *d = fdtab_ours(fd);

	desc_put(d);
	return d ? configured(name) : REAL(fpathconf)(fd, name);
}
