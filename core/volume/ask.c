#include "volume/s3volume.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/*
 * Questions to the server, whose answers go into names.c.
 *
 * HEADs that stats of a listing need run ahead of the program: when it asks for the second name in the listing's order,
 * the next HEADS_AHEAD are asked for in one go.
 */
#define HEADS_AHEAD 128

struct ahead {
	struct s3key key; /* .key with a slash for a marker */
	char id[NAMES_ID_MAX];
	bool dir;
	struct s3_call call;
};

static void learn_meta_locked(struct s3volume *v, struct ahead *a, uint64_t asked)
{
	struct node *node = names_get(&v->names, a->id);

	if (!node || node->open || node->attr_dirty || node->changed > asked)
		return;
	if (!a->dir) {
		if (a->call.status == 0)
			names_set_file(&v->names, node, &a->call.info, true);
		return;
	}
	/* a folder without a marker has default attributes: known as well */
	if (a->call.status != 0 && a->call.status != -ENOENT)
		return;
	names_set_dir(&v->names, node);
	node->marker = a->call.status == 0;
	node->meta_known = true;
	if (node->marker) {
		attr_from_meta(&a->call.info.meta, &node->attr);
		node->mtime_ns = a->call.info.mtime_ns;
		(void)names_set_meta(node, &a->call.info.meta, a->call.info.content_type);
	}
}

static int ahead_init(struct ahead *a, const struct s3key *k, bool dir)
{
	a->key = *k;
	a->dir = dir;
	names_id(k, a->id);
	if (dir)
		s3path_dir_prefix(k, a->key.key);
	s3_call_init(&a->call, S3_HEAD_OBJECT, a->key.bucket, a->key.key);
	return 0;
}

/* The names that follow @k in its folder's listing and lack metadata. Return: how many were added. */
static size_t gather_ahead_locked(struct s3volume *v, const struct s3key *k, struct ahead **all)
{
	struct node *parent = lookup_parent_locked(v, k);
	int64_t now = clock_now_ms();
	size_t n = 0;
	struct s3key folder;

	if (!lookup_listing_believed(parent, now) || parent->scan_run < 2)
		return 0;
	s3path_parent(&v->root, k, &folder);
	for (size_t i = parent->scan_next; i < parent->listing->count && n < HEADS_AHEAD - 1; i++) {
		const struct listing_entry *e = &parent->listing->entries[i];
		struct s3key child;
		struct node *node;
		char id[NAMES_ID_MAX];

		if (s3path_child(&folder, e->name, &child))
			continue;
		names_id(&child, id);
		node = names_find(&v->names, id);
		if (node && (node->open || (node->meta_known && names_valid(node, now)) || node->kind == NODE_ABSENT))
			continue;
		all[n] = malloc(sizeof(**all));
		if (!all[n])
			break;
		ahead_init(all[n++], &child, e->dir);
	}
	return n;
}

/* HEAD of @k, with those that come next. Return: the status of the HEAD of @k itself. */
int ask_meta(struct s3volume *v, const struct s3key *k, bool dir, struct err *err)
{
	struct ahead **all = calloc(HEADS_AHEAD, sizeof(struct ahead *));
	uint64_t asked;
	size_t n = 0;
	int rc;

	if (all)
		all[0] = malloc(sizeof(**all));
	if (!all || !all[0]) {
		free(all);
		return -ENOMEM;
	}
	ahead_init(all[0], k, dir);
	pthread_mutex_lock(&v->names.lock);
	n = 1 + gather_ahead_locked(v, k, all + 1);
	asked = v->names.changes;
	pthread_mutex_unlock(&v->names.lock);
	for (size_t i = 0; i < n; i++)
		s3_start(v->client, &all[i]->call);
	for (size_t i = 0; i < n; i++)
		s3_wait(v->client, &all[i]->call);
	pthread_mutex_lock(&v->names.lock);
	for (size_t i = 0; i < n; i++)
		learn_meta_locked(v, all[i], asked);
	pthread_mutex_unlock(&v->names.lock);
	rc = all[0]->call.status;
	if (rc && err)
		*err = all[0]->call.err;
	for (size_t i = 0; i < n; i++)
		free(all[i]);
	free(all);
	return rc;
}

/* step 3 */

struct ask {
	struct s3_call head, list;
	char prefix[S3_KEY_MAX + 2];
};

