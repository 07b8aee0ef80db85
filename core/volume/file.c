#include "volume/beneath.h"
#include "volume/dir.h"
#include "volume/host.h"
#include "volume/volume.h"

#include "base/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

/*
 * The File volume: a local folder whose real descriptors are handed over. Every path is opened beneath the root
 * (beneath.h) and every operation works on a descriptor, so nothing depends on a path twice. Attributes are the host's
 * own: a native fstat of what was handed over agrees with stat. A broker that is root acts as the caller while it works
 * (host.h), so that permissions and owners of new files are the kernel's business; a broker that is not root does
 * everything as itself.
 *
 * Descriptors of a read-only volume are opened through a read-only clone of the mount where the broker may make one:
 * otherwise a program of the same user could open /proc/self/fd/N once more for writing.
 *
 * A FIFO is opened without blocking; the rendezvous with the other end is waited for FIFO_WAIT_MS at the most, then a
 * reader gets its descriptor all the same and a writer ENXIO.
 */
#define FIFO_WAIT_MS 5000

struct file_volume {
	struct volume base;
	struct beneath beneath;
	int root;
	struct watch *watch;
};

static struct file_volume *of(struct volume *v)
{
	return container_of(v, struct file_volume, base);
}

/* Open @path as the caller. */
static int open_as(struct file_volume *fv, struct vcall *call, const char *path, int flags, mode_t mode, int *ret_fd)
{
	struct host_caller saved = host_become(call->uid, call->gid);
	int rc = beneath_open(&fv->beneath, path, flags, mode, ret_fd, call->redirect);

	host_restore(&saved);
	return rc;
}

static int parent_as(struct file_volume *fv, struct vcall *call, const char *path, int *ret_fd, char *name)
{
	struct host_caller saved = host_become(call->uid, call->gid);
	int rc = beneath_parent(&fv->beneath, path, ret_fd, name, call->redirect);

	host_restore(&saved);
	return rc;
}

static bool ends_with_slash(const char *path)
{
	size_t len = strlen(path);

	return len && path[len - 1] == '/';
}

/* directories */

struct host_dir {
	int fd; /* O_RDONLY */
	uint64_t root_dev, root_ino;
};

static int host_dir_rewind(struct dir *d, void *source, struct vcall *call, uint64_t *ret_self, uint64_t *ret_parent)
{
	struct host_dir *h = source;
	struct stat st, up;

	(void)d;
	(void)call;
	if (lseek(h->fd, 0, SEEK_SET) < 0 || fstat(h->fd, &st) < 0)
		return -errno;
	*ret_self = *ret_parent = st.st_ino;
	if ((st.st_dev != h->root_dev || st.st_ino != h->root_ino) && fstatat(h->fd, "..", &up, 0) == 0)
		*ret_parent = up.st_ino;
	return 0;
}

struct host_dirent { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int host_dir_more(struct dir *d, void *source, struct vcall *call, bool *ret_end)
{
	struct host_dir *h = source;
	_Alignas(8) char buf[32768];
	long n = syscall(SYS_getdents64, h->fd, buf, sizeof(buf));

	(void)call;
	if (n < 0)
		return errno == ENOENT ? (*ret_end = true, 0) : -errno; /* the folder was removed */
	for (long at = 0; at < n;) {
		const struct host_dirent *e = (const struct host_dirent *)(const void *)(buf + at);
		int rc = 0;

		if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0)
			rc = dir_add(d, e->name, strlen(e->name), e->ino, e->type);
		if (rc)
			return rc;
		at += e->reclen;
	}
	*ret_end = n == 0;
	return 0;
}

static void host_dir_release(void *source)
{
	struct host_dir *h = source;

	close(h->fd);
	free(h);
}

static const struct dir_source host_dir_source = { host_dir_rewind, host_dir_more, host_dir_release };

/* @fd: a directory, owned by this call. */
static int open_dir(struct file_volume *fv, struct vcall *call, int fd, bool path_only, struct volume_opened *ret)
{
	struct host_dir *h = malloc(sizeof(*h));
	struct stat st;
	int rc = -ENOMEM;

	if (h && path_only) {
		int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		/* O_PATH works on a folder that may not be read */
		if (readable >= 0) {
			close(fd);
			fd = readable;
		}
	}
	if (h && fstat(fv->root, &st) == 0) {
		*h = (struct host_dir){ fd, st.st_dev, st.st_ino };
		rc = dir_open(&fv->base, fv->watch, &host_dir_source, h, ret, &call->err);
	}
	if (rc) {
		close(fd);
		free(h);
	}
	return rc;
}

/* open */

static void nap(int ms)
{
	struct timespec ts = { 0, ms * 1000000L };

	nanosleep(&ts, NULL);
}

static void await_fifo_writer(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, FIFO_WAIT_MS);
}

