#include "volume/s3volume.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

#include <string.h>
#include <utlist.h>

/*
 * chmod, chown and utimens of what is closed cost a copy of the object onto itself. Programs do them in a row (cp -p,
 * tar, rsync), often just before a rename, which carries them along for nothing: so they are kept in the node, and
 * written when the name was left alone for IDLE_MS, at fsync, sync and the session's end. An upload writes them with
 * its own metadata. While an object is open its own commit is waited for: a copy would change the ETag that its readers
 * depend on.
 */
#define IDLE_MS 1000
#define HELPERS 8

void deferred_mark_locked(struct s3volume *v, struct node *node)
{
	node->attr_due_ms = clock_now_ms() + IDLE_MS;
	if (!node->attr_dirty) {
		node->attr_dirty = true;
		DL_APPEND2(v->space->names.dirty, node, dirty_prev, dirty_next);
	}
	pthread_cond_broadcast(&v->space->wake);
}

void deferred_clear_locked(struct s3volume *v, struct node *node)
{
	if (node->attr_dirty)
		DL_DELETE2(v->space->names.dirty, node, dirty_prev, dirty_next);
	node->attr_dirty = false;
}

/* What is to be written of one node. */
struct job {
	struct node *node; /* pinned, held */
	struct s3key key;
	enum node_kind kind;
	struct attr attr;
	bool meta_known;
	struct s3_info info;
	struct object *o;
	struct hold hold;
	struct err err;
};

/* Everything that the object has, where only the listing was asked so far. */
static int ask(struct s3volume *v, struct job *j)
{
	struct s3_call *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	s3_call_init(c, S3_HEAD_OBJECT, j->key.bucket, j->key.key);
	c->accepted = true;
	rc = s3_run(v->client, c);
	if (rc == 0)
		j->info = c->info;
	else
		j->err = c->err;
	free(c);
	return rc;
}

static int write_file(struct s3volume *v, struct job *j)
{
	struct s3_info now;
	char copied[S3_ETAG_MAX];
	struct copy c;
	int rc = j->meta_known ? 0 : ask(v, j);

	if (rc)
		return rc;
	if (attr_to_meta(&j->attr, &j->info.meta))
		return err_set(&j->err, ENOSPC, "no room for more metadata");
	c = (struct copy){ .bucket = j->key.bucket,
			   .from = j->key.key,
			   .to_bucket = j->key.bucket,
			   .to = j->key.key,
			   .size = j->info.size,
			   .etag = j->info.etag,
			   .meta = &j->info.meta,
			   .content_type = j->info.content_type,
			   .accepted = true };
	rc = copy_run(v, &c, &now, &j->err);
	if (rc)
		return rc;
	memcpy(copied, j->info.etag, sizeof(copied));
	memcpy(j->info.etag, now.etag, sizeof(j->info.etag));
	j->info.mtime_ns = now.mtime_ns ? now.mtime_ns : s3_now_ns();
	if (j->o) {
		/* readers go on with the copy's ETag */
		struct object_name name = {
			.client = v->client, .bucket = j->key.bucket, .key = j->key.key, .if_etag = copied
		};

		(void)object_rename(j->o, &name, &j->info, NULL);
	}
	return 0;
}

static int write_dir(struct s3volume *v, struct job *j)
{
	struct s3_call *c = malloc(sizeof(*c));
	char key[S3_KEY_MAX + 2];
	int rc;

	if (!c)
		return -ENOMEM;
	j->attr.mode = attr_mode(&j->attr, true);
	j->attr.have |= ATTR_MODE;
	rc = attr_to_meta(&j->attr, &j->info.meta);
	s3path_dir_prefix(&j->key, key);
	s3_call_init(c, S3_PUT_OBJECT, j->key.bucket, key);
	c->accepted = true;
	c->meta = &j->info.meta;
	c->content_type = j->info.content_type[0] ? j->info.content_type : "application/x-directory";
	c->body.memory = "";
	if (rc == 0)
		rc = s3_run(v->client, c);
	if (rc)
		j->err = c->err;
	j->info.mtime_ns = s3_now_ns();
	free(c);
	return rc;
}

static void note_written_locked(struct s3volume *v, struct job *j)
{
	struct node *node = j->node;
	struct s3_info *now = j->o ? malloc(sizeof(*now)) : NULL;

	/* if it was committed since, that is what is there */
	if (now && object_info(j->o, now))
		j->info = *now;
	free(now);

	if (node->detached || node->kind != j->kind)
		return;
	node->mtime_ns = j->info.mtime_ns;
	node->marker = node->marker || j->kind == NODE_DIR;
	node->meta_known = names_set_meta(node, &j->info.meta, j->info.content_type) == 0;
	if (j->kind == NODE_FILE) {
		char *etag = strdup(j->info.etag);

		if (etag) {
			free(node->etag);
			node->etag = etag;
		}
	}
	node->changed = ++v->space->names.changes;
	/* what was set meanwhile is younger */
	if (!node->attr_dirty)
		node->attr = j->attr;
}

/* Takes the node out of the list. false: its upload will write it. */
static bool begin_locked(struct s3volume *v, struct node *node, struct job *j)
{
	deferred_clear_locked(v, node);
	if (node->detached || (node->kind != NODE_FILE && node->kind != NODE_DIR) ||
	    (node->kind == NODE_FILE && !node->etag))
		return false;
	j->node = node;
	j->kind = node->kind;
	names_key(node->id, &j->key);
	j->attr = node->attr;
	j->meta_known = node->meta_known;
	names_info(node, &j->info);
	node->pins++;
	v->space->writing++;
	return true;
}

