#include "volume/s3volume.h"

#include "s3/quota.h"
#include "volume/dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <utlist.h>

/*
 * An open for reading asks for the object at once: one ranged GET tells whether it is there, what it is and how it
 * begins; only a 404 makes us look for a directory. An open that may create asks for its folder first
 * (lookup_create()).
 */
struct open_arg {
	uint32_t flags, mode;
	struct volume_opened *ret;
	uint64_t since; /* names.changes before the name was looked up */
};

static uint64_t changes_now(struct s3volume *v)
{
	uint64_t n;

	pthread_mutex_lock(&v->space->names.lock);
	n = v->space->names.changes;
	pthread_mutex_unlock(&v->space->names.lock);
	return n;
}

static bool may(const struct s3volume *v, const struct vcall *call, const struct attr *a, uint32_t want)
{
	return attr_may(attr_mode(a, false), a->have & ATTR_UID ? a->uid : v->uid, a->have & ATTR_GID ? a->gid : v->gid,
			call->uid, call->gid, want);
}

static uint32_t wanted(uint32_t flags)
{
	uint32_t acc = flags & O_ACCMODE;

	return (acc != O_WRONLY ? 4u : 0) | (acc != O_RDONLY || (flags & O_TRUNC) ? 2u : 0);
}

static bool is_link_info(const struct s3_info *info)
{
	struct attr a;

	attr_from_meta(&info->meta, &a);
	return (a.have & ATTR_MODE) && S_ISLNK(a.mode);
}

/* What the record says of a file that has just been opened. */
static void note_opened_locked(struct s3volume *v, struct node *node, const struct s3_info *info)
{
	if (info)
		names_set_file(&v->space->names, node, info, true);
	node->kind = NODE_FILE;
}

static void note_created_locked(struct s3volume *v, struct node *node, const struct vcall *call, const struct s3key *k,
				uint32_t mode)
{
	names_set_absent(&v->space->names, node);
	node->kind = NODE_FILE;
	node->meta_known = true;
	node->mtime_ns = s3_now_ns();
	change_new_attr_locked(v, call, k, S_IFREG | mode, &node->attr);
	node->attr.have &= ~(unsigned)ATTR_MTIME;
	names_set_local(&v->space->names, node, true);
	names_changed(&v->space->names, &v->root, node);
}

/*
 * An object that nobody else here has open, but that is not made from what this session knows of the name: an open file
 * of that name was committed and forgotten between the look and the open; or the object layer still has one from
 * before.
 */
static bool outdated_locked(const struct node *node, const struct open_arg *a, enum object_intent intent,
			    const struct s3_info *base, bool create, const struct s3_info *has)
{
	bool current = has && node->etag && s3_etag_equal(has->etag, node->etag);

	if (intent == OBJECT_READ)
		return base && node->changed > a->since && !current;
	if (node->changed > a->since)
		return !current || create;
	if (create)
		return has;
	return base && (!has || !s3_etag_equal(has->etag, base->etag));
}

/*
 * The object, and the onode that stands for it. @create: there is none yet. -EAGAIN: what was looked up is outdated,
 * look again.
 */
