#include "volume/s3volume.h"

#include "volume/dir.h"
#include "base/clock.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

/*
 * readdir asks for one page at a time. What was read to its end is a complete listing: it is hung on the folder's node
 * and answers lookups until its TTL is over. Names that the server does not show (local) come first.
 */
struct s3dir {
	struct s3volume *v;
	struct s3key key;
	char prefix[S3_KEY_MAX + 2], id[NAMES_ID_MAX];
	struct first_page first; /* fetched by the open, for the first rewind */
	struct listing *l;
	uint64_t changes;
	char *token;
	bool end, fresh; /* fresh: `first` is young enough to be used */
	int64_t opened_ms;
};

static bool hidden_locked(struct s3dir *s, const char *name)
{
	char id[NAMES_ID_MAX];
	struct s3key child;
	struct node *node;

	if (s3path_child(&s->key, name, &child))
		return true;
	names_id(&child, id);
	node = names_find(&s->v->names, id);
	return node && node->kind == NODE_ABSENT && names_valid(node, clock_now_ms()) &&
	       node->asked_ms >= s->l->started_ms;
}

static uint8_t type_locked(struct s3dir *s, const struct listing_entry *e, const char *id)
{
	struct node *node = names_find(&s->v->names, id);

	if (e->dir)
		return DT_DIR;
	if (node && node->kind == NODE_FILE && (node->attr.have & ATTR_MODE) && S_ISLNK(node->attr.mode))
		return DT_LNK;
	return DT_REG;
}

static int add_entries(struct s3dir *s, struct dir *d, size_t from)
{
	int rc = 0;

	pthread_mutex_lock(&s->v->names.lock);
	for (size_t i = from; i < s->l->count && rc == 0; i++) {
		const struct listing_entry *e = &s->l->entries[i];
		struct s3key child;
		char id[NAMES_ID_MAX];

		if (hidden_locked(s, e->name) || s3path_child(&s->key, e->name, &child))
			continue;
		names_id(&child, id);
		rc = dir_add(d, e->name, e->len, names_ino(&s->v->names, id), type_locked(s, e, id));
	}
	pthread_mutex_unlock(&s->v->names.lock);
	return rc;
}

/* Names of this folder that the server does not show yet, or no more. */
static int add_locals(struct s3dir *s, struct dir *d)
{
	size_t len = strlen(s->id);
	bool slash = len && s->id[len - 1] == '/'; /* the top of a bucket */
	int rc = 0;

	pthread_mutex_lock(&s->v->names.lock);
	for (struct node *n = s->v->names.locals; n && rc == 0; n = n->local_next) {
		const char *name = n->id + len + !slash;

		if (strncmp(n->id, s->id, len) != 0 || (!slash && n->id[len] != '/') || strchr(name, '/') || !*name)
			continue;
		if (n->kind == NODE_FILE || n->kind == NODE_DIR)
			rc = dir_add(d, name, strlen(name), n->ino, n->kind == NODE_DIR ? DT_DIR : DT_REG);
	}
	pthread_mutex_unlock(&s->v->names.lock);
	return rc;
}

static int s3dir_rewind(struct dir *d, void *source, struct vcall *call, uint64_t *ret_self, uint64_t *ret_parent)
{
	struct s3dir *s = source;
	struct s3key parent;
	struct node *node;
	char id[NAMES_ID_MAX];

	(void)d;
	(void)call;
	s->l = listing_unref(s->l);
	free(s->token);
	s->token = NULL;
	s->end = false;
	if (s->first.listing && clock_now_ms() - s->opened_ms >= s->v->names.ttl_ms)
		first_page_drop(&s->first);
	s3path_parent(&s->v->root, &s->key, &parent);
	names_id(&parent, id);
	pthread_mutex_lock(&s->v->names.lock);
	*ret_self = names_ino(&s->v->names, s->id);
	*ret_parent = names_ino(&s->v->names, id);
	node = names_find(&s->v->names, s->id);
	s->changes = node ? node->changes : 0;
	pthread_mutex_unlock(&s->v->names.lock);
	s->fresh = true;
	return 0;
}

