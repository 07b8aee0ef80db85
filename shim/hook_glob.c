/*
 * glob(3) reads folders inside libc. glibc lets a caller bring functions for that (GLOB_ALTDIRFUNC): ours are the hooks.
 * musl does not: there the pattern is matched here, component by component.
 *
 * wordexp(3) of glibc calls glob inside: a pattern that matches nothing there comes back as it is, and is matched again
 * here, as long as nothing was quoted: what a quoted word was cannot be told from the result. musl's asks a shell.
 */
#include "shim/route.h"
#include "shim/shim.h"

#include <fnmatch.h>
#include <string.h>

#define OWN_RESULT 0x53334753 /* gl_flags, where musl's structure is unused: the list is ours to free */

/* ---- glibc ---- */

static void bring(glob_t *g)
{
	g->gl_opendir = (void *(*)(const char *))(void (*)(void))opendir;
	g->gl_readdir = (struct dirent * (*)(void *))(void (*)(void))readdir;
	g->gl_closedir = (void (*)(void *))(void (*)(void))closedir;
	g->gl_stat = stat;
	g->gl_lstat = lstat;
}

static bool knows_altdirfunc(void)
{
	return HAVE(_IO_popen); /* glibc */
}

/* ---- musl ---- */

struct expansion {
	char **list;
	size_t count, room;
	int flags;
	int (*failed)(const char *, int);
};

static int found(struct expansion *x, const char *path)
{
	bool mark = false;
	struct stat st;
	size_t n = strlen(path);
	char *copy;

	if (lstat(path, &st) < 0)
		return 0;
	if (x->flags & GLOB_MARK && n && path[n - 1] != '/')
		mark = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	if (x->count + 1 >= x->room) {
		size_t room = x->room ? x->room * 2 : 64;
		char **grown = realloc(x->list, room * sizeof(*grown));
		if (!grown)
			return GLOB_NOSPACE;
		x->list = grown;
		x->room = room;
	}
	copy = malloc(n + 2);
	if (!copy)
		return GLOB_NOSPACE;
	memcpy(copy, path, n + 1);
	if (mark)
		memcpy(copy + n, "/", 2);
	x->list[x->count++] = copy;
	return 0;
}

static int expand(struct expansion *x, char *path, size_t n, const char *pattern);

/* The component [pattern, pattern + len) has no magic: it is taken as it says. */
static int expand_literal(struct expansion *x, char *path, size_t n, const char *pattern, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (pattern[i] == '\\' && !(x->flags & GLOB_NOESCAPE) && i + 1 < len)
			i++;
		if (n + 1 >= PATH_MAX)
			return 0;
		path[n++] = pattern[i];
	}
	path[n] = '\0';
	return expand(x, path, n, pattern + len);
}

static int expand_magic(struct expansion *x, char *path, size_t n, const char *pattern, size_t len)
{
	int how = (x->flags & GLOB_NOESCAPE ? FNM_NOESCAPE : 0) | (x->flags & GLOB_PERIOD ? 0 : FNM_PERIOD), rc = 0;
	DIR *dir = opendir(n ? path : ".");
	char part[NAME_MAX * 4];
	struct dirent *e;

	if (!dir) {
		bool stops = x->failed && x->failed(path, errno);
		return stops || x->flags & GLOB_ERR ? GLOB_ABORTED : 0;
	}
	if (len >= sizeof(part))
		len = sizeof(part) - 1;
	memcpy(part, pattern, len);
	part[len] = '\0';
	while (!rc && (e = readdir(dir))) {
		size_t name_len = strlen(e->d_name);
		if (fnmatch(part, e->d_name, how) != 0 || n + name_len + 1 >= PATH_MAX)
			continue;
		memcpy(path + n, e->d_name, name_len + 1);
		rc = expand(x, path, n + name_len, pattern + len);
	}
	path[n] = '\0';
	(void)closedir(dir);
	return rc;
}

