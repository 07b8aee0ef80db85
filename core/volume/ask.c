#include "volume/s3volume.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/*
 * Questions to the server, whose answers go into names.c. A HEAD goes out together with those that a scan asks for next,
 * or has gone out already (ahead.h).
 */

static void learn_marker_locked(struct s3volume *v, struct node *node, const struct s3_call *c)
{
	/* a folder without a marker has default attributes: known as well */
	if (c->status != 0 && c->status != -ENOENT)
		return;
	names_set_dir(&v->space->names, node);
	node->marker = c->status == 0;
	node->meta_known = true;
	if (node->marker) {
		attr_from_meta(&c->info.meta, &node->attr);
		node->mtime_ns = c->info.mtime_ns;
		(void)names_set_meta(node, &c->info.meta, c->info.content_type);
	}
}

void ask_learn_locked(struct s3volume *v, const struct ahead_item *item)
{
	const struct s3_call *c = &item->call;
	struct node *node = names_get(&v->space->names, item->tag + 1);

	if (!node || node->open || node->attr_dirty || node->changed > item->asked)
		return;
	if (item->kind == AHEAD_MARKER)
		learn_marker_locked(v, node, c);
	else if ((item->done && c->status == 0) || (!item->done && item->headers))
		names_set_file(&v->space->names, node, &c->info, true);
}

/* The answer to a HEAD of @k, asked for ahead or now. The lock is let go meanwhile. */
static struct ahead_item *fetch_meta_locked(struct s3volume *v, const struct s3key *k, bool dir)
{
	enum ahead_kind kind = dir ? AHEAD_MARKER : AHEAD_META;
	struct ahead_item *item, *list = NULL, *more = NULL;
	char id[NAMES_ID_MAX];

	names_id(k, id);
	if (!dir) {
		item = ahead_peek_locked(v, id);
		if (item && (!item->done || item->call.status == 0))
			return item;
		if (item) {
			pthread_mutex_unlock(&v->space->names.lock);
			ahead_put(v, item);
			pthread_mutex_lock(&v->space->names.lock);
		}
	}
	item = ahead_join_locked(v, kind, id);
	if (!item) {
		item = ahead_add_locked(v, kind, k, 0, &list);
		if (item)
			item->users++;
	}
	ahead_stats_locked(v, k, &more);
	pthread_mutex_unlock(&v->space->names.lock);
	ahead_start(v, list);
	ahead_start(v, more);
	pthread_mutex_lock(&v->space->names.lock);
	if (item)
		ahead_finish_locked(v, item);
	return item;
}

int ask_meta(struct s3volume *v, const struct s3key *k, bool dir, struct err *err)
{
	struct ahead_item *item;
	int rc = -ENOMEM;

	pthread_mutex_lock(&v->space->names.lock);
	item = fetch_meta_locked(v, k, dir);
	if (item) {
		ask_learn_locked(v, item);
		rc = item->done ? item->call.status : 0;
		if (rc && err)
			*err = item->call.err;
	}
	pthread_mutex_unlock(&v->space->names.lock);
	ahead_put(v, item);
	return rc;
}

/*
 * File, folder or nothing: nothing is known. The LIST is a folder's first page, which a readdir that follows takes: so
 * `ls` of a folder costs one.
 */

struct ask {
	struct s3_call head;
	struct ahead_item *list;
};

static bool page_has(const struct s3_page *page, const char *key)
{
	for (size_t i = 0; i < page->count; i++)
		if (!page->entries[i].is_prefix && strcmp(page->entries[i].key, key) == 0)
			return true;
	return false;
}

/* Return: false where this session knows better. */
static bool learn_locked(struct s3volume *v, const char *id, struct ask *a, enum node_kind kind)
{
	struct node *node = names_get(&v->space->names, id);

	if (!node || node->open || node->attr_dirty || node->changed > a->list->asked ||
	    (node->sticky && kind == NODE_ABSENT))
		return false;
	if (kind == NODE_FILE) {
		names_set_file(&v->space->names, node, &a->head.info, true);
	} else if (kind == NODE_DIR) {
		bool marker = page_has(&a->list->call.page, a->list->key);

		names_set_dir(&v->space->names, node);
		/* without a marker there is nothing more to be learned */
		if (!marker)
			node->meta_known = true;
		else if (!node->marker)
			node->meta_known = false;
		node->marker = marker;
	} else {
		names_set_absent(&v->space->names, node);
	}
	return true;
}

