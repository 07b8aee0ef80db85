#include "volume/s3volume.h"

#include "s3/quota.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/*
 * mkdir writes a marker, rmdir removes it from an empty folder, unlink is one DELETE of a name that is known (or is put
 * off, where the session wants that: removal.h). A folder
 * that loses a name is kept in this session though nothing may be left that shows it (`sticky`, local).
 */

int64_t s3_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/*
 * A folder's setgid bit goes on to new folders, its group to all that is new (inode(7)), as far as this session knows
 * its mode, which a listing does not tell: nothing is asked for it.
 */
static void inherit_group_locked(struct s3volume *v, const struct s3key *k, struct attr *a)
{
	struct s3key folder = *k;
	char id[NAMES_ID_MAX];
	const struct node *node;

	if (k->place != S3PLACE_KEY)
		return;
	s3path_parent(&v->root, k, &folder);
	names_id(&folder, id);
	node = names_find(&v->space->names, id);
	if (!node || node->kind != NODE_DIR || !(node->attr.have & ATTR_MODE) || !(node->attr.mode & S_ISGID))
		return;
	if (S_ISDIR(a->mode))
		a->mode |= S_ISGID;
	if (node->attr.have & ATTR_GID)
		a->gid = node->attr.gid;
}

void change_new_attr_locked(struct s3volume *v, const struct vcall *call, const struct s3key *k, uint32_t mode,
			    struct attr *ret)
{
	*ret = (struct attr){ .have = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_MTIME,
			      .mode = mode,
			      .uid = call->uid,
			      .gid = call->gid,
			      .mtime_ns = s3_now_ns() };
	inherit_group_locked(v, k, ret);
}

void change_new_attr(struct s3volume *v, const struct vcall *call, const struct s3key *k, uint32_t mode,
		     struct attr *ret)
{
	pthread_mutex_lock(&v->space->names.lock);
	change_new_attr_locked(v, call, k, mode, ret);
	pthread_mutex_unlock(&v->space->names.lock);
}

int change_put(struct s3volume *v, struct vcall *call, const struct s3key *k, const struct attr *a, const char *body,
	       struct err *err)
{
	struct s3_call *c = malloc(sizeof(*c));
	struct s3_meta *meta = calloc(1, sizeof(*meta));
	char key[S3_KEY_MAX + 2];
	bool dir = S_ISDIR(a->mode);
	struct node *node;
	char id[NAMES_ID_MAX];
	int rc = c && meta ? attr_to_meta(a, meta) : -ENOMEM, taken = rc;

	(void)call;
	if (rc == 0)
		rc = taken = quota_take(v->base.quota, QUOTA_objects, 1, err);
	if (rc)
		goto out;
	if (dir)
		s3path_dir_prefix(k, key);
	else
		snprintf(key, sizeof(key), "%s", k->key);
	s3_ask_init(v, c, S3_PUT_OBJECT, k->bucket, key);
	c->meta = meta;
	c->content_type = dir ? "application/x-directory" : attr_content_type(s3path_name(k));
	c->if_none_match = dir ? NULL : "*";
	c->body.memory = body ? body : "";
	c->body.len = body ? strlen(body) : 0;
	rc = s3_run(v->client, c);
	if (rc) {
		if (err)
			*err = c->err;
		goto out;
	}
	c->info.size = c->body.len;
	c->info.mtime_ns = s3_now_ns();
	c->info.meta = *meta;
	snprintf(c->info.content_type, sizeof(c->info.content_type), "%s", c->content_type);
	names_id(k, id);
	pthread_mutex_lock(&v->space->names.lock);
	node = names_get(&v->space->names, id);
	if (node && !node->open) {
		bool was_dir = node->kind == NODE_DIR;

		if (dir)
			names_set_dir(&v->space->names, node);
		else
			names_set_file(&v->space->names, node, &c->info, true);
		node->mtime_ns = c->info.mtime_ns;
		node->attr = *a;
		node->meta_known = names_set_meta(node, meta, c->content_type) == 0;
		node->marker = dir;
		if (dir && !was_dir)
			node->whole = true;
		if (body && !dir && S_ISLNK(a->mode)) {
			free(node->target);
			node->target = strdup(body);
		}
		names_changed(&v->space->names, &v->root, node);
	}
	pthread_mutex_unlock(&v->space->names.lock);
out:
	if (rc && taken == 0)
		quota_give(v->base.quota, QUOTA_objects, 1);
	free(meta);
	free(c);
	return rc;
}

