#include "volume/host.h"

#include "base/util.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>

/* setfsuid(2) tells no error: the caller's ids are in force only if asking again shows them. */
struct host_caller host_become(uid_t uid, gid_t gid)
{
	struct host_caller saved = { false, geteuid(), getegid() };

	if (saved.uid != 0 || uid == saved.uid)
		return saved;
	/* the raw call: libc's would change every thread */
	if (getgroups(0, NULL) > 0)
		(void)syscall(SYS_setgroups, 0, NULL);
	setfsgid(gid);
	setfsuid(uid);
	saved.changed = true;
	return saved;
}

void host_restore(const struct host_caller *saved)
{
	int keep = errno;

	if (saved->changed) {
		setfsuid(saved->uid);
		setfsgid(saved->gid);
	}
	errno = keep;
}

static int path_of(int fd, char *ret)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret, WIRE_PATH_MAX);
	if (n < 0 || n == WIRE_PATH_MAX)
		return n < 0 ? -errno : -ENAMETOOLONG;
	while (n && ret[n - 1] == '/')
		n--;
	ret[n] = '\0';
	return (int)n;
}

int host_path_below(int root, int fd, char *ret)
{
	char top[WIRE_PATH_MAX], path[WIRE_PATH_MAX];
	int len = path_of(root, top), n = path_of(fd, path);
	struct stat st;

	if (len < 0 || n < 0)
		return len < 0 ? len : n;
	if (fstat(fd, &st) < 0 || st.st_nlink == 0 || n < len || memcmp(path, top, (size_t)len) != 0 ||
	    (n > len && path[len] != '/'))
		return -ENOENT;
	memmove(ret, path + len + (n > len), (size_t)(n - len) + (n == len));
	return 0;
}

static int64_t to_ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

int host_attr(int fd, struct wire_attr *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (struct wire_attr){
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.blocks = (uint64_t)st.st_blocks,
		.atime_ns = to_ns(&st.st_atim),
		.mtime_ns = to_ns(&st.st_mtim),
		.ctime_ns = to_ns(&st.st_ctim),
		.dev = st.st_dev,
		.rdev = st.st_rdev,
		.mode = st.st_mode,
		.nlink = (uint32_t)st.st_nlink,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.blksize = (uint32_t)st.st_blksize,
	};
	return 0;
}

/* By number: most *at calls refuse an O_PATH descriptor, /proc/self/fd/N does not. Links have no such way. */
static void by_number(int fd, char path[static 64])
{
	snprintf(path, 64, "/proc/self/fd/%d", fd);
}

int host_access(int fd, int mode)
{
	char path[64];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return 0;
	by_number(fd, path);
	/* effective: the raw system call would check the real ids, which are the broker's */
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) < 0 ? -errno : 0;
}

static struct timespec time_to_set(uint32_t mask, uint32_t bit, uint32_t now, int64_t ns)
{
	struct timespec ts = { 0, UTIME_OMIT };

	if (mask & now) {
		ts.tv_nsec = UTIME_NOW;
	} else if (mask & bit) {
		ts.tv_sec = (time_t)(ns / 1000000000);
		ts.tv_nsec = (long)(ns % 1000000000);
		if (ts.tv_nsec < 0) {
			ts.tv_sec--;
			ts.tv_nsec += 1000000000;
		}
	}
	return ts;
}

static int set_times(int fd, const char *path, bool link, const struct vsetattr *set)
{
	const struct timespec ts[2] = {
		time_to_set(set->mask, WIRE_SET_ATIME, WIRE_SET_ATIME_NOW, set->atime_ns),
		time_to_set(set->mask, WIRE_SET_MTIME, WIRE_SET_MTIME_NOW, set->mtime_ns),
	};
	int rc = link ? utimensat(fd, "", ts, AT_EMPTY_PATH) : utimensat(AT_FDCWD, path, ts, 0);

	return rc < 0 ? -errno : 0;
}

int host_setattr(int fd, const struct vsetattr *set)
{
	const uint32_t owner = WIRE_SET_UID | WIRE_SET_GID;
	const uint32_t times = WIRE_SET_ATIME | WIRE_SET_MTIME | WIRE_SET_ATIME_NOW | WIRE_SET_MTIME_NOW;
	char path[64];
	struct stat st;
	bool link;

	if (fstat(fd, &st) < 0)
		return -errno;
	link = S_ISLNK(st.st_mode);
	by_number(fd, path);
	if (set->mask & owner) {
		uid_t uid = set->mask & WIRE_SET_UID ? set->uid : (uid_t)-1;
		gid_t gid = set->mask & WIRE_SET_GID ? set->gid : (gid_t)-1;

		if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
			return -errno;
	}
	if (set->mask & WIRE_SET_MODE) {
		if (link)
			return -EOPNOTSUPP;
		if (fchmodat(AT_FDCWD, path, set->mode & 07777, 0) < 0)
			return -errno;
	}
	return set->mask & times ? set_times(fd, path, link, set) : 0;
}

int host_statfs(int fd, struct wire_statfs_rep *ret)
{
	struct statfs fs;
	uint64_t fsid = 0;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	memcpy(&fsid, &fs.f_fsid, min_u64(sizeof(fsid), sizeof(fs.f_fsid)));
	*ret = (struct wire_statfs_rep){
		.blocks = fs.f_blocks,
		.bfree = fs.f_bavail,
		.files = fs.f_files,
		.ffree = fs.f_ffree,
		.fsid = fsid,
		.bsize = (uint32_t)fs.f_bsize,
		.namelen = (uint32_t)fs.f_namelen,
		.type = (uint32_t)fs.f_type,
		.readonly = (fs.f_flags & ST_RDONLY) != 0,
	};
	return 0;
}

void host_make_read_only(int *fd)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	long clone =
	    syscall(SYS_open_tree, *fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	int inside;

	if (clone < 0)
		return;
	if (syscall(SYS_mount_setattr, (int)clone, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0) {
		close((int)clone);
		return;
	}
	inside = openat((int)clone, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close((int)clone);
	if (inside < 0)
		return;
	close(*fd);
	*fd = inside;
}
