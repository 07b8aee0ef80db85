/*
 * fts(3) reads folders inside libc: trees of which a root touches a mount are walked here, over the hooks. The current
 * directory is never changed (as with FTS_NOCHDIR): fts_accpath is fts_path. An entry is one block, with its record and
 * its path behind it. musl has no fts(3); Alpine's library of that name comes through the hooks by itself.
 */
#include "shim/fd_open.h"
#include "shim/foreign.h"
#include "shim/route.h"
#include "shim/shim.h"

#include <string.h>

_Static_assert(sizeof(FTS) == sizeof(FTS64) && sizeof(FTSENT) == sizeof(FTSENT64), "one fts for both");

typedef int compare_fn(const FTSENT **, const FTSENT **);

struct tree {
	FTS pub; /* first: what the program has. Known by its fts_compar */
	compare_fn *compare;
	FTSENT *roots;
	FTSENT top; /* of level -1 */
	bool begun;
};

static int mark(const void *a, const void *b)
{
	return a < b;
}

static struct tree *ours(FTS *fts)
{
	return fts && fts->fts_compar == mark ? (struct tree *)fts : NULL;
}

/* ---- entries ---- */

static FTSENT *entry_new(FTSENT *parent, const char *name)
{
	bool root = parent->fts_level == FTS_ROOTPARENTLEVEL;
	size_t len = strlen(name), above = root ? 0 : parent->fts_pathlen, size, at;
	bool slash = above && parent->fts_path[above - 1] != '/';
	FTSENT *e;

	if (above + len + 2 > UINT16_MAX) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	at = (size_t)round_up(sizeof(*e) + len + 1, 16);
	size = at + sizeof(struct stat) + above + slash + len + 1;
	e = calloc(1, size);
	if (!e)
		return NULL;
	memcpy(e->fts_name, name, len + 1);
	e->fts_namelen = (unsigned short)len;
	e->fts_statp = (struct stat *)(void *)((char *)e + at);
	e->fts_path = e->fts_accpath = (char *)(e->fts_statp + 1);
	if (above)
		memcpy(e->fts_path, parent->fts_path, above);
	if (slash)
		e->fts_path[above++] = '/';
	memcpy(e->fts_path + above, name, len + 1);
	e->fts_pathlen = (unsigned short)(above + len);
	e->fts_parent = parent;
	e->fts_level = (short)(parent->fts_level + 1);
	e->fts_instr = 3; /* FTS_NOINSTR */
	return e;
}

static void free_list(FTSENT *e)
{
	while (e) {
		FTSENT *next = e->fts_link;
		free(e);
		e = next;
	}
}

/* fts_info of a folder: FTS_DC where it is one of its own ancestors. */
static unsigned short folder_info(FTSENT *e)
{
	for (FTSENT *p = e->fts_parent; p->fts_level >= FTS_ROOTLEVEL; p = p->fts_parent)
		if (p->fts_ino == e->fts_ino && p->fts_dev == e->fts_dev) {
			e->fts_cycle = p;
			return FTS_DC;
		}
	return FTS_D;
}

static unsigned short look(struct tree *t, FTSENT *e, bool follow)
{
	struct stat *st = e->fts_statp;

	follow = follow || t->pub.fts_options & FTS_LOGICAL;
	e->fts_errno = 0;
	if (follow && stat(e->fts_path, st) < 0) {
		e->fts_errno = errno;
		if (lstat(e->fts_path, st) == 0 && S_ISLNK(st->st_mode)) {
			e->fts_errno = 0;
			return FTS_SLNONE;
		}
		return FTS_NS;
	}
	if (!follow && lstat(e->fts_path, st) < 0) {
		e->fts_errno = errno;
		return FTS_NS;
	}
	e->fts_dev = st->st_dev;
	e->fts_ino = st->st_ino;
	e->fts_nlink = st->st_nlink;
	if (S_ISDIR(st->st_mode)) {
		if (e->fts_name[0] == '.' && (!e->fts_name[1] || (e->fts_name[1] == '.' && !e->fts_name[2])) &&
		    e->fts_level > FTS_ROOTLEVEL)
			return FTS_DOT;
		return folder_info(e);
	}
	if (t->pub.fts_options & FTS_NOSTAT && e->fts_level > FTS_ROOTLEVEL)
		return FTS_NSOK;
	return S_ISLNK(st->st_mode) ? FTS_SL : S_ISREG(st->st_mode) ? FTS_F : FTS_DEFAULT;
}

