#include "volume/s3volume.h"

#include "base/clock.h"
#include "base/counters.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

/*
 * An item's life:
 *
 *   added ──ahead_start──► under way ──headers──► done ──taken, and put by its taker
 *     │                        └── given up: out of the table, cancelled ──► trash, freed once it is done
 *
 * Users: the table, who starts it, who waits for it. The last puts it into the trash rather than wait for the call in a
 * program's way; the trash is emptied by whoever comes by next.
 */
#define STATS_AT_ONCE    128
#define CONTENTS_AT_ONCE 64
#define CONTENTS_FIRST   8 /* then one more with each that was read */
#define CONTENT_MAX      MIB(1)
#define CONTENTS_MAX     MIB(32)
#define FOLDERS_AT_ONCE  32
#define STATS_AFTER      2
#define READS_AFTER      3
#define FOLDERS_AFTER    2

void ahead_init(struct ahead *a)
{
	memset(a, 0, sizeof(*a));
	pthread_cond_init(&a->arrived, NULL);
}

static void make_tag(char *tag, enum ahead_kind kind, const char *id)
{
	tag[0] = (char)('0' + kind);
	snprintf(tag + 1, NAMES_ID_MAX, "%s", id);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
static struct ahead_item *find_locked(struct s3volume *v, enum ahead_kind kind, const char *id)
{
	char tag[NAMES_ID_MAX + 1];
	struct ahead_item *item;

	make_tag(tag, kind, id);
	HASH_FIND(hh, v->space->ahead.table, tag, strlen(tag), item);
	return item;
}

static void table_add(struct ahead *a, struct ahead_item *item)
{
	HASH_ADD_KEYPTR(hh, a->table, item->tag, strlen(item->tag), item);
	DL_APPEND(a->oldest, item);
	item->tabled = true;
	a->count[item->kind]++;
	a->bytes += item->room;
}

static void table_remove(struct ahead *a, struct ahead_item *item)
{
	HASH_DELETE(hh, a->table, item);
	DL_DELETE(a->oldest, item);
	item->tabled = false;
	a->count[item->kind]--;
	a->bytes -= item->room;
}
#pragma GCC diagnostic pop

/* Without the lock, when nobody else knows it any more. */
static void item_free(struct space *s, struct ahead_item *item)
{
	(void)s3_wait(s->client, &item->call);
	if (!item->used)
		counter_add(COUNTER_ahead_wasted, item->got);
	s3_page_deinit(&item->call.page);
	free(item->body);
	free(item);
}

static void unuse_locked(struct space *s, struct ahead_item *item)
{
	if (--item->users == 0)
		DL_APPEND(s->ahead.trash, item);
}

static void empty_trash(struct space *s)
{
	for (;;) {
		struct ahead_item *item;

		pthread_mutex_lock(&s->names.lock);
		DL_SEARCH_SCALAR(s->ahead.trash, item, done, true);
		if (item)
			DL_DELETE(s->ahead.trash, item);
		pthread_mutex_unlock(&s->names.lock);
		if (!item)
			return;
		item_free(s, item);
	}
}

void ahead_put(struct s3volume *v, struct ahead_item *item)
{
	if (!item)
		return;
	pthread_mutex_lock(&v->space->names.lock);
	unuse_locked(v->space, item);
	pthread_mutex_unlock(&v->space->names.lock);
	empty_trash(v->space);
}

/* Out of the table for good; cancelled by cancel_trash(). */
static void drop_locked(struct space *s, struct ahead_item *item)
{
	table_remove(&s->ahead, item);
	unuse_locked(s, item);
}

/* Without the lock: nobody waits for what is in the trash and still under way. */
static void cancel_trash(struct space *s)
{
	struct ahead_item *item;

	pthread_mutex_lock(&s->names.lock);
again:
	DL_FOREACH (s->ahead.trash, item) {
		if (item->done || item->cancelled)
			continue;
		item->cancelled = true;
		DL_DELETE(s->ahead.trash, item);
		item->users++;
		pthread_mutex_unlock(&s->names.lock);
		s3_cancel(s->client, &item->call);
		pthread_mutex_lock(&s->names.lock);
		unuse_locked(s, item);
		goto again;
	}
	pthread_mutex_unlock(&s->names.lock);
}

/* callbacks: @arg is the space, the call is its item's */

static struct ahead_item *item_of(struct s3_call *call)
{
	return container_of(call, struct ahead_item, call);
}

static void on_headers(struct s3_call *call, void *arg)
{
	struct space *s = arg;
	struct ahead_item *item = item_of(call);

	if (call->http_status && call->http_status / 100 != 2)
		return;
	pthread_mutex_lock(&s->names.lock);
	item->headers = true;
	pthread_cond_broadcast(&s->ahead.arrived);
	pthread_mutex_unlock(&s->names.lock);
}

/* The room is what the listing said: what has grown since is not taken. */
static int on_data(struct s3_call *call, uint64_t offset, const void *data, size_t len, void *arg)
{
	struct ahead_item *item = item_of(call);

	(void)arg;
	if (offset + len > item->room)
		return -EFBIG;
	memcpy(item->body + offset, data, len);
	item->got = offset + len;
	counter_add(COUNTER_ahead_bytes, len);
	return 0;
}

static void on_done(struct s3_call *call, void *arg)
{
	struct space *s = arg;
	struct ahead_item *item = item_of(call);

	pthread_mutex_lock(&s->names.lock);
	item->done = true;
	pthread_cond_broadcast(&s->ahead.arrived);
	pthread_mutex_unlock(&s->names.lock);
}

/* asking */

static void init_call(struct s3volume *v, struct ahead_item *item)
{
	static const enum s3_op ops[] = { S3_HEAD_OBJECT, S3_HEAD_OBJECT, S3_GET_OBJECT, S3_LIST_OBJECTS_V2 };
	struct s3_call *c = &item->call;

	s3_ask_init(v, c, ops[item->kind], item->bucket, item->kind == AHEAD_PAGE ? NULL : item->key);
	if (item->kind == AHEAD_PAGE)
		listing_ask(c, item->key, NULL);
	if (item->kind == AHEAD_CONTENT) {
		c->on_headers = on_headers;
		c->on_data = on_data;
	}
	c->on_done = on_done;
	c->arg = v->space;
}

/* Pages of folders that were only looked at: no more than may be asked for at once. */
static void bound_looked_locked(struct s3volume *v)
{
	struct ahead_item *item, *next;

	for (item = v->space->ahead.oldest; item && v->space->ahead.count[AHEAD_PAGE] > FOLDERS_AT_ONCE; item = next) {
		next = item->next;
		if (item->looked && item->done)
			drop_locked(v->space, item);
	}
}

struct ahead_item *ahead_add_locked(struct s3volume *v, enum ahead_kind kind, const struct s3key *k, uint64_t size,
				    struct ahead_item **list)
{
	struct ahead_item *item = calloc(1, sizeof(*item));
	char id[NAMES_ID_MAX];

	if (!item)
		return NULL;
	if (kind == AHEAD_CONTENT) {
		item->body = malloc(size ? size : 1);
		item->room = size;
		if (!item->body) {
			free(item);
			return NULL;
		}
	}
	item->kind = kind;
	item->users = 2; /* the table, and who starts it */
	item->started_ms = clock_now_ms();
	item->asked = v->space->names.changes;
	memcpy(item->bucket, k->bucket, sizeof(item->bucket));
	if (kind == AHEAD_MARKER || kind == AHEAD_PAGE)
		s3path_dir_prefix(k, item->key);
	else
		snprintf(item->key, sizeof(item->key), "%s", k->key);
	names_id(k, id);
	make_tag(item->tag, kind, id);
	init_call(v, item);
	bound_looked_locked(v);
	table_add(&v->space->ahead, item);
	item->start_next = *list;
	*list = item;
	return item;
}

void ahead_start(struct s3volume *v, struct ahead_item *list)
{
	struct ahead_item *item, *next, *ordered = NULL;
	bool trash;

	for (item = list; item; item = next) { /* as they were added */
		next = item->start_next;
		item->start_next = ordered;
		ordered = item;
	}
	for (item = ordered; item; item = next) {
		next = item->start_next;
		s3_start(v->client, &item->call);
	}
	pthread_mutex_lock(&v->space->names.lock);
	for (item = ordered; item; item = next) {
		next = item->start_next;
		unuse_locked(v->space, item);
	}
	trash = v->space->ahead.trash;
	pthread_mutex_unlock(&v->space->names.lock);
	if (trash) {
		cancel_trash(v->space);
		empty_trash(v->space);
	}
}

/* taking */

static bool too_old(const struct s3volume *v, const struct ahead_item *item)
{
	return clock_now_ms() - item->started_ms >= v->space->names.ttl_ms;
}

/* What nobody came to in time. */
static void expire_locked(struct s3volume *v)
{
	while (v->space->ahead.oldest && too_old(v, v->space->ahead.oldest))
		drop_locked(v->space, v->space->ahead.oldest);
}

bool ahead_has_locked(struct s3volume *v, enum ahead_kind kind, const char *id)
{
	expire_locked(v);
	return find_locked(v, kind, id);
}

struct ahead_item *ahead_join_locked(struct s3volume *v, enum ahead_kind kind, const char *id)
{
	struct ahead_item *item;

	expire_locked(v);
	item = find_locked(v, kind, id);
	if (item)
		item->users++;
	return item;
}

void ahead_wait_locked(struct s3volume *v, struct ahead_item *item)
{
	while (!item->done)
		pthread_cond_wait(&v->space->ahead.arrived, &v->space->names.lock);
}

void ahead_give_up_locked(struct s3volume *v, struct ahead_item *item)
{
	if (item->tabled)
		drop_locked(v->space, item);
}

void ahead_finish_locked(struct s3volume *v, struct ahead_item *item)
{
	ahead_wait_locked(v, item);
	ahead_give_up_locked(v, item);
	item->used = true;
}

struct ahead_item *ahead_take_locked(struct s3volume *v, enum ahead_kind kind, const char *id)
{
	struct ahead_item *item = ahead_join_locked(v, kind, id);

	if (item)
		ahead_finish_locked(v, item);
	return item;
}

struct ahead_item *ahead_peek_locked(struct s3volume *v, const char *id)
{
	struct ahead_item *item = ahead_join_locked(v, AHEAD_CONTENT, id);

	while (item && !item->done && !item->headers)
		pthread_cond_wait(&v->space->ahead.arrived, &v->space->names.lock);
	return item;
}

void ahead_forget_locked(struct s3volume *v, const char *id)
{
	struct ahead_item *item, *next;
	size_t len = strlen(id);

	for (item = v->space->ahead.oldest; item; item = next) {
		const char *theirs = item->tag + 1;

		next = item->next;
		if (strncmp(theirs, id, len) == 0 && (theirs[len] == '/' || theirs[len] == '\0'))
			drop_locked(v->space, item);
	}
}

void ahead_deinit(struct space *s)
{
	pthread_mutex_lock(&s->names.lock);
	while (s->ahead.oldest)
		drop_locked(s, s->ahead.oldest);
	pthread_mutex_unlock(&s->names.lock);
	cancel_trash(s);
	while (s->ahead.trash) {
		struct ahead_item *item = s->ahead.trash;

		DL_DELETE(s->ahead.trash, item);
		item_free(s, item);
	}
	pthread_cond_destroy(&s->ahead.arrived);
}

/* what comes next */

/* The folder of @k, its believed listing, and where in it @k is. */
struct place {
	struct s3key folder;
	struct listing *l;
	size_t at;
};

static bool find_place_locked(struct s3volume *v, const struct s3key *k, struct place *ret)
{
	struct node *parent = k->place == S3PLACE_KEY ? lookup_parent_locked(v, k) : NULL;
	const struct listing_entry *e;

	if (!lookup_listing_believed(parent, clock_now_ms()))
		return false;
	e = listing_find(parent->listing, s3path_name(k));
	if (!e)
		return false;
	s3path_parent(&v->root, k, &ret->folder);
	ret->l = parent->listing;
	ret->at = (size_t)(e - ret->l->entries);
	return true;
}

/* Ask for the entry, if it is of that kind and nobody has yet. */
static void add_entry_locked(struct s3volume *v, const struct place *p, const struct listing_entry *e,
			     enum ahead_kind kind, struct ahead_item **list)
{
	int64_t now = clock_now_ms();
	struct node *node;
	struct s3key k;
	char id[NAMES_ID_MAX];

	if (kind == AHEAD_META && e->dir)
		kind = AHEAD_MARKER;
	if ((kind == AHEAD_PAGE) != e->dir && kind != AHEAD_MARKER)
		return;
	if (kind == AHEAD_CONTENT && (e->size > CONTENT_MAX || v->space->ahead.bytes + e->size > CONTENTS_MAX))
		return;
	if (s3path_child(&p->folder, e->name, &k))
		return;
	names_id(&k, id);
	node = names_find(&v->space->names, id);
	if (node && names_valid(node, now)) {
		bool asked = kind == AHEAD_META || kind == AHEAD_MARKER ? node->meta_known : false;

		if (node->open || asked || node->kind == NODE_ABSENT || node->target)
			return;
	}
	if (!find_locked(v, kind, id))
		(void)ahead_add_locked(v, kind, &k, e->size, list);
}

/* As many of those behind the scan as may be under way. */
static void fill_locked(struct s3volume *v, const struct place *p, struct scan *s, enum ahead_kind kind,
			struct ahead_item **list)
{
	const unsigned *count = v->space->ahead.count;

	expire_locked(v);
	if (s->ahead < s->next)
		s->ahead = s->next;
	while (s->ahead < p->l->count && count[kind] + (kind == AHEAD_META ? count[AHEAD_MARKER] : 0) < s->window)
		add_entry_locked(v, p, scan_entry(p->l, s, s->ahead++), kind, list);
}

void ahead_stats_locked(struct s3volume *v, const struct s3key *k, struct ahead_item **list)
{
	struct place p;
	struct scan *s;

	if (!find_place_locked(v, k, &p))
		return;
	s = &p.l->scans[SCAN_LOOKS];
	/* what is read right behind its stat is fetched as a whole */
	if (s->run < STATS_AFTER || scan_near(p.l, SCAN_READS, p.at))
		return;
	s->window = STATS_AT_ONCE;
	fill_locked(v, &p, s, AHEAD_META, list);
}

/* A surprise: nothing of what was fetched from this folder is believed to be read. */
static void stop_reads_locked(struct s3volume *v, const struct place *p)
{
	struct ahead_item *item, *next;
	char prefix[S3_KEY_MAX + 2];
	size_t len;

	s3path_dir_prefix(&p->folder, prefix);
	len = strlen(prefix);
	for (item = v->space->ahead.oldest; item; item = next) {
		next = item->next;
		if (item->kind == AHEAD_CONTENT && strcmp(item->bucket, p->folder.bucket) == 0 &&
		    strncmp(item->key, prefix, len) == 0 && !strchr(item->key + len, '/'))
			drop_locked(v->space, item);
	}
}

void ahead_reads_locked(struct s3volume *v, const struct s3key *k, struct ahead_item **list)
{
	enum scan_step step;
	struct place p;
	struct scan *s;
	char id[NAMES_ID_MAX];
	bool hit;

	if (!find_place_locked(v, k, &p))
		return;
	names_id(k, id);
	hit = ahead_has_locked(v, AHEAD_CONTENT, id);
	s = &p.l->scans[SCAN_READS];
	if (hit && !scan_near(p.l, SCAN_READS, p.at))
		step = SCAN_SAME; /* several that read side by side */
	else
		step = scan_move(&v->space->names, &p.folder, p.l, SCAN_READS, p.at);
	if (step == SCAN_JUMP)
		stop_reads_locked(v, &p);
	if (step == SCAN_JUMP || !s->window)
		s->window = CONTENTS_FIRST;
	if (hit && s->window < CONTENTS_AT_ONCE)
		s->window++;
	if (s->run >= READS_AFTER)
		fill_locked(v, &p, s, AHEAD_CONTENT, list);
}

void ahead_folders_locked(struct s3volume *v, const struct s3key *k, bool deep, struct ahead_item **list)
{
	char id[NAMES_ID_MAX];
	struct node *node;
	struct place p;
	struct scan *s;

	names_id(k, id);
	node = names_find(&v->space->names, id);
	if (deep && lookup_listing_believed(node, clock_now_ms())) {
		p = (struct place){ .folder = *k, .l = node->listing };
	} else if (deep || !find_place_locked(v, k, &p)) {
		return;
	} else {
		(void)scan_move(&v->space->names, &p.folder, p.l, SCAN_FOLDERS, p.at);
	}
	s = &p.l->scans[SCAN_FOLDERS];
	s->window = FOLDERS_AT_ONCE;
	if (deep || s->run >= FOLDERS_AFTER)
		fill_locked(v, &p, s, AHEAD_PAGE, list);
}
