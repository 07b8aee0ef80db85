#include "bucket.h"

/* The object layer's fake with its calls renamed: those that it does not know are done here, on its own list of
 * objects. */
#define s3_start       fake_start
#define s3_run         fake_run
#define s3_wait        fake_wait
#define s3_page_deinit fake_page_deinit
void fake_start(struct s3_client *client, struct s3_call *call);
int fake_wait(struct s3_client *client, struct s3_call *call);
int fake_run(struct s3_client *client, struct s3_call *call);
void fake_page_deinit(struct s3_page *page);
#include "../object/fake_s3.c"
#undef s3_start
#undef s3_run
#undef s3_wait
#undef s3_page_deinit

#include <stdarg.h>

unsigned bucket_page = S3_LIST_MAX;
static unsigned running, most;

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct s3_entry *)a)->key, ((const struct s3_entry *)b)->key);
}

static bool seen(const struct s3_page *page, const char *key)
{
	for (size_t i = 0; i < page->count; i++)
		if (strcmp(page->entries[i].key, key) == 0)
			return true;
	return false;
}

/* Every object that fits, folded at the delimiter; the page is cut afterwards. */
static int do_list_locked(struct s3_call *c)
{
	size_t plen = strlen(c->prefix ? c->prefix : ""), room = 0, first = 0, limit;
	struct s3_page *p = &c->page;

	for (struct thing *t = objects; t; t = t->next)
		room++;
	p->entries = calloc(room + 1, sizeof(*p->entries));
	for (struct thing *t = objects; t; t = t->next) {
		char *key = strdup(t->key), *slash;

		if (strncmp(key, c->prefix ? c->prefix : "", plen) != 0) {
			free(key);
			continue;
		}
		slash = c->delimiter ? strstr(key + plen, c->delimiter) : NULL;
		if (slash)
			slash[1] = 0;
		if (slash && seen(p, key)) {
			free(key);
			continue;
		}
		p->entries[p->count++] =
		    (struct s3_entry){ key, strdup(slash ? "" : t->info.etag), slash ? 0 : t->info.size,
				       slash ? 0 : t->info.mtime_ns, slash != NULL };
	}
	qsort(p->entries, p->count, sizeof(*p->entries), by_key);
	while (c->token && first < p->count && strcmp(p->entries[first].key, c->token) <= 0)
		first++;
	limit = c->max_keys && c->max_keys < bucket_page ? c->max_keys : bucket_page;
	for (size_t i = 0; i < p->count; i++) {
		if (i >= first && i < first + limit)
			continue;
		free((char *)p->entries[i].key);
		free((char *)p->entries[i].etag);
	}
	p->truncated = p->count > first + limit;
	p->count = p->count > first ? (p->truncated ? limit : p->count - first) : 0;
	memmove(p->entries, p->entries + first, p->count * sizeof(*p->entries));
	p->next_token = p->truncated ? strdup(p->entries[p->count - 1].key) : NULL;
	p->storage = p;
	return 0;
}

void s3_page_deinit(struct s3_page *page)
{
	for (size_t i = 0; i < page->count; i++) {
		free((char *)page->entries[i].key);
		free((char *)page->entries[i].etag);
	}
	free(page->entries);
	free(page->next_token);
	memset(page, 0, sizeof(*page));
}

static int do_meta_copy_locked(struct s3_call *c)
{
	struct thing *t = find(objects, c->source_key, NULL);
	struct s3_meta meta;
	char type[128];
	int r;

	if (!t)
		return refuse(c, -ENOENT, 404, "NoSuchKey");
	meta = c->replace_meta ? *c->meta : t->info.meta;
	snprintf(type, sizeof(type), "%s", c->replace_meta ? c->content_type : t->info.content_type);
	r = do_copy_locked(c);
	if (r)
		return r;
	t = find(objects, c->key, NULL);
	t->info.meta = meta;
	memcpy(t->info.content_type, type, sizeof(type));
	c->info = t->info;
	return 0;
}

static int perform_ours_locked(struct s3_call *c)
{
	switch (c->op) {
	case S3_LIST_OBJECTS_V2:
		return do_list_locked(c);
	case S3_DELETE_OBJECT:
		if (find(objects, c->key, NULL))
			drop(&objects, find(objects, c->key, NULL));
		return 0;
	case S3_DELETE_OBJECTS:
		for (size_t i = 0; i < c->key_count; i++)
			if (find(objects, c->keys[i], NULL))
				drop(&objects, find(objects, c->keys[i], NULL));
		return 0;
	case S3_COPY_OBJECT:
		return do_meta_copy_locked(c);
	case S3_HEAD_BUCKET:
		return strcmp(c->bucket, "missing") == 0 ? refuse(c, -ENOENT, 404, "NoSuchBucket") : 0;
	default: /* S3_LIST_BUCKETS */
		c->page.entries = calloc(1, sizeof(struct s3_entry));
		c->page.entries[0] = (struct s3_entry){ strdup("bucket"), strdup(""), 0, 0, false };
		c->page.count = 1;
		c->page.storage = &c->page;
		return 0;
	}
}

static bool is_ours(enum s3_op op)
{
	return op == S3_LIST_OBJECTS_V2 || op == S3_DELETE_OBJECT || op == S3_DELETE_OBJECTS || op == S3_COPY_OBJECT ||
	       op == S3_HEAD_BUCKET || op == S3_LIST_BUCKETS;
}

static void *our_main(void *arg)
{
	struct running *run = arg;
	struct s3_call *c = run->call;
	bool fail = shall_fail(c);

	if (fake.delay_us)
		usleep(fake.delay_us);
	if (fail) {
		c->status = refuse(c, fake.fail_status, fake.fail_http ? fake.fail_http : 500, "InjectedFailure");
	} else {
		pthread_mutex_lock(&lock);
		c->status = perform_ours_locked(c);
		pthread_mutex_unlock(&lock);
	}
	if (c->on_done)
		c->on_done(c, c->arg);
	return NULL;
}

void s3_start(struct s3_client *client, struct s3_call *call)
{
	struct running *run;

	pthread_mutex_lock(&lock);
	running++;
	most = running > most ? running : most;
	pthread_mutex_unlock(&lock);
	if (!is_ours(call->op)) {
		fake_start(client, call);
		return;
	}
	run = calloc(1, sizeof(*run));
	run->client = client;
	run->call = call;
	call->internal = run;
	if (pthread_create(&run->thread, NULL, our_main, run))
		abort();
}

int s3_wait(struct s3_client *client, struct s3_call *call)
{
	int r = fake_wait(client, call);

	pthread_mutex_lock(&lock);
	running--;
	pthread_mutex_unlock(&lock);
	return r;
}

int s3_run(struct s3_client *client, struct s3_call *call)
{
	s3_start(client, call);
	return s3_wait(client, call);
}

unsigned bucket_most(void)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = most;
	most = 0;
	pthread_mutex_unlock(&lock);
	return n;
}

void bucket_put(const char *key, const char *body, ...)
{
	struct thing *t;
	const char *name;
	va_list ap;

	va_start(ap, body);
	pthread_mutex_lock(&lock);
	t = store(key, body, strlen(body));
	strcpy(t->info.content_type, "text/plain");
	while ((name = va_arg(ap, const char *)))
		s3_meta_set(&t->info.meta, name, va_arg(ap, const char *));
	pthread_mutex_unlock(&lock);
	va_end(ap);
}

const char *bucket_meta(const char *key, const char *name)
{
	static struct s3_info info;
	const char *value;

	if (!fake_info(key, &info))
		return "";
	value = s3_meta_get(&info.meta, name);
	return value ? value : "";
}
