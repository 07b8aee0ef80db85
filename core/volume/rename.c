#include "volume/s3volume.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * A file: CopyObject, then DELETE; of folders see rename_tree.c.
 *
 * An open file goes on under its new key (object_rename()). Its commit may slip in between the copy and
 * object_rename(): the copy would then hold the old bytes while the object believes that it is clean. So
 * object_rename() is told which ETag was copied, and the copy is made again where that is not the last.
 */
#define NOREPLACE  1u
#define MOVE_TRIES 50 /* some 1.2 s in all */

struct both {
	struct walk from, to;
};

/* What is known of a name on the server. */
static bool known_info(struct s3volume *v, const char *id, struct s3_info *ret)
{
	struct node *node;
	bool there;

	pthread_mutex_lock(&v->space->names.lock);
	node = names_find(&v->space->names, id);
	there = node && node->kind == NODE_FILE && node->etag;
	if (there)
		names_info(node, ret);
	pthread_mutex_unlock(&v->space->names.lock);
	return there;
}

/* Attributes that wait to be written go along with the copy. @meta, @type: what the copy gets. */
static bool take_dirty(struct s3volume *v, const char *id, const struct s3key *from, const struct s3key *to,
		       struct s3_info *ret)
{
	struct node *node;
	bool dirty;

	pthread_mutex_lock(&v->space->names.lock);
	node = names_find(&v->space->names, id);
	dirty = node && node->kind == NODE_FILE && node->attr_dirty && node->meta_known;
	if (dirty) {
		names_info(node, ret);
		dirty = attr_to_meta(&node->attr, &ret->meta) == 0;
	}
	pthread_mutex_unlock(&v->space->names.lock);
	/* a type that only came from the old name */
	if (dirty && strcmp(ret->content_type, attr_content_type(s3path_name(from))) == 0)
		snprintf(ret->content_type, sizeof(ret->content_type), "%s", attr_content_type(s3path_name(to)));
	return dirty;
}

/*
 * Records: @from is @to now. An open file may have been committed under its new name already: what it knows of the
 * server counts, read under the lock that on_committed() wants, so that neither overwrites what is younger.
 */
static void note_moved(struct s3volume *v, const char *from, const char *to, struct object *o, struct s3_info *copied,
		       bool meta)
{
	struct node *node, *old;

	pthread_mutex_lock(&v->space->names.lock);
	node = names_find(&v->space->names, from);
	if (node)
		names_changed(&v->space->names, &v->root, node);
	node = names_move(&v->space->names, from, to);
	if (node) {
		node->kind = NODE_FILE;
		node->asked_ms = clock_now_ms();
		node->until_ms = node->asked_ms + v->space->names.ttl_ms;
		if (meta) {
			deferred_clear_locked(v, node);
			node->meta_known = names_set_meta(node, &copied->meta, copied->content_type) == 0;
		}
		if (!o || object_info(o, copied)) {
			char *etag = strdup(copied->etag);

			free(node->etag);
			node->etag = etag;
			node->mtime_ns = copied->mtime_ns ? copied->mtime_ns : s3_now_ns();
		}
		names_changed(&v->space->names, &v->root, node);
	}
	old = names_find(&v->space->names, from);
	if (old)
		names_changed(&v->space->names, &v->root, old);
	pthread_mutex_unlock(&v->space->names.lock);
}

static int copy_file(struct s3volume *v, const struct s3key *from, const struct s3key *to, const struct s3_info *src,
		     const struct s3_info *dirty, struct s3_info *ret, struct err *err)
{
	struct copy c = { .bucket = from->bucket,
			  .from = from->key,
			  .to_bucket = to->bucket,
			  .to = to->key,
			  .size = src->size,
			  .etag = src->etag,
			  .meta = dirty ? &dirty->meta : NULL,
			  .content_type = dirty ? dirty->content_type : NULL,
			  .policy = v->policy };
	struct s3_info now;
	int rc = copy_run(v, &c, &now, err);

	if (rc)
		return rc == -ESTALE ? -EBUSY : rc;
	*ret = dirty ? *dirty : *src;
	memcpy(ret->etag, now.etag, sizeof(ret->etag));
	ret->mtime_ns = now.mtime_ns ? now.mtime_ns : s3_now_ns();
	ret->size = src->size;
	return 0;
}

