#include "volume/s3volume.h"

#include "volume/dir.h"
#include "base/clock.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

/*
 * readdir asks for a page at a time, and for the next one while the program reads the last. What has come hangs on the
 * folder's node and answers lookups of what is there; once it was read to its end, also of what is not. Names that the
 * server does not show (local) come first.
 *
 * The folder may be renamed while it is open: its node, pinned, tells where it is.
 */
struct s3dir {
	struct s3volume *v;
	struct node *node; /* pinned */
	struct s3key key;  /* as of the last rewind, like what follows */
	char prefix[S3_KEY_MAX + 2], id[NAMES_ID_MAX];
	struct first_page first; /* fetched by the open, for the first rewind */
	struct listing *l;
	uint64_t changes;
	char *token;
	struct s3_call *page;   /* under way, NULL: none */
	bool end, fresh, known; /* fresh: nothing was asked for since the rewind; known: l hangs on the node */
	bool ahead;             /* its first page was fetched before the program showed that it wants it */
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
	node = names_find(&s->v->space->names, id);
	return node && node->kind == NODE_ABSENT && names_valid(node, clock_now_ms()) &&
	       (node->doomed || node->asked_ms >= s->l->started_ms);
}

static uint8_t type_locked(struct s3dir *s, const struct listing_entry *e, const char *id)
{
	struct node *node = names_find(&s->v->space->names, id);

	if (e->dir)
		return DT_DIR;
	if (node && node->kind == NODE_FILE && (node->attr.have & ATTR_MODE))
		return S_ISLNK(node->attr.mode) ? DT_LNK : DT_REG;
	/* the object of a symlink holds its target: listings do not tell it from a file of that size */
	return s->v->attributes_list || !e->size || e->size >= WIRE_PATH_MAX ? DT_REG : DT_UNKNOWN;
}

static int add_entries(struct s3dir *s, struct dir *d, size_t from)
{
	int rc = 0;

	pthread_mutex_lock(&s->v->space->names.lock);
	for (size_t i = from; i < s->l->count && rc == 0; i++) {
		const struct listing_entry *e = &s->l->entries[i];
		struct s3key child;
		char id[NAMES_ID_MAX];

		if (hidden_locked(s, e->name) || s3path_child(&s->key, e->name, &child))
			continue;
		names_id(&child, id);
		rc = dir_add(d, e->name, e->len, names_ino(&s->v->space->names, id), type_locked(s, e, id));
	}
	pthread_mutex_unlock(&s->v->space->names.lock);
	return rc;
}

/* Names of this folder that the server does not show yet, or no more. */
static int add_locals(struct s3dir *s, struct dir *d)
{
	size_t len = strlen(s->id);
	bool slash = len && s->id[len - 1] == '/'; /* the top of a bucket */
	int rc = 0;

	pthread_mutex_lock(&s->v->space->names.lock);
	for (struct node *n = s->v->space->names.locals; n && rc == 0; n = n->local_next) {
		const char *name = n->id + len + !slash;

		if (strncmp(n->id, s->id, len) != 0 || (!slash && n->id[len] != '/') || strchr(name, '/') || !*name)
			continue;
		if (n->kind == NODE_FILE || n->kind == NODE_DIR)
			rc = dir_add(d, name, strlen(name), n->ino, n->kind == NODE_DIR ? DT_DIR : DT_REG);
	}
	pthread_mutex_unlock(&s->v->space->names.lock);
	return rc;
}

/* Where the folder is now. Return: false: nowhere, another one has taken its place. */
static bool place_locked(const struct s3dir *s, struct s3key *ret)
{
	*ret = s->key;
	if (s->node->detached)
		return false;
	if (s->key.place == S3PLACE_KEY)
		names_key(s->node->id, ret);
	return true;
}

static void page_drop(struct s3dir *s)
{
	if (!s->page)
		return;
	s3_cancel(s->v->client, s->page);
	(void)s3_wait(s->v->client, s->page);
	s3_page_deinit(&s->page->page);
	free(s->page);
	s->page = NULL;
}

static int s3dir_rewind(struct dir *d, void *source, struct vcall *call, uint64_t *ret_self, uint64_t *ret_parent)
{
	struct s3dir *s = source;
	struct s3key parent;
	char id[NAMES_ID_MAX];

	(void)d;
	(void)call;
	page_drop(s);
	s->l = listing_unref(s->l);
	free(s->token);
	s->token = NULL;
	s->known = s->ahead = false;
	if (s->first.listing && clock_now_ms() - s->opened_ms >= s->v->space->names.ttl_ms)
		first_page_drop(&s->first);
	pthread_mutex_lock(&s->v->space->names.lock);
	s->end = !place_locked(s, &s->key);
	s3path_dir_prefix(&s->key, s->prefix);
	names_id(&s->key, s->id);
	s3path_parent(&s->v->root, &s->key, &parent);
	names_id(&parent, id);
	*ret_self = s->node->ino;
	*ret_parent = names_ino(&s->v->space->names, id);
	s->changes = s->node->changes;
	pthread_mutex_unlock(&s->v->space->names.lock);
	s->fresh = true;
	return 0;
}

