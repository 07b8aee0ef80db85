#include "volume/s3volume.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * A file: CopyObject, then DELETE. A folder: everything below it is copied, many at once, and only what was copied is
 * deleted; if one copy fails, the copies are taken back and the folder is as it was.
 *
 * An open file goes on under its new key (object_rename()). Its commit may slip in between the copy and
 * object_rename(): the copy would then hold the old bytes while the object believes that it is clean. object_rename()
 * waits for a commit that is under way, and on_committed() counts: if the count has moved, the copy is made again
 * before the old key is deleted.
 */
#define AT_ONCE   32
#define NOREPLACE 1u

struct both {
	struct walk from, to;
};

static struct object *open_at(struct s3volume *v, const char *id, struct onode **ret)
{
	struct node *node;
	struct object *o = NULL;

	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	if (node && node->open) {
		o = s3open_ref_locked(node);
		*ret = node->open;
		node->open->users++;
	}
	pthread_mutex_unlock(&v->names.lock);
	return o;
}

static unsigned commits_of(struct s3volume *v, const struct onode *n)
{
	unsigned c;

	pthread_mutex_lock(&v->names.lock);
	c = n->commits;
	pthread_mutex_unlock(&v->names.lock);
	return c;
}

/* What is known of a name on the server. */
static bool known_info(struct s3volume *v, const char *id, struct s3_info *ret)
{
	struct node *node;
	bool there;

	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	there = node && node->kind == NODE_FILE && node->etag;
	if (there)
		names_info(node, ret);
	pthread_mutex_unlock(&v->names.lock);
	return there;
}

/* Attributes that wait to be written go along with the copy. @meta, @type: what the copy gets. */
static bool take_dirty(struct s3volume *v, const char *id, const struct s3key *from, const struct s3key *to,
		       struct s3_info *ret)
{
	struct node *node;
	bool dirty;

	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	if (node && node->attr_writing) {
		node->pins++;
		deferred_wait_locked(v, node);
		names_unpin(&v->names, node);
		node = names_find(&v->names, id);
	}
	dirty = node && node->kind == NODE_FILE && node->attr_dirty && node->meta_known;
	if (dirty) {
		names_info(node, ret);
		dirty = attr_to_meta(&node->attr, &ret->meta) == 0;
	}
	pthread_mutex_unlock(&v->names.lock);
	/* a type that only came from the old name */
	if (dirty && strcmp(ret->content_type, attr_content_type(s3path_name(from))) == 0)
		snprintf(ret->content_type, sizeof(ret->content_type), "%s", attr_content_type(s3path_name(to)));
	return dirty;
}

/* Records: @from is @to now. @replaced: ETag of what a file that was never uploaded stands over; it is on the server.
 */
static void note_moved(struct s3volume *v, const char *from, const char *to, const struct s3_info *copied,
		       const char *replaced, bool meta)
{
	struct node *node, *old;

	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, from);
	if (node)
		names_changed(&v->names, &v->root, node);
	node = names_move(&v->names, from, to);
	if (node) {
		node->kind = NODE_FILE;
		node->asked_ms = names_now_ms();
		node->until_ms = node->asked_ms + v->names.ttl_ms;
		if (copied) {
			char *etag = strdup(copied->etag);

			free(node->etag);
			node->etag = etag;
			node->mtime_ns = copied->mtime_ns ? copied->mtime_ns : s3_now_ns();
		}
		if (!copied && replaced) {
			free(node->etag);
			node->etag = strdup(replaced);
		}
		if (meta) {
			deferred_clear_locked(v, node);
			node->meta_known = names_set_meta(node, &copied->meta, copied->content_type) == 0;
		}
		names_changed(&v->names, &v->root, node);
	}
	old = names_find(&v->names, from);
	if (old)
		names_changed(&v->names, &v->root, old);
	pthread_mutex_unlock(&v->names.lock);
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
			  .content_type = dirty ? dirty->content_type : NULL };
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

/* The copy, and the open object's new name, until no commit came between. */
static int move_open(struct move *m, struct object *o, const struct onode *n)
{
	struct object_name name = { .client = m->v->client, .bucket = m->to->bucket, .key = m->to->key };

	for (int tries = 0; tries < 8; tries++) {
		unsigned before = commits_of(m->v, n);
		struct s3_info *base = NULL;
		int rc;

		m->has_src = object_info(o, &m->src);
		if (m->has_src) {
			rc = copy_file(m->v, m->from, m->to, &m->src, m->meta ? &m->dirty : NULL, &m->copied, m->err);
			if (rc == -EBUSY && commits_of(m->v, n) != before)
				continue;
			if (rc)
				return rc;
			base = &m->copied;
		} else if (m->to_exists) {
			base = &m->replaced; /* its commit replaces what is there */
		}
		rc = object_rename(o, &name, base, m->err);
		if (rc)
			return rc;
		if (commits_of(m->v, n) == before)
			return 0;
	}
	return -EBUSY;
}

