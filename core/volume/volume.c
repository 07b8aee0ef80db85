#include "volume/volume.h"

#include "base/util.h"
#include "config/policy.h"
#include "s3/quota.h"
#include "volume/dots.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/*
 * What holds for every volume is decided here, once: the shape of paths that a program sends, read_only, and the verbs that
 * its policy leaves (which call needs which is a table in docs/POLICY.md). A refused change still looks at its path first,
 * because a symlink may lead to a place outside of the volume that is writable, and because a missing file is ENOENT, not
 * EROFS or EACCES, on a disk too.
 */

#define FORWARD(v, op, ...) ((v)->ops->op ? (v)->ops->op(__VA_ARGS__) : -ENOSYS)

/*
 * Components are not empty and not `.`; one trailing slash is "must be a directory". A path with `..` in it is not looked
 * at any further: the program's side goes on with the path that it means.
 */
static int check_path(struct volume *v, struct vcall *call, const char *path, int which)
{
	bool up = false;
	int rc = quota_time(v->quota, &call->err);

	if (rc)
		return rc;
	if (strlen(path) >= WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.'))
			return -EINVAL;
		up |= len == 2 && p[0] == '.' && p[1] == '.';
		p += len;
		if (*p == '/')
			p++;
	}
	if (!up)
		return 0;
	call->redirect_which = which;
	return dots_resolve(v, call, path);
}

/* A name that can be given or taken away: `..` is none. */
static bool ends_in_dots(const char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	return len >= 2 && memcmp(path + len - 2, "..", 2) == 0 && (len == 2 || path[len - 3] == '/');
}

/* Why nothing that needs @verbs is done here: -EROFS, -EACCES, or 0: it is. */
static int refusal(const struct volume *v, unsigned verbs)
{
	if (v->read_only && (verbs & (POLICY_WRITE | POLICY_DELETE)))
		return -EROFS;
	return v->denied & verbs ? -EACCES : 0;
}

/* What a lookup says that may not change anything: VOLUME_REDIRECT, an error of the lookup, or 0: it is there. */
static int look(struct volume *v, struct vcall *call, const char *path, bool nofollow)
{
	struct wire_attr attr;

	return FORWARD(v, stat, v, call, path, nofollow, &attr);
}

/* A change of what is at @path. @why: what it ends with, if the path itself is no trouble. */
static int refuse_change(struct volume *v, struct vcall *call, const char *path, bool nofollow, int why)
{
	int rc = look(v, call, path, nofollow);

	return rc == 0 ? why : rc;
}

/* A change of the name itself: mkdir of what is there is EEXIST also on a read-only disk (mkdir -p relies on it). */
static int refuse_creation(struct volume *v, struct vcall *call, const char *path, int why)
{
	int rc = look(v, call, path, true);

	return rc == 0 ? -EEXIST : rc == -ENOENT ? why : rc;
}

/* A removal of what is not there: a disk that is mounted read-only does not look. */
static int refuse_removal(struct volume *v, struct vcall *call, const char *path, int why)
{
	int rc = look(v, call, path, true);

	return rc == 0 || (rc == -ENOENT && why == -EROFS) ? why : rc;
}

static bool has_long_name(const char *path)
{
	for (size_t len; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		if (len > NAME_MAX)
			return true;
	}
	return false;
}

/* What is moved or linked has to be there, whatever is wrong with the new name. */
static int look_at_source(struct volume *v, struct vcall *call, const char *from, const char *to)
{
	return has_long_name(to) ? look(v, call, from, true) : 0;
}