/* pages */

/* Ask for the next one. */
static int page_begin(struct s3dir *s)
{
	s->page = malloc(sizeof(*s->page));
	if (!s->page)
		return -ENOMEM;
	s3_ask_init(s->v, s->page, S3_LIST_OBJECTS_V2, s->key.bucket, NULL);
	listing_ask(s->page, s->prefix, s->token);
	s3_start(s->v->client, s->page);
	return 0;
}

/* What it has brought, appended; s->token is the next one's. */
static int page_end(struct s3dir *s, struct s3_call *c, struct err *err)
{
	char *token = NULL;
	int rc;

	pthread_mutex_lock(&s->v->space->names.lock);
	rc = listing_answer(c, s->l, &token, err);
	pthread_mutex_unlock(&s->v->space->names.lock);
	if (rc == 0) {
		free(s->token);
		s->token = token;
	}
	return rc;
}

/* The first page, where it was fetched before the program came here. */
static bool page_ahead(struct s3dir *s)
{
	struct ahead_item *item, *list = NULL;
	bool usable;

	if (s->key.place == S3PLACE_BUCKETS)
		return false;
	pthread_mutex_lock(&s->v->space->names.lock);
	ahead_folders_locked(s->v, &s->key, false, &list);
	pthread_mutex_unlock(&s->v->space->names.lock);
	ahead_start(s->v, list);
	pthread_mutex_lock(&s->v->space->names.lock);
	item = ahead_take_locked(s->v, AHEAD_PAGE, s->id);
	usable = item && item->call.status == 0 && s->node->changes <= item->asked;
	if (usable)
		s->l->started_ms = item->started_ms;
	pthread_mutex_unlock(&s->v->space->names.lock);
	usable = usable && page_end(s, &item->call, NULL) == 0;
	s->ahead = usable && !item->looked;
	ahead_put(s->v, item);
	return usable;
}

static int page_get(struct s3dir *s, struct err *err)
{
	struct s3_call *c;
	int rc = s->page ? 0 : page_begin(s);

	if (rc)
		return rc;
	c = s->page;
	s->page = NULL;
	(void)s3_wait(s->v->client, c);
	rc = page_end(s, c, err);
	s3_page_deinit(&c->page);
	free(c);
	return rc;
}

/* What the open fetched is told only while this session has changed nothing in the folder since. */
static void drop_changed_first(struct s3dir *s)
{
	bool changed;

	pthread_mutex_lock(&s->v->space->names.lock);
	changed = s->node->changes != s->first.changes;
	pthread_mutex_unlock(&s->v->space->names.lock);
	if (changed)
		first_page_drop(&s->first);
}

/* The next page, from wherever it comes. */
static int next_page(struct s3dir *s, struct err *err)
{
	if (!s->l && s->first.listing)
		drop_changed_first(s);
	if (!s->l && s->first.listing) {
		s->l = s->first.listing;
		s->changes = s->first.changes;
		s->token = s->first.token;
		s->first = (struct first_page){ 0 };
		return 0;
	}
	if (s->l)
		return page_get(s, err);
	s->l = listing_new();
	if (!s->l)
		return -ENOMEM;
	return page_ahead(s) ? 0 : page_get(s, err);
}

/* What was read so far hangs on the node; at the end it is whole. */
static void hang_up(struct s3dir *s)
{
	struct names *names = &s->v->space->names;
	struct node *node = s->node;

	if (s->key.place == S3PLACE_BUCKETS)
		return;
	pthread_mutex_lock(&names->lock);
	if (!s->token)
		listing_finish(s->l);
	if (node->detached) {
		s->known = true;
	} else if (s->known && node->listing == s->l) {
		node->listing_until_ms = clock_now_ms() + names->ttl_ms;
	} else if (!s->known && (s->l->any || node->kind == NODE_DIR || s->key.place == S3PLACE_TOP)) {
		names_attach(names, node, listing_ref(s->l), s->changes);
		s->known = true;
	}
	if (node->listing == s->l && s->l->whole)
		node->whole = false; /* the listing says as much, and others' names too */
	pthread_mutex_unlock(&names->lock);
}

/* Every bucket as a folder. */
static int list_buckets(struct s3dir *s, struct dir *d, struct vcall *call)
{
	struct s3_call *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	s3_ask_init(s->v, c, S3_LIST_BUCKETS, NULL, NULL);
	rc = s3_run(s->v->client, c);
	if (rc)
		call->err = c->err;
	for (size_t i = 0; rc == 0 && i < c->page.count; i++) {
		const char *name = c->page.entries[i].key;
		struct s3key k;
		char id[NAMES_ID_MAX];
		uint64_t ino;

		if (s3path_key(&s->v->root, name, &k) || s3_place(s->v, &k) == POLICY_OUTSIDE)
			continue;
		names_id(&k, id);
		pthread_mutex_lock(&s->v->space->names.lock);
		ino = names_ino(&s->v->space->names, id);
		pthread_mutex_unlock(&s->v->space->names.lock);
		rc = dir_add(d, name, strlen(name), ino, DT_DIR);
	}
	s3_page_deinit(&c->page);
	free(c);
	return rc;
}