struct move {
	struct s3volume *v;
	const struct s3key *from, *to;
	char from_id[NAMES_ID_MAX], to_id[NAMES_ID_MAX];
	struct s3_info src, dirty, copied, replaced;
	bool to_exists, has_src, meta;
	struct err *err;
};

static void nap_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/*
 * The copy, and the open object's new name, until no commit came between. -EBUSY of a copy: a commit has reached the
 * server and not yet the object; or somebody else has replaced what the object knows.
 */
static int move_open(struct move *m, struct object *o)
{
	struct object_name name = { .client = m->v->client, .bucket = m->to->bucket, .key = m->to->key };
	int rc = -EBUSY;

	for (long tries = 0; tries < MOVE_TRIES && (rc == -EBUSY || rc == -EAGAIN); tries++) {
		struct s3_info *base = NULL;

		nap_ms(tries);
		m->has_src = object_info(o, &m->src);
		name.if_etag = m->has_src ? m->src.etag : "";
		if (m->has_src) {
			base = &m->copied;
			rc = copy_file(m->v, m->from, m->to, &m->src, m->meta ? &m->dirty : NULL, base, m->err);
			if (rc)
				continue;
		} else if (m->to_exists) {
			base = &m->replaced; /* its commit replaces what is there */
		}
		rc = object_rename(o, &name, base, m->err);
	}
	return rc == -EAGAIN ? -EBUSY : rc;
}

/* Somebody else may have replaced it since it was looked at: then what is there now is moved. */
static int move_closed(struct move *m)
{
	int rc = -EBUSY;

	for (int tries = 0; tries < 3 && rc == -EBUSY; tries++) {
		if (tries)
			(void)ask_all(m->v, m->from, NULL);
		m->has_src = known_info(m->v, m->from_id, &m->src);
		if (!m->has_src)
			return -ENOENT;
		rc = copy_file(m->v, m->from, m->to, &m->src, m->meta ? &m->dirty : NULL, &m->copied, m->err);
	}
	return rc;
}

/*
 * What is replaced. object_forget() waits for a commit of it, so the ETag that a commit of the new file must find is
 * known behind it only.
 */
static int forget_target(struct move *m, bool to_exists)
{
	struct object *o = onode_object(m->v, m->to);
	struct node *node;
	int rc = o ? object_forget(o, m->err) : 0;

	m->to_exists = (to_exists || o) && known_info(m->v, m->to_id, &m->replaced);
	if (!o)
		return 0;
	pthread_mutex_lock(&m->v->space->names.lock);
	node = names_find(&m->v->space->names, m->to_id);
	if (rc == 0 && node && node->open)
		names_detach(&m->v->space->names, node);
	pthread_mutex_unlock(&m->v->space->names.lock);
	object_unref(o);
	return rc;
}

int rename_file(struct s3volume *v, const struct s3key *from, const struct s3key *to, bool to_exists, struct err *err)
{
	struct move *m = calloc(1, sizeof(*m));
	struct object *o;
	int rc;

	if (!m)
		return -ENOMEM;
	m->v = v;
	m->from = from;
	m->to = to;
	m->err = err;
	names_id(from, m->from_id);
	names_id(to, m->to_id);
	rc = forget_target(m, to_exists);
	o = onode_object(v, from);
	m->meta = take_dirty(v, m->from_id, from, to, &m->dirty);
	if (rc == 0)
		rc = o ? move_open(m, o) : move_closed(m);
	if (rc == 0) {
		note_moved(v, m->from_id, m->to_id, o, &m->copied, m->has_src && m->meta);
		if (m->has_src)
			rc = change_delete(v, from->bucket, from->key, err);
		change_keep_folder(v, from);
	}
	object_unref(o);
	free(m);
	return rc;
}

