#include "shim/fd_open.h"
#include "shim/cwd.h"
#include "shim/meta.h"
#include "shim/names.h"
#include "shim/present.h"
#include "shim/shim.h"
#include "shim/unhooked.h"

#include <string.h>

#define CREATION_FLAGS (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW)

static struct desc *describe(const struct wire_open_rep *rep, const struct route *r, int flags)
{
	struct desc *d = desc_new(rep->kind, r->path);

	if (!d)
		return NULL;
	d->file = rep->file;
	d->object = rep->object;
	d->dev = rep->dev;
	d->ino = rep->ino;
	d->mount = r->mount;
	d->slot = rep->slot;
	d->flags = (uint32_t)(flags & ~CREATION_FLAGS);
	present_opened(d, rep);
	return d;
}

/* The descriptor is the program's from here on. */
static int take_in(int fd, const struct wire_open_rep *rep, const struct route *r, int flags)
{
	struct desc *d = describe(rep, r, flags);
	int rc = d ? fdtab_set(fd, d) : -ENOMEM;

	if (rc) {
		desc_put(d);
		(void)SYS(close, fd);
		return rc;
	}
	if (!(flags & O_CLOEXEC))
		(void)SYS(fcntl, fd, F_SETFD, 0);
	if (fd <= 2)
		unhooked_standard(fd, d);
	desc_put(d);
	return fd;
}

int fd_open(struct route *r, int flags, mode_t mode)
{
	struct wire_open_req req = { .flags = (uint32_t)flags,
				     .mode = fd_open_has_mode(flags) ? mode & ~meta_umask() & 07777 : 0 };
	struct wire_open_rep rep;
	struct link_extra x = { .fd = -1 };
	int rc = names_call(r, WIRE_OPEN, &req, &req.mount, &rep, &x);

	if (rc == NAMES_LEFT) {
		rc = REAL(open)(r->path, flags, mode);
		return rc < 0 ? -errno : fd_opened(rc, AT_FDCWD, r->path, flags);
	}
	if (rc)
		return rc;
	return x.fd < 0 ? -EIO : take_in(x.fd, &rep, r, flags);
}

/* ---- descriptors by name ---- */

static bool mode_allows(uint32_t has, int wants)
{
	has &= O_ACCMODE;
	return has == O_RDWR || has == (uint32_t)(wants & O_ACCMODE);
}

