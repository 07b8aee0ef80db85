#include "object/style.h"

#include "base/log.h"
#include "object/internal.h"

struct style {
	const struct s3_client *client;
	enum style_condition condition;
	bool no_part_copy;
	struct style *next;
};

static const struct style *find_locked(struct object_store *s, const struct s3_client *client)
{
	static const struct style amazon = { 0 };
	struct style *p;

	LL_SEARCH_SCALAR(s->styles, p, client, client);
	return p ? p : &amazon;
}

static struct style *made_locked(struct object_store *s, const struct s3_client *client)
{
	struct style *p;

	LL_SEARCH_SCALAR(s->styles, p, client, client);
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (p) {
		p->client = client;
		LL_PREPEND(s->styles, p);
	}
	return p;
}

enum style_condition style_condition(struct object_store *s, const struct s3_client *client)
{
	enum style_condition kind;

	pthread_mutex_lock(&s->lock);
	kind = find_locked(s, client)->condition;
	pthread_mutex_unlock(&s->lock);
	return kind;
}

void style_set_condition(struct object_store *s, const struct name *n, enum style_condition kind)
{
	struct style *p;
	bool news;

	pthread_mutex_lock(&s->lock);
	p = made_locked(s, n->client);
	news = p && p->condition < kind;
	if (news)
		p->condition = kind;
	pthread_mutex_unlock(&s->lock);
	if (news)
		log_warn("object",
			 kind == STYLE_BARE ? "the server of bucket '%s' takes ETags in If-Match without quotes"
					    : "the server of bucket '%s' does not take conditions: "
					      "who writes last wins",
			 n->bucket);
}

bool style_has_part_copy(struct object_store *s, const struct s3_client *client)
{
	bool has;

	pthread_mutex_lock(&s->lock);
	has = !find_locked(s, client)->no_part_copy;
	pthread_mutex_unlock(&s->lock);
	return has;
}

void style_set_no_part_copy(struct object_store *s, const struct name *n)
{
	struct style *p;
	bool news;

	pthread_mutex_lock(&s->lock);
	p = made_locked(s, n->client);
	news = p && !p->no_part_copy;
	if (news)
		p->no_part_copy = true;
	pthread_mutex_unlock(&s->lock);
	if (news)
		log_warn(
		    "object",
		    "the server of bucket '%s' has no UploadPartCopy: objects that change are fetched and sent whole",
		    n->bucket);
}

void style_free(struct object_store *s)
{
	struct style *p, *next;

	LL_FOREACH_SAFE(s->styles, p, next)
	{
		free(p);
	}
	s->styles = NULL;
}
