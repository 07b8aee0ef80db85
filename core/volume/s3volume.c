#include "volume/s3volume.h"

#include <stdio.h>
#include <string.h>

/*
 * The S3 volume: what asks for attributes, the whole, and the constructor. s3volume.h says which module does what.
 */

struct stat_arg {
	bool nofollow;
	char *real; /* NULL, or where to write the path that was found */
	struct facts facts;
};

static int do_stat(struct walk *w, void *arg)
{
	struct stat_arg *a = arg;
	int rc = lookup(w->v, &w->key, LOOK_META, &a->facts, &w->call->err);

	if (rc)
		return rc;
	if (a->facts.kind == NODE_ABSENT)
		return walk_missing(w);
	if (facts_is_link(&a->facts) && (!a->nofollow || w->must_dir))
		return walk_follow(w);
	if (a->facts.kind == NODE_FILE && w->must_dir)
		return -ENOTDIR;
	if (a->real)
		memcpy(a->real, w->path, strlen(w->path) + 1);
	return 0;
}

static int s3_stat(struct volume *v, struct vcall *call, const char *path, bool nofollow, struct wire_attr *ret)
{
	struct stat_arg a = { .nofollow = nofollow };
	int rc = walk_run(s3_of(v), call, path, do_stat, &a);

	if (rc == 0)
		lookup_attr(s3_of(v), &a.facts, ret);
	return rc;
}

static int s3_realpath(struct volume *v, struct vcall *call, const char *path, struct wire_attr *ret_attr, char *ret)
{
	struct stat_arg a = { .real = ret };
	int rc = walk_run(s3_of(v), call, path, do_stat, &a);

	if (rc == 0)
		lookup_attr(s3_of(v), &a.facts, ret_attr);
	return rc;
}

static int s3_access(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint32_t flags)
{
	struct wire_attr attr;
	int rc = s3_stat(v, call, path, flags & WIRE_NOFOLLOW, &attr);

	if (rc || !mode)
		return rc;
	return attr_may(attr.mode, attr.uid, attr.gid, call->uid, call->gid, mode) ? 0 : -EACCES;
}

/* A bucket has no size: figures that no program runs out of. */
static int s3_statfs(struct volume *v, struct vcall *call, const char *path, struct wire_statfs_rep *ret)
{
	struct wire_attr attr;
	int rc = path[0] ? s3_stat(v, call, path, false, &attr) : 0;

	if (rc)
		return rc;
	*ret = (struct wire_statfs_rep){
		.blocks = (1ull << 50) / 4096,
		.bfree = (1ull << 50) / 4096,
		.files = 1ull << 40,
		.ffree = 1ull << 40,
		.fsid = VOLUME_DEV(v->index),
		.bsize = 4096,
		.namelen = 255,
		.type = 0x5333,
		.readonly = v->read_only,
	};
	return 0;
}

struct readlink_arg {
	char target[WIRE_PATH_MAX];
};

static int do_readlink(struct walk *w, void *arg)
{
	struct readlink_arg *a = arg;
	struct facts f;
	int rc = lookup(w->v, &w->key, LOOK_META, &f, &w->call->err);

	if (rc)
		return rc;
	if (f.kind == NODE_ABSENT)
		return walk_missing(w);
	if (!facts_is_link(&f))
		return f.kind == NODE_FILE && w->must_dir ? -ENOTDIR : -EINVAL;
	if (w->must_dir)
		return walk_follow(w);
	return ask_target(w->v, &w->key, a->target, &w->call->err);
}

static int s3_readlink(struct volume *v, struct vcall *call, const char *path, char *buf, size_t room, size_t *ret_len)
{
	struct readlink_arg a;
	int rc = walk_run(s3_of(v), call, path, do_readlink, &a);
	size_t len;

	if (rc)
		return rc;
	len = min_u64(strlen(a.target), room);
	memcpy(buf, a.target, len);
	*ret_len = len;
	return 0;
}

static int s3_link(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags)
{
	(void)v;
	(void)call;
	(void)from;
	(void)to;
	(void)flags;
	return -EPERM;
}

static int s3_sync(struct volume *vol, struct vcall *call)
{
	struct s3volume *v = s3_of(vol);
	int rc = object_store_sync(v->store, &call->err);
	int attrs = deferred_flush(v, NULL), removals = removals_flush(v->space);

	return rc < 0 ? rc : rc > 0 ? -EIO : attrs ? attrs : removals;
}

/* The store is shared by all volumes: each tells the failures of its own names. */
struct drain_arg {
	const struct s3volume *v;
	void (*each)(void *arg, const struct vfailure *f);
	void *arg;
	int count;
};

static bool is_ours(const struct s3volume *v, const char *name)
{
	char head[S3PATH_BUCKET_MAX + S3_KEY_MAX + 16];

	if (!v->root.bucket[0])
		return true;
	snprintf(head, sizeof(head), "s3://%s/%s", v->root.bucket, v->root.prefix);
	return strncmp(name, head, strlen(head)) == 0;
}

static void on_failure(void *arg, const struct object_failure *of)
{
	struct drain_arg *a = arg;
	struct vfailure *f;

	if (!is_ours(a->v, of->name))
		return;
	a->count++;
	f = calloc(1, sizeof(*f));
	if (!f)
		return;
	snprintf(f->name, sizeof(f->name), "%s", of->name);
	snprintf(f->sentence, sizeof(f->sentence), "%s", of->sentence);
	if (a->each)
		a->each(a->arg, f);
	free(f);
}

static void on_space_failure(void *arg, const struct vfailure *f)
{
	struct drain_arg *a = arg;

	if (!is_ours(a->v, f->name))
		return;
	a->count++;
	if (a->each)
		a->each(a->arg, f);
}

