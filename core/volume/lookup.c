#include "volume/s3volume.h"

#include <stdio.h>
#include <string.h>

/*
 * What is at a key, cheapest source first:
 *   1. the object is open here, or its node is believed                    nothing is asked
 *   2. its folder's listing is believed, or its folder is known whole      nothing; HEAD where metadata is wanted
 *   3. otherwise                                                           HEAD and LIST of `key/`, side by side
 *
 * HEADs that stats of a listing need run ahead of the program: when it asks for the second name in the listing's order,
 * the next HEADS_AHEAD are asked for in one go. While names are asked for in order, the listing stays believed, as the
 * one scan that it is (SCAN_MAX_MS at the most).
 */
#define HEADS_AHEAD 128
#define SCAN_MAX_MS 600000
#define SCAN_GAP    64

enum need { KNOWN, NEED_META, NEED_ALL };

void first_page_drop(struct first_page *p)
{
	p->listing = listing_unref(p->listing);
	free(p->token);
	p->token = NULL;
}

struct ahead {
	struct s3key key; /* .key with a slash for a marker */
	char id[NAMES_ID_MAX];
	bool dir;
	struct s3_call call;
};

static bool is_top(const struct s3volume *v, const struct s3key *k)
{
	return k->place == S3PLACE_BUCKETS || (k->place == S3PLACE_TOP && v->root.bucket[0]);
}

/* The mount point itself: always there, nobody is asked. */
static void top_facts(struct s3volume *v, const struct s3key *k, struct facts *ret)
{
	char id[NAMES_ID_MAX];
	struct node *node;

	names_id(k, id);
	*ret = (struct facts){ .kind = NODE_DIR, .meta_known = true, .mtime_ns = v->started_ns };
	pthread_mutex_lock(&v->names.lock);
	ret->ino = names_ino(&v->names, id);
	node = names_find(&v->names, id);
	if (node)
		ret->attr = node->attr;
	pthread_mutex_unlock(&v->names.lock);
}

static void open_facts(struct object *o, struct facts *f)
{
	f->size = object_size(o);
	if (object_dirty(o)) {
		f->mtime_ns = object_mtime_ns(o);
		f->attr.have &= ~(unsigned)ATTR_MTIME;
	}
	object_unref(o);
}

/* The place of @name in the listing of @parent; moves the scan along. */
static const struct listing_entry *in_listing_locked(struct s3volume *v, struct node *parent, const char *name,
						     int64_t now)
{
	const struct listing_entry *e;
	size_t at;

	if (!parent || !parent->listing || now >= parent->listing_until_ms)
		return NULL;
	e = listing_find(parent->listing, name);
	if (!e)
		return NULL;
	at = (size_t)(e - parent->listing->entries);
	if (at >= parent->scan_next && at - parent->scan_next <= SCAN_GAP)
		parent->scan_run++;
	else if (at + 1 != parent->scan_next)
		parent->scan_run = 1;
	if (at >= parent->scan_next || parent->scan_run == 1)
		parent->scan_next = at + 1;
	if (parent->scan_run > 1 && now - parent->listing->started_ms < SCAN_MAX_MS)
		parent->listing_until_ms = now + v->names.ttl_ms;
	return e;
}

static bool listing_believed(const struct node *parent, int64_t now)
{
	return parent && parent->listing && now < parent->listing_until_ms;
}

static void entry_to_node(struct s3volume *v, const struct listing_entry *e, struct node *node)
{
	struct s3_info *info;

	if (e->dir) {
		names_set_dir(&v->names, node);
		return;
	}
	info = calloc(1, sizeof(*info));
	if (!info)
		return;
	info->size = e->size;
	info->mtime_ns = e->mtime_ns;
	snprintf(info->etag, sizeof(info->etag), "%s", listing_etag(e));
	names_set_file(&v->names, node, info, false);
	free(info);
}

static struct node *parent_locked(struct s3volume *v, const struct s3key *k)
{
	struct s3key p;
	char id[NAMES_ID_MAX];

	s3path_parent(&v->root, k, &p);
	names_id(&p, id);
	return names_find(&v->names, id);
}

static enum need satisfied(const struct s3volume *v, const struct node *node, enum look look)
{
	if (look == LOOK_NAME || node->meta_known || node->kind == NODE_ABSENT || node->open ||
	    (look == LOOK_META && v->attributes_list))
		return KNOWN;
	return NEED_META;
}