static void learn_locked(struct s3volume *v, const char *id, struct ask *a, enum node_kind kind, uint64_t asked)
{
	struct node *node = names_get(&v->names, id);

	if (!node || node->open || node->attr_dirty || node->changed > asked || (node->sticky && kind == NODE_ABSENT))
		return;
	if (kind == NODE_FILE) {
		names_set_file(&v->names, node, &a->head.info, true);
	} else if (kind == NODE_DIR) {
		bool marker = a->list.page.count && strcmp(a->list.page.entries[0].key, a->prefix) == 0;

		names_set_dir(&v->names, node);
		/* without a marker there is nothing more to be learned */
		if (!marker)
			node->meta_known = true;
		else if (!node->marker)
			node->meta_known = false;
		node->marker = marker;
	} else {
		names_set_absent(&v->names, node);
	}
}

static int judge(const struct ask *a, enum node_kind *ret)
{
	int head = a->head.status, list = a->list.status;

	/* without the right to list, S3 answers 403 for what is not there */
	if (head == 0)
		*ret = NODE_FILE;
	else if ((head == -ENOENT || head == -EACCES) && list == 0 && a->list.page.count)
		*ret = NODE_DIR;
	else if (head != -ENOENT)
		return head;
	else if (list == 0 || list == -EACCES || list == -ENOENT)
		*ret = NODE_ABSENT;
	else
		return list;
	return 0;
}

int ask_all(struct s3volume *v, const struct s3key *k, struct err *err)
{
	struct ask *a = malloc(sizeof(*a));
	char id[NAMES_ID_MAX];
	enum node_kind kind;
	uint64_t asked;
	int rc;

	if (!a)
		return -ENOMEM;
	names_id(k, id);
	pthread_mutex_lock(&v->names.lock);
	asked = v->names.changes;
	pthread_mutex_unlock(&v->names.lock);
	s3path_dir_prefix(k, a->prefix);
	s3_call_init(&a->head, S3_HEAD_OBJECT, k->bucket, k->key);
	s3_call_init(&a->list, S3_LIST_OBJECTS_V2, k->bucket, NULL);
	a->list.prefix = a->prefix;
	a->list.max_keys = 1;
	s3_start(v->client, &a->head);
	s3_start(v->client, &a->list);
	s3_wait(v->client, &a->head);
	s3_wait(v->client, &a->list);
	rc = judge(a, &kind);
	if (rc == 0) {
		pthread_mutex_lock(&v->names.lock);
		learn_locked(v, id, a, kind, asked);
		pthread_mutex_unlock(&v->names.lock);
	} else if (err) {
		*err = rc == a->head.status ? a->head.err : a->list.err;
	}
	s3_page_deinit(&a->list.page);
	free(a);
	return rc;
}

/* A bucket as a folder. */
int ask_bucket(struct s3volume *v, const struct s3key *k, struct err *err)
{
	struct s3_call *c = malloc(sizeof(*c));
	char id[NAMES_ID_MAX];
	struct node *node;
	int rc;

	if (!c)
		return -ENOMEM;
	s3_call_init(c, S3_HEAD_BUCKET, k->bucket, NULL);
	rc = s3_run(v->client, c);
	if (rc && rc != -ENOENT && err)
		*err = c->err;
	free(c);
	if (rc && rc != -ENOENT)
		return rc;
	names_id(k, id);
	pthread_mutex_lock(&v->names.lock);
	node = names_get(&v->names, id);
	if (node && rc == 0) {
		names_set_dir(&v->names, node);
		node->meta_known = true;
	} else if (node) {
		names_set_absent(&v->names, node);
	}
	pthread_mutex_unlock(&v->names.lock);
	return 0;
}

/* symlinks */

struct target {
	char *text;
	size_t len;
};

static int on_target(struct s3_call *call, uint64_t offset, const void *data, size_t len, void *arg)
{
	struct target *t = arg;

	(void)call;
	if (offset + len >= WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(t->text + offset, data, len);
	t->len = offset + len;
	return 0;
}

int ask_target(struct s3volume *v, const struct s3key *k, char *target, struct err *err)
{
	struct target t = { target, 0 };
	char id[NAMES_ID_MAX];
	struct s3_call *c;
	struct node *node;
	int rc;

	names_id(k, id);
	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	if (node && node->target && names_valid(node, clock_now_ms())) {
		snprintf(target, WIRE_PATH_MAX, "%s", node->target);
		pthread_mutex_unlock(&v->names.lock);
		return 0;
	}
	pthread_mutex_unlock(&v->names.lock);
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	s3_call_init(c, S3_GET_OBJECT, k->bucket, k->key);
	c->on_data = on_target;
	c->arg = &t;
	rc = s3_run(v->client, c);
	if (rc && err)
		*err = c->err;
	free(c);
	if (rc)
		return rc;
	target[t.len] = 0;
	if (!t.len || strlen(target) != t.len)
		return -EIO;
	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	if (node && node->kind == NODE_FILE && !node->target)
		node->target = strdup(target);
	pthread_mutex_unlock(&v->names.lock);
	return 0;
}
