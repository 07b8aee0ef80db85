#include "volume/s3volume.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

/*
 * The spaces of this process, by what makes two mounts see the same keys: the client, and the store of open objects.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct space *spaces;

static struct space *space_new(struct s3_client *client, struct object_store *store, int ttl_ms)
{
	struct space *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return NULL;
	s->client = client;
	s->store = store;
	s->refs = 1;
	names_init(&s->names, ttl_ms);
	holds_init(&s->holds);
	ahead_init(&s->ahead);
	removals_init(&s->removals);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	LL_PREPEND(spaces, s);
	return s;
}

struct space *space_get(struct s3_client *client, struct object_store *store, int ttl_ms)
{
	struct space *s;

	pthread_mutex_lock(&lock);
	for (s = spaces; s; s = s->next)
		if (s->client == client && s->store == store && s->names.ttl_ms == ttl_ms)
			break;
	if (s)
		s->refs++;
	else
		s = space_new(client, store, ttl_ms);
	pthread_mutex_unlock(&lock);
	return s;
}

void space_put(struct space *s)
{
	struct space_failure *f, *next;
	bool last;

	pthread_mutex_lock(&lock);
	last = --s->refs == 0;
	if (last)
		LL_DELETE(spaces, s);
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	removals_deinit(s);
	ahead_deinit(s);
	for (f = s->failures; f; f = next) {
		next = f->next;
		free(f);
	}
	names_deinit(&s->names);
	holds_deinit(&s->holds);
	pthread_cond_destroy(&s->wake);
	free(s);
}

void space_failed(struct space *s, const struct s3key *k, const char *what, const struct err *err)
{
	struct space_failure *f = calloc(1, sizeof(*f));

	log_warn("volume", "'s3://%s/%s': %s: %s", k->bucket, k->key, what, err_text(err));
	if (!f)
		return;
	snprintf(f->what.name, sizeof(f->what.name), "s3://%s/%s", k->bucket, k->key);
	snprintf(f->what.sentence, sizeof(f->what.sentence), "%s: %.900s", what, err_text(err));
	pthread_mutex_lock(&s->names.lock);
	f->next = s->failures;
	s->failures = f;
	pthread_mutex_unlock(&s->names.lock);
}

void space_failures(struct space *s, void (*each)(void *arg, const struct vfailure *f), void *arg)
{
	struct space_failure *all;

	pthread_mutex_lock(&s->names.lock);
	all = s->failures;
	pthread_mutex_unlock(&s->names.lock);
	for (struct space_failure *f = all; f; f = f->next)
		each(arg, &f->what);
}