int change_delete(struct s3volume *v, const char *bucket, const char *key, struct err *err)
{
	struct s3_call *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	s3_ask_init(v, c, S3_DELETE_OBJECT, bucket, key);
	rc = s3_run(v->client, c);
	if (rc && err)
		*err = c->err;
	free(c);
	return rc == -ENOENT ? 0 : rc;
}

/* The folders above it too: they are prefixes of nothing else, perhaps. */
void change_keep_folder(struct s3volume *v, const struct s3key *k)
{
	struct s3key folder = *k;
	char id[NAMES_ID_MAX];
	struct node *node;

	pthread_mutex_lock(&v->space->names.lock);
	while (folder.place == S3PLACE_KEY) {
		s3path_parent(&v->root, &folder, &folder);
		if (!folder.key[0])
			break; /* a mount point may be a name of another mount, a bucket's top is none */
		names_id(&folder, id);
		node = names_get(&v->space->names, id);
		if (!node || node->open)
			continue;
		if (node->kind != NODE_DIR)
			names_set_dir(&v->space->names, node);
		node->sticky = true;
		names_set_local(&v->space->names, node, true);
	}
	pthread_mutex_unlock(&v->space->names.lock);
}

void change_gone(struct s3volume *v, const struct s3key *k)
{
	char id[NAMES_ID_MAX];
	struct node *node;

	names_id(k, id);
	pthread_mutex_lock(&v->space->names.lock);
	node = names_get(&v->space->names, id);
	if (node && node->open)
		names_detach(&v->space->names, node);
	else if (node)
		names_set_absent(&v->space->names, node);
	node = names_find(&v->space->names, id);
	if (node)
		names_changed(&v->space->names, &v->root, node);
	pthread_mutex_unlock(&v->space->names.lock);
	change_keep_folder(v, k);
}

/* Something new at the key: nothing may be there, its folder must be. */
static int check_new(struct walk *w)
{
	struct facts f;
	int rc;

	if (w->key.place != S3PLACE_KEY) {
		rc = lookup(w->v, &w->key, LOOK_NAME, &f, &w->call->err);
		return rc ? rc : f.kind == NODE_ABSENT ? -EACCES : -EEXIST;
	}
	rc = lookup_create(w->v, &w->key, &f, &w->call->err);
	if (rc == -ENOENT)
		return walk_no_folder(w);
	return rc ? rc : f.kind == NODE_ABSENT ? 0 : -EEXIST;
}

static int do_mkdir(struct walk *w, void *arg)
{
	struct attr a;
	int rc = check_new(w);

	if (rc)
		return rc;
	change_new_attr(w->v, w->call, &w->key, S_IFDIR | *(const uint32_t *)arg, &a);
	return change_put(w->v, w->call, &w->key, &a, NULL, &w->call->err);
}

int s3_mkdir(struct volume *v, struct vcall *call, const char *path, uint32_t mode)
{
	return walk_run_held(s3_of(v), call, path, HOLD_ALONE, do_mkdir, &mode);
}

struct new_file {
	uint32_t mode;
	const char *body;
};

static int do_put(struct walk *w, void *arg)
{
	const struct new_file *n = arg;
	struct attr a;
	int rc;

	rc = check_new(w);
	if (rc)
		return rc;
	if (w->must_dir)
		return -ENOENT;
	change_new_attr(w->v, w->call, &w->key, n->mode, &a);
	return change_put(w->v, w->call, &w->key, &a, n->body, &w->call->err);
}

int s3_mknod(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint64_t rdev)
{
	struct new_file n = { S_IFREG | (mode & 07777), NULL };

	(void)rdev;
	if ((mode & S_IFMT) && !S_ISREG(mode))
		return -EPERM;
	return walk_run_held(s3_of(v), call, path, HOLD_ALONE, do_put, &n);
}

int s3_symlink(struct volume *v, struct vcall *call, const char *target, const char *path)
{
	struct new_file n = { S_IFLNK | 0777, target };
	int rc = walk_run_held(s3_of(v), call, path, HOLD_ALONE, do_put, &n);

	if (rc == VOLUME_REDIRECT)
		call->redirect_which = 2;
	return rc;
}

