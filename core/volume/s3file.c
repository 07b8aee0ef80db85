#include "volume/s3volume.h"

#include "s3/audit.h"
#include "volume/dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

_Static_assert(VOLUME_ETAG_MAX == S3_ETAG_MAX, "one is copied to the other");

/*
 * Open files of the S3 volume: those of objects forward to the object layer, those of directories to dir.c. Attributes
 * are the name's record, with what only the inode knows: size, and mtime while it is written to.
 */

static struct s3file *object_file(struct vfile *f)
{
	return f->kind == WIRE_KIND_OBJECT ? s3_file_of(f) : NULL;
}

int s3_file_grant(struct vfile *vf, struct vcall *call, uint64_t off, uint64_t len, bool pin, struct vrange *ret)
{
	struct s3file *f = object_file(vf);
	struct object_range r;
	int rc = f ? object_grant(f->n->o, &f->ra, off, len, pin, &r, &call->err) : -EISDIR;

	if (rc == 0)
		f->granted +=
		    min_u64(range_end(r.off, r.len) - min_u64(range_end(r.off, r.len), off), len ? len : UINT64_MAX);
	if (rc == 0)
		*ret = (struct vrange){ r.off, r.len, r.gen };
	return rc;
}

int s3_file_advise(struct vfile *vf, struct vcall *call, uint64_t off, uint64_t len, uint32_t advice)
{
	struct s3file *f = object_file(vf);

	(void)call;
	return f ? object_advise(f->n->o, &f->ra, off, len, advice) : 0;
}

int s3_file_claim(struct vfile *vf, struct vcall *call, uint64_t off, uint64_t len, struct vrange *ret)
{
	struct s3file *f = object_file(vf);
	struct object_range r;
	int rc = f ? object_claim(f->n->o, off, len, &r, &call->err) : -EISDIR;

	if (rc == 0 && len != UINT64_MAX)
		f->claimed += len;
	if (rc == 0)
		*ret = (struct vrange){ r.off, r.len, r.gen };
	return rc;
}

int s3_file_closed(struct vfile *vf, struct vcall *call, bool *ret_last)
{
	struct s3file *f = object_file(vf);

	if (!f || !f->writable) {
		*ret_last = true;
		return 0;
	}
	return object_closed(f->n->o, ret_last, &call->err);
}

int s3_file_sync(struct vfile *vf, struct vcall *call)
{
	struct s3file *f = object_file(vf);
	int rc;

	/* of a folder: it is what was removed from it that is to last */
	if (!f)
		return removals_flush(s3_of(vf->volume)->space);
	rc = object_fsync(f->n->o, &call->err);
	if (rc == 0)
		rc = deferred_flush(s3_of(vf->volume), f->n->node);
	return rc ? rc : removals_flush(s3_of(vf->volume)->space);
}

int s3_file_truncate(struct vfile *vf, struct vcall *call, uint64_t size)
{
	struct s3file *f = object_file(vf);

	if (!f || !f->writable)
		return -EINVAL;
	return object_truncate(f->n->o, size, &call->err);
}

int s3_file_allocate(struct vfile *vf, struct vcall *call, uint32_t mode, uint64_t off, uint64_t len)
{
	struct s3file *f = object_file(vf);

	if (!f || !f->writable)
		return -EBADF;
	return object_allocate(f->n->o, mode, off, len, &call->err);
}

static int stat_dir(struct vfile *vf, struct vcall *call, struct wire_attr *ret)
{
	struct s3volume *v = s3_of(vf->volume);
	struct facts facts = { .kind = NODE_ABSENT };
	struct s3key k;
	bool gone;
	int rc = s3dir_key(vf, &k) ? lookup(v, &k, LOOK_META, &facts, &call->err) : 0;

	if (rc)
		return rc;
	gone = facts.kind != NODE_DIR; /* removed while open: still a directory */
	if (gone)
		facts = (struct facts){ .kind = NODE_DIR };
	lookup_attr(v, &facts, ret);
	ret->nlink = !gone;
	return 0;
}

static int clone_on_server(void *arg, const struct object_clone *k, struct s3_info *ret, struct err *err)
{
	const struct copy c = { .bucket = k->bucket,
				.from = k->key,
				.to_bucket = k->to_bucket,
				.to = k->to_key,
				.size = k->size,
				.etag = k->etag,
				.meta = &k->meta,
				.content_type = k->content_type,
				.policy = ((struct s3volume *)arg)->policy };

	return copy_run(arg, &c, ret, err);
}