/* The folder has been read to its end. */
static void hang_up(struct s3dir *s)
{
	struct node *node;

	s->end = true;
	if (s->key.place == S3PLACE_BUCKETS)
		return;
	listing_finish(s->l);
	pthread_mutex_lock(&s->v->names.lock);
	node = names_get(&s->v->names, s->id);
	if (node && (s->l->any || node->kind == NODE_DIR || s->key.place == S3PLACE_TOP)) {
		names_attach(&s->v->names, node, listing_ref(s->l), s->changes);
		if (node->whole)
			node->whole = false; /* the listing says as much, and others' names too */
	}
	pthread_mutex_unlock(&s->v->names.lock);
}

/* Every bucket as a folder. */
static int list_buckets(struct s3dir *s, struct dir *d, struct vcall *call)
{
	struct s3_call *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	s3_call_init(c, S3_LIST_BUCKETS, NULL, NULL);
	rc = s3_run(s->v->client, c);
	if (rc)
		call->err = c->err;
	for (size_t i = 0; rc == 0 && i < c->page.count; i++) {
		const char *name = c->page.entries[i].key;
		struct s3key k;
		char id[NAMES_ID_MAX];
		uint64_t ino;

		if (s3path_key(&s->v->root, name, &k))
			continue;
		names_id(&k, id);
		pthread_mutex_lock(&s->v->names.lock);
		ino = names_ino(&s->v->names, id);
		pthread_mutex_unlock(&s->v->names.lock);
		rc = dir_add(d, name, strlen(name), ino, DT_DIR);
	}
	s3_page_deinit(&c->page);
	free(c);
	return rc;
}

static int s3dir_more(struct dir *d, void *source, struct vcall *call, bool *ret_end)
{
	struct s3dir *s = source;
	size_t from = 0;
	char *token = NULL;
	int rc = 0;

	if (s->key.place == S3PLACE_BUCKETS) {
		*ret_end = true;
		return list_buckets(s, d, call);
	}
	if (s->fresh)
		rc = add_locals(s, d);
	s->fresh = false;
	if (rc == 0 && !s->l && s->first.listing) {
		s->l = s->first.listing;
		s->changes = s->first.changes;
		token = s->first.token;
		s->first = (struct first_page){ 0 };
	} else if (rc == 0) {
		if (!s->l)
			s->l = listing_new();
		from = s->l ? s->l->count : 0;
		rc = s->l ? listing_fetch(s->v->client, s->key.bucket, s->prefix, s->token, s->l, &token, &call->err)
			  : -ENOMEM;
	}
	if (rc)
		return rc;
	rc = add_entries(s, d, from);
	free(s->token);
	s->token = token;
	if (rc == 0 && !token)
		hang_up(s);
	*ret_end = s->end;
	return rc;
}

static void s3dir_release(void *source)
{
	struct s3dir *s = source;

	first_page_drop(&s->first);
	listing_unref(s->l);
	free(s->token);
	free(s);
}

static const struct dir_source source_ops = { s3dir_rewind, s3dir_more, s3dir_release };

int s3dir_open(struct s3volume *v, struct vcall *call, const struct s3key *k, struct first_page *page,
	       struct volume_opened *ret)
{
	struct s3dir *s = calloc(1, sizeof(*s));
	int rc;

	if (!s) {
		if (page)
			first_page_drop(page);
		return -ENOMEM;
	}
	s->v = v;
	s->key = *k;
	s3path_dir_prefix(k, s->prefix);
	names_id(k, s->id);
	s->opened_ms = clock_now_ms();
	if (page)
		s->first = *page;
	rc = dir_open(&v->base, v->watch, &source_ops, s, ret, &call->err);
	if (rc) {
		s3dir_release(s);
		return rc;
	}
	pthread_mutex_lock(&v->names.lock);
	{
		struct node *node = names_get(&v->names, s->id);

		/* it was seen: it does not vanish because its last file is removed */
		if (node && k->place == S3PLACE_KEY && node->kind != NODE_DIR)
			names_set_dir(&v->names, node);
	}
	pthread_mutex_unlock(&v->names.lock);
	return 0;
}

const struct s3key *s3dir_key(struct vfile *f)
{
	return &((struct s3dir *)dir_source_of(f))->key;
}
