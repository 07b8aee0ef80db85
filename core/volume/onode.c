#include "volume/s3volume.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

/*
 * Files and the object layer's idle(): a file is linked to its onode while its descriptor is still ours, after
 * object_reopen() has returned, so an idle() that was decided before never forgets it (object.h). An onode lives while
 * it has files or users; its node is pinned and believed meanwhile, so that every name and every descriptor sees one
 * record.
 */
struct object *onode_object_locked(struct node *node)
{
	return node->open ? object_ref(node->open->o) : NULL;
}

/* onodes */

struct object *onode_object(struct s3volume *v, const struct s3key *k)
{
	struct object_name name = { .client = v->client, .bucket = k->bucket, .key = k->key };

	return object_find(v->store, &name);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
struct onode *onode_find_locked(struct s3volume *v, uint64_t id)
{
	struct onode *n;

	HASH_FIND(hh, v->space->onodes, &id, sizeof(id), n);
	return n;
}

static void onode_list_locked(struct s3volume *v, struct onode *n)
{
	HASH_ADD(hh, v->space->onodes, id, sizeof(n->id), n);
	n->listed = true;
}

static void onode_unlist_locked(struct s3volume *v, struct onode *n)
{
	if (n->listed)
		HASH_DELETE(hh, v->space->onodes, n);
	n->listed = false;
}
#pragma GCC diagnostic pop

/* The onode of @o with a user more; made if there is none. Takes a reference of its own. */
struct onode *onode_get_locked(struct s3volume *v, struct object *o, const char *id)
{
	struct onode *n = onode_find_locked(v, object_id(o));
	struct node *node;

	if (n) {
		n->users++;
		return n;
	}
	node = names_get(&v->space->names, id);
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
struct object *onode_release_locked(struct s3volume *v, struct onode *n)
{
	struct object *o = n->o;

	if (n->users || n->files)
		return NULL;
	onode_unlist_locked(v, n);
	if (n->node->open == n) {
		n->node->open = NULL;
		n->node->until_ms = clock_now_ms() + v->space->names.ttl_ms;
		/* never came to the bucket: an upload that failed, or an open that did */
		if (n->node->kind == NODE_FILE && !n->node->etag && !n->node->detached)
			names_set_absent(&v->space->names, n->node);
	}
	names_unpin(&v->space->names, n->node);
	free(n);
	return o;
}

void onode_put(struct s3volume *v, struct onode *n)
{
	struct object *o;

	pthread_mutex_lock(&v->space->names.lock);
	n->users--;
	o = onode_release_locked(v, n);
	pthread_mutex_unlock(&v->space->names.lock);
	object_unref(o);
}

/* A user more of the onode that the object layer means; NULL if it is gone. */
static struct onode *onode_of_event(struct s3volume *v, struct object *o)
{
	struct onode *n;

	pthread_mutex_lock(&v->space->names.lock);
	n = onode_find_locked(v, object_id(o));
	if (n)
		n->users++;
	pthread_mutex_unlock(&v->space->names.lock);
	return n;
}

/* events of the object layer */

static bool on_prepare(void *arg, struct object *o, struct s3_meta *meta, char *content_type, size_t room)
{
	struct s3volume *v = arg;
	struct onode *n = onode_of_event(v, o);
	int64_t mtime = object_mtime_ns(o);
	struct attr *a;
	bool due;

	if (!n)
		return false;
	pthread_mutex_lock(&v->space->names.lock);
	a = &n->node->attr;
	a->mode = attr_mode(a, false);
	if (!(a->have & ATTR_UID))
		a->uid = v->uid;
	if (!(a->have & ATTR_GID))
		a->gid = v->gid;
	a->mtime_ns = mtime;
	a->have |= ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_MTIME;
	due = n->node->attr_dirty;
	deferred_clear_locked(v, n->node);
	(void)attr_to_meta(a, meta);
	if (!content_type[0]) {
		const char *slash = strrchr(n->node->id, '/');

		snprintf(content_type, room, "%s", attr_content_type(slash ? slash + 1 : n->node->id));
	}
	pthread_mutex_unlock(&v->space->names.lock);
	onode_put(v, n);
	return due;
}

static void on_committed(void *arg, struct object *o, const struct s3_info *info)
{
	struct s3volume *v = arg;
	struct onode *n = onode_of_event(v, o);
	struct node *node;

	if (!n)
		return;
	pthread_mutex_lock(&v->space->names.lock);
	node = n->node;
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
		node->asked_ms = clock_now_ms();
		node->until_ms = node->asked_ms + v->space->names.ttl_ms;
		names_set_local(&v->space->names, node, false);
		names_changed(&v->space->names, &v->root, node);
	}
	pthread_mutex_unlock(&v->space->names.lock);
	onode_put(v, n);
}

/*
 * No descriptor is left: the broker forgets its ids and frees the files. No open adds one meanwhile (object.h). Each
 * file takes along how its upload ended: its close may still be on its way to the broker, and is to hear of it.
 */
static struct s3file *next_gone_locked(struct onode *n)
{
	struct s3file *f;

	for (f = n->files; f && f->told; f = f->next)
		;
	if (f)
		f->told = true;
	return f;
}

/* To the owner of its own mount: the object may have been opened by another one first. */
static void tell_gone(struct s3file *f, int status)
{
	const struct volume_events *events = &f->base.volume->events;

	if (events->file_gone)
		events->file_gone(events->owner, &f->base, status);
}

static void on_idle(void *arg, struct object *o)
{
	struct s3volume *v = arg;
	struct onode *n = onode_of_event(v, o);
	int status = object_result(o);
	struct s3file *f;

	if (!n)
		return;
	do {
		pthread_mutex_lock(&v->space->names.lock);
		f = next_gone_locked(n);
		pthread_mutex_unlock(&v->space->names.lock);
		if (f)
			tell_gone(f, f->writable ? status : 0);
	} while (f);
	onode_put(v, n);
}

const struct object_events onode_events = { on_prepare, on_committed, on_idle };
