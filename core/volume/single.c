#include "volume/volume.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/*
 * A mount point that is one file of another volume. Only the path "" is anything; whatever is below it is ENOTDIR, so
 * that nothing else of the other volume can be named. Open descriptions are the other volume's and go there directly.
 *
 * Pinned: what is opened must have the ETag that was seen before, and what is looked at the size; else ESTALE. The ETag is
 * asked of the description, after the open, and the object layer keeps a description to its version. Without an ETag the
 * time counts; with one it does not, since what an object's metadata says of its time is not what the server says.
 */
struct single {
	struct volume base;
	struct volume *inner;
	struct volume_pin pin;
	char path[WIRE_PATH_MAX]; /* in @inner */
};

static struct single *of(struct volume *v)
{
	return container_of(v, struct single, base);
}

static int check_pin(const struct single *s, const struct wire_attr *attr)
{
	if (!s->pin.set)
		return 0;
	return attr->size != s->pin.size || (!*s->pin.etag && attr->mtime_ns != s->pin.mtime_ns) ? -ESTALE : 0;
}

/* What was there at the start is another version now, also where it is none. */
static int gone_is_stale(const struct single *s, int rc)
{
	return rc == -ENOENT && s->pin.set ? -ESTALE : rc;
}

static int single_stat(struct volume *v, struct vcall *call, const char *path, bool nofollow, struct wire_attr *ret)
{
	struct single *s = of(v);
	int rc = *path ? -ENOTDIR : gone_is_stale(s, volume_stat(s->inner, call, s->path, nofollow, ret));

	return rc ? rc : check_pin(s, ret);
}

static int single_realpath(struct volume *v, struct vcall *call, const char *path, struct wire_attr *ret_attr,
			   char *ret)
{
	int rc = single_stat(v, call, path, false, ret_attr);

	if (rc == 0)
		*ret = '\0';
	return rc;
}

static int check_opened(const struct single *s, const struct volume_opened *opened)
{
	char etag[VOLUME_ETAG_MAX];

	if (!s->pin.set || !*s->pin.etag || !opened->file)
		return 0;
	return vfile_etag(opened->file, etag) == 0 && strcmp(etag, s->pin.etag) == 0 ? 0 : -ESTALE;
}

static int single_open(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
		       struct volume_opened *ret)
{
	struct single *s = of(v);
	struct wire_attr attr;
	int rc = 0;

	if (*path || flags & O_DIRECTORY)
		return -ENOTDIR;
	if (s->pin.set && !*s->pin.etag)
		rc = single_stat(v, call, path, false, &attr);
	if (rc == 0)
		rc = gone_is_stale(s, volume_open(s->inner, call, s->path, flags, mode, ret));
	if (rc)
		return rc;
	rc = check_opened(s, ret);
	if (rc) {
		if (!ret->shared)
			vfile_free(ret->file);
		close(ret->fd);
	}
	return rc;
}

static int single_access(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint32_t flags)
{
	const struct single *s = of(v);

	return *path ? -ENOTDIR : gone_is_stale(s, volume_access(s->inner, call, s->path, mode, flags));
}

static int single_setattr(struct volume *v, struct vcall *call, const char *path, bool nofollow,
			  const struct vsetattr *set)
{
	return *path ? -ENOTDIR : volume_setattr(of(v)->inner, call, of(v)->path, nofollow, set);
}

static int single_truncate(struct volume *v, struct vcall *call, const char *path, uint64_t size)
{
	return *path ? -ENOTDIR : volume_truncate(of(v)->inner, call, of(v)->path, size);
}

static int single_statfs(struct volume *v, struct vcall *call, const char *path, struct wire_statfs_rep *ret)
{
	return *path ? -ENOTDIR : volume_statfs(of(v)->inner, call, of(v)->path, ret);
}

static int single_readlink(struct volume *v, struct vcall *call, const char *path, char *buf, size_t room,
			   size_t *ret_len)
{
	(void)v, (void)call, (void)buf, (void)room, (void)ret_len;
	return *path ? -ENOTDIR : -EINVAL;
}

static int single_mkdir(struct volume *v, struct vcall *call, const char *path, uint32_t mode)
{
	(void)v, (void)call, (void)mode;
	return *path ? -ENOTDIR : -EEXIST;
}

static int single_rmdir(struct volume *v, struct vcall *call, const char *path)
{
	(void)v, (void)call, (void)path;
	return -ENOTDIR;
}

/* As of any mount point. */
static int single_unlink(struct volume *v, struct vcall *call, const char *path)
{
	(void)v, (void)call;
	return *path ? -ENOTDIR : -EBUSY;
}

static int single_rename(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags)
{
	(void)v, (void)call, (void)flags;
	return *from || *to ? -ENOTDIR : -EBUSY;
}

static int single_symlink(struct volume *v, struct vcall *call, const char *target, const char *path)
{
	(void)target;
	return single_mkdir(v, call, path, 0);
}

static int single_link(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags)
{
	(void)from, (void)flags;
	return single_mkdir(v, call, to, 0);
}

static int single_mknod(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint64_t rdev)
{
	(void)rdev;
	return single_mkdir(v, call, path, mode);
}

static int single_sync(struct volume *v, struct vcall *call)
{
	(void)v, (void)call;
	return 0;
}

static int single_status(struct volume *v, char *buf, size_t size)
{
	int n = snprintf(buf, size, "{\"type\":\"%s\"}", v->ops->type);

	return n < 0 || (size_t)n >= size ? -ENOBUFS : n;
}

static void single_free(struct volume *v)
{
	free(of(v));
}

static const struct volume_ops single_ops = {
	.type = "Asset",
	.open = single_open,
	.stat = single_stat,
	.realpath = single_realpath,
	.access = single_access,
	.setattr = single_setattr,
	.truncate = single_truncate,
	.statfs = single_statfs,
	.readlink = single_readlink,
	.mkdir = single_mkdir,
	.rmdir = single_rmdir,
	.unlink = single_unlink,
	.rename = single_rename,
	.symlink = single_symlink,
	.link = single_link,
	.mknod = single_mknod,
	.sync = single_sync,
	.status = single_status,
	.free = single_free,
};

int volume_single_new(const struct volume_single_config *config, struct volume **ret, struct err *err)
{
	struct single *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	if (strlen(config->mount) >= sizeof(s->base.mount) || strlen(config->path) >= sizeof(s->path)) {
		free(s);
		return err_set(err, ENAMETOOLONG, "its name is too long");
	}
	s->base = (struct volume){ .ops = &single_ops, .index = config->index, .read_only = config->read_only };
	strcpy(s->base.mount, config->mount);
	strcpy(s->path, config->path);
	s->inner = config->inner;
	s->pin = config->pin;
	*ret = &s->base;
	return 0;
}