/* In the order that the program wants. */
static FTSENT *sorted(struct tree *t, FTSENT *list)
{
	FTSENT **array, *e, *ret = list;
	size_t n = 0;

	for (e = list; e; e = e->fts_link)
		n++;
	if (!t->compare || n < 2)
		return list;
	array = malloc(n * sizeof(FTSENT *));
	if (!array)
		return list;
	n = 0;
	for (e = list; e; e = e->fts_link)
		array[n++] = e;
	qsort(array, n, sizeof(FTSENT *), (int (*)(const void *, const void *))(void (*)(void))t->compare);
	ret = array[0];
	for (size_t i = 0; i < n; i++)
		array[i]->fts_link = i + 1 < n ? array[i + 1] : NULL;
	free(array);
	return ret;
}

/* What is in the folder @p. NULL: nothing, or a failure, which @p has then. */
static FTSENT *build(struct tree *t, FTSENT *p)
{
	FTSENT *first = NULL, **last = &first, *e;
	DIR *dir = opendir(p->fts_path);
	struct dirent *d;

	if (!dir) {
		p->fts_errno = errno;
		p->fts_info = FTS_DNR;
		return NULL;
	}
	while ((d = readdir(dir))) {
		bool dot = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
		if (dot && !(t->pub.fts_options & FTS_SEEDOT))
			continue;
		e = entry_new(p, d->d_name);
		if (!e) {
			p->fts_errno = errno;
			p->fts_info = FTS_ERR;
			free_list(first);
			first = NULL;
			break;
		}
		e->fts_info = look(t, e, false);
		*last = e;
		last = &e->fts_link;
	}
	(void)closedir(dir);
	return sorted(t, first);
}

/* ---- the walk ---- */

static FTS *tree_new(char *const *paths, int options, compare_fn *compare)
{
	struct tree *t = calloc(1, sizeof(*t));
	FTSENT **last = t ? &t->roots : NULL, *e;

	if (!t)
		return NULL;
	t->pub.fts_options = options;
	t->pub.fts_compar = mark;
	t->pub.fts_rfd = -1;
	t->compare = compare;
	t->top.fts_level = FTS_ROOTPARENTLEVEL;
	for (; *paths; paths++) {
		if (!**paths)
			errno = ENOENT;
		e = **paths ? entry_new(&t->top, *paths) : NULL;
		if (!e) {
			free_list(t->roots);
			free(t);
			return NULL;
		}
		e->fts_info = look(t, e, options & FTS_COMFOLLOW);
		/* Its name is the last component. */
		for (char *slash = strrchr(e->fts_name, '/'); slash && slash[1] && slash > e->fts_name; slash = NULL) {
			e->fts_namelen = (unsigned short)strlen(slash + 1);
			memmove(e->fts_name, slash + 1, (size_t)e->fts_namelen + 1);
		}
		*last = e;
		last = &e->fts_link;
	}
	t->roots = sorted(t, t->roots);
	return &t->pub;
}

static FTSENT *say(struct tree *t, FTSENT *e)
{
	t->pub.fts_cur = e;
	t->pub.fts_path = e ? e->fts_path : NULL;
	return e;
}

/* Behind @e: its sibling, or its parent for the second time. */
static FTSENT *onward(struct tree *t, FTSENT *e)
{
	for (;;) {
		FTSENT *next = e->fts_link, *parent = e->fts_parent;
		if (e->fts_level == FTS_ROOTLEVEL)
			t->roots = next;
		free(e);
		if (!next && parent->fts_level == FTS_ROOTPARENTLEVEL) {
			errno = 0;
			return say(t, NULL);
		}
		if (!next) {
			parent->fts_info = parent->fts_errno ? FTS_ERR : FTS_DP;
			return say(t, parent);
		}
		if (next->fts_level == FTS_ROOTLEVEL)
			t->pub.fts_dev = next->fts_dev;
		if (next->fts_instr == FTS_FOLLOW)
			next->fts_info = look(t, next, true);
		if (next->fts_instr != FTS_SKIP)
			return say(t, next);
		e = next;
	}
}

static FTSENT *into(struct tree *t, FTSENT *e)
{
	FTSENT *child = t->pub.fts_child;

	t->pub.fts_child = NULL;
	if (!child)
		child = build(t, e);
	if (!child) {
		if (e->fts_info == FTS_D)
			e->fts_info = FTS_DP;
		return say(t, e);
	}
	/* A first child that is to be skipped is stepped over like any other. */
	if (child->fts_instr == FTS_SKIP)
		return onward(t, child);
	if (child->fts_instr == FTS_FOLLOW)
		child->fts_info = look(t, child, true);
	return say(t, child);
}