/* The name alone: @node (pinned) may be renamed while it is waited for. */
static void hold_node_locked(struct s3volume *v, struct node *node, struct hold *h)
{
	for (;;) {
		char id[NAMES_ID_MAX];

		snprintf(id, sizeof(id), "%s", node->id);
		hold_take_locked(&v->space->holds, &v->space->names.lock, h, HOLD_ALONE, id, NULL);
		if (strcmp(id, node->id) == 0)
			return;
		hold_drop_locked(&v->space->holds, h);
	}
}

static int flush_one(struct s3volume *v, struct node *node)
{
	struct job *j = calloc(1, sizeof(*j));
	int rc = 0;

	if (!j)
		return -ENOMEM;
	pthread_mutex_lock(&v->space->names.lock);
	hold_node_locked(v, node, &j->hold);
	if (!node->attr_dirty || !begin_locked(v, node, j)) {
		hold_drop_locked(&v->space->holds, &j->hold);
		pthread_mutex_unlock(&v->space->names.lock);
		free(j);
		return 0;
	}
	pthread_mutex_unlock(&v->space->names.lock);
	if (j->kind == NODE_FILE)
		j->o = onode_object(v, &j->key);
	rc = j->kind == NODE_FILE ? write_file(v, j) : write_dir(v, j);
	/* changed or removed by somebody else: these attributes were another object's */
	if (rc == -ENOENT || rc == -ESTALE)
		log_debug("volume", "attributes of 's3://%s/%s' have lost their object, ignoring", j->key.bucket,
			  j->key.key);
	else if (rc)
		space_failed(v->space, &j->key, "writing its mode, owner or times", &j->err);
	pthread_mutex_lock(&v->space->names.lock);
	if (rc == 0)
		note_written_locked(v, j);
	hold_drop_locked(&v->space->holds, &j->hold);
	v->space->writing--;
	names_unpin(&v->space->names, node);
	pthread_cond_broadcast(&v->space->wake);
	pthread_mutex_unlock(&v->space->names.lock);
	object_unref(j->o);
	free(j);
	return rc == -ENOENT || rc == -ESTALE ? 0 : rc;
}

/* The next one that is due, pinned; @all: due or not. Times for the sleeper in @ret_wait_ms. */
static struct node *next_locked(struct s3volume *v, bool all, int64_t *ret_wait_ms)
{
	int64_t now = clock_now_ms(), wait = 3600 * 1000;

	for (struct node *n = v->space->names.dirty; n; n = n->dirty_next) {
		if (!all && n->open && n->attr_due_ms <= now)
			n->attr_due_ms = now + IDLE_MS;
		if (all || n->attr_due_ms <= now) {
			n->pins++;
			return n;
		}
		wait = n->attr_due_ms - now < wait ? n->attr_due_ms - now : wait;
	}
	*ret_wait_ms = wait;
	return NULL;
}

static int work(struct s3volume *v, bool all)
{
	int rc = 0;

	for (;;) {
		struct node *node;
		int64_t wait;
		int one;

		pthread_mutex_lock(&v->space->names.lock);
		node = next_locked(v, all, &wait);
		pthread_mutex_unlock(&v->space->names.lock);
		if (!node)
			return rc;
		one = flush_one(v, node);
		pthread_mutex_lock(&v->space->names.lock);
		names_unpin(&v->space->names, node);
		pthread_mutex_unlock(&v->space->names.lock);
		rc = one ? one : rc;
	}
}

static void *helper_main(void *arg)
{
	return (void *)(intptr_t)work(arg, true);
}

int deferred_flush(struct s3volume *v, struct node *node)
{
	pthread_t helpers[HELPERS];
	unsigned n = 0, many = 0;
	int rc;

	if (node)
		return flush_one(v, node);
	pthread_mutex_lock(&v->space->names.lock);
	for (struct node *d = v->space->names.dirty; d && many < HELPERS; d = d->dirty_next)
		many++;
	pthread_mutex_unlock(&v->space->names.lock);
	while (n + 1 < many && pthread_create(&helpers[n], NULL, helper_main, v) == 0)
		n++;
	rc = work(v, true);
	while (n) {
		void *theirs;

		pthread_join(helpers[--n], &theirs);
		rc = theirs ? (int)(intptr_t)theirs : rc;
	}
	pthread_mutex_lock(&v->space->names.lock);
	while (v->space->writing) /* the thread's own */
		pthread_cond_wait(&v->space->wake, &v->space->names.lock);
	pthread_mutex_unlock(&v->space->names.lock);
	return rc;
}

static void *thread_main(void *arg)
{
	struct s3volume *v = arg;
	int64_t wait;

	pthread_mutex_lock(&v->space->names.lock);
	while (!v->stop) {
		struct node *node = next_locked(v, false, &wait);
		struct timespec ts;

		if (node) {
			pthread_mutex_unlock(&v->space->names.lock);
			(void)flush_one(v, node); /* recorded */
			pthread_mutex_lock(&v->space->names.lock);
			names_unpin(&v->space->names, node);
			continue;
		}
		ts = clock_in_ms(wait);
		pthread_cond_timedwait(&v->space->wake, &v->space->names.lock, &ts);
	}
	pthread_mutex_unlock(&v->space->names.lock);
	return NULL;
}

int deferred_start(struct s3volume *v, struct err *err)
{
	int rc = pthread_create(&v->thread, NULL, thread_main, v);

	if (rc)
		return err_set(err, rc, "a thread for attributes: %s", strerror(rc));
	v->thread_runs = true;
	return 0;
}

void deferred_stop(struct s3volume *v)
{
	pthread_mutex_lock(&v->space->names.lock);
	v->stop = true;
	pthread_cond_broadcast(&v->space->wake);
	pthread_mutex_unlock(&v->space->names.lock);
	if (v->thread_runs)
		pthread_join(v->thread, NULL);
}