static int acquire(struct walk *w, const struct open_arg *a, enum object_intent intent, const struct s3_info *base,
		   bool create, struct onode **ret)
{
	struct s3volume *v = w->v;
	struct object_name name = { .client = v->client, .bucket = w->key.bucket, .key = w->key.key };
	struct s3_info *info = NULL;
	struct object *o;
	struct onode *n;
	char id[NAMES_ID_MAX];
	bool fresh, known, outdated;
	int rc = object_open(v->store, &name, intent, base, &onode_events, v, &o, &w->call->err);

	if (rc)
		return rc;
	names_id(&w->key, id);
	info = malloc(sizeof(*info));
	known = info && object_info(o, info);
	pthread_mutex_lock(&v->space->names.lock);
	fresh = !onode_find_locked(v, object_id(o));
	n = info ? onode_get_locked(v, o, id) : NULL;
	outdated = n && fresh && outdated_locked(n->node, a, intent, base, create, known ? info : NULL);
	if (n && fresh && !outdated && create)
		note_created_locked(v, n->node, w->call, &w->key, a->mode);
	else if (n && fresh && !outdated)
		note_opened_locked(v, n->node, known && !base ? info : NULL);
	pthread_mutex_unlock(&v->space->names.lock);
	if (!n) {
		rc = -ENOMEM;
	} else if (outdated) {
		/* it may live on for a moment in the object layer, where the next try must not find it */
		(void)object_forget(o, NULL);
		onode_put(v, n);
		rc = -EAGAIN;
	} else if (fresh && intent == OBJECT_READ && known && is_link_info(info)) {
		onode_put(v, n);
		rc = a->flags & O_NOFOLLOW ? -ELOOP : walk_follow(w);
	}
	free(info);
	object_unref(o);
	if (rc == 0)
		*ret = n;
	return rc;
}

/* A writer's first claim comes with the open, where it costs nothing. */
static void first_claim(struct s3file *f, uint32_t flags, struct volume_opened *ret)
{
	struct object_range r;
	uint64_t size = object_size(f->n->o);

	if (flags & O_APPEND) {
		if (object_claim(f->n->o, size, UINT64_MAX, &r, NULL) == 0)
			ret->claim = (struct vrange){ r.off, r.len, r.gen };
	} else if (size == 0) {
		if (object_claim(f->n->o, 0, 1, &r, NULL) == 0)
			ret->claim = (struct vrange){ r.off, r.len, r.gen };
	}
}

/*
 * Who closes a reader's descriptor tells nobody, and the kernel tells only of the last one of an inode. So for as long as
 * somebody holds an object, whoever opens it again and again would leave a file each time: from some number on, opens with
 * the same flags share one, as if it had been duplicated. Our descriptor keeps it (object.h, idle()).
 */
#define FILES_OF_OBJECT 1024

static struct s3file *shared_locked(struct s3volume *v, struct onode *n, uint32_t flags)
{
	struct s3file *f;

	if (n->file_count < FILES_OF_OBJECT)
		return NULL;
	DL_FOREACH (n->files, f) {
		if (f->base.volume == &v->base && f->flags == flags && !f->told)
			break;
	}
	return f;
}

/* A descriptor, and the file that stands for it. Takes the user of @n over. */
static int hand_out(struct walk *w, const struct open_arg *a, struct onode *n)
{
	const uint32_t keep = O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_NOATIME;
	struct s3volume *v = w->v;
	struct s3file *f = calloc(1, sizeof(*f)), *shared;
	int fd = -1, rc = -ENOMEM;

	if (f)
		rc = object_reopen(n->o, (int)((a->flags & keep) | O_CLOEXEC), &fd, &w->call->err);
	if (rc) {
		free(f);
		onode_put(v, n);
		return rc;
	}
	f->writable = (a->flags & O_ACCMODE) != O_RDONLY;
	f->base = (struct vfile){
		.volume = &v->base, .kind = WIRE_KIND_OBJECT, .slot = object_slot(n->o), .object = object_id(n->o)
	};
	f->n = n;
	f->flags = a->flags & keep;
	pthread_mutex_lock(&v->space->names.lock);
	shared = shared_locked(v, n, f->flags);
	if (!shared) {
		DL_APPEND(n->files, f);
		n->file_count++;
	}
	n->users--;
	pthread_mutex_unlock(&v->space->names.lock);
	if (shared) {
		free(f);
		f = shared;
	}
	object_handed_out(n->o, f->writable);
	*a->ret = (struct volume_opened){ .file = &f->base,
					  .shared = shared,
					  .fd = fd,
					  .kind = WIRE_KIND_OBJECT,
					  .slot = f->base.slot,
					  .object = f->base.object };
	if (f->writable)
		first_claim(f, a->flags, a->ret);
	return 0;
}