/* The last writer waits for its reader; opened by the path again, because a FIFO's O_PATH says nothing of readers. */
static int open_waiting(struct file_volume *fv, struct vcall *call, const char *path, int flags, mode_t mode,
			int *ret_fd)
{
	int rc = -ENXIO;

	for (int waited = 0; rc == -ENXIO && waited < FIFO_WAIT_MS; waited += 10) {
		struct stat st;
		cleanup_close int probe = -1;

		rc = open_as(fv, call, path, O_PATH | (flags & O_NOFOLLOW), 0, &probe);
		if (rc)
			return rc;
		if (fstat(probe, &st) < 0 || !S_ISFIFO(st.st_mode))
			return -ENXIO;
		nap(10);
		rc = open_as(fv, call, path, flags, mode, ret_fd);
	}
	return rc;
}

/* A lease that somebody holds makes O_NONBLOCK fail on a regular file: that one may be waited for. */
static int open_leased(struct file_volume *fv, struct vcall *call, const char *path, int flags, mode_t mode,
		       int *ret_fd)
{
	cleanup_close int probe = -1;
	struct stat st;
	int rc = open_as(fv, call, path, O_PATH | (flags & O_NOFOLLOW), 0, &probe);

	if (rc)
		return rc;
	if (fstat(probe, &st) < 0 || !S_ISREG(st.st_mode))
		return -EAGAIN;
	return open_as(fv, call, path, flags & ~O_NONBLOCK, mode, ret_fd);
}

static int open_host(struct file_volume *fv, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
		     int *ret_fd)
{
	int quick = (int)flags | O_NOCTTY | O_NONBLOCK;
	int rc;

	if (flags & O_PATH)
		return open_as(fv, call, path, (int)flags, 0, ret_fd);
	rc = open_as(fv, call, path, quick, mode, ret_fd);
	if (flags & O_NONBLOCK)
		return rc;
	if (rc == -ENXIO)
		rc = open_waiting(fv, call, path, quick, mode, ret_fd);
	else if (rc == -EAGAIN)
		rc = open_leased(fv, call, path, quick, mode, ret_fd);
	if (rc == 0) {
		struct stat st;
		int now = fcntl(*ret_fd, F_GETFL);

		if (fstat(*ret_fd, &st) == 0 && S_ISFIFO(st.st_mode) && (flags & O_ACCMODE) == O_RDONLY)
			await_fifo_writer(*ret_fd);
		if (now >= 0)
			fcntl(*ret_fd, F_SETFL, now & ~O_NONBLOCK);
	}
	return rc;
}

static int file_open(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
		     struct volume_opened *ret)
{
	const uint32_t known = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC |
			       O_NOATIME | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_PATH | O_TMPFILE | O_NOCTTY;
	const uint32_t with_path = O_PATH | O_DIRECTORY | O_NOFOLLOW;
	struct file_volume *fv = of(v);
	struct stat st;
	int fd = -1, rc;

	flags &= flags & O_PATH ? with_path : known;
	if ((flags & O_CREAT) && ends_with_slash(path)) {
		cleanup_close int parent = -1;
		char name[NAME_MAX + 1];

		rc = parent_as(fv, call, path, &parent, name);
		return rc ? rc : -EISDIR;
	}
	rc = open_host(fv, call, path, flags, mode, &fd);
	if (rc)
		return rc;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return open_dir(fv, call, fd, flags & O_PATH, ret);
	*ret = (struct volume_opened){ .fd = fd, .kind = WIRE_KIND_NATIVE, .slot = WIRE_NO_SLOT };
	return 0;
}

/* attributes */

static int open_path(struct volume *v, struct vcall *call, const char *path, bool nofollow, int *ret_fd)
{
	int flags = O_PATH | (nofollow && !ends_with_slash(path) ? O_NOFOLLOW : 0);

	return open_as(of(v), call, path, flags, 0, ret_fd);
}

static int file_stat(struct volume *v, struct vcall *call, const char *path, bool nofollow, struct wire_attr *ret)
{
	cleanup_close int fd = -1;
	int rc = open_path(v, call, path, nofollow, &fd);

	return rc ? rc : host_attr(fd, ret);
}

static int file_realpath(struct volume *v, struct vcall *call, const char *path, struct wire_attr *ret_attr, char *ret)
{
	cleanup_close int fd = -1;
	int rc = open_path(v, call, path, false, &fd);

	if (rc == 0)
		rc = host_attr(fd, ret_attr);
	return rc ? rc : host_path_below(of(v)->root, fd, ret);
}

static int file_access(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint32_t flags)
{
	cleanup_close int fd = -1;
	int rc = open_path(v, call, path, flags & WIRE_NOFOLLOW, &fd);
	struct host_caller saved;

	if (rc)
		return rc;
	saved = host_become(call->uid, call->gid);
	rc = host_access(fd, (int)mode);
	host_restore(&saved);
	return rc;
}