/* Steps 1 and 2. @ret_open: the object, with a reference. */
static enum need consult_locked(struct s3volume *v, const struct s3key *k, enum look look, struct facts *ret,
				struct object **ret_open)
{
	int64_t now = names_now_ms();
	const struct listing_entry *e = NULL;
	struct node *node, *parent = NULL;
	char id[NAMES_ID_MAX];

	names_id(k, id);
	node = names_find(&v->names, id);
	if (k->place == S3PLACE_KEY) {
		parent = parent_locked(v, k);
		e = in_listing_locked(v, parent, s3path_name(k), now);
	}
	if (node && names_valid(node, now)) {
		names_facts(node, ret);
		*ret_open = s3open_ref_locked(node);
		return satisfied(v, node, look);
	}
	if (listing_believed(parent, now) && (!node || node->asked_ms < parent->listing->started_ms)) {
		if (!e) {
			*ret = (struct facts){ .kind = NODE_ABSENT };
			return KNOWN;
		}
		node = names_get(&v->names, id);
		if (!node)
			return NEED_ALL;
		entry_to_node(v, e, node);
		names_facts(node, ret);
		return satisfied(v, node, look);
	}
	if (!node && parent && parent->whole) {
		*ret = (struct facts){ .kind = NODE_ABSENT };
		return KNOWN;
	}
	return NEED_ALL;
}

bool lookup_known(struct s3volume *v, const struct s3key *k, struct facts *ret)
{
	struct object *o = NULL;
	enum need need;

	if (is_top(v, k)) {
		top_facts(v, k, ret);
		return true;
	}
	pthread_mutex_lock(&v->names.lock);
	need = consult_locked(v, k, LOOK_NAME, ret, &o);
	pthread_mutex_unlock(&v->names.lock);
	if (o)
		open_facts(o, ret);
	return need == KNOWN;
}

/* step 2: HEADs */