static int s3_drain(struct volume *vol, bool shutdown, void (*each)(void *arg, const struct vfailure *f), void *arg)
{
	struct s3volume *v = s3_of(vol);
	struct drain_arg a = { v, each, arg, 0 };

	(void)object_store_drain(v->store, shutdown, on_failure, &a);
	(void)deferred_flush(v, NULL); /* failures are recorded */
	(void)removals_flush(v->space);
	space_failures(v->space, on_space_failure, &a);
	return a.count;
}

static int s3_status(struct volume *vol, char *buf, size_t size)
{
	struct s3volume *v = s3_of(vol);
	unsigned nodes, open;
	int n;

	pthread_mutex_lock(&v->space->names.lock);
	nodes = HASH_COUNT(v->space->names.nodes);
	open = HASH_COUNT(v->space->onodes);
	pthread_mutex_unlock(&v->space->names.lock);
	n = snprintf(buf, size, "{\"type\":\"S3\",\"names\":%u,\"open\":%u}", nodes, open);
	return n < 0 || (size_t)n >= size ? -ENOBUFS : n;
}

static void s3_free(struct volume *vol)
{
	struct s3volume *v = s3_of(vol);

	deferred_stop(v);
	(void)removals_flush(v->space);
	space_put(v->space);
	free(v);
}

static const struct volume_ops s3_ops = {
	.type = "S3",
	.open = s3_open,
	.stat = s3_stat,
	.realpath = s3_realpath,
	.access = s3_access,
	.setattr = s3_setattr,
	.truncate = s3_truncate,
	.statfs = s3_statfs,
	.readlink = s3_readlink,
	.mkdir = s3_mkdir,
	.rmdir = s3_rmdir,
	.unlink = s3_unlink,
	.rename = s3_rename,
	.symlink = s3_symlink,
	.link = s3_link,
	.mknod = s3_mknod,
	.sync = s3_sync,
	.drain = s3_drain,
	.status = s3_status,
	.free = s3_free,
	.file_grant = s3_file_grant,
	.file_advise = s3_file_advise,
	.file_claim = s3_file_claim,
	.file_closed = s3_file_closed,
	.file_sync = s3_file_sync,
	.file_truncate = s3_file_truncate,
	.file_allocate = s3_file_allocate,
	.file_clone = s3_file_clone,
	.file_stat = s3_file_stat,
	.file_setattr = s3_file_setattr,
	.file_readdir = s3_file_readdir,
	.file_etag = s3_file_etag,
	.file_free = s3_file_free,
};

/* HeadBucket: a wrong key, secret, region or bucket is told now, not by the first open. */
static int check_bucket(const struct s3volume *v, struct err *err)
{
	struct s3_call *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	s3_call_init(c, v->root.bucket[0] ? S3_HEAD_BUCKET : S3_LIST_BUCKETS, v->root.bucket[0] ? v->root.bucket : NULL,
		     NULL);
	rc = s3_run(v->client, c);
	if (rc && err) {
		*err = c->err;
		if (!err->errnum)
			err->errnum = -rc;
	}
	s3_page_deinit(&c->page);
	free(c);
	return rc;
}

static int check_root(const struct s3volume *v, struct err *err)
{
	struct s3key top;
	int rc = s3path_key(&v->root, "", &top);

	if (rc == 0 && s3_place(v, &top) == POLICY_OUTSIDE)
		return err_set(err, EACCES, "'s3://%s/%s' is none of the buckets and prefixes that are allowed",
			       v->root.bucket, v->root.prefix);
	return rc;
}

int volume_s3_new(const struct volume_s3_config *config, struct volume **ret, struct err *err)
{
	struct s3volume *v;
	int rc;

	if (strlen(config->mount) >= sizeof(v->base.mount))
		return err_set(err, ENAMETOOLONG, "its name is too long");
	v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(err, ENOMEM, "out of memory");
	v->base = (struct volume){
		.ops = &s3_ops, .events = config->events, .index = config->index, .read_only = config->read_only
	};
	snprintf(v->base.mount, sizeof(v->base.mount), "%s", config->mount);
	v->base.denied = POLICY_ALL & ~policy_verbs(config->policy);
	v->base.quota = config->quota;
	v->policy = config->policy;
	v->audit = config->audit;
	v->client = config->client;
	v->store = config->store;
	v->watch = config->watch;
	v->attributes_list = config->attributes_list;
	v->excl_open = config->excl_open;
	v->remove_later = config->remove_later;
	v->copy_max = config->copy_max ? config->copy_max : S3_PART_MAX;
	v->copy_part = config->copy_part ? config->copy_part : GIB(1);
	v->uid = geteuid();
	v->gid = getegid();
	v->started_ns = s3_now_ns();
	v->space = space_get(v->client, v->store, config->ttl_ms > 0 ? config->ttl_ms : 1000);
	if (!v->space) {
		free(v);
		return err_set(err, ENOMEM, "out of memory");
	}
	rc = s3path_root_init(&v->root, config->bucket, config->prefix);
	if (rc)
		err_set(err, -rc, "'%s' in the bucket '%s' is no folder that S3 can name",
			config->prefix ? config->prefix : "", config->bucket ? config->bucket : "");
	if (rc == 0 && v->root.bucket[0])
		rc = check_root(v, err);
	if (rc == 0)
		rc = check_bucket(v, err);
	if (rc) {
		space_put(v->space);
		free(v);
		return rc;
	}
	rc = deferred_start(v, err);
	if (rc) {
		s3_free(&v->base);
		return rc;
	}
	*ret = &v->base;
	return 0;
}
