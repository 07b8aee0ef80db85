#include "base/counters.h"
#include "base/util.h"
#include "broker/conn.h"
#include "broker/dispatch.h"
#include "broker/files.h"
#include "broker/limits.h"
#include "broker/session.h"
#include "object/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Handlers of OPEN and of messages on open descriptions. Each holds a reference on its description while it works, so
 * that the end of the last descriptor does not take the vfile away under it. An id that is not known is EBADF.
 */
static void put_p(struct description **d)
{
	files_put(*d);
}
#define cleanup_description __attribute__((cleanup(put_p))) struct description *

#define FIND(x, id) files_get((x)->broker->files, id)

/* Beyond what a file offset can be, or off + len wraps. */
static bool bad_range(uint64_t off, uint64_t len)
{
	return range_end(off, len) > INT64_MAX;
}

/* Everything about the new description but its id; 0 or -errno. */
static int describe(const struct exchange *x, const struct volume *v, const struct wire_open_req *q,
		    const struct volume_opened *o, struct description *d, char *path, size_t size)
{
	struct stat st;

	if (fstat(o->fd, &st) < 0)
		return -errno;
	(void)snprintf(path, size, "%s%s%s", v->mount, x->string[0][0] ? "/" : "", x->string[0]);
	d->vfile = o->file;
	d->object = o->object;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	d->kind = o->kind;
	d->slot = o->slot;
	d->flags = q->flags;
	d->path = path;
	return 0;
}

static void answer_open(struct wire_open_rep *a, const struct volume_opened *o, const struct description *d)
{
	a->object = o->object;
	a->dev = d->dev;
	a->ino = d->ino;
	a->grant_off = o->grant.off;
	a->grant_len = o->grant.len;
	a->grant_gen = o->grant.gen;
	a->claim_off = o->claim.off;
	a->claim_len = o->claim.len;
	a->kind = (uint32_t)o->kind;
	a->slot = o->slot;
}

static int add_file(struct exchange *x, struct description *d, uint64_t *ret_id)
{
	int r;

	if (watch_keeps_sent(x->broker->watch, x->fd))
		d->sent = fcntl(x->fd, F_DUPFD_CLOEXEC, 0);
	r = files_add(x->broker->files, d, ret_id);
	if (d->sent >= 0 && r == 0)
		x->conn->sent = *ret_id;
	else if (d->sent >= 0)
		close(d->sent);
	return r;
}

int on_open(struct exchange *x, const struct wire_open_req *q, struct wire_open_rep *a)
{
	struct volume *v = exchange_volume(x, q->mount);
	struct volume_opened o = { .fd = -1, .slot = WIRE_NO_SLOT };
	struct description d = { .sent = -1 };
	char path[2 * WIRE_PATH_MAX + 2];
	int r;

	if (!v)
		return -EINVAL;
	if (limits_descriptors_short(x->conn->fd, LIMIT_KEPT_FOR_CALLS, watch_count(x->broker->watch)))
		return -ENFILE;
	r = volume_open(v, &x->call, x->string[0], q->flags, q->mode, &o);
	if (r != 0)
		return r;
	x->fd = o.fd;
	r = describe(x, v, q, &o, &d, path, sizeof(path));
	/* The id is made before the descriptor leaves: its end can be reported only after. */
	if (r == 0 && o.shared)
		r = (a->file = files_find(x->broker->files, o.file)) ? 0 : -ENFILE;
	else if (r == 0 && o.file)
		r = add_file(x, &d, &a->file);
	if (r < 0) {
		if (!o.shared)
			vfile_free(o.file);
		return r;
	}
	answer_open(a, &o, &d);
	counter_add(COUNTER_opens, 1);
	return 0;
}

int on_attach(struct exchange *x, const struct wire_attach_req *q, struct wire_attach_rep *a)
{
	cleanup_description d = FIND(x, q->file);

	if (!d)
		return -EBADF;
	a->object = d->object;
	a->dev = d->dev;
	a->ino = d->ino;
	a->kind = d->kind;
	a->slot = d->slot;
	a->flags = d->flags;
	exchange_text(x, d->path, strlen(d->path));
	return 0;
}

int on_grant(struct exchange *x, const struct wire_grant_req *q, struct wire_grant_rep *a)
{
	cleanup_description d = FIND(x, q->file);
	struct vrange range;
	int r;

	if (!d)
		return -EBADF;
	if (q->flags & ~(uint32_t)WIRE_PIN || bad_range(q->off, q->len))
		return -EINVAL;
	r = vfile_grant(d->vfile, &x->call, q->off, q->len, q->flags & WIRE_PIN, &range);
	if (r == 0)
		*a = (struct wire_grant_rep){ range.off, range.len, range.gen };
	return r;
}

int on_advise(struct exchange *x, const struct wire_advise_req *q, struct wire_advise_rep *a)
{
	cleanup_description d = FIND(x, q->file);

	(void)a;
	if (!d)
		return -EBADF;
	if (bad_range(q->off, q->len))
		return -EINVAL;
	return vfile_advise(d->vfile, &x->call, q->off, q->len, q->advice);
}