static int open_dir(struct walk *w, const struct open_arg *a, struct first_page *page)
{
	if ((a->flags & O_ACCMODE) != O_RDONLY || (a->flags & (O_CREAT | O_TRUNC))) {
		if (page)
			first_page_drop(page);
		return -EISDIR;
	}
	return s3dir_open(w->v, w->call, &w->key, page, a->ret);
}

/* O_DIRECTORY, or a trailing slash. */
static int open_folder(struct walk *w, const struct open_arg *a, bool no_object)
{
	struct first_page page;
	struct facts f;
	int rc = lookup_folder(w->v, &w->key, no_object, &f, &page, &w->call->err);

	if (rc)
		return rc;
	if (f.kind == NODE_DIR)
		return open_dir(w, a, page.listing ? &page : NULL);
	if (f.kind == NODE_ABSENT)
		return walk_missing(w);
	if (!f.meta_known)
		rc = lookup(w->v, &w->key, LOOK_META, &f, &w->call->err);
	if (rc == 0 && facts_is_link(&f))
		return (a->flags & O_NOFOLLOW) && !w->must_dir ? -ENOTDIR : walk_follow(w);
	return rc ? rc : -ENOTDIR;
}

/* What was fetched of it before it was opened; moves the scan of its folder along. NULL: nothing that may be used. */
static struct ahead_item *fetched_ahead(struct walk *w, const struct open_arg *a)
{
	struct s3volume *v = w->v;
	struct ahead_item *item, *list = NULL;
	char id[NAMES_ID_MAX];
	struct node *node;
	bool usable;

	names_id(&w->key, id);
	pthread_mutex_lock(&v->space->names.lock);
	ahead_reads_locked(v, &w->key, &list);
	pthread_mutex_unlock(&v->space->names.lock);
	ahead_start(v, list);
	pthread_mutex_lock(&v->space->names.lock);
	item = ahead_take_locked(v, AHEAD_CONTENT, id);
	node = names_find(&v->space->names, id);
	usable = item && item->call.status == 0 && (!node || node->changed <= min_u64(item->asked, a->since));
	if (usable)
		ask_learn_locked(v, item);
	pthread_mutex_unlock(&v->space->names.lock);
	if (usable)
		return item;
	ahead_put(v, item);
	return NULL;
}

static int open_read(struct walk *w, const struct open_arg *a)
{
	struct ahead_item *item;
	struct onode *n;
	struct facts f;
	bool allowed;
	int rc;

	if (lookup_known(w->v, &w->key, &f)) {
		if (f.kind == NODE_ABSENT)
			return walk_missing(w);
		if (f.kind == NODE_DIR)
			return open_dir(w, a, NULL);
		if (facts_is_link(&f))
			return a->flags & O_NOFOLLOW ? -ELOOP : walk_follow(w);
	}
	item = fetched_ahead(w, a);
	rc = acquire(w, a, OBJECT_READ, item ? &item->call.info : NULL, false, &n);
	if (rc == 0 && item)
		object_preload(n->o, item->call.info.etag, item->body, item->call.info.size);
	ahead_put(w->v, item);
	if (rc == -ENOENT)
		return open_folder(w, a, true);
	if (rc)
		return rc;
	pthread_mutex_lock(&w->v->space->names.lock);
	allowed = may(w->v, w->call, &n->node->attr, 4);
	pthread_mutex_unlock(&w->v->space->names.lock);
	if (!allowed) {
		onode_put(w->v, n);
		return -EACCES;
	}
	return hand_out(w, a, n);
}

/* What the server is known to have under the name; its ETag is "" where nothing is. The caller's to free; NULL: no memory. */
static struct s3_info *known_base(const struct walk *w)
{
	struct s3_info *base = calloc(1, sizeof(*base));
	char id[NAMES_ID_MAX];
	struct node *node;

	if (!base)
		return NULL;
	names_id(&w->key, id);
	pthread_mutex_lock(&w->v->space->names.lock);
	node = names_find(&w->v->space->names, id);
	if (node && node->etag)
		names_info(node, base);
	pthread_mutex_unlock(&w->v->space->names.lock);
	return base;
}