static int move_closed(struct move *m)
{
	if (!m->has_src)
		return -ENOENT;
	return copy_file(m->v, m->from, m->to, &m->src, m->meta ? &m->dirty : NULL, &m->copied, m->err);
}

static void release_onode(struct s3volume *v, struct onode *n)
{
	pthread_mutex_lock(&v->names.lock);
	n->users--;
	pthread_mutex_unlock(&v->names.lock);
}

static int forget_target(struct move *m)
{
	struct onode *n = NULL;
	struct object *o = open_at(m->v, m->to_id, &n);
	struct node *node;
	int rc;

	if (!o)
		return 0;
	rc = object_forget(o, m->err);
	pthread_mutex_lock(&m->v->names.lock);
	n->users--;
	node = names_find(&m->v->names, m->to_id);
	if (rc == 0 && node && node->open == n)
		names_detach(&m->v->names, node);
	pthread_mutex_unlock(&m->v->names.lock);
	object_unref(o);
	return rc;
}

static int move_file(struct s3volume *v, const struct s3key *from, const struct s3key *to, bool to_exists,
		     struct err *err)
{
	struct move *m = calloc(1, sizeof(*m));
	struct onode *n = NULL;
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
	m->has_src = known_info(v, m->from_id, &m->src);
	m->to_exists = known_info(v, m->to_id, &m->replaced) && to_exists;
	rc = to_exists ? forget_target(m) : 0;
	o = open_at(v, m->from_id, &n);
	m->meta = take_dirty(v, m->from_id, from, to, &m->dirty);
	if (rc == 0)
		rc = o ? move_open(m, o, n) : move_closed(m);
	if (rc == 0) {
		note_moved(v, m->from_id, m->to_id, m->has_src ? &m->copied : NULL,
			   m->to_exists ? m->replaced.etag : NULL, m->has_src && m->meta);
		if (m->has_src)
			rc = change_delete(v, from->bucket, from->key, err);
		change_keep_folder(v, from);
	}
	if (n)
		release_onode(v, n);
	object_unref(o);
	free(m);
	return rc;
}

/* folders */

struct tree {
	struct s3volume *v;
	const struct s3key *from, *to;
	char prefix[S3_KEY_MAX + 2], to_prefix[S3_KEY_MAX + 2];
	char **keys; /* of the source, copied */
	size_t count, room;
	struct err *err;
};

static int keep_key(struct tree *t, const char *key)
{
	if (t->count == t->room) {
		size_t want = t->room ? t->room * 2 : 256;
		void *more = realloc(t->keys, want * sizeof(*t->keys));

		if (!more)
			return -ENOMEM;
		t->keys = more;
		t->room = want;
	}
	t->keys[t->count] = strdup(key);
	return t->keys[t->count] ? (t->count++, 0) : -ENOMEM;
}

static int target_key(const struct tree *t, const char *key, char *out)
{
	size_t head = strlen(t->to_prefix);
	const char *tail = key + strlen(t->prefix);

	if (head + strlen(tail) > S3_KEY_MAX)
		return -ENAMETOOLONG;
	memcpy(out, t->to_prefix, head);
	memcpy(out + head, tail, strlen(tail) + 1);
	return 0;
}

struct one_copy {
	struct s3_call call;
	char to[S3_KEY_MAX + 1];
	const struct s3_entry *e;
};

static bool is_marker(const struct s3_entry *e)
{
	size_t len = strlen(e->key);

	return e->size == 0 && len && e->key[len - 1] == '/';
}

/* versitygw 1.x refuses to copy onto a key that ends with a slash: an empty object with the same metadata is as good.
 */
static int put_marker(struct tree *t, const char *from, const char *to)
{
	struct s3_call *head = malloc(sizeof(*head)), *put = malloc(sizeof(*put));
	int rc = head && put ? 0 : -ENOMEM;

	if (rc == 0) {
		s3_call_init(head, S3_HEAD_OBJECT, t->from->bucket, from);
		rc = s3_run(t->v->client, head);
	}
	if (rc == 0) {
		s3_call_init(put, S3_PUT_OBJECT, t->to->bucket, to);
		put->meta = &head->info.meta;
		put->content_type = head->info.content_type;
		put->body.memory = "";
		rc = s3_run(t->v->client, put);
	}
	free(put);
	free(head);
	return rc;
}