/* the call */

static int check_folder(struct both *b, const struct facts *to)
{
	bool marker, empty = true;
	int rc;

	if (to->kind == NODE_FILE)
		return -ENOTDIR;
	if (to->kind != NODE_DIR)
		return 0;
	if (b->to.key.place != S3PLACE_KEY)
		return -EBUSY;
	if (change_has_locals(b->to.v, &b->to.key))
		return -ENOTEMPTY;
	rc = change_look_below(b->to.v, &b->to.key, &marker, &empty, &b->to.call->err);
	return rc ? rc : empty ? 0 : -ENOTEMPTY;
}

/* Errors in the order in which rename(2) finds them. */
static int move(struct both *b, const struct facts *from, const struct facts *to, uint32_t flags)
{
	struct s3volume *v = b->from.v;
	struct err *err = &b->from.call->err;
	int rc;

	if (to->kind != NODE_ABSENT && (flags & NOREPLACE))
		return -EEXIST;
	if (from->kind != NODE_DIR && (b->from.must_dir || b->to.must_dir))
		return -ENOTDIR;
	if (s3path_within(&b->from.key, &b->to.key))
		return -EINVAL;
	if (s3path_within(&b->to.key, &b->from.key))
		return -ENOTEMPTY;
	if (s3path_same(&b->from.key, &b->to.key))
		return 0;
	if (from->kind == NODE_DIR) {
		rc = check_folder(b, to);
		return rc ? rc : rename_tree(v, &b->from.key, &b->to.key, err);
	}
	if (to->kind == NODE_DIR)
		return -EISDIR;
	return rename_file(v, &b->from.key, &b->to.key, to->kind == NODE_FILE, err);
}

/* One side. Return: 0 and facts; WALK_AGAIN after a link. */
static int look(struct walk *w, struct facts *ret)
{
	int rc;

	if (w->key.place != S3PLACE_KEY)
		return -EBUSY;
	if (s3_place(w->v, &w->key) != POLICY_INSIDE)
		return -EACCES;
	rc = lookup_create(w->v, &w->key, ret, &w->call->err);
	return rc == -ENOENT ? walk_no_folder(w) : rc;
}

/* Under the hold of both names. */
static int run_held(struct both *b, uint32_t flags)
{
	struct facts from, to;
	int rc;

	/* both folders first, as rename(2) does: then the name that is to be moved */
	b->from.call->redirect_which = 1;
	rc = look(&b->from, &from);
	if (rc)
		return rc;
	b->from.call->redirect_which = 2;
	rc = look(&b->to, &to);
	if (rc)
		return rc;
	return from.kind == NODE_ABSENT ? -ENOENT : move(b, &from, &to, flags);
}

static int run(struct both *b, uint32_t flags)
{
	struct s3volume *v = b->from.v;
	char from[NAMES_ID_MAX], to[NAMES_ID_MAX];
	int rc;

	do {
		names_id(&b->from.key, from);
		names_id(&b->to.key, to);
		pthread_mutex_lock(&v->space->names.lock);
		hold_take_locked(&v->space->holds, &v->space->names.lock, &b->from.hold, HOLD_TREE, from, to);
		pthread_mutex_unlock(&v->space->names.lock);
		rc = run_held(b, flags);
		walk_drop(&b->from);
	} while (rc == WALK_AGAIN);
	return rc;
}

int s3_rename(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags)
{
	struct both *b;
	int rc;

	if (flags & ~NOREPLACE)
		return -EINVAL;
	b = malloc(sizeof(*b));
	if (!b)
		return -ENOMEM;
	rc = walk_start(&b->from, s3_of(v), call, from);
	if (rc == 0)
		rc = walk_start(&b->to, s3_of(v), call, to);
	if (rc == 0)
		rc = run(b, flags);
	free(b);
	return rc;
}