/* Where nothing is written, stat of the open file goes on to tell the time that was set. */
static void keep_mtime(struct s3volume *v, struct onode *n)
{
	struct attr attr;

	pthread_mutex_lock(&v->space->names.lock);
	attr = n->node->attr;
	pthread_mutex_unlock(&v->space->names.lock);
	if (attr.have & ATTR_MTIME)
		object_set_base_mtime(n->o, attr.mtime_ns);
}

/* What stays of a file's content is read by whoever writes to it. */
static bool may_keep(const struct s3volume *v, enum object_intent intent)
{
	return intent == OBJECT_TRUNCATE || !(v->base.denied & POLICY_READ);
}

/* Over a file that is there. */
static int open_over(struct walk *w, const struct open_arg *a)
{
	enum object_intent intent = a->flags & O_TRUNC ? OBJECT_TRUNCATE : OBJECT_WRITE;
	struct s3volume *v = w->v;
	struct s3_info *base;
	struct onode *n;
	struct facts f;
	int rc = lookup(v, &w->key, intent == OBJECT_WRITE ? LOOK_BASE : LOOK_META, &f, &w->call->err);

	if (rc)
		return rc;
	if (f.kind == NODE_ABSENT)
		return walk_missing(w);
	if (f.kind == NODE_DIR)
		return -EISDIR;
	if (facts_is_link(&f))
		return a->flags & O_NOFOLLOW ? -ELOOP : walk_follow(w);
	if (!may(v, w->call, &f.attr, wanted(a->flags)) || !may_keep(v, intent))
		return -EACCES;
	base = known_base(w);
	if (!base)
		return -ENOMEM;
	rc = acquire(w, a, intent, base->etag[0] ? base : NULL, false, &n);
	free(base);
	if (rc)
		return rc;
	if (intent == OBJECT_WRITE)
		keep_mtime(v, n);
	/* nobody who can write will close it: what the open itself changed is sent now */
	if (intent == OBJECT_TRUNCATE && (a->flags & O_ACCMODE) == O_RDONLY)
		rc = object_sync(n->o, &w->call->err);
	if (rc) {
		onode_put(v, n);
		return rc;
	}
	return hand_out(w, a, n);
}

static int open_new(struct walk *w, const struct open_arg *a)
{
	struct quota *q = w->v->base.quota;
	struct onode *n;
	int rc = quota_open(q, &w->call->err);

	if (rc == 0)
		rc = quota_take(q, QUOTA_objects, 1, &w->call->err);
	if (rc)
		return rc;
	rc = acquire(w, a, OBJECT_WRITE, NULL, true, &n);
	if (rc) {
		quota_give(q, QUOTA_objects, 1);
		return rc;
	}
	if (a->flags & O_EXCL)
		object_exclusive(n->o);
	if ((a->flags & O_ACCMODE) == O_RDONLY)
		rc = object_sync(n->o, &w->call->err);
	if (rc) {
		onode_put(w->v, n);
		return rc;
	}
	return hand_out(w, a, n);
}

/* --excl open: the object is there before anything is written, so that other sessions see it. */
static int open_excl(struct walk *w, const struct open_arg *a)
{
	struct open_arg over = *a;
	struct s3_info *base;
	struct onode *n;
	struct attr attr;
	int rc;

	change_new_attr(w->v, w->call, &w->key, S_IFREG | a->mode, &attr);
	rc = change_put(w->v, w->call, &w->key, &attr, NULL, &w->call->err);
	if (rc)
		return rc;
	over.since = changes_now(w->v);
	base = known_base(w);
	if (!base)
		return -ENOMEM;
	rc = acquire(w, &over, OBJECT_WRITE, base->etag[0] ? base : NULL, false, &n);
	free(base);
	return rc ? rc : hand_out(w, &over, n);
}

