#include "base/counters.h"
#include "base/util.h"
#include "broker/dispatch.h"

#include <fcntl.h>
#include <string.h>

/*
 * Handlers of messages that carry paths. The mount index is checked here; the path's shape and read-only mounts are
 * volume.c's, what `..` means is dots.c's, what symlinks mean is the volume's.
 */
int on_stat(struct exchange *x, const struct wire_stat_req *q, struct wire_stat_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	if (!v || q->flags & ~(uint32_t)WIRE_NOFOLLOW)
		return -EINVAL;
	counter_add(COUNTER_lookups, 1);
	return volume_stat(v, &x->call, x->string[0], q->flags & WIRE_NOFOLLOW, &a->attr);
}

int on_realpath(struct exchange *x, const struct wire_realpath_req *q, struct wire_realpath_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);
	char path[WIRE_PATH_MAX];
	int r;

	if (!v)
		return -EINVAL;
	counter_add(COUNTER_lookups, 1);
	r = volume_realpath(v, &x->call, x->string[0], &a->attr, path);
	if (r == 0)
		exchange_text(x, path, strlen(path));
	return r;
}

int on_access(struct exchange *x, const struct wire_access_req *q, struct wire_access_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	(void)a;
	if (!v || q->flags & ~(uint32_t)(WIRE_NOFOLLOW | WIRE_EFFECTIVE) || q->mode & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	counter_add(COUNTER_lookups, 1);
	return volume_access(v, &x->call, x->string[0], q->mode, q->flags);
}

int on_setattr(struct exchange *x, const struct wire_setattr_req *q, struct wire_setattr_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);
	struct vsetattr set = { .mask = q->mask,
				.mode = q->mode,
				.uid = q->uid,
				.gid = q->gid,
				.atime_ns = (int64_t)q->atime_ns,
				.mtime_ns = (int64_t)q->mtime_ns };

	(void)a;
	if (!v || q->flags & ~(uint32_t)WIRE_NOFOLLOW || q->mask & ~SET_ALL)
		return -EINVAL;
	return volume_setattr(v, &x->call, x->string[0], q->flags & WIRE_NOFOLLOW, &set);
}

int on_truncate(struct exchange *x, const struct wire_truncate_req *q, struct wire_truncate_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	(void)a;
	if (!v || q->size > INT64_MAX)
		return -EINVAL;
	return volume_truncate(v, &x->call, x->string[0], q->size);
}

int on_statfs(struct exchange *x, const struct wire_statfs_req *q, struct wire_statfs_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	return v ? volume_statfs(v, &x->call, x->string[0], a) : -EINVAL;
}

int on_readlink(struct exchange *x, const struct wire_readlink_req *q, struct wire_readlink_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);
	size_t len;
	int r;

	(void)a;
	if (!v)
		return -EINVAL;
	counter_add(COUNTER_lookups, 1);
	r = volume_readlink(v, &x->call, x->string[0], x->tail, WIRE_PATH_MAX, &len);
	if (r == 0)
		x->tail_len = len;
	return r;
}

int on_mkdir(struct exchange *x, const struct wire_mkdir_req *q, struct wire_mkdir_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	(void)a;
	return v ? volume_mkdir(v, &x->call, x->string[0], q->mode) : -EINVAL;
}

int on_rmdir(struct exchange *x, const struct wire_rmdir_req *q, struct wire_rmdir_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	(void)a;
	return v ? volume_rmdir(v, &x->call, x->string[0]) : -EINVAL;
}

int on_unlink(struct exchange *x, const struct wire_unlink_req *q, struct wire_unlink_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	(void)a;
	return v ? volume_unlink(v, &x->call, x->string[0]) : -EINVAL;
}

int on_rename(struct exchange *x, const struct wire_rename_req *q, struct wire_rename_rep *a)
{
	struct volume *from = exchange_volume(x, q->mount), *to = exchange_volume(x, q->mount2);

	(void)a;
	if (!from || !to)
		return -EINVAL;
	return from == to ? volume_rename(from, &x->call, x->string[0], x->string[1], q->flags) : -EXDEV;
}

int on_symlink(struct exchange *x, const struct wire_symlink_req *q, struct wire_symlink_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	(void)a;
	return v ? volume_symlink(v, &x->call, x->string[0], x->string[1]) : -EINVAL;
}

int on_link_name(struct exchange *x, const struct wire_link_name_req *q, struct wire_link_name_rep *a)
{
	struct volume *from = exchange_volume(x, q->mount), *to = exchange_volume(x, q->mount2);

	(void)a;
	if (!from || !to)
		return -EINVAL;
	return from == to ? volume_link(from, &x->call, x->string[0], x->string[1], q->flags) : -EXDEV;
}

int on_mknod(struct exchange *x, const struct wire_mknod_req *q, struct wire_mknod_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);

	(void)a;
	return v ? volume_mknod(v, &x->call, x->string[0], q->mode, q->rdev) : -EINVAL;
}
