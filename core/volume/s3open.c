#include "volume/s3volume.h"

#include "volume/dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <utlist.h>

/*
 * An open for reading asks for the object at once: one ranged GET tells whether it is there, what it is and how it
 * begins; only a 404 makes us look for a directory. An open that may create asks for its folder first
 * (lookup_create()).
 *
 * Files and the object layer's idle(): a file is linked to its onode while its descriptor is still ours, after
 * object_reopen() has returned, so an idle() that was decided before never forgets it (object.h). An onode lives while
 * it has files or users; its node is pinned and believed meanwhile, so that every name and every descriptor sees one
 * record.
 */
struct open_arg {
	uint32_t flags, mode;
	struct volume_opened *ret;
};

int64_t s3_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct object *s3open_ref_locked(struct node *node)
{
	return node->open ? object_ref(node->open->o) : NULL;
}

/* onodes */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
static struct onode *onode_find_locked(struct s3volume *v, uint64_t id)
{
	struct onode *n;

	HASH_FIND(hh, v->onodes, &id, sizeof(id), n);
	return n;
}

static void onode_list_locked(struct s3volume *v, struct onode *n)
{
	HASH_ADD(hh, v->onodes, id, sizeof(n->id), n);
	n->listed = true;
}

static void onode_unlist_locked(struct s3volume *v, struct onode *n)
{
	if (n->listed)
		HASH_DELETE(hh, v->onodes, n);
	n->listed = false;
}
#pragma GCC diagnostic pop

/* The onode of @o with a user more; made if there is none. Takes a reference of its own. */
static struct onode *onode_get_locked(struct s3volume *v, struct object *o, const char *id)
{
	struct onode *n = onode_find_locked(v, object_id(o));
	struct node *node;

	if (n) {
		n->users++;
		return n;
	}
	node = names_get(&v->names, id);
	n = node ? calloc(1, sizeof(*n)) : NULL;
	if (!n)
		return NULL;
	n->id = object_id(o);
	n->o = object_ref(o);
	n->node = node;
	n->users = 1;
	node->pins++;
	node->open = n;
	onode_list_locked(v, n);
	return n;
}

/* Whoever held it is gone? Return: the object to unref without the lock; NULL. */
static struct object *onode_release_locked(struct s3volume *v, struct onode *n)
{
	struct object *o = n->o;

	if (n->users || n->files)
		return NULL;
	onode_unlist_locked(v, n);
	if (n->node->open == n) {
		n->node->open = NULL;
		n->node->until_ms = names_now_ms() + v->names.ttl_ms;
		/* never came to the bucket: an upload that failed, or an open that did */
		if (n->node->kind == NODE_FILE && !n->node->etag && !n->node->detached)
			names_set_absent(&v->names, n->node);
	}
	names_unpin(&v->names, n->node);
	free(n);
	return o;
}

static void onode_put(struct s3volume *v, struct onode *n)
{
	struct object *o;

	pthread_mutex_lock(&v->names.lock);
	n->users--;
	o = onode_release_locked(v, n);
	pthread_mutex_unlock(&v->names.lock);
	object_unref(o);
}

/* A user more of the onode that the object layer means; NULL if it is gone. */
static struct onode *onode_of_event(struct s3volume *v, struct object *o)
{
	struct onode *n;

	pthread_mutex_lock(&v->names.lock);
	n = onode_find_locked(v, object_id(o));
	if (n)
		n->users++;
	pthread_mutex_unlock(&v->names.lock);
	return n;
}

/* events of the object layer */

static void on_prepare(void *arg, struct object *o, struct s3_meta *meta, char *content_type, size_t room)
{
	struct s3volume *v = arg;
	struct onode *n = onode_of_event(v, o);
	int64_t mtime = object_mtime_ns(o);
	struct attr *a;

	if (!n)
		return;
	pthread_mutex_lock(&v->names.lock);
	a = &n->node->attr;
	a->mode = attr_mode(a, false);
	if (!(a->have & ATTR_UID))
		a->uid = v->uid;
	if (!(a->have & ATTR_GID))
		a->gid = v->gid;
	a->mtime_ns = mtime;
	a->have |= ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_MTIME;
	deferred_clear_locked(v, n->node);
	(void)attr_to_meta(a, meta);
	if (!content_type[0]) {
		const char *slash = strrchr(n->node->id, '/');

		snprintf(content_type, room, "%s", attr_content_type(slash ? slash + 1 : n->node->id));
	}
	pthread_mutex_unlock(&v->names.lock);
	onode_put(v, n);
}