static int judge(const struct ask *a, enum node_kind *ret)
{
	int head = a->head.status, list = a->list->call.status;

	/* without the right to list, S3 answers 403 for what is not there */
	if (head == 0)
		*ret = NODE_FILE;
	else if ((head == -ENOENT || head == -EACCES) && list == 0 && a->list->call.page.count)
		*ret = NODE_DIR;
	else if (head != -ENOENT)
		return head;
	else if (list == 0 || list == -EACCES || list == -ENOENT)
		*ret = NODE_ABSENT;
	else
		return list;
	return 0;
}

static void send_both(struct s3volume *v, const struct s3key *k, const char *id, struct ask *a)
{
	struct ahead_item *list = NULL;

	pthread_mutex_lock(&v->space->names.lock);
	a->list = ahead_join_locked(v, AHEAD_PAGE, id);
	if (!a->list) {
		a->list = ahead_add_locked(v, AHEAD_PAGE, k, 0, &list);
		if (a->list) {
			a->list->users++;
			a->list->looked = true;
		}
	}
	pthread_mutex_unlock(&v->space->names.lock);
	s3_ask_init(v, &a->head, S3_HEAD_OBJECT, k->bucket, k->key);
	s3_start(v->client, &a->head);
	ahead_start(v, list);
	s3_wait(v->client, &a->head);
}

/* For a mount that may not list: files alone. */
static int ask_file(struct s3volume *v, const struct s3key *k, struct err *err)
{
	struct s3_call *c = malloc(sizeof(*c));
	char id[NAMES_ID_MAX];
	struct node *node;
	uint64_t asked;
	int rc;

	if (!c)
		return -ENOMEM;
	names_id(k, id);
	pthread_mutex_lock(&v->space->names.lock);
	asked = v->space->names.changes;
	pthread_mutex_unlock(&v->space->names.lock);
	s3_ask_init(v, c, S3_HEAD_OBJECT, k->bucket, k->key);
	rc = s3_run(v->client, c);
	if (rc && err)
		*err = c->err;
	if (rc == 0) {
		pthread_mutex_lock(&v->space->names.lock);
		node = names_get(&v->space->names, id);
		if (node && !node->open && !node->attr_dirty && node->changed <= asked)
			names_set_file(&v->space->names, node, &c->info, true);
		pthread_mutex_unlock(&v->space->names.lock);
	}
	free(c);
	return rc == -ENOENT ? ASK_UNSEEN : rc;
}

int ask_all(struct s3volume *v, const struct s3key *k, struct err *err)
{
	if (v->base.denied & POLICY_LIST)
		return ask_file(v, k, err);

	struct ask *a = malloc(sizeof(*a));
	char id[NAMES_ID_MAX];
	enum node_kind kind = NODE_ABSENT;
	int rc = -ENOMEM;

	if (!a)
		return rc;
	names_id(k, id);
	send_both(v, k, id, a);
	if (a->list) {
		pthread_mutex_lock(&v->space->names.lock);
		ahead_wait_locked(v, a->list);
		rc = judge(a, &kind);
		if (rc || !learn_locked(v, id, a, kind) || kind != NODE_DIR)
			ahead_give_up_locked(v, a->list);
		pthread_mutex_unlock(&v->space->names.lock);
		if (rc && err)
			*err = rc == a->head.status ? a->head.err : a->list->call.err;
		ahead_put(v, a->list);
	}
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
	s3_ask_init(v, c, S3_HEAD_BUCKET, k->bucket, NULL);
	rc = s3_run(v->client, c);
	if (rc && rc != -ENOENT && err)
		*err = c->err;
	free(c);
	if (rc && rc != -ENOENT)
		return rc;
	names_id(k, id);
	pthread_mutex_lock(&v->space->names.lock);
	node = names_get(&v->space->names, id);
	if (node && rc == 0) {
		names_set_dir(&v->space->names, node);
		node->meta_known = true;
	} else if (node) {
		names_set_absent(&v->space->names, node);
	}
	pthread_mutex_unlock(&v->space->names.lock);
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
	pthread_mutex_lock(&v->space->names.lock);
	node = names_find(&v->space->names, id);
	if (node && node->target && names_valid(node, clock_now_ms())) {
		snprintf(target, WIRE_PATH_MAX, "%s", node->target);
		pthread_mutex_unlock(&v->space->names.lock);
		return 0;
	}
	pthread_mutex_unlock(&v->space->names.lock);
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	s3_ask_init(v, c, S3_GET_OBJECT, k->bucket, k->key);
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
	pthread_mutex_lock(&v->space->names.lock);
	node = names_find(&v->space->names, id);
	if (node && node->kind == NODE_FILE && !node->target)
		node->target = strdup(target);
	pthread_mutex_unlock(&v->space->names.lock);
	return 0;
}