static int copy_batch(struct tree *t, const struct s3_entry *entries, size_t n, struct one_copy *batch)
{
	size_t started = 0;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct one_copy *o = &batch[started];

		if (entries[i].is_prefix)
			continue;
		rc = target_key(t, entries[i].key, o->to);
		if (rc)
			break;
		if (entries[i].size > S3_PART_MAX) {
			struct copy big = { t->from->bucket, entries[i].key,  t->to->bucket, o->to,
					    entries[i].size, entries[i].etag, NULL,          NULL };
			struct s3_info info;

			rc = copy_run(t->v, &big, &info, t->err);
			if (rc == 0)
				rc = keep_key(t, entries[i].key);
			continue;
		}
		s3_call_init(&o->call, S3_COPY_OBJECT, t->to->bucket, o->to);
		o->call.source_bucket = t->from->bucket;
		o->call.source_key = entries[i].key;
		o->e = &entries[i];
		s3_start(t->v->client, &o->call);
		started++;
	}
	for (size_t i = 0; i < started; i++) {
		int one = s3_wait(t->v->client, &batch[i].call);

		if (one && is_marker(batch[i].e) && put_marker(t, batch[i].e->key, batch[i].to) == 0)
			one = 0;
		if (one == 0)
			one = keep_key(t, batch[i].e->key);
		else if (t->err)
			*t->err = batch[i].call.err;
		rc = one ? one : rc;
	}
	return rc;
}

static int copy_tree(struct tree *t)
{
	struct s3_call *list = malloc(sizeof(*list));
	struct one_copy *batch = malloc(AT_ONCE * sizeof(*batch));
	char *token = NULL;
	int rc = list && batch ? 0 : -ENOMEM;

	while (rc == 0) {
		s3_call_init(list, S3_LIST_OBJECTS_V2, t->from->bucket, NULL);
		list->prefix = t->prefix;
		list->token = token;
		list->max_keys = S3_LIST_MAX;
		rc = s3_run(t->v->client, list);
		if (rc && t->err)
			*t->err = list->err;
		for (size_t i = 0; rc == 0 && i < list->page.count; i += AT_ONCE)
			rc = copy_batch(t, list->page.entries + i, min_u64(AT_ONCE, list->page.count - i), batch);
		free(token);
		token = rc == 0 && list->page.next_token ? strdup(list->page.next_token) : NULL;
		s3_page_deinit(&list->page);
		if (!token)
			break;
	}
	free(token);
	free(batch);
	free(list);
	return rc;
}

/* Delete what was copied: at its source, or, taking back, at its target. */
static int delete_keys(struct tree *t, bool targets, struct err *err)
{
	const char **keys = calloc(S3_DELETE_MAX, sizeof(*keys));
	char *texts = targets ? malloc(S3_DELETE_MAX * (size_t)(S3_KEY_MAX + 1)) : NULL;
	struct s3_call *c = malloc(sizeof(*c));
	int rc = keys && c && (!targets || texts) ? 0 : -ENOMEM;

	for (size_t at = 0; at < t->count && rc == 0; at += S3_DELETE_MAX) {
		size_t n = min_u64(S3_DELETE_MAX, t->count - at);

		for (size_t i = 0; i < n; i++) {
			keys[i] = t->keys[at + i];
			if (targets) {
				(void)target_key(t, t->keys[at + i], texts + i * (S3_KEY_MAX + 1));
				keys[i] = texts + i * (S3_KEY_MAX + 1);
			}
		}
		s3_call_init(c, S3_DELETE_OBJECTS, targets ? t->to->bucket : t->from->bucket, NULL);
		c->keys = keys;
		c->key_count = n;
		rc = s3_run(t->v->client, c);
		if (rc == 0 && c->delete_failed)
			rc = -EACCES;
		if (rc && err)
			*err = c->err;
	}
	free(c);
	free(texts);
	free(keys);
	return rc;
}

