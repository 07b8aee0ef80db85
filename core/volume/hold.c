#include "volume/hold.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

void holds_init(struct holds *all)
{
	all->list = NULL;
	pthread_cond_init(&all->freed, NULL);
}

void holds_deinit(struct holds *all)
{
	pthread_cond_destroy(&all->freed);
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

static bool blocked(const struct holds *all, const struct hold *h)
{
	for (const struct hold *other = all->list; other; other = other->next)
		if (conflict(other, h))
			return true;
	return false;
}

void hold_take_locked(struct holds *all, pthread_mutex_t *lock, struct hold *h, enum hold_how how, const char *id,
		      const char *id2)
{
	h->how = how;
	snprintf(h->id[0], sizeof(h->id[0]), "%s", id);
	snprintf(h->id[1], sizeof(h->id[1]), "%s", id2 ? id2 : "");
	while (blocked(all, h))
		pthread_cond_wait(&all->freed, lock);
	DL_APPEND(all->list, h);
}

void hold_drop_locked(struct holds *all, struct hold *h)
{
	DL_DELETE(all->list, h);
	pthread_cond_broadcast(&all->freed);
}