static int open_create(struct walk *w, const struct open_arg *a)
{
	struct facts f;
	int rc = lookup_create(w->v, &w->key, &f, &w->call->err);

	if (rc)
		return rc == -ENOENT ? walk_no_folder(w) : rc;
	if (f.kind == NODE_ABSENT)
		return a->flags & O_EXCL && w->v->excl_open ? open_excl(w, a) : open_new(w, a);
	if (a->flags & O_EXCL)
		return -EEXIST;
	if (f.kind == NODE_DIR)
		return -EISDIR;
	return wanted(a->flags) & 2 ? open_over(w, a) : open_read(w, a);
}

static int do_open(struct walk *w, void *arg)
{
	struct open_arg *a = arg;
	bool changes = (a->flags & O_CREAT) || (wanted(a->flags) & 2);
	int rc;

	if ((a->flags & O_TMPFILE) == O_TMPFILE)
		return -EOPNOTSUPP;
	if (w->must_dir && (a->flags & O_CREAT) && w->key.place == S3PLACE_KEY) {
		rc = lookup_create(w->v, &w->key, &(struct facts){ 0 }, &w->call->err);
		return rc == -ENOENT ? walk_missing(w) : rc ? rc : -EISDIR;
	}
	if (w->key.place != S3PLACE_KEY && (a->flags & O_CREAT))
		return a->flags & O_EXCL ? -EEXIST : -EISDIR;
	if (!(a->flags & O_CREAT) && ((a->flags & O_DIRECTORY) || w->must_dir || w->key.place != S3PLACE_KEY))
		return open_folder(w, a, false);
	walk_hold(w, changes ? HOLD_ALONE : HOLD_SHARED);
	do {
		a->since = changes_now(w->v);
		if (a->flags & O_CREAT)
			rc = open_create(w, a);
		else
			rc = changes ? open_over(w, a) : open_read(w, a);
	} while (rc == -EAGAIN);
	walk_drop(w);
	return rc;
}

int s3_open(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
	    struct volume_opened *ret)
{
	struct open_arg a = { .flags = flags, .mode = mode, .ret = ret };

	if (flags & O_PATH)
		a.flags = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
	return walk_run(s3_of(v), call, path, do_open, &a);
}

/* truncate(2): an open of our own, committed at once */
static int truncate_once(struct walk *w, uint64_t size)
{
	struct open_arg a = { .flags = O_WRONLY | (size ? 0 : O_TRUNC), .since = changes_now(w->v) };
	struct s3volume *v = w->v;
	struct s3_info *base;
	struct onode *n;
	struct facts f;
	int rc = w->key.place != S3PLACE_KEY ? -EISDIR : lookup(v, &w->key, LOOK_BASE, &f, &w->call->err);

	if (rc)
		return rc;
	if (f.kind != NODE_FILE)
		return f.kind == NODE_DIR ? -EISDIR : walk_missing(w);
	if (facts_is_link(&f))
		return walk_follow(w);
	if (w->must_dir)
		return -ENOTDIR;
	if (!may(v, w->call, &f.attr, 2) || !may_keep(v, size ? OBJECT_WRITE : OBJECT_TRUNCATE))
		return -EACCES;
	base = known_base(w);
	if (!base)
		return -ENOMEM;
	rc = acquire(w, &a, size ? OBJECT_WRITE : OBJECT_TRUNCATE, base->etag[0] ? base : NULL, false, &n);
	free(base);
	if (rc)
		return rc;
	rc = object_truncate(n->o, size, &w->call->err);
	if (rc == 0)
		rc = object_sync(n->o, &w->call->err);
	onode_put(v, n);
	return rc;
}

static int do_truncate(struct walk *w, void *arg)
{
	int rc;

	do
		rc = truncate_once(w, *(const uint64_t *)arg);
	while (rc == -EAGAIN);
	return rc;
}

int s3_truncate(struct volume *v, struct vcall *call, const char *path, uint64_t size)
{
	return walk_run_held(s3_of(v), call, path, HOLD_ALONE, do_truncate, &size);
}