int change_look_below(struct s3volume *v, const struct s3key *k, bool *ret_marker, bool *ret_empty, struct err *err)
{
	struct s3_call *c = malloc(sizeof(*c));
	char prefix[S3_KEY_MAX + 2];
	int rc;

	if (!c)
		return -ENOMEM;
	s3path_dir_prefix(k, prefix);
	s3_ask_init(v, c, S3_LIST_OBJECTS_V2, k->bucket, NULL);
	c->prefix = prefix;
	c->max_keys = 2;
	rc = s3_run(v->client, c);
	if (rc && err)
		*err = c->err;
	if (rc == 0) {
		*ret_marker = c->page.count && strcmp(c->page.entries[0].key, prefix) == 0;
		*ret_empty = c->page.count <= *ret_marker;
	}
	s3_page_deinit(&c->page);
	free(c);
	return rc;
}

bool change_has_locals(struct s3volume *v, const struct s3key *k)
{
	char id[NAMES_ID_MAX];
	bool has = false;
	size_t len;

	names_id(k, id);
	len = strlen(id);
	pthread_mutex_lock(&v->space->names.lock);
	for (const struct node *n = v->space->names.locals; n && !has; n = n->local_next)
		has = n->kind != NODE_ABSENT && strncmp(n->id, id, len) == 0 && n->id[len] == '/';
	pthread_mutex_unlock(&v->space->names.lock);
	return has;
}

static int do_rmdir(struct walk *w, void *arg)
{
	char marker_key[S3_KEY_MAX + 2];
	bool marker = false, empty = false;
	struct facts f;
	int rc = lookup(w->v, &w->key, LOOK_NAME, &f, &w->call->err);

	(void)arg;
	if (rc)
		return rc;
	if (f.kind == NODE_ABSENT)
		return walk_missing(w);
	if (f.kind == NODE_FILE)
		return -ENOTDIR;
	if (w->key.place != S3PLACE_KEY)
		return w->key.place == S3PLACE_TOP && !w->v->root.bucket[0] ? -EACCES : -EBUSY;
	if (s3_place(w->v, &w->key) != POLICY_INSIDE)
		return -EACCES;
	if (change_has_locals(w->v, &w->key))
		return -ENOTEMPTY;
	rc = change_look_below(w->v, &w->key, &marker, &empty, &w->call->err);
	if (rc)
		return rc;
	if (!empty)
		return -ENOTEMPTY;
	s3path_dir_prefix(&w->key, marker_key);
	if (marker)
		rc = change_delete(w->v, w->key.bucket, marker_key, &w->call->err);
	if (rc == 0)
		change_gone(w->v, &w->key);
	return rc;
}

int s3_rmdir(struct volume *v, struct vcall *call, const char *path)
{
	return walk_run_held(s3_of(v), call, path, HOLD_TREE, do_rmdir, NULL);
}

static int do_unlink(struct walk *w, void *arg)
{
	struct object *o;
	struct node *node;
	struct facts f;
	char id[NAMES_ID_MAX];
	bool on_server = true;
	int rc = lookup(w->v, &w->key, LOOK_NAME, &f, &w->call->err);

	(void)arg;
	if (rc)
		return rc;
	if (f.kind == NODE_ABSENT)
		return walk_missing(w);
	if (f.kind == NODE_DIR)
		return -EISDIR;
	if (w->must_dir)
		return -ENOTDIR;
	names_id(&w->key, id);
	o = onode_object(w->v, &w->key);
	/* before the DELETE: its readers may want what is still on the server, and a commit must not bring it back */
	if (o) {
		/* an upload that failed proves nothing of what is there: the answer may be lost, or keys may not look */
		bool failed = object_result(o) < 0;

		rc = object_forget(o, &w->call->err);
		pthread_mutex_lock(&w->v->space->names.lock);
		node = names_find(&w->v->space->names, id);
		on_server = failed || !node || node->etag;
		pthread_mutex_unlock(&w->v->space->names.lock);
	} else if (removal_later(w)) {
		return 0;
	}
	if (rc == 0 && on_server)
		rc = change_delete(w->v, w->key.bucket, w->key.key, &w->call->err);
	if (rc == 0)
		change_gone(w->v, &w->key);
	object_unref(o);
	return rc;
}

int s3_unlink(struct volume *v, struct vcall *call, const char *path)
{
	return walk_run_held(s3_of(v), call, path, HOLD_ALONE, do_unlink, NULL);
}