static void on_committed(void *arg, struct object *o, const struct s3_info *info)
{
	struct s3volume *v = arg;
	struct onode *n = onode_of_event(v, o);
	struct node *node;

	if (!n)
		return;
	pthread_mutex_lock(&v->names.lock);
	node = n->node;
	n->commits++;
	if (!node->detached) {
		char *etag = strdup(info->etag);

		if (etag) {
			free(node->etag);
			node->etag = etag;
		}
		node->kind = NODE_FILE;
		node->size = info->size;
		node->mtime_ns = info->mtime_ns;
		node->meta_known = names_set_meta(node, &info->meta, info->content_type) == 0;
		node->asked_ms = names_now_ms();
		node->until_ms = node->asked_ms + v->names.ttl_ms;
		names_set_local(&v->names, node, false);
		names_changed(&v->names, &v->root, node);
	}
	pthread_mutex_unlock(&v->names.lock);
	onode_put(v, n);
}

/*
 * No descriptor is left: the broker forgets its ids and frees the files. No open adds one meanwhile (object.h). A
 * writer whose upload failed is kept for LATE_MS, or until it was asked for: its close may still be on its way to us,
 * and is to hear of it.
 */
#define LATE_MS 2000

static struct s3file *next_gone_locked(struct s3volume *v, struct onode *n, bool failed)
{
	struct s3file *f;

	for (f = n->files; f; f = f->next) {
		if (f->told || f->late_ms)
			continue;
		if (!failed || !f->writable || f->closed) {
			f->told = true;
			return f;
		}
		f->late_ms = names_now_ms() + LATE_MS;
		v->late++;
		pthread_cond_broadcast(&v->wake);
	}
	return NULL;
}

static void on_idle(void *arg, struct object *o)
{
	struct s3volume *v = arg;
	struct onode *n = onode_of_event(v, o);
	bool failed = object_dirty(o);
	struct s3file *f;

	if (!n)
		return;
	do {
		pthread_mutex_lock(&v->names.lock);
		f = next_gone_locked(v, n, failed);
		pthread_mutex_unlock(&v->names.lock);
		if (f && v->base.events.file_gone)
			v->base.events.file_gone(v->base.events.owner, &f->base);
	} while (f);
	onode_put(v, n);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
struct s3file *s3open_late_locked(struct s3volume *v, int64_t *wait_ms, struct onode **ret_n)
{
	int64_t now = names_now_ms();
	struct onode *n, *next;

	if (!v->late)
		return NULL;
	HASH_ITER (hh, v->onodes, n, next) {
		for (struct s3file *f = n->files; f; f = f->next) {
			if (!f->late_ms)
				continue;
			if (f->late_ms > now) {
				*wait_ms = f->late_ms - now < *wait_ms ? f->late_ms - now : *wait_ms;
				continue;
			}
			f->late_ms = 0;
			f->told = true;
			v->late--;
			n->users++;
			*ret_n = n;
			return f;
		}
	}
	return NULL;
}
#pragma GCC diagnostic pop

void s3open_tell(struct s3volume *v, struct s3file *f, struct onode *n)
{
	if (v->base.events.file_gone)
		v->base.events.file_gone(v->base.events.owner, &f->base);
	onode_put(v, n);
}

static const struct object_events events = { on_prepare, on_committed, on_idle };

/* opening */

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
		names_set_file(&v->names, node, info, true);
	node->kind = NODE_FILE;
}

static void note_created_locked(struct s3volume *v, struct node *node, const struct vcall *call, uint32_t mode)
{
	names_set_absent(&v->names, node);
	node->kind = NODE_FILE;
	node->meta_known = true;
	node->mtime_ns = s3_now_ns();
	change_new_attr(call, S_IFREG | mode, &node->attr);
	node->attr.have &= ~(unsigned)ATTR_MTIME;
	names_set_local(&v->names, node, true);
	names_changed(&v->names, &v->root, node);
}

