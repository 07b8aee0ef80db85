#include "volume/names.h"

#include "base/clock.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <utlist.h>

struct moved {
	UT_hash_handle hh;
	uint64_t ino;
	char id[];
};

void names_init(struct names *n, int64_t ttl_ms)
{
	memset(n, 0, sizeof(*n));
	pthread_mutex_init(&n->lock, NULL);
	n->ttl_ms = ttl_ms;
	n->evict_at = NAMES_MAX;
}

static void drop_content(struct node *node)
{
	free(node->etag);
	free(node->content_type);
	free(node->meta);
	free(node->target);
	node->etag = node->content_type = node->meta = node->target = NULL;
	node->meta_len = 0;
}

static void free_node(struct node *node)
{
	drop_content(node);
	listing_unref(node->listing);
	free(node->id);
	free(node);
}

/* Macros of uthash shadow and convert: kept in functions of their own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
static void table_add(struct names *n, struct node *node)
{
	HASH_ADD_KEYPTR(hh, n->nodes, node->id, strlen(node->id), node);
}

static void table_remove(struct names *n, struct node *node)
{
	HASH_DELETE(hh, n->nodes, node);
}

struct node *names_find(struct names *n, const char *id)
{
	struct node *node;

	HASH_FIND(hh, n->nodes, id, strlen(id), node);
	return node;
}

static struct moved *moved_find(struct names *n, const char *id)
{
	struct moved *m;

	HASH_FIND(hh, n->moved, id, strlen(id), m);
	return m;
}

static void moved_set(struct names *n, const char *id, uint64_t ino)
{
	struct moved *m = moved_find(n, id);

	if (!m) {
		size_t len = strlen(id);

		m = malloc(sizeof(*m) + len + 1);
		if (!m)
			return;
		memcpy(m->id, id, len + 1);
		HASH_ADD_KEYPTR(hh, n->moved, m->id, len, m);
	}
	m->ino = ino;
}

void names_deinit(struct names *n)
{
	struct node *node, *next;
	struct moved *m, *mnext;

	HASH_ITER (hh, n->nodes, node, next) {
		HASH_DELETE(hh, n->nodes, node);
		free_node(node);
	}
	HASH_ITER (hh, n->moved, m, mnext) {
		HASH_DELETE(hh, n->moved, m);
		free(m);
	}
	pthread_mutex_destroy(&n->lock);
}

/* A node is thrown away: what its folder is known to hold without it. */
static void leave_folder(struct names *n, const struct node *node)
{
	const char *slash = strrchr(node->id, '/');
	char id[NAMES_ID_MAX];
	struct node *folder;

	if (!slash || !node->id[strcspn(node->id, "/") + 1])
		return;
	/* the top of a bucket keeps its slash */
	snprintf(id, sizeof(id), "%.*s",
		 (int)(slash - node->id + (memchr(node->id, '/', (size_t)(slash - node->id)) == NULL)), node->id);
	folder = names_find(n, id);
	if (!folder)
		return;
	if (node->kind != NODE_ABSENT)
		folder->whole = false;
	if (node->changed)
		folder->listing = listing_unref(folder->listing);
}

static bool may_go(const struct node *node)
{
	return !node->pins && !node->sticky && !node->attr_dirty && !node->local && !node->open;
}

/* What is not believed any more, then the oldest, until a quarter of the room is free. */
static void evict(struct names *n)
{
	const unsigned goal = NAMES_MAX / 4 * 3;
	int64_t now = clock_now_ms();
	struct node *node, *next;

	for (int pass = 0; pass < 2 && HASH_COUNT(n->nodes) > goal; pass++) {
		HASH_ITER (hh, n->nodes, node, next) {
			if (HASH_COUNT(n->nodes) <= goal)
				break;
			if (!may_go(node) || (pass == 0 && (node->listing || names_valid(node, now))))
				continue;
			leave_folder(n, node);
			HASH_DELETE(hh, n->nodes, node);
			free_node(node);
		}
	}
	n->evict_at = HASH_COUNT(n->nodes) + NAMES_MAX / 4;
}
#pragma GCC diagnostic pop

void names_id(const struct s3key *k, char id[static NAMES_ID_MAX])
{
	snprintf(id, NAMES_ID_MAX, "%s/%s", k->bucket, k->key);
}

