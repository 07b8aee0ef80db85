/*
 * ftw(3) and nftw(3) read folders inside libc: trees that touch a mount are walked here, over the hooks. A folder's
 * names are read at once and its stream closed, so that the limit of descriptors does not matter. What is reported as
 * what is glibc's (io/ftw.c). musl counts its types from 1, follows links in no ftw(), walks a folder again that is no
 * ancestor, and keeps a slash at the end.
 */
#include "shim/cwd.h"
#include "shim/fd_open.h"
#include "shim/foreign.h"
#include "shim/route.h"
#include "shim/shim.h"

#include <search.h>
#include <string.h>

typedef int each_fn(const char *, const struct stat *, int, struct FTW *);
typedef int old_fn(const char *, const struct stat *, int);

struct walk {
	each_fn *each;
	old_fn *old; /* ftw() */
	int flags;
	bool musl;
	dev_t dev;
	void *seen; /* tree of folders, where links are followed: each is walked once */
	struct FTW at;
	size_t len;
	char path[PATH_MAX];
	char home[PATH_MAX]; /* FTW_CHDIR: where relative names begin */
};

struct folder {
	dev_t dev;
	ino_t ino;
};

static int compare_folders(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct folder));
}

/* Return: 1 if it is new, 0 if not, -1 without memory. */
static int first_time(struct walk *w, const struct stat *st)
{
	struct folder *f, **found;

	if (w->flags & FTW_PHYS)
		return 1;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -1;
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	found = tsearch(f, &w->seen, compare_folders);
	if (!found || *found != f)
		free(f);
	return !found ? -1 : *found == f;
}

static void left(struct walk *w, const struct stat *st)
{
	struct folder key = { 0 }, **found, *f;

	key.dev = st->st_dev;
	key.ino = st->st_ino;
	found = w->musl ? tfind(&key, &w->seen, compare_folders) : NULL;
	if (!found)
		return;
	f = *found;
	tdelete(f, &w->seen, compare_folders);
	free(f);
}

static void forget(struct walk *w)
{
	while (w->seen) {
		struct folder *f = *(struct folder **)w->seen;
		tdelete(f, &w->seen, compare_folders);
		free(f);
	}
}

static int tell(struct walk *w, const struct stat *st, int type)
{
	static const int old_types[] = {
		[FTW_F] = FTW_F,  [FTW_D] = FTW_D,  [FTW_DNR] = FTW_DNR, [FTW_NS] = FTW_NS,
		[FTW_SL] = FTW_F, [FTW_DP] = FTW_D, [FTW_SLN] = FTW_NS,
	};

	if (w->old)
		return w->old(w->path, st, w->musl ? type + 1 : old_types[type]);
	return w->each(w->path, st, type + w->musl, &w->at);
}