/* The object, and the onode that stands for it. @create: there is none yet. */
static int acquire(struct walk *w, const struct open_arg *a, enum object_intent intent, const struct s3_info *base,
		   bool create, struct onode **ret)
{
	struct s3volume *v = w->v;
	struct object_name name = { .client = v->client, .bucket = w->key.bucket, .key = w->key.key };
	struct s3_info *info = NULL;
	struct object *o;
	struct onode *n;
	char id[NAMES_ID_MAX];
	bool fresh, known;
	int rc = object_open(v->store, &name, intent, base, &events, v, &o, &w->call->err);

	if (rc)
		return rc;
	names_id(&w->key, id);
	info = malloc(sizeof(*info));
	known = info && object_info(o, info);
	pthread_mutex_lock(&v->names.lock);
	fresh = !onode_find_locked(v, object_id(o));
	n = info ? onode_get_locked(v, o, id) : NULL;
	if (n && fresh && create)
		note_created_locked(v, n->node, w->call, a->mode);
	else if (n && fresh)
		note_opened_locked(v, n->node, known && !base ? info : NULL);
	pthread_mutex_unlock(&v->names.lock);
	if (n && intent == OBJECT_READ && known && is_link_info(info) && fresh) {
		onode_put(v, n);
		n = NULL;
		rc = a->flags & O_NOFOLLOW ? -ELOOP : walk_follow(w);
	} else if (!n) {
		rc = -ENOMEM;
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

/* A descriptor, and the file that stands for it. Takes the user of @n over. */
static int hand_out(struct walk *w, const struct open_arg *a, struct onode *n)
{
	const uint32_t keep = O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_NOATIME;
	struct s3volume *v = w->v;
	struct s3file *f = calloc(1, sizeof(*f));
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
	pthread_mutex_lock(&v->names.lock);
	DL_APPEND(n->files, f);
	n->users--;
	pthread_mutex_unlock(&v->names.lock);
	object_handed_out(n->o, f->writable);
	*a->ret = (struct volume_opened){
		.file = &f->base, .fd = fd, .kind = WIRE_KIND_OBJECT, .slot = f->base.slot, .object = f->base.object
	};
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

static int open_read(struct walk *w, const struct open_arg *a)
{
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
	rc = acquire(w, a, OBJECT_READ, NULL, false, &n);
	if (rc == -ENOENT)
		return open_folder(w, a, true);
	if (rc)
		return rc;
	pthread_mutex_lock(&w->v->names.lock);
	allowed = may(w->v, w->call, &n->node->attr, 4);
	pthread_mutex_unlock(&w->v->names.lock);
	if (!allowed) {
		onode_put(w->v, n);
		return -EACCES;
	}
	return hand_out(w, a, n);
}

/* Over a file that is there. */
static int open_over(struct walk *w, const struct open_arg *a)
{
	enum object_intent intent = a->flags & O_TRUNC ? OBJECT_TRUNCATE : OBJECT_WRITE;
	struct s3volume *v = w->v;
	struct s3_info *base;
	char id[NAMES_ID_MAX];
	struct node *node;
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
	if (!may(v, w->call, &f.attr, wanted(a->flags)))
		return -EACCES;
	base = calloc(1, sizeof(*base));
	if (!base)
		return -ENOMEM;
	names_id(&w->key, id);
	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	if (node && node->etag)
		names_info(node, base);
	pthread_mutex_unlock(&v->names.lock);
	rc = acquire(w, a, intent, base->etag[0] ? base : NULL, false, &n);
	free(base);
	if (rc)
		return rc;
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
	struct onode *n;
	int rc = acquire(w, a, OBJECT_WRITE, NULL, true, &n);

	if (rc)
		return rc;
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

static int open_create(struct walk *w, const struct open_arg *a)
{
	struct facts f;
	int rc = lookup_create(w->v, &w->key, &f, &w->call->err);

	if (rc)
		return rc == -ENOENT ? walk_missing(w) : rc;
	if (f.kind == NODE_ABSENT)
		return open_new(w, a);
	if (a->flags & O_EXCL)
		return -EEXIST;
	if (f.kind == NODE_DIR)
		return -EISDIR;
	return wanted(a->flags) & 2 ? open_over(w, a) : open_read(w, a);
}

static int do_open(struct walk *w, void *arg)
{
	const struct open_arg *a = arg;

	if ((a->flags & O_TMPFILE) == O_TMPFILE)
		return -EOPNOTSUPP;
	if (w->must_dir && (a->flags & O_CREAT))
		return -EISDIR;
	if (w->key.place != S3PLACE_KEY && (a->flags & O_CREAT))
		return a->flags & O_EXCL ? -EEXIST : -EISDIR;
	if (a->flags & O_CREAT)
		return open_create(w, a);
	if ((a->flags & O_DIRECTORY) || w->must_dir || w->key.place != S3PLACE_KEY)
		return open_folder(w, a, false);
	return wanted(a->flags) & 2 ? open_over(w, a) : open_read(w, a);
}

int s3_open(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
	    struct volume_opened *ret)
{
	struct open_arg a = { flags, mode, ret };

	if (flags & O_PATH)
		a.flags = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
	return walk_run(s3_of(v), call, path, do_open, &a);
}

/* truncate(2): an open of our own, committed at once */
static int do_truncate(struct walk *w, void *arg)
{
	uint64_t size = *(const uint64_t *)arg;
	struct open_arg a = { O_WRONLY | (size ? 0 : O_TRUNC), 0, NULL };
	struct s3volume *v = w->v;
	struct s3_info *base;
	char id[NAMES_ID_MAX];
	struct node *node;
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
	if (!may(v, w->call, &f.attr, 2))
		return -EACCES;
	base = calloc(1, sizeof(*base));
	if (!base)
		return -ENOMEM;
	names_id(&w->key, id);
	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	if (node && node->etag)
		names_info(node, base);
	pthread_mutex_unlock(&v->names.lock);
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

int s3_truncate(struct volume *v, struct vcall *call, const char *path, uint64_t size)
{
	return walk_run(s3_of(v), call, path, do_truncate, &size);
}

/* open files */

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
		*ret = (struct vrange){ r.off, r.len, r.gen };
	return rc;
}

int s3_file_claim(struct vfile *vf, struct vcall *call, uint64_t off, uint64_t len, struct vrange *ret)
{
	struct s3file *f = object_file(vf);
	struct object_range r;
	int rc = f ? object_claim(f->n->o, off, len, &r, &call->err) : -EISDIR;

	if (rc == 0)
		*ret = (struct vrange){ r.off, r.len, r.gen };
	return rc;
}

int s3_file_closed(struct vfile *vf, struct vcall *call, bool *ret_last)
{
	struct s3file *f = object_file(vf);

	struct s3volume *v = s3_of(vf->volume);
	int rc;

	if (!f || !f->writable) {
		*ret_last = true;
		return 0;
	}
	rc = object_closed(f->n->o, ret_last, &call->err);
	pthread_mutex_lock(&v->names.lock);
	f->closed = rc || *ret_last;
	if (f->late_ms) {
		f->late_ms = 1;
		pthread_cond_broadcast(&v->wake);
	}
	pthread_mutex_unlock(&v->names.lock);
	return rc;
}

int s3_file_sync(struct vfile *vf, struct vcall *call)
{
	struct s3file *f = object_file(vf);
	int rc;

	if (!f)
		return 0;
	rc = object_dirty(f->n->o) ? object_sync(f->n->o, &call->err) : 0;
	return rc ? rc : deferred_flush(s3_of(vf->volume), f->n->node);
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

int s3_file_stat(struct vfile *vf, struct vcall *call, struct wire_attr *ret)
{
	struct s3volume *v = s3_of(vf->volume);
	struct s3file *f = object_file(vf);
	struct facts facts;
	bool detached;

	if (!f) {
		int rc = lookup(v, s3dir_key(vf), LOOK_META, &facts, &call->err);

		if (rc)
			return rc;
		if (facts.kind != NODE_DIR) { /* removed while open: still a directory */
			facts = (struct facts){ .kind = NODE_DIR };
			lookup_attr(v, &facts, ret);
			ret->nlink = 0;
			return 0;
		}
		lookup_attr(v, &facts, ret);
		return 0;
	}
	pthread_mutex_lock(&v->names.lock);
	names_facts(f->n->node, &facts);
	detached = f->n->node->detached;
	pthread_mutex_unlock(&v->names.lock);
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

	return s3_set_attr(v, call, f ? NULL : s3dir_key(vf), f ? f->n->node : NULL, set);
}

int s3_file_readdir(struct vfile *vf, struct vcall *call, uint64_t pos, void *buf, size_t room, size_t *ret_used,
		    uint32_t *ret_entries, bool *ret_end)
{
	if (vf->kind != WIRE_KIND_DIR)
		return -ENOTDIR;
	return dir_readdir(vf, call, pos, buf, room, ret_used, ret_entries, ret_end);
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
	pthread_mutex_lock(&v->names.lock);
	if (f->late_ms)
		v->late--;
	DL_DELETE(f->n->files, f);
	o = onode_release_locked(v, f->n);
	pthread_mutex_unlock(&v->names.lock);
	object_unref(o);
	free(f);
}
