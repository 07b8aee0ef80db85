#include "volume/listing.h"

#include "base/clock.h"
#include "base/util.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

struct listing *listing_new(void)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (l) {
		atomic_init(&l->refs, 1);
		l->started_ms = clock_now_ms();
	}
	return l;
}

struct listing *listing_ref(struct listing *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

struct listing *listing_unref(struct listing *l)
{
	if (l && atomic_fetch_sub(&l->refs, 1) == 1) {
		for (size_t i = 0; i < l->count; i++)
			free(l->entries[i].name);
		free(l->entries);
		free(l->by_ino);
		free(l);
	}
	return NULL;
}

const char *listing_name(const char *prefix, const char *key, bool is_prefix, size_t *ret_len)
{
	size_t plen = strlen(prefix), len;
	const char *name = key + plen;

	if (strncmp(key, prefix, plen) != 0)
		return NULL;
	len = strlen(name);
	if (is_prefix && len && name[len - 1] == '/')
		len--;
	if (!len || len > NAME_MAX || memchr(name, '/', len))
		return NULL;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return NULL;
	*ret_len = len;
	return name;
}

static int compare(const void *a, const void *b)
{
	const struct listing_entry *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (int)x->dir - (int)y->dir;
}

static int add(struct listing *l, const char *name, size_t len, const struct s3_entry *s)
{
	const char *etag = s->is_prefix || !s->etag ? "" : s->etag;
	size_t elen = strlen(etag);
	char *text;

	if (l->count == l->room) {
		size_t want = l->room ? l->room * 2 : 64;
		void *more = realloc(l->entries, want * sizeof(*l->entries));

		if (!more)
			return -ENOMEM;
		l->entries = more;
		l->room = want;
	}
	text = malloc(len + 1 + elen + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, name, len);
	text[len] = 0;
	memcpy(text + len + 1, etag, elen + 1);
	l->entries[l->count++] =
	    (struct listing_entry){ text, (uint16_t)len, s->is_prefix, s->is_prefix ? 0 : s->size, s->mtime_ns };
	return 0;
}

int listing_add_page(struct listing *l, const char *prefix, const struct s3_page *page)
{
	size_t first = l->count;

	for (size_t i = 0; i < page->count; i++) {
		const struct s3_entry *s = &page->entries[i];
		size_t len;
		const char *name = listing_name(prefix, s->key, s->is_prefix, &len);

		l->any = true;
		if (!s->is_prefix && strcmp(s->key, prefix) == 0)
			l->marker = true;
		if (name && add(l, name, len, s))
			return -ENOMEM;
	}
	if (l->count > first)
		qsort(l->entries + first, l->count - first, sizeof(*l->entries), compare);
	return 0;
}

void listing_finish(struct listing *l)
{
	size_t kept = 0;

	if (l->count)
		qsort(l->entries, l->count, sizeof(*l->entries), compare);
	for (size_t i = 0; i < l->count; i++) {
		if (kept && strcmp(l->entries[kept - 1].name, l->entries[i].name) == 0) {
			free(l->entries[i].name);
			continue;
		}
		l->entries[kept++] = l->entries[i];
	}
	l->count = kept;
	l->whole = true;
}

const struct listing_entry *listing_find(const struct listing *l, const char *name)
{
	size_t lo = 0, hi = l->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(l->entries[mid].name, name);

		if (c == 0)
			return &l->entries[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void listing_ask(struct s3_call *c, const char *prefix, const char *token)
{
	c->prefix = prefix;
	c->delimiter = "/";
	c->token = token;
	c->max_keys = S3_LIST_MAX;
}

int listing_answer(struct s3_call *c, struct listing *l, char **ret_token, struct err *err)
{
	char *token = NULL;
	int rc = c->status;

	if (rc) {
		if (err)
			*err = c->err;
		return rc;
	}
	if (c->page.truncated && c->page.next_token) {
		token = strdup(c->page.next_token);
		if (!token)
			return -ENOMEM;
	}
	rc = listing_add_page(l, c->prefix, &c->page);
	if (rc)
		free(token);
	else
		*ret_token = token;
	return rc;
}