static int expand(struct expansion *x, char *path, size_t n, const char *pattern)
{
	size_t len;

	while (*pattern == '/' && n + 1 < PATH_MAX) {
		path[n++] = *pattern++;
		path[n] = '\0';
	}
	if (!*pattern)
		return found(x, path);
	len = strcspn(pattern, "/");
	return strcspn(pattern, "*?[") < len ? expand_magic(x, path, n, pattern, len)
					     : expand_literal(x, path, n, pattern, len);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_list(char **list, size_t count)
{
	while (count)
		free(list[--count]);
	free(list);
}

/* Behind what is there already (GLOB_APPEND), and the empty places (GLOB_DOOFFS). */
static int give(struct expansion *x, glob_t *g)
{
	size_t offs = x->flags & GLOB_DOOFFS ? g->gl_offs : 0, before = x->flags & GLOB_APPEND ? g->gl_pathc : 0;
	char **all = realloc(before ? g->gl_pathv : NULL, (offs + before + x->count + 1) * sizeof(*all));

	if (!all)
		return GLOB_NOSPACE;
	for (size_t i = 0; i < offs; i++)
		all[i] = NULL;
	if (x->count)
		memcpy(all + offs + before, x->list, x->count * sizeof(*all));
	all[offs + before + x->count] = NULL;
	free(x->list);
	g->gl_pathv = all;
	g->gl_offs = offs;
	g->gl_pathc = before + x->count;
	g->gl_flags = OWN_RESULT;
	return 0;
}

static int glob_here(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *g)
{
	struct expansion x = { .flags = flags, .failed = failed };
	char path[PATH_MAX] = "";
	int rc = *pattern ? expand(&x, path, 0, pattern) : 0;

	if (!rc && !x.count && !(flags & GLOB_NOCHECK))
		rc = GLOB_NOMATCH;
	if (!rc && !x.count) {
		x.list = malloc(2 * sizeof(char *));
		if (x.list && (x.list[0] = strdup(pattern)))
			x.count = 1;
		else
			rc = GLOB_NOSPACE;
	}
	if (!rc && !(flags & GLOB_NOSORT) && x.count)
		qsort(x.list, x.count, sizeof(*x.list), by_name);
	if (!rc)
		rc = give(&x, g);
	if (rc) {
		free_list(x.list, x.count);
		if (!(flags & GLOB_APPEND)) {
			g->gl_pathc = 0;
			g->gl_pathv = NULL;
			g->gl_flags = OWN_RESULT;
		}
	}
	return rc;
}

/* ---- the hooks ---- */

EXPORT int glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *g)
{
	int rc;

	if (!route_active() || (flags & GLOB_ALTDIRFUNC && knows_altdirfunc()))
		return REAL(glob)(pattern, flags, failed, g);
	if (!knows_altdirfunc())
		return glob_here(pattern, flags, failed, g);
	bring(g);
	rc = REAL(glob)(pattern, flags | GLOB_ALTDIRFUNC, failed, g);
	g->gl_flags &= ~GLOB_ALTDIRFUNC;
	return rc;
}

/* One structure for both on 64 bits. */
EXPORT int glob64(const char *pattern, int flags, int (*failed)(const char *, int), glob64_t *g)
{
	return glob(pattern, flags, failed, (glob_t *)(void *)g);
}

EXPORT void globfree(glob_t *g)
{
	if (g->gl_flags != OWN_RESULT || knows_altdirfunc()) {
		REAL(globfree)(g);
		return;
	}
	for (size_t i = 0; i < g->gl_pathc; i++)
		free(g->gl_pathv[g->gl_offs + i]);
	free(g->gl_pathv);
	g->gl_pathc = 0;
	g->gl_pathv = NULL;
	g->gl_flags = 0;
}

EXPORT void globfree64(glob64_t *g)
{
	globfree((glob_t *)(void *)g);
}

/* ---- wordexp ---- */

static bool is_routed_pattern(const char *word)
{
	struct route r;

	return strpbrk(word, "*?[") && route(&word, &r) == ROUTE_MOUNT;
}

/* Word @i becomes all of @g. */
static int put_words(wordexp_t *we, size_t i, const glob_t *g)
{
	size_t count = we->we_offs + we->we_wordc, n = 0;
	char **all = malloc((count + g->gl_pathc) * sizeof(*all));

	if (!all)
		return WRDE_NOSPACE;
	for (; n < g->gl_pathc; n++)
		if (!(all[i + n] = strdup(g->gl_pathv[n])))
			goto fail;
	memcpy(all, we->we_wordv, i * sizeof(*all));
	memcpy(all + i + n, we->we_wordv + i + 1, (count - i) * sizeof(*all));
	free(we->we_wordv[i]);
	free(we->we_wordv);
	we->we_wordv = all;
	we->we_wordc += n - 1;
	return 0;
fail:
	while (n)
		free(all[i + --n]);
	free(all);
	return WRDE_NOSPACE;
}

static int match_words(wordexp_t *we, size_t from)
{
	int rc = 0;

	for (size_t i = from; !rc && i < we->we_offs + we->we_wordc; i++) {
		glob_t g;
		if (!is_routed_pattern(we->we_wordv[i]) || glob(we->we_wordv[i], 0, NULL, &g) != 0)
			continue;
		rc = put_words(we, i, &g);
		i += g.gl_pathc - 1;
		globfree(&g);
	}
	return rc;
}

EXPORT int wordexp(const char *words, wordexp_t *we, int flags)
{
	size_t before = flags & WRDE_APPEND ? we->we_wordc : 0;
	int rc = REAL(wordexp)(words, we, flags);

	if (rc || !route_active() || strpbrk(words, "\\'\""))
		return rc;
	return match_words(we, we->we_offs + before);
}
