#include "volume/scan.h"

#include "volume/names.h"

#define GAP_MAX    64     /* names that a scan of names may leave out */
#define BY_INO_MAX 100000 /* names that are put in order of their inode numbers */

struct numbered {
	uint64_t ino;
	uint32_t at;
};

static int by_number(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static struct numbered *number(struct names *names, const struct s3key *folder, const struct listing *l)
{
	struct numbered *all = malloc(l->count * sizeof(*all));

	for (size_t i = 0; all && i < l->count; i++) {
		struct s3key k;
		char id[NAMES_ID_MAX];

		all[i] = (struct numbered){ .at = (uint32_t)i };
		if (s3path_child(folder, l->entries[i].name, &k))
			continue;
		names_id(&k, id);
		all[i].ino = names_ino(names, id);
	}
	return all;
}

/* The order of inode numbers, and the place of each entry in it. */
static bool order_by_ino(struct names *names, const struct s3key *folder, struct listing *l)
{
	struct numbered *all;

	if (l->by_ino)
		return true;
	if (!l->whole || l->count < 2 || l->count > BY_INO_MAX)
		return false;
	all = number(names, folder, l);
	l->by_ino = all ? malloc(2 * l->count * sizeof(*l->by_ino)) : NULL;
	if (!l->by_ino) {
		free(all);
		return false;
	}
	l->place_by_ino = l->by_ino + l->count;
	qsort(all, l->count, sizeof(*all), by_number);
	for (size_t i = 0; i < l->count; i++) {
		l->by_ino[i] = all[i].at;
		l->place_by_ino[all[i].at] = (uint32_t)i;
	}
	free(all);
	return true;
}

static size_t place(const struct listing *l, bool by_ino, size_t at)
{
	return by_ino ? l->place_by_ino[at] : at;
}

const struct listing_entry *scan_entry(const struct listing *l, const struct scan *s, size_t pos)
{
	return &l->entries[s->by_ino ? l->by_ino[pos] : pos];
}

/* May a scan of this kind go from @next to @pos? What lies between must be of no interest to it. */
static bool follows(const struct listing *l, enum scan_kind kind, bool by_ino, size_t next, size_t pos)
{
	if (pos < next || pos - next > GAP_MAX)
		return false;
	if (kind == SCAN_LOOKS)
		return !by_ino || pos == next;
	for (size_t i = next; i < pos; i++)
		if (l->entries[by_ino ? l->by_ino[i] : i].dir == (kind == SCAN_FOLDERS))
			return false;
	return true;
}

bool scan_near(const struct listing *l, enum scan_kind kind, size_t at)
{
	const struct scan *s = &l->scans[kind];
	size_t pos = place(l, s->by_ino, at);

	return s->run && (s->next == pos + 1 || follows(l, kind, s->by_ino, s->next, pos));
}

enum scan_step scan_move(struct names *names, const struct s3key *folder, struct listing *l, enum scan_kind kind,
			 size_t at)
{
	struct scan *s = &l->scans[kind];
	size_t pos = place(l, s->by_ino, at), last = s->last;
	bool had = s->run > 0;

	s->last = at;
	if (had && s->next == pos + 1)
		return SCAN_SAME;
	if (had && follows(l, kind, s->by_ino, s->next, pos)) {
		s->run++;
		s->next = pos + 1;
		return SCAN_NEXT;
	}
	if (had && order_by_ino(names, folder, l)) {
		bool other = !s->by_ino;
		size_t next = place(l, other, last) + 1;

		pos = place(l, other, at);
		if (follows(l, kind, other, next, pos)) {
			*s = (struct scan){ .next = pos + 1, .ahead = pos + 1, .run = 2, .by_ino = other, .last = at };
			return SCAN_JUMP;
		}
	}
	pos = place(l, s->by_ino, at);
	*s = (struct scan){ .next = pos + 1, .ahead = pos + 1, .run = 1, .by_ino = s->by_ino, .last = at };
	return SCAN_JUMP;
}
