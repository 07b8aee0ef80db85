#include "volume/hold.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

void holds_init(struct holds *all)
{
	pthread_condattr_t attr;

	all->list = NULL;
	all->urged = false;
	pthread_cond_init(&all->freed, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&all->urge, &attr);
	pthread_condattr_destroy(&attr);
}

void holds_deinit(struct holds *all)
{
	pthread_cond_destroy(&all->freed);
	pthread_cond_destroy(&all->urge);
}

static bool within(const char *outer, const char *inner)
{
	size_t len = strlen(outer);

	return strncmp(outer, inner, len) == 0 && inner[len] == '/';
}

static bool conflict(const struct hold *a, const struct hold *b)
{
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++) {
			const char *x = a->id[i], *y = b->id[j];

			if (!x[0] || !y[0])
				continue;
			if (strcmp(x, y) == 0 && (a->how != HOLD_SHARED || b->how != HOLD_SHARED))
				return true;
			if ((a->how == HOLD_TREE && within(x, y)) || (b->how == HOLD_TREE && within(y, x)))
				return true;
		}
	}
	return false;
}

/* Who is in the way of @h; of several, one that has put its work off. */
static const struct hold *blocker(const struct holds *all, const struct hold *h)
{
	const struct hold *found = NULL;

	for (const struct hold *other = all->list; other; other = other->next) {
		if (!conflict(other, h))
			continue;
		found = other;
		if (other->put_off)
			break;
	}
	return found;
}

void hold_urge_locked(struct holds *all)
{
	all->urged = true;
	pthread_cond_broadcast(&all->urge);
}

void hold_take_locked(struct holds *all, pthread_mutex_t *lock, struct hold *h, enum hold_how how, const char *id,
		      const char *id2)
{
	const struct hold *other;

	h->how = how;
	h->put_off = false;
	snprintf(h->id[0], sizeof(h->id[0]), "%s", id);
	snprintf(h->id[1], sizeof(h->id[1]), "%s", id2 ? id2 : "");
	while ((other = blocker(all, h))) {
		if (other->put_off)
			hold_urge_locked(all);
		pthread_cond_wait(&all->freed, lock);
	}
	DL_APPEND(all->list, h);
}

void hold_again_locked(struct holds *all, struct hold *h, const struct hold *have)
{
	*h = *have;
	h->put_off = true;
	DL_APPEND(all->list, h);
}

void hold_drop_locked(struct holds *all, struct hold *h)
{
	DL_DELETE(all->list, h);
	pthread_cond_broadcast(&all->freed);
}