/* Ids of the nodes below the folder: copies, the table changes while they are moved. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
static size_t nodes_below(struct s3volume *v, const char *id, bool open_only, char ***ret)
{
	size_t len = strlen(id), n = 0, room = 0;
	struct node *node, *next;
	char **all = NULL;

	pthread_mutex_lock(&v->names.lock);
	HASH_ITER (hh, v->names.nodes, node, next) {
		if (strncmp(node->id, id, len) != 0 || node->id[len] != '/' || (open_only && !node->open))
			continue;
		if (n == room) {
			void *more = realloc(all, (room ? room * 2 : 64) * sizeof(*all));

			if (!more)
				break;
			room = room ? room * 2 : 64;
			all = more;
		}
		all[n] = strdup(node->id);
		if (!all[n])
			break;
		n++;
	}
	pthread_mutex_unlock(&v->names.lock);
	*ret = all;
	return n;
}
#pragma GCC diagnostic pop

/* Open files first, one by one: they get new names of their own. */
static int move_open_files(struct tree *t)
{
	char id[NAMES_ID_MAX], **ids;
	struct s3key *k = malloc(2 * sizeof(*k));
	size_t n;
	int rc = k ? 0 : -ENOMEM;

	names_id(t->from, id);
	n = k ? nodes_below(t->v, id, true, &ids) : 0;
	for (size_t i = 0; i < n; i++) {
		names_key(ids[i], &k[0]);
		k[1] = k[0];
		memcpy(k[1].bucket, t->to->bucket, sizeof(k[1].bucket));
		if (rc == 0)
			rc = target_key(t, k[0].key, k[1].key);
		if (rc == 0)
			rc = move_file(t->v, &k[0], &k[1], false, t->err);
		free(ids[i]);
	}
	if (k && n)
		free(ids);
	free(k);
	return rc;
}

static void move_nodes(struct tree *t)
{
	char from[NAMES_ID_MAX], to[NAMES_ID_MAX], **ids;
	struct names *names = &t->v->names;
	struct node *node;
	size_t n;

	names_id(t->from, from);
	names_id(t->to, to);
	n = nodes_below(t->v, from, false, &ids);
	pthread_mutex_lock(&names->lock);
	for (size_t i = 0; i < n; i++) {
		char id[2 * NAMES_ID_MAX];

		node = names_find(names, ids[i]);
		snprintf(id, sizeof(id), "%s%s", to, ids[i] + strlen(from));
		if (node && node->kind != NODE_ABSENT && node->kind != NODE_UNKNOWN && strlen(id) < NAMES_ID_MAX) {
			node->listing = listing_unref(node->listing);
			node = names_move(names, ids[i], id);
			/* the copy's ETag is not known */
			if (node && node->kind == NODE_FILE && !node->open)
				node->until_ms = 0;
		}
		free(ids[i]);
	}
	free(ids);
	node = names_get(names, from);
	if (node) {
		names_changed(names, &t->v->root, node);
		node->listing = listing_unref(node->listing);
	}
	node = names_move(names, from, to);
	if (node) {
		bool local = node->local;

		names_set_dir(names, node);
		names_set_local(names, node, local);
		node->changes++;
		names_changed(names, &t->v->root, node);
	}
	pthread_mutex_unlock(&names->lock);
	change_keep_folder(t->v, t->from);
}

static int move_tree(struct s3volume *v, const struct s3key *from, const struct s3key *to, struct err *err)
{
	struct tree *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	t->v = v;
	t->from = from;
	t->to = to;
	t->err = err;
	s3path_dir_prefix(from, t->prefix);
	s3path_dir_prefix(to, t->to_prefix);
	rc = move_open_files(t);
	if (rc == 0)
		rc = copy_tree(t);
	if (rc == 0) {
		rc = delete_keys(t, false, err);
		move_nodes(t);
	} else if (delete_keys(t, true, NULL)) {
		log_warn("volume", "copies of 's3://%s/%s' below '%s' could not be taken back", from->bucket, t->prefix,
			 t->to_prefix);
	}
	for (size_t i = 0; i < t->count; i++)
		free(t->keys[i]);
	free(t->keys);
	free(t);
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
		return rc ? rc : move_tree(v, &b->from.key, &b->to.key, err);
	}
	if (to->kind == NODE_DIR)
		return -EISDIR;
	return move_file(v, &b->from.key, &b->to.key, to->kind == NODE_FILE, err);
}

/* One side. Return: 0 and facts; WALK_AGAIN after a link. */
static int look(struct walk *w, struct facts *ret)
{
	int rc;

	if (w->key.place != S3PLACE_KEY)
		return -EBUSY;
	rc = lookup_create(w->v, &w->key, ret, &w->call->err);
	return rc == -ENOENT ? walk_missing(w) : rc;
}

static int run(struct both *b, uint32_t flags)
{
	struct facts from, to;
	int rc;

	do {
		/* both folders first, as rename(2) does: then the name that is to be moved */
		b->from.call->redirect_which = 1;
		rc = look(&b->from, &from);
		if (rc)
			continue;
		b->from.call->redirect_which = 2;
		rc = look(&b->to, &to);
		if (rc)
			continue;
		if (from.kind == NODE_ABSENT)
			return -ENOENT;
		return move(b, &from, &to, flags);
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
