/* Names that libc makes up: mkstemp and its kin open inside libc, so they are done here for templates inside a mount.
 */
#include "shim/fd_open.h"
#include "shim/foreign.h"
#include "shim/names.h"
#include "shim/shim.h"

#include <string.h>

#define TRIES 100

/* @flags of make(): a folder; only a name that is free */
#define FOLDER (-1)
#define NAME   (-2)

/* Where the six X are, or NULL. */
static char *find_mark(char *template, int suffix)
{
	size_t n = strlen(template);

	if (suffix < 0 || n < 6 + (size_t)suffix)
		return NULL;
	return memcmp(template + n - 6 - (size_t)suffix, "XXXXXX", 6) == 0 ? template + n - 6 - (size_t)suffix : NULL;
}

static int make_up(char *mark)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	unsigned char random[6];

	if (SYS(getrandom, random, sizeof(random), 0) != (long)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		mark[i] = letters[random[i] % (sizeof(letters) - 1)];
	return 0;
}

/* Make a file, or what FOLDER and NAME say. Return: a descriptor or 0; -errno. */
static int make(char *template, int suffix, int flags)
{
	char *mark = find_mark(template, suffix);
	int rc = -EEXIST;

	if (!mark)
		return -EINVAL;
	for (int i = 0; i < TRIES && rc == -EEXIST; i++) {
		const char *path = template;
		struct route r;
		rc = make_up(mark);
		if (rc)
			break;
		if (flags == FOLDER) {
			rc = mkdir(template, 0700) < 0 ? -errno : 0;
			continue;
		}
		if (flags == NAME) {
			struct stat st;
			rc = lstat(template, &st) == 0 ? -EEXIST : errno == ENOENT ? 0 : -errno;
			continue;
		}
		rc = route(&path, &r);
		if (rc == ROUTE_FOREIGN)
			rc = foreign_lead(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &r) == FOREIGN_MOUNT ? 1 : -ENOENT;
		if (rc == ROUTE_MOUNT)
			rc = fd_open(&r, (flags & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL, 0600);
	}
	if (rc < 0)
		memcpy(mark, "XXXXXX", 6);
	return rc;
}

static bool is_routed(const char *template)
{
	struct route r;

	return route(&template, &r) == ROUTE_MOUNT;
}

/* libc failed on a foreign template: is its folder behind a link into a mount? Then it is as it was given again. */
static bool leads_in(char *template, int suffix)
{
	size_t n = strlen(template);
	struct route r;

	if (suffix < 0 || n < 6 + (size_t)suffix ||
	    foreign_again(-1, AT_FDCWD, template, AT_SYMLINK_NOFOLLOW, &r) != FOREIGN_MOUNT)
		return false;
	memcpy(template + n - 6 - (size_t)suffix, "XXXXXX", 6);
	return true;
}

#define TEMPORARY(name, params, real, suffix, flags) \
	EXPORT int name params \
	{ \
		int rc; \
		if (is_routed(template)) \
			return (int)ret_errno(make(template, suffix, flags)); \
		rc = REAL(name) real; \
		return rc < 0 && leads_in(template, suffix) ? (int)ret_errno(make(template, suffix, flags)) : rc; \
	}
TEMPORARY(mkstemp, (char *template), (template), 0, 0)
TEMPORARY(mkstemp64, (char *template), (template), 0, 0)
TEMPORARY(mkostemp, (char *template, int flags), (template, flags), 0, flags)
TEMPORARY(mkostemp64, (char *template, int flags), (template, flags), 0, flags)
TEMPORARY(mkstemps, (char *template, int suffix), (template, suffix), suffix, 0)
TEMPORARY(mkstemps64, (char *template, int suffix), (template, suffix), suffix, 0)
TEMPORARY(mkostemps, (char *template, int suffix, int flags), (template, suffix, flags), suffix, flags)
TEMPORARY(mkostemps64, (char *template, int suffix, int flags), (template, suffix, flags), suffix, flags)

EXPORT char *mkdtemp(char *template)
{
	char *done = is_routed(template) ? NULL : REAL(mkdtemp)(template);

	if (done || (!is_routed(template) && !leads_in(template, 0)))
		return done;
	return ret_errno(make(template, 0, FOLDER)) < 0 ? NULL : template;
}

/* An empty name is its failure. */
EXPORT char *mktemp(char *template)
{
	int rc;

	if (!is_routed(template))
		return REAL(mktemp)(template);
	rc = make(template, 0, NAME);
	if (ret_errno(rc) < 0)
		template[0] = '\0';
	return template;
}

EXPORT char *__mktemp(char *template)
{
	return mktemp(template);
}

/* $TMPDIR, then @dir; where neither is inside a mount, libc's. The name is the program's to free. */
EXPORT char *tempnam(const char *dir, const char *prefix)
{
	const char *from = getenv("TMPDIR");
	size_t dir_len, prefix_len = prefix ? strnlen(prefix, 5) : 4;
	struct stat st;
	char *name;

	if (!from || stat(from, &st) < 0 || !S_ISDIR(st.st_mode))
		from = dir;
	if (!from || !is_routed(from) || stat(from, &st) < 0 || !S_ISDIR(st.st_mode))
		return REAL(tempnam)(dir, prefix);
	dir_len = strlen(from);
	name = malloc(dir_len + 1 + prefix_len + 7);
	if (!name)
		return NULL;
	memcpy(name, from, dir_len);
	name[dir_len] = '/';
	memcpy(name + dir_len + 1, prefix ? prefix : "file", prefix_len);
	memcpy(name + dir_len + 1 + prefix_len, "XXXXXX", 7);
	if (*mktemp(name))
		return name;
	free(name);
	return NULL;
}