static FTSENT *advance(struct tree *t)
{
	FTSENT *e = t->pub.fts_cur;
	int instruction;

	if (!t->begun) {
		t->begun = true;
		if (t->roots)
			t->pub.fts_dev = t->roots->fts_dev;
		return say(t, t->roots);
	}
	if (!e)
		return NULL;
	instruction = e->fts_instr;
	e->fts_instr = 3; /* FTS_NOINSTR */
	if (instruction == FTS_AGAIN) {
		e->fts_info = look(t, e, false);
		return e;
	}
	if (instruction == FTS_FOLLOW && (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE)) {
		e->fts_info = look(t, e, true);
		return e;
	}
	if (e->fts_info != FTS_D)
		return onward(t, e);
	if (instruction == FTS_SKIP || (t->pub.fts_options & FTS_XDEV && e->fts_dev != t->pub.fts_dev)) {
		free_list(t->pub.fts_child);
		t->pub.fts_child = NULL;
		e->fts_info = FTS_DP;
		return say(t, e);
	}
	return into(t, e);
}

/* ---- the hooks ---- */

static bool touches(char *const *paths)
{
	char full[WIRE_PATH_MAX];
	struct route r;
	struct stat st;

	for (; route_active() && *paths; paths++) {
		const char *p = *paths;
		if (route(&p, &r) == ROUTE_MOUNT ||
		    (**paths && fd_absolute(AT_FDCWD, *paths, full) && route_is_ancestor(full)))
			return true;
		if (SYS(newfstatat, AT_FDCWD, *paths, &st, 0) == 0
			? foreign_is_mount(&st, &r)
			: foreign_lead(AT_FDCWD, *paths, 0, &r) != FOREIGN_FAILED)
			return true;
	}
	return false;
}

EXPORT FTS *fts_open(char *const *paths, int options, int (*compare)(const FTSENT **, const FTSENT **))
{
	if (HAVE(fts_open) && likely(!touches(paths)))
		return REAL(fts_open)(paths, options, compare);
	if (options & ~FTS_OPTIONMASK) {
		errno = EINVAL;
		return NULL;
	}
	return tree_new(paths, options, compare);
}

EXPORT FTSENT *fts_read(FTS *fts)
{
	struct tree *t = ours(fts);

	return t ? advance(t) : REAL(fts_read)(fts);
}

EXPORT FTSENT *fts_children(FTS *fts, int how)
{
	struct tree *t = ours(fts);

	if (!t)
		return REAL(fts_children)(fts, how);
	errno = how && how != FTS_NAMEONLY ? EINVAL : 0;
	if (errno)
		return NULL;
	if (!t->begun)
		return t->roots;
	if (!fts->fts_cur || fts->fts_cur->fts_info != FTS_D)
		return NULL;
	if (!fts->fts_child)
		fts->fts_child = build(t, fts->fts_cur);
	return fts->fts_child;
}

EXPORT int fts_set(FTS *fts, FTSENT *e, int instruction)
{
	if (!ours(fts))
		return REAL(fts_set)(fts, e, instruction);
	if (instruction < 0 || instruction > FTS_SKIP)
		return (int)ret_errno(-EINVAL);
	e->fts_instr = (unsigned short)instruction;
	return 0;
}

EXPORT int fts_close(FTS *fts)
{
	struct tree *t = ours(fts);
	FTSENT *e, *parent;

	if (!t)
		return REAL(fts_close)(fts);
	free_list(fts->fts_child);
	/* Every level's list hangs on the one that is current; what is before it is freed. */
	for (e = t->begun ? fts->fts_cur : NULL; e && e->fts_level > FTS_ROOTLEVEL; e = parent) {
		parent = e->fts_parent;
		free_list(e);
	}
	free_list(t->roots);
	free(t);
	return 0;
}

EXPORT FTS64 *fts64_open(char *const *paths, int options, int (*compare)(const FTSENT64 **, const FTSENT64 **))
{
	return (FTS64 *)(void *)fts_open(paths, options, (compare_fn *)(void (*)(void))compare);
}

EXPORT FTSENT64 *fts64_read(FTS64 *fts)
{
	return (FTSENT64 *)(void *)fts_read((FTS *)(void *)fts);
}

EXPORT FTSENT64 *fts64_children(FTS64 *fts, int how)
{
	return (FTSENT64 *)(void *)fts_children((FTS *)(void *)fts, how);
}

EXPORT int fts64_set(FTS64 *fts, FTSENT64 *e, int instruction)
{
	return fts_set((FTS *)(void *)fts, (FTSENT *)(void *)e, instruction);
}

EXPORT int fts64_close(FTS64 *fts)
{
	return fts_close((FTS *)(void *)fts);
}