/* A folder on the way to what the policy permits: the way alone, and of its end what is there. */
struct way {
	struct s3dir *s;
	struct dir *d;
	struct vcall *call;
	char seen[KIB(32)]; /* names, a slash behind each */
};

static bool seen_before(struct way *w, const char *name, size_t len)
{
	const char *p = w->seen;
	size_t used;

	for (; *p; p += strcspn(p, "/") + 1)
		if (strcspn(p, "/") == len && memcmp(p, name, len) == 0)
			return true;
	used = (size_t)(p - w->seen);
	if (used + len + 2 <= sizeof(w->seen)) {
		memcpy(w->seen + used, name, len);
		memcpy(w->seen + used + len, "/", 2);
	}
	return false;
}

static int add_child(void *arg, const char *name, size_t len)
{
	struct way *w = arg;
	struct s3volume *v = w->s->v;
	char text[256];
	struct facts f;
	struct s3key k;
	int rc;

	if (len >= sizeof(text) || seen_before(w, name, len))
		return 0;
	memcpy(text, name, len);
	text[len] = '\0';
	if (s3path_child(&w->s->key, text, &k))
		return 0;
	rc = lookup(v, &k, LOOK_NAME, &f, &w->call->err);
	if (rc || f.kind == NODE_ABSENT)
		return rc == -EACCES ? 0 : rc;
	return dir_add(w->d, text, len, f.ino, f.kind == NODE_DIR ? DT_DIR : DT_UNKNOWN);
}

static int list_way(struct s3dir *s, struct dir *d, struct vcall *call)
{
	cleanup_free struct way *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct way){ .s = s, .d = d, .call = call };
	return policy_children(s->v->policy, s->key.bucket, s->key.key, add_child, w);
}

static int s3dir_more(struct dir *d, void *source, struct vcall *call, bool *ret_end)
{
	struct s3dir *s = source;
	struct ahead_item *list = NULL;
	size_t from;
	int rc = 0;

	if (s->key.place == S3PLACE_BUCKETS) {
		*ret_end = true;
		return list_buckets(s, d, call);
	}
	if (s3_place(s->v, &s->key) == POLICY_ABOVE) {
		*ret_end = true;
		return list_way(s, d, call);
	}
	*ret_end = s->end;
	if (s->end)
		return 0;
	if (s->fresh)
		rc = add_locals(s, d);
	s->fresh = false;
	from = s->l ? s->l->count : 0;
	if (rc == 0)
		rc = next_page(s, &call->err);
	if (rc)
		return rc;
	rc = add_entries(s, d, from);
	s->end = !s->token;
	hang_up(s);
	if (rc == 0 && s->token)
		rc = page_begin(s);
	pthread_mutex_lock(&s->v->space->names.lock);
	if (s->end && s->ahead)
		ahead_folders_locked(s->v, &s->key, true, &list);
	pthread_mutex_unlock(&s->v->space->names.lock);
	ahead_start(s->v, list);
	*ret_end = s->end;
	return rc;
}

static void s3dir_release(void *source)
{
	struct s3dir *s = source;

	page_drop(s);
	first_page_drop(&s->first);
	listing_unref(s->l);
	free(s->token);
	if (s->node) {
		pthread_mutex_lock(&s->v->space->names.lock);
		names_unpin(&s->v->space->names, s->node);
		pthread_mutex_unlock(&s->v->space->names.lock);
	}
	free(s);
}

static const struct dir_source source_ops = { s3dir_rewind, s3dir_more, s3dir_release };

/* The folder's node, pinned. */
static struct node *pin(struct s3volume *v, const struct s3key *k, const char *id)
{
	struct node *node;

	pthread_mutex_lock(&v->space->names.lock);
	node = names_get(&v->space->names, id);
	if (node) {
		node->pins++;
		/* it was seen: it does not vanish because its last file is removed */
		if (k->place == S3PLACE_KEY && node->kind != NODE_DIR)
			names_set_dir(&v->space->names, node);
	}
	pthread_mutex_unlock(&v->space->names.lock);
	return node;
}

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
	s->node = pin(v, k, s->id);
	rc = s->node ? dir_open(&v->base, v->watch, &source_ops, s, ret, &call->err) : -ENOMEM;
	if (rc)
		s3dir_release(s);
	return rc;
}

bool s3dir_key(struct vfile *f, struct s3key *ret)
{
	const struct s3dir *s = dir_source_of(f);
	bool there;

	pthread_mutex_lock(&s->v->space->names.lock);
	there = place_locked(s, ret);
	pthread_mutex_unlock(&s->v->space->names.lock);
	return there;
}
