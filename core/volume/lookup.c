#include "volume/s3volume.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/*
 * What is at a key, cheapest source first:
 *   1. the object is open here, or its node is believed                    nothing is asked
 *   2. its folder's listing is believed, or its folder is known whole      nothing; HEAD where metadata is wanted
 *   3. otherwise                                                           HEAD and LIST of `key/`, side by side
 *
 * While names are asked for in a listing's order, it stays believed, as the one scan that it is (SCAN_MAX_MS at the
 * most).
 */
#define SCAN_MAX_MS 600000

enum need { KNOWN, NEED_META, NEED_ALL };

void first_page_drop(struct first_page *p)
{
	p->listing = listing_unref(p->listing);
	free(p->token);
	p->token = NULL;
}

static bool is_top(const struct s3volume *v, const struct s3key *k)
{
	return k->place == S3PLACE_BUCKETS || (k->place == S3PLACE_TOP && v->root.bucket[0]) ||
	       (k->place == S3PLACE_KEY && s3_place(v, k) == POLICY_ABOVE);
}

/* The mount point itself, and folders on the way to what the policy permits: always there, nobody is asked. */
static void top_facts(struct s3volume *v, const struct s3key *k, struct facts *ret)
{
	char id[NAMES_ID_MAX];
	struct node *node;

	names_id(k, id);
	*ret = (struct facts){ .kind = NODE_DIR, .meta_known = true, .mtime_ns = v->started_ns };
	pthread_mutex_lock(&v->space->names.lock);
	ret->ino = names_ino(&v->space->names, id);
	node = names_find(&v->space->names, id);
	if (node)
		ret->attr = node->attr;
	pthread_mutex_unlock(&v->space->names.lock);
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

bool lookup_listing_believed(const struct node *parent, int64_t now)
{
	return parent && parent->listing && now < parent->listing_until_ms;
}

/* The place of @k in the listing of its folder; moves the scan along. */
static const struct listing_entry *in_listing_locked(struct s3volume *v, const struct s3key *k, struct node *parent,
						     int64_t now)
{
	const struct listing_entry *e;
	struct listing *l;
	struct s3key folder;

	if (!lookup_listing_believed(parent, now))
		return NULL;
	l = parent->listing;
	e = listing_find(l, s3path_name(k));
	if (!e)
		return NULL;
	s3path_parent(&v->root, k, &folder);
	(void)scan_move(&v->space->names, &folder, l, SCAN_LOOKS, (size_t)(e - l->entries));
	if (l->scans[SCAN_LOOKS].run > 1 && now - l->started_ms < SCAN_MAX_MS)
		parent->listing_until_ms = now + v->space->names.ttl_ms;
	return e;
}

static void entry_to_node(struct s3volume *v, const struct listing_entry *e, struct node *node)
{
	struct s3_info *info;

	if (e->dir) {
		names_set_dir(&v->space->names, node);
		return;
	}
	info = calloc(1, sizeof(*info));
	if (!info)
		return;
	info->size = e->size;
	info->mtime_ns = e->mtime_ns;
	snprintf(info->etag, sizeof(info->etag), "%s", listing_etag(e));
	names_set_file(&v->space->names, node, info, false);
	free(info);
}

struct node *lookup_parent_locked(struct s3volume *v, const struct s3key *k)
{
	struct s3key p;
	char id[NAMES_ID_MAX];

	s3path_parent(&v->root, k, &p);
	names_id(&p, id);
	return names_find(&v->space->names, id);
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
	int64_t now = clock_now_ms();
	const struct listing_entry *e = NULL;
	struct node *node, *parent = NULL;
	char id[NAMES_ID_MAX];

	names_id(k, id);
	node = names_find(&v->space->names, id);
	if (k->place == S3PLACE_KEY) {
		parent = lookup_parent_locked(v, k);
		e = in_listing_locked(v, k, parent, now);
	}
	if (node && names_valid(node, now)) {
		names_facts(node, ret);
		*ret_open = onode_object_locked(node);
		return satisfied(v, node, look);
	}
	if (lookup_listing_believed(parent, now) && (!node || node->asked_ms < parent->listing->started_ms)) {
		if (!e && !parent->listing->whole)
			return NEED_ALL;
		if (!e) {
			*ret = (struct facts){ .kind = NODE_ABSENT };
			return KNOWN;
		}
		node = names_get(&v->space->names, id);
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
	pthread_mutex_lock(&v->space->names.lock);
	need = consult_locked(v, k, LOOK_NAME, ret, &o);
	pthread_mutex_unlock(&v->space->names.lock);
	if (o)
		open_facts(o, ret);
	return need == KNOWN;
}

/* What was just learned, be its TTL over already. */
static bool answer(struct s3volume *v, const struct s3key *k, enum look look, struct facts *ret)
{
	struct object *o = NULL;
	char id[NAMES_ID_MAX];
	struct node *node;
	bool done;

	names_id(k, id);
	pthread_mutex_lock(&v->space->names.lock);
	node = names_find(&v->space->names, id);
	done = node && node->kind != NODE_UNKNOWN && satisfied(v, node, look) == KNOWN;
	if (done) {
		names_facts(node, ret);
		o = onode_object_locked(node);
	}
	pthread_mutex_unlock(&v->space->names.lock);
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

		pthread_mutex_lock(&v->space->names.lock);
		need = consult_locked(v, k, look, &f, &o);
		pthread_mutex_unlock(&v->space->names.lock);
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
		if (rc == ASK_UNSEEN)
			*ret = (struct facts){ .kind = NODE_ABSENT };
		if (rc)
			return rc == ASK_UNSEEN ? 0 : rc;
		if (answer(v, k, look, ret))
			return 0;
	}
	return -EIO;
}

/* One page of the folder. Return: 0; -ENOENT if nothing at all is there and nobody says that the folder exists. */
static int list_folder(struct s3volume *v, const struct s3key *folder, struct first_page *ret, struct err *err)
{
	struct first_page page = { .listing = listing_new() };
	struct s3_call *c = malloc(sizeof(*c));
	char prefix[S3_KEY_MAX + 2], id[NAMES_ID_MAX];
	struct node *node;
	bool kept;
	int rc;

	if (!page.listing || !c) {
		listing_unref(page.listing);
		free(c);
		return -ENOMEM;
	}
	s3path_dir_prefix(folder, prefix);
	names_id(folder, id);
	pthread_mutex_lock(&v->space->names.lock);
	node = names_find(&v->space->names, id);
	page.changes = node ? node->changes : 0;
	pthread_mutex_unlock(&v->space->names.lock);
	s3_ask_init(v, c, S3_LIST_OBJECTS_V2, folder->bucket, NULL);
	listing_ask(c, prefix, NULL);
	(void)s3_run(v->client, c);
	rc = listing_answer(c, page.listing, &page.token, err);
	s3_page_deinit(&c->page);
	free(c);
	pthread_mutex_lock(&v->space->names.lock);
	node = names_find(&v->space->names, id);
	kept = is_top(v, folder) || (node && node->kind == NODE_DIR && (node->sticky || node->whole));
	for (struct node *n = v->space->names.locals; n && !kept; n = n->local_next)
		kept = strncmp(n->id, id, strlen(id)) == 0 && n->id[strlen(id)] == '/';
	pthread_mutex_unlock(&v->space->names.lock);
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
	pthread_mutex_lock(&v->space->names.lock);
	node = names_get(&v->space->names, id);
	if (node && !node->open && !node->sticky && !node->attr_dirty)
		names_set_absent(&v->space->names, node);
	pthread_mutex_unlock(&v->space->names.lock);
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
	pthread_mutex_lock(&v->space->names.lock);
	node = names_get(&v->space->names, id);
	if (node && whole) {
		names_attach(&v->space->names, node, listing_ref(page->listing), page->changes);
		node->huge = false;
	} else if (node) {
		names_set_dir(&v->space->names, node);
		node->huge = true;
	}
	pthread_mutex_unlock(&v->space->names.lock);
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
	struct node *parent = lookup_parent_locked(v, k);
	int64_t now = clock_now_ms();
	struct s3key folder;

	s3path_parent(&v->root, k, &folder);
	*ret_huge = parent && parent->huge;
	if (is_top(v, &folder))
		return true;
	return parent && parent->kind == NODE_DIR &&
	       (names_valid(parent, now) || parent->whole || lookup_listing_believed(parent, now));
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
	pthread_mutex_lock(&v->space->names.lock);
	folder_known = folder_known_locked(v, k, &huge);
	pthread_mutex_unlock(&v->space->names.lock);
	if (known && (ret->kind != NODE_ABSENT || folder_known))
		return 0;
	if (huge || s3_place(v, &folder) == POLICY_ABOVE)
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