static void learn_meta_locked(struct s3volume *v, struct ahead *a)
{
	struct node *node = names_get(&v->names, a->id);

	if (!node || node->open || node->attr_dirty)
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
	struct node *parent = parent_locked(v, k);
	int64_t now = names_now_ms();
	size_t n = 0;
	struct s3key folder;

	if (!listing_believed(parent, now) || parent->scan_run < 2)
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
static int ask_meta(struct s3volume *v, const struct s3key *k, bool dir, struct err *err)
{
	struct ahead **all = calloc(HEADS_AHEAD, sizeof(struct ahead *));
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
	pthread_mutex_unlock(&v->names.lock);
	for (size_t i = 0; i < n; i++)
		s3_start(v->client, &all[i]->call);
	for (size_t i = 0; i < n; i++)
		s3_wait(v->client, &all[i]->call);
	pthread_mutex_lock(&v->names.lock);
	for (size_t i = 0; i < n; i++)
		learn_meta_locked(v, all[i]);
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

static void learn_locked(struct s3volume *v, const char *id, struct ask *a, enum node_kind kind)
{
	struct node *node = names_get(&v->names, id);

	if (!node || node->open || node->attr_dirty || (node->sticky && kind == NODE_ABSENT))
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

static int ask_all(struct s3volume *v, const struct s3key *k, struct err *err)
{
	struct ask *a = malloc(sizeof(*a));
	char id[NAMES_ID_MAX];
	enum node_kind kind;
	int rc;

	if (!a)
		return -ENOMEM;
	names_id(k, id);
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
		learn_locked(v, id, a, kind);
		pthread_mutex_unlock(&v->names.lock);
	} else if (err) {
		*err = rc == a->head.status ? a->head.err : a->list.err;
	}
	s3_page_deinit(&a->list.page);
	free(a);
	return rc;
}

/* A bucket as a folder. */
static int ask_bucket(struct s3volume *v, const struct s3key *k, struct err *err)
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

/* What was just learned, be its TTL over already. */
static bool answer(struct s3volume *v, const struct s3key *k, enum look look, struct facts *ret)
{
	struct object *o = NULL;
	char id[NAMES_ID_MAX];
	struct node *node;
	bool done;

	names_id(k, id);
	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	done = node && node->kind != NODE_UNKNOWN && satisfied(v, node, look) == KNOWN;
	if (done) {
		names_facts(node, ret);
		o = s3open_ref_locked(node);
	}
	pthread_mutex_unlock(&v->names.lock);
	if (o)
		open_facts(o, ret);
	return done;
}

int lookup(struct s3volume *v, const struct s3key *k, enum look look, struct facts *ret, struct err *err)
{
	if (is_top(v, k)) {
		top_facts(v, k, ret);
		return 0;
	}
	/* a folder whose marker is seen costs a second round; a name that changes under us, a third */
	for (int tries = 0; tries < 4; tries++) {
		struct object *o = NULL;
		struct facts f;
		enum need need;
		int rc;

		pthread_mutex_lock(&v->names.lock);
		need = consult_locked(v, k, look, &f, &o);
		pthread_mutex_unlock(&v->names.lock);
		if (o)
			open_facts(o, &f);
		if (need == KNOWN) {
			*ret = f;
			return 0;
		}
		if (k->place == S3PLACE_TOP)
			rc = ask_bucket(v, k, err);
		else if (need == NEED_META)
			rc = ask_meta(v, k, f.kind == NODE_DIR, err);
		else
			rc = ask_all(v, k, err);
		if (need == NEED_META && f.kind == NODE_DIR && rc == -ENOENT)
			rc = 0;
		else if (need == NEED_META && rc == -ENOENT)
			rc = ask_all(v, k, err); /* it vanished, or is a folder now */
		else if (need == NEED_META && rc == -EACCES && look != LOOK_BASE) {
			*ret = f; /* may be listed, not read: what the listing says must do */
			return 0;
		}
		if (rc)
			return rc;
		if (answer(v, k, look, ret))
			return 0;
	}
	return -EIO;
}

/* One page of the folder. Return: 0; -ENOENT if nothing at all is there and nobody says that the folder exists. */
static int list_folder(struct s3volume *v, const struct s3key *folder, struct first_page *ret, struct err *err)
{
	struct first_page page = { .listing = listing_new() };
	char prefix[S3_KEY_MAX + 2], id[NAMES_ID_MAX];
	struct node *node;
	bool kept;
	int rc;

	if (!page.listing)
		return -ENOMEM;
	s3path_dir_prefix(folder, prefix);
	names_id(folder, id);
	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	page.changes = node ? node->changes : 0;
	pthread_mutex_unlock(&v->names.lock);
	rc = listing_fetch(v->client, folder->bucket, prefix, NULL, page.listing, &page.token, err);
	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	kept = is_top(v, folder) || (node && node->kind == NODE_DIR && (node->sticky || node->whole));
	for (struct node *n = v->names.locals; n && !kept; n = n->local_next)
		kept = strncmp(n->id, id, strlen(id)) == 0 && n->id[strlen(id)] == '/';
	pthread_mutex_unlock(&v->names.lock);
	if (rc == 0 && !page.listing->any && !kept)
		rc = -ENOENT;
	if (rc)
		first_page_drop(&page);
	else
		*ret = page;
	return rc;
}

static void learn_absent(struct s3volume *v, const struct s3key *k)
{
	char id[NAMES_ID_MAX];
	struct node *node;

	names_id(k, id);
	pthread_mutex_lock(&v->names.lock);
	node = names_get(&v->names, id);
	if (node && !node->open && !node->sticky && !node->attr_dirty)
		names_set_absent(&v->names, node);
	pthread_mutex_unlock(&v->names.lock);
}

int lookup_folder(struct s3volume *v, const struct s3key *k, bool no_object, struct facts *ret,
		  struct first_page *ret_page, struct err *err)
{
	int rc;

	memset(ret_page, 0, sizeof(*ret_page));
	if (!no_object && lookup_known(v, k, ret))
		return 0;
	if (k->place != S3PLACE_KEY)
		return lookup(v, k, LOOK_NAME, ret, err);
	rc = list_folder(v, k, ret_page, err);
	if (rc == -ENOENT && no_object) {
		learn_absent(v, k);
		*ret = (struct facts){ .kind = NODE_ABSENT };
		return 0;
	}
	if (rc == -ENOENT || rc == -EACCES)
		return lookup(v, k, LOOK_META, ret, err);
	if (rc == 0)
		*ret = (struct facts){ .kind = NODE_DIR };
	return rc;
}

/* The folder's listing hung up, or the mark that it is too long for that. */
static void learn_folder(struct s3volume *v, const struct s3key *folder, const struct first_page *page)
{
	bool whole = !page->token;
	struct node *node;
	char id[NAMES_ID_MAX];

	names_id(folder, id);
	if (whole)
		listing_finish(page->listing);
	pthread_mutex_lock(&v->names.lock);
	node = names_get(&v->names, id);
	if (node && whole) {
		names_attach(&v->names, node, listing_ref(page->listing), page->changes);
		node->huge = false;
	} else if (node) {
		names_set_dir(&v->names, node);
		node->huge = true;
	}
	pthread_mutex_unlock(&v->names.lock);
}

/* What the folder's listing says of one name. */
static void facts_from_page(const struct first_page *page, const char *name, struct facts *ret)
{
	const struct listing_entry *e = listing_find(page->listing, name);

	*ret = (struct facts){ .kind = !e ? NODE_ABSENT : e->dir ? NODE_DIR : NODE_FILE };
	if (e && !e->dir) {
		ret->size = e->size;
		ret->mtime_ns = e->mtime_ns;
		snprintf(ret->etag, sizeof(ret->etag), "%s", listing_etag(e));
	}
}

static bool folder_known_locked(struct s3volume *v, const struct s3key *k, bool *ret_huge)
{
	struct node *parent = parent_locked(v, k);
	int64_t now = names_now_ms();
	struct s3key folder;

	s3path_parent(&v->root, k, &folder);
	*ret_huge = parent && parent->huge;
	if (is_top(v, &folder))
		return true;
	return parent && parent->kind == NODE_DIR &&
	       (names_valid(parent, now) || parent->whole || listing_believed(parent, now));
}

int lookup_create(struct s3volume *v, const struct s3key *k, struct facts *ret, struct err *err)
{
	struct first_page page;
	struct s3key folder;
	bool known, folder_known, huge;
	int rc;

	if (k->place != S3PLACE_KEY)
		return lookup(v, k, LOOK_NAME, ret, err);
	s3path_parent(&v->root, k, &folder);
	known = lookup_known(v, k, ret);
	pthread_mutex_lock(&v->names.lock);
	folder_known = folder_known_locked(v, k, &huge);
	pthread_mutex_unlock(&v->names.lock);
	if (known && (ret->kind != NODE_ABSENT || folder_known))
		return 0;
	if (huge)
		return lookup(v, k, LOOK_NAME, ret, err);
	rc = list_folder(v, &folder, &page, err);
	if (rc == -EACCES) {
		/* no right to list: a HEAD tells what it can, the commit's condition decides the rest */
		if (lookup(v, k, LOOK_NAME, ret, err))
			*ret = (struct facts){ .kind = NODE_ABSENT };
		return 0;
	}
	if (rc)
		return rc;
	learn_folder(v, &folder, &page);
	huge = page.token != NULL;
	if (!huge)
		facts_from_page(&page, s3path_name(k), ret);
	first_page_drop(&page);
	if (huge)
		return lookup(v, k, LOOK_NAME, ret, err);
	/* what this session changed meanwhile counts for more */
	(void)lookup_known(v, k, ret);
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

int lookup_target(struct s3volume *v, const struct s3key *k, char *target, struct err *err)
{
	struct target t = { target, 0 };
	char id[NAMES_ID_MAX];
	struct s3_call *c;
	struct node *node;
	int rc;

	names_id(k, id);
	pthread_mutex_lock(&v->names.lock);
	node = names_find(&v->names, id);
	if (node && node->target && names_valid(node, names_now_ms())) {
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

void lookup_attr(const struct s3volume *v, const struct facts *f, struct wire_attr *ret)
{
	bool dir = f->kind == NODE_DIR;
	int64_t mtime = f->attr.have & ATTR_MTIME ? f->attr.mtime_ns : f->mtime_ns;

	if (dir && !mtime)
		mtime = v->started_ns;
	*ret = (struct wire_attr){
		.ino = f->ino,
		.size = dir ? 0 : f->size,
		.blocks = dir ? 0 : f->size / 512 + (f->size % 512 != 0),
		.atime_ns = f->attr.have & ATTR_ATIME ? f->attr.atime_ns : mtime,
		.mtime_ns = mtime,
		.ctime_ns = f->mtime_ns > mtime ? f->mtime_ns : mtime,
		.dev = VOLUME_DEV(v->base.index),
		.mode = attr_mode(&f->attr, dir),
		.nlink = 1,
		.uid = f->attr.have & ATTR_UID ? f->attr.uid : v->uid,
		.gid = f->attr.have & ATTR_GID ? f->attr.gid : v->gid,
		.blksize = 128 * 1024,
	};
}
