#include "volume/s3volume.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

/*
 * Rename of a folder: everything below it is copied, many at once, and only what was copied is deleted. If one copy
 * fails, the copies are taken back, the folder is as it was and the call may be made again. If a deletion fails, all is
 * at the new name, and what is left at the old one is told. Open files are moved first, each as a file of its own.
 */
#define AT_ONCE 128

struct tree {
	struct s3volume *v;
	const struct s3key *from, *to;
	char prefix[S3_KEY_MAX + 2], to_prefix[S3_KEY_MAX + 2];
	char **keys; /* of the source, copied */
	size_t count, room, failed;
	char **open; /* ids of open files, moved */
	size_t open_count;
	struct err *err; /* of the first that failed */
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
		s3_ask_init(t->v, head, S3_HEAD_OBJECT, t->from->bucket, from);
		rc = s3_run(t->v->client, head);
	}
	if (rc == 0) {
		s3_ask_init(t->v, put, S3_PUT_OBJECT, t->to->bucket, to);
		put->meta = &head->info.meta;
		put->content_type = head->info.content_type;
		put->body.memory = "";
		rc = s3_run(t->v->client, put);
	}
	free(put);
	free(head);
	return rc;
}

static void note_failure(struct tree *t, const struct err *err)
{
	if (t->failed++ == 0 && t->err)
		*t->err = *err;
}

static int copy_large(struct tree *t, const struct s3_entry *e, const char *to)
{
	struct copy big = { t->from->bucket, e->key, t->to->bucket, to,           e->size,
			    e->etag,         NULL,   NULL,          t->v->policy, false };
	struct err err = ERR_INIT;
	struct s3_info info;
	int rc = copy_run(t->v, &big, &info, &err);

	if (rc)
		note_failure(t, &err);
	return rc ? rc : keep_key(t, e->key);
}

static void start_copy(struct tree *t, struct one_copy *o, const struct s3_entry *e)
{
	s3_ask_init(t->v, &o->call, S3_COPY_OBJECT, t->to->bucket, o->to);
	o->call.source_bucket = t->from->bucket;
	o->call.source_key = e->key;
	o->e = e;
	s3_start(t->v->client, &o->call);
}

static int end_copy(struct tree *t, struct one_copy *o)
{
	int rc = s3_wait(t->v->client, &o->call);

	if (rc && is_marker(o->e) && put_marker(t, o->e->key, o->to) == 0)
		rc = 0;
	if (rc)
		note_failure(t, &o->call.err);
	return rc ? rc : keep_key(t, o->e->key);
}

static int copy_batch(struct tree *t, const struct s3_entry *entries, size_t n, struct one_copy *batch)
{
	size_t started = 0;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		if (entries[i].is_prefix)
			continue;
		rc = target_key(t, entries[i].key, batch[started].to);
		if (rc == 0 && entries[i].size > t->v->copy_max)
			rc = copy_large(t, &entries[i], batch[started].to);
		else if (rc == 0)
			start_copy(t, &batch[started++], &entries[i]);
	}
	for (size_t i = 0; i < started; i++) {
		int one = end_copy(t, &batch[i]);

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
		s3_ask_init(t->v, list, S3_LIST_OBJECTS_V2, t->from->bucket, NULL);
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

/* One DeleteObjects of keys [at, at + n), at their source or at their target. */
static int delete_batch(struct tree *t, bool targets, size_t at, size_t n, const char **keys, char *texts)
{
	struct s3_call *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		char *text = texts + i * (S3_KEY_MAX + 1);

		keys[i] = t->keys[at + i];
		if (targets && target_key(t, t->keys[at + i], text) == 0)
			keys[i] = text;
	}
	s3_ask_init(t->v, c, S3_DELETE_OBJECTS, targets ? t->to->bucket : t->from->bucket, NULL);
	c->keys = keys;
	c->key_count = n;
	rc = s3_run(t->v->client, c);
	if (rc == 0 && c->delete_failed)
		rc = -EACCES;
	if (rc) {
		note_failure(t, &c->err);
		t->failed += (c->delete_failed ? c->delete_failed : n) - 1;
	}
	free(c);
	return rc;
}