int s3_file_clone(struct vfile *vf, struct vfile *from, struct vcall *call, uint64_t *ret_size)
{
	struct s3volume *v = s3_of(vf->volume);
	struct s3file *f = object_file(vf), *source = object_file(from);

	if (!f || !source || !f->writable || v->client != s3_of(from->volume)->client)
		return -EOPNOTSUPP;
	return object_clone(f->n->o, source->n->o, clone_on_server, v, ret_size, &call->err);
}

int s3_file_stat(struct vfile *vf, struct vcall *call, struct wire_attr *ret)
{
	struct s3volume *v = s3_of(vf->volume);
	struct s3file *f = object_file(vf);
	struct facts facts;
	bool detached;

	if (!f)
		return stat_dir(vf, call, ret);
	pthread_mutex_lock(&v->space->names.lock);
	names_facts(f->n->node, &facts);
	detached = f->n->node->detached;
	pthread_mutex_unlock(&v->space->names.lock);
	facts.kind = NODE_FILE;
	facts.size = object_size(f->n->o);
	if (object_dirty(f->n->o)) {
		facts.mtime_ns = object_mtime_ns(f->n->o);
		facts.attr.have &= ~(unsigned)ATTR_MTIME;
	}
	lookup_attr(v, &facts, ret);
	ret->nlink = !detached;
	return 0;
}

int s3_file_setattr(struct vfile *vf, struct vcall *call, const struct vsetattr *set)
{
	struct s3volume *v = s3_of(vf->volume);
	struct s3file *f = object_file(vf);
	struct s3key k;

	if (f)
		return s3_set_attr(v, call, NULL, f->n->node, set);
	return s3dir_key(vf, &k) ? s3_set_attr(v, call, &k, NULL, set) : 0;
}

int s3_file_readdir(struct vfile *vf, struct vcall *call, uint64_t pos, void *buf, size_t room, size_t *ret_used,
		    uint32_t *ret_entries, bool *ret_end)
{
	if (vf->kind != WIRE_KIND_DIR)
		return -ENOTDIR;
	return dir_readdir(vf, call, pos, buf, room, ret_used, ret_entries, ret_end);
}

/* A line of the audit log: what is known of the file that was closed. */
static void audit_closed(const struct s3volume *v, struct s3file *f)
{
	struct s3_info *info = calloc(1, sizeof(*info));
	char id[NAMES_ID_MAX];
	struct s3key k = { .place = S3PLACE_KEY };
	struct audit_file line = { .mount = v->base.mount,
				   .bucket = k.bucket,
				   .key = k.key,
				   .written = f->writable,
				   .granted = f->granted,
				   .claimed = f->claimed,
				   .size = object_size(f->n->o),
				   .errnum = f->writable ? -object_result(f->n->o) : 0 };

	pthread_mutex_lock(&v->space->names.lock);
	snprintf(id, sizeof(id), "%s", f->n->node->id);
	pthread_mutex_unlock(&v->space->names.lock);
	names_key(id, &k);
	line.path = v->root.bucket[0] ? k.key + min_u64(strlen(v->root.prefix), strlen(k.key)) : id;
	line.etag = info && object_info(f->n->o, info) ? info->etag : "";
	audit_file(v->audit, &line);
	free(info);
}

void s3_file_free(struct vfile *vf)
{
	struct s3volume *v = s3_of(vf->volume);
	struct s3file *f = object_file(vf);
	struct object *o;

	if (!f) {
		dir_free(vf);
		return;
	}
	object_reader_gone(f->n->o, &f->ra);
	if (v->audit)
		audit_closed(v, f);
	pthread_mutex_lock(&v->space->names.lock);
	DL_DELETE(f->n->files, f);
	f->n->file_count--;
	o = onode_release_locked(v, f->n);
	pthread_mutex_unlock(&v->space->names.lock);
	object_unref(o);
	free(f);
}

int s3_file_etag(struct vfile *vf, char *ret)
{
	struct s3file *f = object_file(vf);
	struct s3_info *info = f ? malloc(sizeof(*info)) : NULL;

	if (!info)
		return f ? -ENOMEM : -EISDIR;
	if (object_info(f->n->o, info))
		memcpy(ret, info->etag, VOLUME_ETAG_MAX);
	else
		*ret = '\0';
	free(info);
	return 0;
}