void names_key(const char *id, struct s3key *ret)
{
	size_t len = strcspn(id, "/");

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->bucket, id, min_u64(len, sizeof(ret->bucket) - 1));
	snprintf(ret->key, sizeof(ret->key), "%s", id[len] ? id + len + 1 : "");
	ret->place = ret->key[0] ? S3PLACE_KEY : S3PLACE_TOP;
}

/* SipHash-2-4 (Aumasson, Bernstein 2012) with a fixed key: numbers are the same in every session. */
#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[1] = ROTL(v[1], 13) ^ v[0];
	v[0] = ROTL(v[0], 32);
	v[2] += v[3];
	v[3] = ROTL(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTL(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTL(v[1], 17) ^ v[2];
	v[2] = ROTL(v[2], 32);
}

static uint64_t siphash(const char *data, size_t len, uint64_t salt)
{
	uint64_t v[4] = { 0x736f6d6570736575ull ^ salt, 0x646f72616e646f6dull, 0x6c7967656e657261ull ^ salt,
			  0x7465646279746573ull };
	uint64_t m;

	for (size_t at = 0; at <= len; at += 8) {
		size_t part = min_u64(8, len - at);

		m = 0;
		memcpy(&m, data + at, part);
		if (part < 8)
			m |= (uint64_t)(len & 0xff) << 56;
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
		if (part < 8)
			break;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	m = v[0] ^ v[1] ^ v[2] ^ v[3];
	return m ? m : 1;
}

uint64_t names_ino(struct names *n, const char *id)
{
	const struct moved *m = n->moved ? moved_find(n, id) : NULL;

	return m ? m->ino : siphash(id, strlen(id), 0);
}

struct node *names_get(struct names *n, const char *id)
{
	struct node *node = names_find(n, id);

	if (node)
		return node;
	if (HASH_COUNT(n->nodes) >= n->evict_at)
		evict(n);
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->id = strdup(id);
	if (!node->id) {
		free(node);
		return NULL;
	}
	node->ino = names_ino(n, id);
	table_add(n, node);
	return node;
}

void names_unpin(struct names *n, struct node *node)
{
	(void)n;
	if (--node->pins == 0 && node->detached)
		free_node(node);
}

bool names_valid(const struct node *node, int64_t now_ms)
{
	return node->kind != NODE_UNKNOWN &&
	       (node->open || node->doomed || node->sticky || node->attr_dirty || now_ms < node->until_ms);
}

static void believe(struct names *n, struct node *node, enum node_kind kind)
{
	node->asked_ms = clock_now_ms();
	node->until_ms = node->asked_ms + n->ttl_ms;
	node->kind = kind;
	if (kind != NODE_DIR) {
		node->marker = node->whole = node->sticky = node->huge = false;
		node->listing = listing_unref(node->listing);
	}
}

int names_set_meta(struct node *node, const struct s3_meta *meta, const char *content_type)
{
	char *copy = meta->len ? malloc(meta->len) : NULL;
	char *type = strdup(content_type);

	if ((meta->len && !copy) || !type) {
		free(copy);
		free(type);
		return -ENOMEM;
	}
	if (copy)
		memcpy(copy, meta->data, meta->len);
	free(node->meta);
	free(node->content_type);
	node->meta = copy;
	node->meta_len = meta->len;
	node->content_type = type;
	return 0;
}

void names_set_file(struct names *n, struct node *node, const struct s3_info *info, bool meta_known)
{
	bool same = node->kind == NODE_FILE && node->etag && s3_etag_equal(node->etag, info->etag);

	believe(n, node, NODE_FILE);
	node->size = info->size;
	node->mtime_ns = info->mtime_ns;
	if (!same) {
		drop_content(node);
		node->etag = strdup(info->etag);
		node->meta_known = false;
		if (!node->attr_dirty)
			memset(&node->attr, 0, sizeof(node->attr));
	}
	if (meta_known && !node->attr_dirty) {
		attr_from_meta(&info->meta, &node->attr);
		node->meta_known = names_set_meta(node, &info->meta, info->content_type) == 0;
	}
}

void names_set_dir(struct names *n, struct node *node)
{
	if (node->kind != NODE_DIR) {
		drop_content(node);
		node->meta_known = false;
		if (!node->attr_dirty)
			memset(&node->attr, 0, sizeof(node->attr));
		node->size = 0;
		node->mtime_ns = 0;
	}
	believe(n, node, NODE_DIR);
}

void names_set_absent(struct names *n, struct node *node)
{
	drop_content(node);
	names_set_local(n, node, false);
	node->changes = ++n->changes; /* if it was a folder, no listing of it that is on its way counts */
	node->meta_known = false;
	memset(&node->attr, 0, sizeof(node->attr));
	if (node->attr_dirty)
		DL_DELETE2(n->dirty, node, dirty_prev, dirty_next);
	node->attr_dirty = false;
	believe(n, node, NODE_ABSENT);
}

void names_set_local(struct names *n, struct node *node, bool local)
{
	if (node->local == local)
		return;
	node->local = local;
	if (local)
		DL_APPEND2(n->locals, node, local_prev, local_next);
	else
		DL_DELETE2(n->locals, node, local_prev, local_next);
}

void names_changed(struct names *n, const struct s3path_root *root, struct node *node)
{
	struct s3key k;
	char id[NAMES_ID_MAX];
	struct node *parent;

	node->changed = ++n->changes;
	names_key(node->id, &k);
	if (k.place != S3PLACE_KEY)
		return;
	s3path_parent(root, &k, &k);
	names_id(&k, id);
	parent = names_get(n, id);
	if (parent)
		parent->changes = n->changes;
}

void names_attach(struct names *n, struct node *node, struct listing *l, uint64_t changes)
{
	names_set_dir(n, node);
	if (l->marker)
		node->marker = true;
	if (node->changes != changes) {
		listing_unref(l);
		return;
	}
	listing_unref(node->listing);
	node->listing = l;
	node->listing_until_ms = clock_now_ms() + n->ttl_ms;
}

void names_facts(const struct node *node, struct facts *ret)
{
	*ret = (struct facts){
		.kind = node->kind,
		.ino = node->ino,
		.size = node->size,
		.mtime_ns = node->mtime_ns,
		.attr = node->attr,
		.meta_known = node->meta_known,
		.marker = node->marker,
		.is_open = node->open != NULL,
	};
	if (node->etag)
		memcpy(ret->etag, node->etag, min_u64(strlen(node->etag), sizeof(ret->etag) - 1));
}

void names_info(const struct node *node, struct s3_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = node->size;
	ret->mtime_ns = node->mtime_ns;
	if (node->etag)
		memcpy(ret->etag, node->etag, min_u64(strlen(node->etag), sizeof(ret->etag) - 1));
	if (node->content_type)
		memcpy(ret->content_type, node->content_type,
		       min_u64(strlen(node->content_type), sizeof(ret->content_type) - 1));
	if (node->meta) {
		memcpy(ret->meta.data, node->meta, node->meta_len);
		ret->meta.len = node->meta_len;
	}
}

/* The number of a name that somebody else keeps: the next file of that name is another file. */
static void renumber(struct names *n, const char *id)
{
	moved_set(n, id, siphash(id, strlen(id), ++n->salt));
}

/* Takes a node out of the table for good. */
static void remove_node(struct names *n, struct node *node)
{
	names_set_local(n, node, false);
	if (node->attr_dirty)
		DL_DELETE2(n->dirty, node, dirty_prev, dirty_next);
	node->attr_dirty = false;
	table_remove(n, node);
	node->detached = true;
	if (!node->pins)
		free_node(node);
}

struct node *names_move(struct names *n, const char *from, const char *to)
{
	struct node *node = names_get(n, from), *old, *left;
	char *id = strdup(to);

	if (!node || !id) {
		free(id);
		return NULL;
	}
	old = names_find(n, to);
	if (old && old != node)
		remove_node(n, old);
	moved_set(n, to, node->ino);
	table_remove(n, node);
	free(node->id);
	node->id = id;
	node->changed = node->changes = ++n->changes;
	table_add(n, node);
	renumber(n, from);
	left = names_get(n, from);
	if (left)
		names_set_absent(n, left);
	return node;
}

void names_detach(struct names *n, struct node *node)
{
	struct node *left;
	char id[NAMES_ID_MAX];

	snprintf(id, sizeof(id), "%s", node->id);
	node->pins++;
	remove_node(n, node);
	renumber(n, id);
	left = names_get(n, id);
	if (left)
		names_set_absent(n, left);
	names_unpin(n, node);
}
