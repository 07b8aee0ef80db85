/**
 * host.h - what the File volume asks of the host's file system, by descriptor; and as whom.
 *
 * A broker that is root takes the caller's file system ids on (setfsuid(2), of the thread alone) while it works: the
 * kernel then checks permissions and gives new files to the caller. A broker that is not root cannot, and stays itself.
 * The program's supplementary groups are not known here; the broker's own are dropped from the thread for good.
 */
#ifndef S3SHIM_VOLUME_HOST_H
#define S3SHIM_VOLUME_HOST_H

#include "volume/volume.h"

struct host_caller {
	bool changed;
	uid_t uid;
	gid_t gid;
};
struct host_caller host_become(uid_t uid, gid_t gid);
void host_restore(const struct host_caller *saved);

/* All take descriptors of any kind, O_PATH too. Return: 0; negative errno. */
int host_attr(int fd, struct wire_attr *ret);
int host_access(int fd, int mode);
int host_setattr(int fd, const struct vsetattr *set);
int host_statfs(int fd, struct wire_statfs_rep *ret);

/** host_path_below() - the path of @fd below the folder @root, "" for itself, as the kernel knows it: no links in it.
 *  @ret: WIRE_PATH_MAX bytes. -ENOENT where it has no name below it (any more). */
int host_path_below(int root, int fd, char *ret);

/** host_make_read_only() - exchange @fd for one below a read-only clone of its mount, where the kernel and our rights
 *  allow it (5.12, CAP_SYS_ADMIN); otherwise nothing happens. */
void host_make_read_only(int *fd);

#endif