/* The object has no name any more, or another object has it: the nearest thing is the same description. */
static int share_description(int from, struct desc *d, int flags)
{
	int fd;

	if (!mode_allows(d->flags, flags))
		return -EACCES;
	fd = (int)SYS(fcntl, from, flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
	if (fd >= 0)
		fdtab_dup(from, fd);
	return fd;
}

static int truncate_opened(int fd)
{
	struct desc *d = fdtab_get(fd);
	struct wire_ftruncate_req req = { .file = d ? d->file : 0, .size = 0 };
	struct wire_ftruncate_rep rep;
	int rc = d ? link_call(WIRE_FTRUNCATE, &req, &rep, NULL) : -EBADF;

	desc_put(d);
	return rc;
}

/* A name is only where to look: what is there must be the same object, before anything is done to it. */
static int open_again(int from, struct desc *d, int flags)
{
	int look = flags & ~(O_CREAT | O_EXCL | O_TRUNC), fd = -ENOENT, rc = 0;
	const char *path = d->path;
	struct desc *got;
	struct route r;

	if (route(&path, &r) == ROUTE_MOUNT)
		fd = fd_open(&r, look, 0);
	got = fd >= 0 ? fdtab_get(fd) : NULL;
	if (fd >= 0 && (!got || got->object != d->object || got->kind != d->kind)) {
		(void)fdtab_close(fd);
		fd = -ENOENT;
	}
	desc_put(got);
	if (fd < 0)
		fd = share_description(from, d, look);
	if (fd >= 0 && flags & O_TRUNC && d->kind == WIRE_KIND_OBJECT && (rc = truncate_opened(fd)) < 0) {
		(void)fdtab_close(fd);
		return rc;
	}
	return fd;
}

void fd_proc_name(int fd, char *ret)
{
	char digits[12];
	size_t n = 0;

	memcpy(ret, "/proc/self/fd/", 14);
	do {
		digits[n++] = (char)('0' + fd % 10);
	} while ((fd /= 10));
	for (size_t i = 0; i < n; i++)
		ret[14 + i] = digits[n - 1 - i];
	ret[14 + n] = '\0';
}

/* A native file's name in /proc is the kernel's business; only what it is called is ours. */
static int open_native_again(int from, struct desc *d, int flags)
{
	char name[32];
	struct desc *copy;
	struct stat st;
	int fd;

	fd_proc_name(from, name);
	fd = (int)SYS(openat, AT_FDCWD, name, flags & ~(O_CREAT | O_EXCL), 0);
	copy = fd >= 0 ? desc_new(WIRE_KIND_NATIVE, d->path) : NULL;
	if (copy && SYS(fstat, fd, &st) == 0) {
		copy->dev = st.st_dev;
		copy->ino = st.st_ino;
		copy->mount = d->mount;
		copy->flags = (uint32_t)(flags & ~CREATION_FLAGS);
		(void)fdtab_set(fd, copy);
	}
	desc_put(copy);
	return fd;
}

static int open_proc(int from, int flags)
{
	struct desc *d = flags & O_NOFOLLOW ? NULL : fdtab_get(from);
	int rc = FD_FOREIGN;

	if (!d)
		return FD_FOREIGN;
	if (d->kind == DESC_ANCESTOR || !fdtab_verify(from, d))
		rc = FD_FOREIGN;
	else if (d->kind == WIRE_KIND_NATIVE)
		rc = open_native_again(from, d, flags);
	else
		rc = open_again(from, d, flags);
	desc_put(d);
	return rc;
}

int fd_open_at(int *dirfd, const char **path, int flags, mode_t mode, struct route *keep)
{
	int rc;

	if (!route_active())
		return FD_FOREIGN;
	rc = route_proc_fd(*path);
	if (rc >= 0)
		return fdtab_routed(rc) ? open_proc(rc, flags) : FD_FOREIGN;
	rc = route_at(dirfd, path, keep);
	if (rc == ROUTE_FOREIGN)
		return FD_FOREIGN;
	return rc < 0 ? rc : fd_open(keep, flags, mode);
}

/* ---- foreign descriptors ---- */

/* The absolute path, where it can be told without asking the kernel much; false: not worth it, or unknown. */
bool fd_absolute(int dirfd, const char *path, char *ret)
{
	char base[WIRE_PATH_MAX] = "/";
	struct desc *d;

	if (path[0] != '/' && dirfd == AT_FDCWD) {
		if (cwd_get(base, sizeof(base)) < 0)
			return false;
	} else if (path[0] != '/') {
		d = fdtab_get(dirfd);
		if (d && d->path)
			memcpy(base, d->path, strlen(d->path) + 1);
		desc_put(d);
		if (!d)
			return false;
	}
	return path_normalise(base, path, ret, WIRE_PATH_MAX) >= 0;
}

static void set_ancestor(int fd, const char *full, uint32_t mount)
{
	struct desc *d;
	struct stat st;

	if (SYS(fstat, fd, &st) < 0)
		return;
	d = desc_new(DESC_ANCESTOR, full);
	if (!d)
		return;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	d->mount = mount;
	(void)fdtab_set(fd, d);
	desc_put(d);
}

static void remember_ancestor(int fd, int dirfd, const char *path)
{
	char full[WIRE_PATH_MAX];

	if (fd_absolute(dirfd, path, full) && route_is_ancestor(full))
		set_ancestor(fd, full, 0);
}

/* The kernel's part of it is an empty folder. */
int fd_open_above(const char *path, int flags)
{
	int fd;

	if (flags & (O_CREAT | O_TRUNC) || (flags & O_ACCMODE) != O_RDONLY)
		return flags & O_CREAT && flags & O_EXCL ? -EEXIST : -EISDIR;
	fd = cwd_nowhere();
	if (fd < 0)
		return fd;
	if (!(flags & O_CLOEXEC))
		(void)SYS(fcntl, fd, F_SETFD, 0);
	set_ancestor(fd, path, FD_ABOVE);
	return fd;
}

int fd_opened_note(int fd, int dirfd, const char *path, int flags)
{
	if (fd < 0 || !route_active())
		return fd;
	if (unlikely(fdtab_routed(fd)))
		fdtab_forget(fd);
	if (flags & (O_DIRECTORY | O_PATH) || (path[0] == '/' && path[1] == '\0'))
		remember_ancestor(fd, dirfd, path);
	return fd;
}