int on_claim(struct exchange *x, const struct wire_claim_req *q, struct wire_claim_rep *a)
{
	cleanup_description d = FIND(x, q->file);
	struct vrange range;
	int r;

	if (!d)
		return -EBADF;
	if (bad_range(q->off, q->len == UINT64_MAX ? 0 : q->len))
		return -EINVAL;
	r = vfile_claim(d->vfile, &x->call, q->off, q->len, &range);
	if (r == 0)
		*a = (struct wire_claim_rep){ range.off, range.len, range.gen };
	return r;
}

int on_offset(struct exchange *x, const struct wire_offset_req *q, struct wire_offset_rep *a)
{
	cleanup_description d = FIND(x, q->file);
	int r;

	(void)a;
	if (!d)
		return -EBADF;
	if (q->op & ~(uint32_t)WIRE_LOCK)
		return -EINVAL;
	if (!(q->op & WIRE_LOCK))
		return conn_release(x->broker, d);
	r = offset_take(&d->offset, &x->conn->waiter);
	if (r == 0)
		conn_hold(x->conn, d);
	return r;
}

int on_closed(struct exchange *x, const struct wire_closed_req *q, struct wire_closed_rep *a)
{
	cleanup_description d = FIND(x, q->file);
	bool last = false;
	int r;

	if (!d) { /* the kernel told the end of it first */
		a->last = 1;
		return files_ended(x->broker->files, q->file);
	}
	files_received(x->broker->files, q->file);
	r = vfile_closed(d->vfile, &x->call, &last);
	a->last = last;
	return r;
}

static int sync_all(struct exchange *x)
{
	int r = 0;

	for (size_t i = 0; i < x->broker->volume_count; i++) {
		int each = volume_sync(x->broker->volumes[i], &x->call);
		if (r == 0)
			r = each;
	}
	return r;
}

int on_sync(struct exchange *x, const struct wire_sync_req *q, struct wire_sync_rep *a)
{
	cleanup_description d = NULL;

	(void)a;
	if (!q->file)
		return sync_all(x);
	d = FIND(x, q->file);
	return d ? vfile_sync(d->vfile, &x->call) : -EBADF;
}

int on_ftruncate(struct exchange *x, const struct wire_ftruncate_req *q, struct wire_ftruncate_rep *a)
{
	cleanup_description d = FIND(x, q->file);

	(void)a;
	if (!d)
		return -EBADF;
	return q->size > INT64_MAX ? -EINVAL : vfile_truncate(d->vfile, &x->call, q->size);
}

int on_fallocate(struct exchange *x, const struct wire_fallocate_req *q, struct wire_fallocate_rep *a)
{
	cleanup_description d = FIND(x, q->file);

	(void)a;
	if (!d)
		return -EBADF;
	if (!q->len || bad_range(q->off, q->len))
		return -EINVAL;
	return vfile_allocate(d->vfile, &x->call, q->mode, q->off, q->len);
}

int on_clone(struct exchange *x, const struct wire_clone_req *q, struct wire_clone_rep *a)
{
	cleanup_description d = FIND(x, q->file);
	cleanup_description source = FIND(x, q->source);
	uint64_t size;
	int r;

	if (!d || !source || (d->flags & O_ACCMODE) == O_RDONLY || (source->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	r = vfile_clone(d->vfile, source->vfile, &x->call, &size);
	if (r == 0)
		a->size = size;
	return r;
}

int on_fstat(struct exchange *x, const struct wire_fstat_req *q, struct wire_fstat_rep *a)
{
	cleanup_description d = FIND(x, q->file);

	return d ? vfile_stat(d->vfile, &x->call, &a->attr) : -EBADF;
}

int on_fsetattr(struct exchange *x, const struct wire_fsetattr_req *q, struct wire_fsetattr_rep *a)
{
	cleanup_description d = FIND(x, q->file);
	struct vsetattr set = { .mask = q->mask,
				.mode = q->mode,
				.uid = q->uid,
				.gid = q->gid,
				.atime_ns = (int64_t)q->atime_ns,
				.mtime_ns = (int64_t)q->mtime_ns };

	(void)a;
	if (!d)
		return -EBADF;
	return q->mask & ~SET_ALL ? -EINVAL : vfile_setattr(d->vfile, &x->call, &set);
}

int on_readdir(struct exchange *x, const struct wire_readdir_req *q, struct wire_readdir_rep *a)
{
	cleanup_description d = FIND(x, q->file);
	size_t used;
	uint32_t entries;
	bool end;
	int r;

	if (!d)
		return -EBADF;
	if (d->kind != WIRE_KIND_DIR)
		return -ENOTDIR;
	r = vfile_readdir(d->vfile, &x->call, q->pos, x->tail, (size_t)min_u64(q->max_bytes, x->tail_room), &used,
			  &entries, &end);
	if (r != 0)
		return r;
	x->tail_len = used;
	a->end = end;
	a->entries = entries;
	return 0;
}