static int file_setattr(struct volume *v, struct vcall *call, const char *path, bool nofollow,
			const struct vsetattr *set)
{
	cleanup_close int fd = -1;
	int rc = open_path(v, call, path, nofollow, &fd);
	struct host_caller saved;

	if (rc)
		return rc;
	saved = host_become(call->uid, call->gid);
	rc = host_setattr(fd, set);
	host_restore(&saved);
	return rc;
}

static int file_truncate(struct volume *v, struct vcall *call, const char *path, uint64_t size)
{
	cleanup_close int fd = -1;
	int rc = open_as(of(v), call, path, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0, &fd);

	if (rc)
		return rc == -ENXIO ? -EINVAL : rc;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int file_statfs(struct volume *v, struct vcall *call, const char *path, struct wire_statfs_rep *ret)
{
	cleanup_close int fd = -1;
	int rc = open_path(v, call, path, false, &fd);

	return rc ? rc : host_statfs(fd, ret);
}

static int file_readlink(struct volume *v, struct vcall *call, const char *path, char *buf, size_t room,
			 size_t *ret_len)
{
	cleanup_close int fd = -1;
	int rc = open_path(v, call, path, true, &fd);
	ssize_t n;

	if (rc)
		return rc;
	n = readlinkat(fd, "", buf, room);
	if (n < 0)
		return errno == ENOENT ? -EINVAL : -errno; /* an O_PATH descriptor of something that is no link */
	*ret_len = (size_t)n;
	return 0;
}

/* names: each on the folder that holds the name, as the caller */

struct place {
	int fd;
	char name[NAME_MAX + 2];
	struct host_caller saved;
};

static int place_enter(struct volume *v, struct vcall *call, const char *path, struct place *ret)
{
	int rc = parent_as(of(v), call, path, &ret->fd, ret->name);

	if (rc == 0)
		ret->saved = host_become(call->uid, call->gid);
	return rc;
}

/* Takes the errno of a system call along. */
static int place_leave(struct place *p, int result)
{
	int rc = result < 0 ? -errno : 0;

	host_restore(&p->saved);
	close(p->fd);
	return rc;
}

static int file_mkdir(struct volume *v, struct vcall *call, const char *path, uint32_t mode)
{
	struct place p;
	int rc = place_enter(v, call, path, &p);

	if (rc)
		return rc == -EBUSY ? -EEXIST : rc;
	return place_leave(&p, mkdirat(p.fd, p.name, mode));
}

static int file_rmdir(struct volume *v, struct vcall *call, const char *path)
{
	struct place p;
	int rc = place_enter(v, call, path, &p);

	if (rc)
		return rc == -EBUSY && path[0] ? -ENOTEMPTY : rc;
	return place_leave(&p, unlinkat(p.fd, p.name, AT_REMOVEDIR));
}

static int file_unlink(struct volume *v, struct vcall *call, const char *path)
{
	struct place p;
	int rc = place_enter(v, call, path, &p);

	if (rc)
		return rc == -EBUSY ? -EISDIR : rc;
	return place_leave(&p, unlinkat(p.fd, p.name, 0));
}

static int file_symlink(struct volume *v, struct vcall *call, const char *target, const char *path)
{
	struct place p;
	int rc = place_enter(v, call, path, &p);

	if (rc == VOLUME_REDIRECT)
		call->redirect_which = 2;
	if (rc)
		return rc == -EBUSY ? -EEXIST : rc;
	return place_leave(&p, symlinkat(target, p.fd, p.name));
}

static int file_mknod(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint64_t rdev)
{
	struct place p;
	int rc;

	if (S_ISBLK(mode) || S_ISCHR(mode))
		return -EPERM; /* a device would lead out of the folder */
	rc = place_enter(v, call, path, &p);
	if (rc)
		return rc == -EBUSY ? -EEXIST : rc;
	return place_leave(&p, mknodat(p.fd, p.name, mode, rdev));
}

/* Enter both places; the caller's identity is taken on once. */
static int enter_two(struct volume *v, struct vcall *call, const char *from, const char *to, struct place *a,
		     struct place *b)
{
	int rc = parent_as(of(v), call, from, &a->fd, a->name);

	call->redirect_which = 1;
	if (rc)
		return rc;
	call->redirect_which = 2;
	rc = place_enter(v, call, to, b);
	if (rc)
		close(a->fd);
	return rc;
}

static int leave_two(struct place *a, struct place *b, int result)
{
	int rc = place_leave(b, result);

	close(a->fd);
	return rc;
}

static int file_rename(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags)
{
	struct place a, b;
	int rc = enter_two(v, call, from, to, &a, &b);

	if (rc)
		return rc;
	return leave_two(&a, &b, (int)syscall(SYS_renameat2, a.fd, a.name, b.fd, b.name, flags));
}

static int file_link(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags)
{
	cleanup_close int target = -1;
	char by_number[64];
	struct place a, b;
	int rc;

	if (!(flags & AT_SYMLINK_FOLLOW)) {
		rc = enter_two(v, call, from, to, &a, &b);
		return rc ? (rc == -EBUSY ? -EPERM : rc) : leave_two(&a, &b, linkat(a.fd, a.name, b.fd, b.name, 0));
	}
	call->redirect_which = 1;
	rc = open_path(v, call, from, false, &target);
	if (rc)
		return rc;
	call->redirect_which = 2;
	rc = place_enter(v, call, to, &b);
	if (rc)
		return rc == -EBUSY ? -EEXIST : rc;
	snprintf(by_number, sizeof(by_number), "/proc/self/fd/%d", target);
	return place_leave(&b, linkat(AT_FDCWD, by_number, b.fd, b.name, AT_SYMLINK_FOLLOW));
}

/* the whole */

static int file_sync(struct volume *v, struct vcall *call)
{
	(void)call;
	return syncfs(of(v)->root) < 0 ? -errno : 0;
}

static int file_status(struct volume *v, char *buf, size_t size)
{
	int n = snprintf(buf, size, "{\"type\":\"File\"}");

	(void)v;
	return n < 0 || (size_t)n >= size ? -ENOBUFS : n;
}

static void file_volume_free(struct volume *v)
{
	struct file_volume *fv = of(v);

	if (fv->root >= 0)
		close(fv->root);
	free(fv);
}

/* open directories: the only open files that a File volume knows of */

static int dir_host_fd(struct vfile *f)
{
	return ((struct host_dir *)dir_source_of(f))->fd;
}

static int dir_stat(struct vfile *f, struct vcall *call, struct wire_attr *ret)
{
	(void)call;
	return host_attr(dir_host_fd(f), ret);
}

static int dir_setattr(struct vfile *f, struct vcall *call, const struct vsetattr *set)
{
	struct host_caller saved = host_become(call->uid, call->gid);
	int rc = host_setattr(dir_host_fd(f), set);

	host_restore(&saved);
	return rc;
}

static int dir_sync(struct vfile *f, struct vcall *call)
{
	(void)call;
	return fsync(dir_host_fd(f)) < 0 ? -errno : 0;
}

static int dir_closed(struct vfile *f, struct vcall *call, bool *ret_last)
{
	(void)f;
	(void)call;
	*ret_last = true;
	return 0;
}

static int dir_no_size(struct vfile *f, struct vcall *call, uint64_t size)
{
	(void)f;
	(void)call;
	(void)size;
	return -EINVAL;
}

static const struct volume_ops file_ops = {
	.type = "File",
	.open = file_open,
	.stat = file_stat,
	.realpath = file_realpath,
	.access = file_access,
	.setattr = file_setattr,
	.truncate = file_truncate,
	.statfs = file_statfs,
	.readlink = file_readlink,
	.mkdir = file_mkdir,
	.rmdir = file_rmdir,
	.unlink = file_unlink,
	.rename = file_rename,
	.symlink = file_symlink,
	.link = file_link,
	.mknod = file_mknod,
	.sync = file_sync,
	.status = file_status,
	.free = file_volume_free,
	.file_closed = dir_closed,
	.file_sync = dir_sync,
	.file_truncate = dir_no_size,
	.file_stat = dir_stat,
	.file_setattr = dir_setattr,
	.file_readdir = dir_readdir,
	.file_free = dir_free,
};

int volume_file_new(const struct volume_file_config *config, struct volume **ret, struct err *err)
{
	struct file_volume *fv;

	if (strlen(config->mount) >= sizeof(fv->base.mount))
		return err_set(err, ENAMETOOLONG, "its name is too long");
	fv = calloc(1, sizeof(*fv));
	if (!fv)
		return err_set(err, ENOMEM, "out of memory");
	fv->base = (struct volume){ .ops = &file_ops,
				    .events = config->events,
				    .index = config->index,
				    .read_only = config->read_only,
				    .denied = config->denied,
				    .quota = config->quota };
	snprintf(fv->base.mount, sizeof(fv->base.mount), "%s", config->mount);
	fv->watch = config->watch;
	fv->root = open(config->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fv->root < 0) {
		int saved = errno;

		free(fv);
		return err_set(err, saved, "the folder '%s' cannot be opened: %s", config->path, strerror(saved));
	}
	if (config->read_only)
		host_make_read_only(&fv->root);
	fv->beneath = (struct beneath){ .root = fv->root, .mount = fv->base.mount };
	*ret = &fv->base;
	return 0;
}
