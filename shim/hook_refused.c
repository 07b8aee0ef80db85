/*
 * What no volume can do, with the errno that programs expect where it is not to be had: handles of files, watches of
 * the whole file system, sockets by name, a root inside a mount.
 */
#include "shim/fdtab.h"
#include "shim/names.h"
#include "shim/shim.h"

#include <string.h>
#include <sys/un.h>

/* *path may be rewritten, into @r. Return: 0 where it is foreign; @refusal; -ENOENT and the like where there is none. */
static int refuse_at(int *dirfd, const char **path, struct route *r, int refusal)
{
	struct wire_attr a;
	int rc = route_active() ? route_at(dirfd, path, r) : ROUTE_FOREIGN;

	if (rc == ROUTE_MOUNT)
		rc = names_stat(r, 0, &a);
	else
		return rc;
	if (rc == NAMES_LEFT) {
		*dirfd = AT_FDCWD;
		*path = r->path;
		return 0;
	}
	return rc < 0 ? rc : refusal;
}

static bool routed(int fd)
{
	struct desc *d = fdtab_ours(fd);

	desc_put(d);
	return d != NULL;
}

EXPORT int name_to_handle_at(int dirfd, const char *path, struct file_handle *handle, int *mount_id, int flags)
{
	struct route r;
	bool itself = flags & AT_EMPTY_PATH && path && !path[0];
	int rc = itself ? (routed(dirfd) ? -EOPNOTSUPP : 0) : refuse_at(&dirfd, &path, &r, -EOPNOTSUPP);

	return rc ? (int)ret_errno(rc) : REAL(name_to_handle_at)(dirfd, path, handle, mount_id, flags);
}

EXPORT int open_by_handle_at(int mount_fd, struct file_handle *handle, int flags)
{
	return routed(mount_fd) ? (int)ret_errno(-ESTALE) : REAL(open_by_handle_at)(mount_fd, handle, flags);
}

EXPORT int fanotify_mark(int fd, unsigned flags, uint64_t mask, int dirfd, const char *path)
{
	struct route r;
	int rc = path ? refuse_at(&dirfd, &path, &r, -EOPNOTSUPP) : routed(dirfd) ? -EOPNOTSUPP : 0;

	return rc ? (int)ret_errno(rc) : REAL(fanotify_mark)(fd, flags, mask, dirfd, path);
}

EXPORT int chroot(const char *path)
{
	struct route r;
	int dirfd = AT_FDCWD, rc = refuse_at(&dirfd, &path, &r, -EPERM);

	return rc ? (int)ret_errno(rc) : REAL(chroot)(path);
}

/* ---- sockets ---- */

/* Is it a name inside a mount? Then *ret is its route. sun_path needs no NUL (unix(7)). */
static bool socket_path(const struct sockaddr *to, socklen_t len, struct route *ret)
{
	const struct sockaddr_un *un = (const void *)to;
	char path[sizeof(un->sun_path) + 1];
	const char *p = path;
	size_t n;

	if (!to || len <= offsetof(struct sockaddr_un, sun_path) || to->sa_family != AF_UNIX || !un->sun_path[0] ||
	    !route_active())
		return false;
	n = min_u64(len - offsetof(struct sockaddr_un, sun_path), sizeof(un->sun_path));
	memcpy(path, un->sun_path, n);
	path[n] = '\0';
	return route(&p, ret) == ROUTE_MOUNT;
}

EXPORT int bind(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	struct route r;

	return unlikely(socket_path(to.__sockaddr__, len, &r)) ? (int)ret_errno(-EOPNOTSUPP) : REAL(bind)(fd, to, len);
}

/* Nobody listens there. */
EXPORT int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	struct wire_attr a;
	struct route r;
	int rc;

	if (likely(!socket_path(to.__sockaddr__, len, &r)))
		return REAL(connect)(fd, to, len);
	rc = names_stat(&r, 0, &a);
	return (int)ret_errno(rc < 0 ? rc : -ECONNREFUSED);
}