static bool wants_write(uint32_t flags)
{
	if (flags & O_PATH)
		return false;
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool wants_read(uint32_t flags)
{
	return (flags & O_PATH) || (flags & O_ACCMODE) != O_WRONLY;
}

static bool is_dir(const struct wire_attr *attr)
{
	return (attr->mode & 0170000) == 0040000;
}

/* What cannot be read may still be a folder, which is opened to be listed. */
static int open_unreadable(struct volume *v, struct vcall *call, const char *path, uint32_t flags,
			   struct volume_opened *ret)
{
	struct wire_attr attr;
	int rc = FORWARD(v, stat, v, call, path, flags & O_NOFOLLOW, &attr);

	if (rc == -ENOENT && (flags & O_CREAT))
		return -EACCES;
	if (rc == 0 && !is_dir(&attr))
		rc = -EACCES;
	return rc ? rc : FORWARD(v, open, v, call, path, flags | O_DIRECTORY, 0, ret);
}

/* With the rights to change anything that @flags ask for. */
static int open_permitted(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
			  struct volume_opened *ret)
{
	int rc;

	if (wants_read(flags) && refusal(v, POLICY_READ))
		rc = open_unreadable(v, call, path, flags, ret);
	else
		rc = FORWARD(v, open, v, call, path, flags, mode, ret);
	if (rc || ret->kind != WIRE_KIND_DIR || !refusal(v, POLICY_LIST))
		return rc;
	vfile_free(ret->file);
	close(ret->fd);
	return -EACCES;
}

static int open_unwritable(struct volume *v, struct vcall *call, const char *path, uint32_t flags, int why,
			   struct volume_opened *ret)
{
	struct wire_attr attr;
	int rc = FORWARD(v, stat, v, call, path, (flags & O_NOFOLLOW) || (flags & O_EXCL), &attr);

	if (rc == -ENOENT)
		return flags & O_CREAT ? why : -ENOENT;
	if (rc)
		return rc;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if ((flags & O_TMPFILE) != O_TMPFILE && is_dir(&attr) && (wants_write(flags) || (flags & O_CREAT)))
		return -EISDIR;
	if (wants_write(flags))
		return why;
	return open_permitted(v, call, path, flags & ~(uint32_t)O_CREAT, 0, ret);
}

int volume_open(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
		struct volume_opened *ret)
{
	int rc = check_path(v, call, path, 0), why = refusal(v, POLICY_WRITE);

	if (rc)
		return rc;
	if (why && (wants_write(flags) || (flags & O_CREAT)))
		return open_unwritable(v, call, path, flags, why, ret);
	return open_permitted(v, call, path, flags, mode & 07777, ret);
}

int volume_stat(struct volume *v, struct vcall *call, const char *path, bool nofollow, struct wire_attr *ret)
{
	int rc = check_path(v, call, path, 0);

	return rc ? rc : FORWARD(v, stat, v, call, path, nofollow, ret);
}

/* A folder is read by listing it. */
static int refuse_access(struct volume *v, struct vcall *call, const char *path, uint32_t mode, bool nofollow, int why)
{
	struct wire_attr attr;
	int rc = FORWARD(v, stat, v, call, path, nofollow, &attr);

	if (rc)
		return rc;
	if (is_dir(&attr) && !(mode & W_OK))
		return refusal(v, POLICY_LIST);
	return why;
}

int volume_access(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint32_t flags)
{
	unsigned verbs = (mode & W_OK ? POLICY_WRITE : 0u) | (mode & R_OK ? POLICY_READ : 0u);
	int rc = check_path(v, call, path, 0), why = refusal(v, verbs);

	if (rc)
		return rc;
	if (mode & ~7u)
		return -EINVAL;
	if (why)
		return refuse_access(v, call, path, mode, flags & WIRE_NOFOLLOW, why);
	return FORWARD(v, access, v, call, path, mode, flags);
}

int volume_setattr(struct volume *v, struct vcall *call, const char *path, bool nofollow, const struct vsetattr *set)
{
	int rc = check_path(v, call, path, 0), why = refusal(v, POLICY_WRITE);

	if (rc)
		return rc;
	if (why)
		return refuse_change(v, call, path, nofollow, why);
	return FORWARD(v, setattr, v, call, path, nofollow, set);
}

int volume_truncate(struct volume *v, struct vcall *call, const char *path, uint64_t size)
{
	int rc = check_path(v, call, path, 0), why = refusal(v, POLICY_WRITE);

	if (rc)
		return rc;
	if (size > INT64_MAX)
		return -EINVAL;
	if (why)
		return refuse_change(v, call, path, false, why);
	return FORWARD(v, truncate, v, call, path, size);
}

int volume_statfs(struct volume *v, struct vcall *call, const char *path, struct wire_statfs_rep *ret)
{
	int rc = check_path(v, call, path, 0);

	if (rc)
		return rc;
	rc = FORWARD(v, statfs, v, call, path, ret);
	if (rc == 0 && v->read_only)
		ret->readonly = 1;
	return rc;
}

int volume_readlink(struct volume *v, struct vcall *call, const char *path, char *buf, size_t room, size_t *ret_len)
{
	int rc = check_path(v, call, path, 0);

	return rc ? rc : FORWARD(v, readlink, v, call, path, buf, room, ret_len);
}

int volume_realpath(struct volume *v, struct vcall *call, const char *path, struct wire_attr *ret_attr, char *ret)
{
	char below[WIRE_PATH_MAX];
	int rc = check_path(v, call, path, 0);

	if (rc == 0)
		rc = FORWARD(v, realpath, v, call, path, ret_attr, below);
	if (rc)
		return rc;
	return snprintf(ret, WIRE_PATH_MAX, "%s%s%s", v->mount, below[0] ? "/" : "", below) >= WIRE_PATH_MAX
		   ? -ENAMETOOLONG
		   : 0;
}

int volume_mkdir(struct volume *v, struct vcall *call, const char *path, uint32_t mode)
{
	int rc = check_path(v, call, path, 0), why = refusal(v, POLICY_WRITE);

	if (rc)
		return rc;
	if (why)
		return refuse_creation(v, call, path, why);
	return FORWARD(v, mkdir, v, call, path, mode & 07777);
}

int volume_rmdir(struct volume *v, struct vcall *call, const char *path)
{
	int rc = ends_in_dots(path) ? -ENOTEMPTY : check_path(v, call, path, 0), why = refusal(v, POLICY_DELETE);

	if (rc)
		return rc;
	if (why)
		return refuse_removal(v, call, path, why);
	return FORWARD(v, rmdir, v, call, path);
}

int volume_unlink(struct volume *v, struct vcall *call, const char *path)
{
	int rc = check_path(v, call, path, 0), why = refusal(v, POLICY_DELETE);

	if (rc)
		return rc;
	if (why)
		return refuse_removal(v, call, path, why);
	return FORWARD(v, unlink, v, call, path);
}

/* Both paths of a call with two: a redirect says which one it is about. */
static int refuse_two(struct volume *v, struct vcall *call, const char *from, const char *to, int why)
{
	int rc = refuse_removal(v, call, from, why);

	call->redirect_which = 1;
	if (rc == VOLUME_REDIRECT || rc != why)
		return rc;
	call->redirect_which = 2;
	rc = look(v, call, to, true);
	return rc == 0 || rc == -ENOENT ? why : rc;
}

static int check_two(struct volume *v, struct vcall *call, const char *from, const char *to)
{
	int rc = check_path(v, call, from, 1);

	return rc ? rc : check_path(v, call, to, 2);
}

int volume_rename(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags)
{
	int rc = ends_in_dots(from) || ends_in_dots(to) ? -EBUSY : check_two(v, call, from, to),
	    why = refusal(v, POLICY_READ | POLICY_WRITE | POLICY_DELETE);

	if (rc)
		return rc;
	if (why)
		return refuse_two(v, call, from, to, why);
	rc = look_at_source(v, call, from, to);
	return rc ? rc : FORWARD(v, rename, v, call, from, to, flags);
}

int volume_symlink(struct volume *v, struct vcall *call, const char *target, const char *path)
{
	int rc = check_path(v, call, path, 2), why = refusal(v, POLICY_WRITE);

	if (rc)
		return rc;
	if (!target[0])
		return -ENOENT;
	if (why) {
		rc = refuse_creation(v, call, path, why);
		call->redirect_which = 2;
		return rc;
	}
	return FORWARD(v, symlink, v, call, target, path);
}

int volume_link(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags)
{
	int rc = check_two(v, call, from, to), why = refusal(v, POLICY_WRITE);

	if (rc)
		return rc;
	if (why)
		return refuse_two(v, call, from, to, why);
	rc = look_at_source(v, call, from, to);
	return rc ? rc : FORWARD(v, link, v, call, from, to, flags);
}

int volume_mknod(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint64_t rdev)
{
	int rc = check_path(v, call, path, 0), why = refusal(v, POLICY_WRITE);

	if (rc)
		return rc;
	if (why)
		return refuse_creation(v, call, path, why);
	return FORWARD(v, mknod, v, call, path, mode, rdev);
}

int volume_sync(struct volume *v, struct vcall *call)
{
	return FORWARD(v, sync, v, call);
}

int volume_drain(struct volume *v, bool shutdown, void (*each)(void *arg, const struct vfailure *f), void *arg)
{
	return v->ops->drain ? v->ops->drain(v, shutdown, each, arg) : 0;
}

int volume_status(struct volume *v, char *buf, size_t size)
{
	return FORWARD(v, status, v, buf, size);
}

struct volume *volume_free(struct volume *v)
{
	if (v)
		v->ops->free(v);
	return NULL;
}

int vfile_grant(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, bool pin, struct vrange *ret)
{
	int rc = quota_time(f->volume->quota, &call->err);

	return rc ? rc : FORWARD(f->volume, file_grant, f, call, off, len, pin, ret);
}

int vfile_advise(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, uint32_t advice)
{
	return FORWARD(f->volume, file_advise, f, call, off, len, advice);
}

int vfile_claim(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, struct vrange *ret)
{
	int why = refusal(f->volume, POLICY_WRITE);

	if (why == 0)
		why = quota_time(f->volume->quota, &call->err);
	if (why)
		return why;
	return FORWARD(f->volume, file_claim, f, call, off, len, ret);
}

int vfile_closed(struct vfile *f, struct vcall *call, bool *ret_last)
{
	return FORWARD(f->volume, file_closed, f, call, ret_last);
}

int vfile_sync(struct vfile *f, struct vcall *call)
{
	return FORWARD(f->volume, file_sync, f, call);
}

int vfile_truncate(struct vfile *f, struct vcall *call, uint64_t size)
{
	int why = refusal(f->volume, POLICY_WRITE);

	if (why == 0)
		why = quota_time(f->volume->quota, &call->err);
	if (size > INT64_MAX)
		return -EINVAL;
	if (why)
		return why;
	return FORWARD(f->volume, file_truncate, f, call, size);
}

int vfile_allocate(struct vfile *f, struct vcall *call, uint32_t mode, uint64_t off, uint64_t len)
{
	int why = refusal(f->volume, POLICY_WRITE);

	if (why == 0)
		why = quota_time(f->volume->quota, &call->err);
	if (why)
		return why;
	return FORWARD(f->volume, file_allocate, f, call, mode, off, len);
}

int vfile_clone(struct vfile *f, struct vfile *from, struct vcall *call, uint64_t *ret_size)
{
	int why = refusal(f->volume, POLICY_WRITE);

	if (why)
		return why;
	if (refusal(from->volume, POLICY_READ))
		return -EACCES;
	if (f->volume->ops != from->volume->ops || !f->volume->ops->file_clone)
		return -EOPNOTSUPP;
	return f->volume->ops->file_clone(f, from, call, ret_size);
}

int vfile_stat(struct vfile *f, struct vcall *call, struct wire_attr *ret)
{
	return FORWARD(f->volume, file_stat, f, call, ret);
}

int vfile_setattr(struct vfile *f, struct vcall *call, const struct vsetattr *set)
{
	int why = refusal(f->volume, POLICY_WRITE);

	if (why == 0)
		why = quota_time(f->volume->quota, &call->err);
	if (why)
		return why;
	return FORWARD(f->volume, file_setattr, f, call, set);
}

int vfile_readdir(struct vfile *f, struct vcall *call, uint64_t pos, void *buf, size_t room, size_t *ret_used,
		  uint32_t *ret_entries, bool *ret_end)
{
	int rc = quota_time(f->volume->quota, &call->err);

	return rc ? rc : FORWARD(f->volume, file_readdir, f, call, pos, buf, room, ret_used, ret_entries, ret_end);
}

int vfile_etag(struct vfile *f, char *ret)
{
	return f->volume->ops->file_etag ? f->volume->ops->file_etag(f, ret) : -ENOSYS;
}

struct vfile *vfile_free(struct vfile *f)
{
	if (f)
		f->volume->ops->file_free(f);
	return NULL;
}