/* Delete what was copied: at its source, or, taking back, at its target. As much as can be. */
static int delete_keys(struct tree *t, bool targets)
{
	const char **keys = calloc(S3_DELETE_MAX, sizeof(*keys));
	char *texts = malloc(S3_DELETE_MAX * (size_t)(S3_KEY_MAX + 1));
	int rc = keys && texts ? 0 : -ENOMEM;

	t->failed = 0;
	for (size_t at = 0; keys && texts && at < t->count; at += S3_DELETE_MAX) {
		int one = delete_batch(t, targets, at, min_u64(S3_DELETE_MAX, t->count - at), keys, texts);

		rc = one ? one : rc;
	}
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

	pthread_mutex_lock(&v->space->names.lock);
	HASH_ITER (hh, v->space->names.nodes, node, next) {
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
	pthread_mutex_unlock(&v->space->names.lock);
	*ret = all;
	return n;
}
#pragma GCC diagnostic pop

/* @id, below the one folder, as a name below the other. */
static int move_open_file(struct tree *t, const char *id, bool back)
{
	struct s3key *k = malloc(2 * sizeof(*k));
	int rc = k ? 0 : -ENOMEM;

	if (rc == 0) {
		names_key(id, &k[0]);
		k[1] = k[0];
		memcpy(k[1].bucket, t->to->bucket, sizeof(k[1].bucket));
		rc = target_key(t, k[0].key, k[1].key);
	}
	if (rc == 0)
		rc = rename_file(t->v, &k[back], &k[!back], false, t->err);
	free(k);
	return rc;
}

/* Open files first, one by one: they get new names of their own. */
static int move_open_files(struct tree *t)
{
	char id[NAMES_ID_MAX];
	size_t n;
	int rc = 0;

	names_id(t->from, id);
	n = nodes_below(t->v, id, true, &t->open);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0)
			rc = move_open_file(t, t->open[i], false);
		if (rc == 0)
			t->open_count++;
		else
			free(t->open[i]);
	}
	if (rc)
		note_failure(t, t->err);
	return rc;
}

/* What was known below the empty folder that is replaced: not there, most likely, and no longer so. */
static void forget_below(struct s3volume *v, const char *id)
{
	char **ids;
	size_t n = nodes_below(v, id, false, &ids);

	pthread_mutex_lock(&v->space->names.lock);
	for (size_t i = 0; i < n; i++) {
		struct node *node = names_find(&v->space->names, ids[i]);

		if (node && !node->open && node->kind == NODE_ABSENT)
			node->until_ms = 0;
		free(ids[i]);
	}
	pthread_mutex_unlock(&v->space->names.lock);
	free(ids);
}

static void move_nodes(struct tree *t)
{
	char from[NAMES_ID_MAX], to[NAMES_ID_MAX], **ids;
	struct names *names = &t->v->space->names;
	struct node *node;
	size_t n;

	names_id(t->from, from);
	names_id(t->to, to);
	forget_below(t->v, to);
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
		names_changed(names, &t->v->root, node);
	}
	ahead_forget_locked(t->v, from);
	ahead_forget_locked(t->v, to);
	pthread_mutex_unlock(&names->lock);
	change_keep_folder(t->v, t->from);
}

/* The sentence of a rename that failed: what it means for the folder, and the first error. */
static void explain(struct tree *t, const char *what)
{
	char first[ERR_TEXT_MAX];

	if (!t->err)
		return;
	snprintf(first, sizeof(first), "%s", err_text(t->err));
	err_set(t->err, t->err->errnum, "renaming 's3://%s/%s' to '%s': %zu objects %s; the first: %.600s",
		t->from->bucket, t->prefix, t->to_prefix, t->failed, what, first);
}

static void take_back(struct tree *t)
{
	struct err *err = t->err, first = ERR_INIT;

	explain(t, "could not be copied, the folder is as it was");
	t->err = &first;
	for (size_t i = 0; i < t->open_count; i++)
		if (move_open_file(t, t->open[i], true))
			log_warn("volume", "'%s' stays below '%s': %s", t->open[i], t->to_prefix, err_text(&first));
	if (delete_keys(t, true))
		log_warn("volume", "%zu copies of 's3://%s/%s' are left below '%s': %s", t->failed, t->from->bucket,
			 t->prefix, t->to_prefix, err_text(&first));
	t->err = err;
}

static int run(struct tree *t)
{
	int rc = move_open_files(t);

	if (rc == 0)
		rc = copy_tree(t);
	if (rc) {
		take_back(t);
		return rc;
	}
	rc = delete_keys(t, false);
	move_nodes(t);
	if (rc) {
		explain(t, "are copied, but could not be removed from the old place");
		log_warn("volume", "%s", err_text(t->err));
	}
	return rc;
}

int rename_tree(struct s3volume *v, const struct s3key *from, const struct s3key *to, struct err *err)
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
	rc = run(t);
	for (size_t i = 0; i < t->count; i++)
		free(t->keys[i]);
	free(t->keys);
	for (size_t i = 0; i < t->open_count; i++)
		free(t->open[i]);
	free(t->open);
	free(t);
	return rc;
}
