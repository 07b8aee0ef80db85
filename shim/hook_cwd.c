/* The current directory: entering, leaving, and saying where one is. */
#include "shim/cwd.h"
#include "shim/fd_open.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/names.h"
#include "shim/shim.h"

#include <string.h>

/* Enter a folder inside a mount, after making sure that it is one and may be searched. */
static int enter(struct route *r)
{
	struct wire_access_req req = { .flags = WIRE_EFFECTIVE, .mode = X_OK };
	struct wire_access_rep rep;
	char real[WIRE_PATH_MAX];
	struct wire_attr a;
	int rc = names_realpath(r, &a, real);

	if (rc)
		return rc;
	if (!S_ISDIR(a.mode))
		return -ENOTDIR;
	rc = names_call(r, WIRE_ACCESS, &req, &req.mount, &rep, NULL);
	return rc ? rc : cwd_enter(real);
}

static int leave(const char *path)
{
	int rc = REAL(chdir)(path);
	struct stat st;
	struct route r;

	switch (foreign_again(rc, AT_FDCWD, path, 0, &r)) {
	case FOREIGN_MOUNT:
		return (int)ret_errno(enter(&r));
	case FOREIGN_ABOVE:
		return (int)ret_errno(cwd_enter(r.path));
	default:
		break;
	}
	if (rc)
		return rc;
	if (route_active() && foreign_covers() && SYS(newfstatat, AT_FDCWD, ".", &st, 0) == 0 &&
	    foreign_is_mount(&st, &r))
		return (int)ret_errno(enter(&r));
	cwd_leave();
	return 0;
}

EXPORT int chdir(const char *path)
{
	struct route r;
	int rc = route(&path, &r);

	if (rc == ROUTE_FOREIGN)
		return leave(path);
	if (rc == ROUTE_MOUNT)
		rc = enter(&r);
	return rc == NAMES_LEFT ? leave(r.path) : (int)ret_errno(rc);
}

EXPORT int fchdir(int fd)
{
	struct desc *d = fdtab_get(fd);
	struct route r = { .hops = 0 };
	int rc;

	if (d && d->kind == DESC_ANCESTOR && d->mount == FD_ABOVE && fdtab_verify(fd, d)) {
		rc = cwd_enter(d->path);
		desc_put(d);
		return (int)ret_errno(rc);
	}
	if (!d || d->kind == DESC_ANCESTOR || !fdtab_verify(fd, d)) {
		desc_put(d);
		rc = REAL(fchdir)(fd);
		if (!rc)
			cwd_leave();
		return rc;
	}
	rc = d->kind == WIRE_KIND_DIR ? route_redirect(&r, d->path) : -ENOTDIR;
	desc_put(d);
	if (rc == ROUTE_MOUNT)
		rc = enter(&r);
	return (int)ret_errno(rc == NAMES_LEFT ? -ENOENT : rc);
}

/* getcwd(3): a NULL buffer is malloc()ed, of @size bytes or, for 0, as large as need be. */
static char *give(const char *path, char *buf, size_t size)
{
	size_t n = strlen(path) + 1;

	if (buf && !size)
		errno = EINVAL;
	else if (size && n > size)
		errno = ERANGE;
	else if (buf || (buf = malloc(size ? size : n)))
		return memcpy(buf, path, n);
	return NULL;
}

EXPORT char *getcwd(char *buf, size_t size)
{
	char path[WIRE_PATH_MAX];

	return cwd_routed(path) ? give(path, buf, size) : REAL(getcwd)(buf, size);
}

EXPORT char *__getcwd_chk(char *buf, size_t size, size_t room)
{
	char path[WIRE_PATH_MAX];

	return cwd_routed(path) ? give(path, buf, size) : REAL(__getcwd_chk)(buf, size, room);
}

EXPORT char *getwd(char *buf)
{
	char path[WIRE_PATH_MAX];

	return cwd_routed(path) ? give(path, buf, WIRE_PATH_MAX) : REAL(getwd)(buf);
}

EXPORT char *__getwd_chk(char *buf, size_t room)
{
	char path[WIRE_PATH_MAX];

	return cwd_routed(path) ? give(path, buf, room) : REAL(__getwd_chk)(buf, room);
}

EXPORT char *get_current_dir_name(void)
{
	char path[WIRE_PATH_MAX];

	return cwd_routed(path) ? give(path, NULL, 0) : REAL(get_current_dir_name)();
}