/* All names of the folder, each with its NUL, an empty one at the end; NULL and errno. */
static char *names_of(const char *path)
{
	DIR *dir = opendir(path);
	size_t used = 0, room = 0;
	char *all = NULL, *grown;
	struct dirent *e;

	if (!dir)
		return NULL;
	do {
		e = readdir(dir);
		const char *name = e ? e->d_name : "";
		size_t n = strlen(name) + 1;
		if (e && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
			continue;
		if (used + n > room) {
			room = (room + n) * 2 + 1024;
			grown = realloc(all, room);
			if (!grown) {
				free(all);
				all = NULL;
				break;
			}
			all = grown;
		}
		memcpy(all + used, name, n);
		used += n;
	} while (e);
	(void)closedir(dir);
	return all;
}

static bool stops(const struct walk *w, int rc)
{
	return rc && (!(w->flags & FTW_ACTIONRETVAL) || (rc != FTW_SKIP_SUBTREE && rc != FTW_SKIP_SIBLINGS));
}

/* FTW_CHDIR: into the folder whose path is the first @len bytes of ours; 0: home. */
static int go(struct walk *w, size_t len)
{
	char full[PATH_MAX], part[PATH_MAX];

	if (!(w->flags & FTW_CHDIR))
		return 0;
	memcpy(part, w->path, len);
	part[len] = '\0';
	if (!len)
		return chdir(w->home);
	return path_normalise(w->home, part, full, sizeof(full)) < 0 ? -1 : chdir(full);
}

static int one(struct walk *w, bool root);

static int children(struct walk *w, const char *names)
{
	size_t len = w->len, n = len;
	int base = w->at.base, rc = go(w, len);

	if (n && w->path[n - 1] != '/')
		w->path[n++] = '/';
	w->at.base = (int)n;
	w->at.level++;
	for (const char *p = names; !rc && *p; p += strlen(p) + 1) {
		size_t name_len = strlen(p);
		if (n + name_len + 1 > sizeof(w->path)) {
			errno = ENAMETOOLONG;
			rc = -1;
			break;
		}
		memcpy(w->path + n, p, name_len + 1);
		w->len = n + name_len;
		rc = one(w, false);
		if (w->flags & FTW_ACTIONRETVAL && rc == FTW_SKIP_SIBLINGS) {
			rc = 0;
			break;
		}
		if (!stops(w, rc))
			rc = 0;
	}
	w->path[len] = '\0';
	w->len = len;
	w->at.base = base;
	w->at.level--;
	return rc;
}

static int walk_folder(struct walk *w, const struct stat *st)
{
	const char *path = w->flags & FTW_CHDIR ? w->path + w->at.base : w->path;
	char *names = names_of(path);
	int rc = 0;

	if (!names)
		return errno == EACCES ? tell(w, st, FTW_DNR) : -1;
	if (!(w->flags & FTW_DEPTH))
		rc = tell(w, st, FTW_D);
	if (!rc) {
		rc = children(w, names);
		if (w->flags & FTW_CHDIR && go(w, (size_t)w->at.base) < 0 && !rc)
			rc = -1;
	}
	if (w->flags & FTW_ACTIONRETVAL && rc == FTW_SKIP_SUBTREE)
		rc = 0;
	if (!rc && w->flags & FTW_DEPTH)
		rc = tell(w, st, FTW_DP);
	free(names);
	return rc;
}

static int one(struct walk *w, bool root)
{
	const char *path = w->flags & FTW_CHDIR ? w->path + w->at.base : w->path;
	bool follow = !(w->flags & FTW_PHYS);
	struct stat st;
	int rc = follow ? stat(path, &st) : lstat(path, &st);

	if (rc < 0) {
		int saved = errno;
		if (saved != EACCES && saved != ENOENT)
			return -1;
		if (follow && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
			return tell(w, &st, FTW_SLN);
		errno = saved;
		return root ? -1 : tell(w, &st, FTW_NS);
	}
	if (root)
		w->dev = st.st_dev;
	if (w->flags & FTW_MOUNT && st.st_dev != w->dev)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return tell(w, &st, S_ISLNK(st.st_mode) ? FTW_SL : FTW_F);
	rc = first_time(w, &st);
	if (rc <= 0)
		return rc;
	rc = walk_folder(w, &st);
	left(w, &st);
	return rc;
}

static int walk(const char *path, each_fn *each, old_fn *old, int flags)
{
	struct walk *w;
	int rc = -1, saved;
	size_t n = strlen(path);

	if (!n || n >= sizeof(w->path)) {
		errno = n ? ENAMETOOLONG : ENOENT;
		return -1;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -1;
	w->musl = !HAVE(_IO_popen);
	while (!w->musl && n > 1 && path[n - 1] == '/')
		n--;
	memcpy(w->path, path, n);
	w->len = n;
	while (n > 1 && w->path[n - 1] == '/')
		n--;
	while (n && w->path[n - 1] != '/')
		n--;
	w->at.base = w->len > 1 || w->path[0] != '/' ? (int)n : 0;
	w->each = each;
	w->old = old;
	w->flags = old && w->musl ? FTW_PHYS : flags;
	if (!(flags & FTW_CHDIR) || (cwd_get(w->home, sizeof(w->home)) > 0 && go(w, n) == 0)) {
		rc = one(w, true);
	}
	saved = errno;
	if (flags & FTW_CHDIR)
		(void)chdir(w->home);
	forget(w);
	free(w);
	errno = saved;
	return rc;
}

/* Does the tree at @path touch a mount: is it in one, or above one? */
static bool touches(const char *path)
{
	char full[WIRE_PATH_MAX];
	const char *p = path;
	struct route r;
	struct stat st;

	if (!route_active() || !path || !*path)
		return false;
	if (route(&p, &r) == ROUTE_MOUNT || (fd_absolute(AT_FDCWD, path, full) && route_is_ancestor(full)))
		return true;
	return SYS(newfstatat, AT_FDCWD, path, &st, 0) == 0 ? foreign_is_mount(&st, &r)
							    : foreign_lead(AT_FDCWD, path, 0, &r) != FOREIGN_FAILED;
}

EXPORT int nftw(const char *path, each_fn *each, int fds, int flags)
{
	return likely(!touches(path)) ? REAL(nftw)(path, each, fds, flags) : walk(path, each, NULL, flags);
}

EXPORT int nftw64(const char *path, int (*each)(const char *, const struct stat64 *, int, struct FTW *), int fds,
		  int flags)
{
	return nftw(path, (each_fn *)(void (*)(void))each, fds, flags);
}

EXPORT int ftw(const char *path, old_fn *each, int fds)
{
	return likely(!touches(path)) ? REAL(ftw)(path, each, fds) : walk(path, NULL, each, 0);
}

EXPORT int ftw64(const char *path, int (*each)(const char *, const struct stat64 *, int), int fds)
{
	return ftw(path, (old_fn *)(void (*)(void))each, fds);
}
