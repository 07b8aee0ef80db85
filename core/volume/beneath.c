#include "volume/beneath.h"

#include "base/util.h"
#include "volume/volume.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * The walk keeps two strings: `done`, a path without symlinks and `..` that was opened component by component, and
 * `rest`, what is still to be resolved. `..` drops the last component of `done` and opens what is left from the root
 * again, by O_NOFOLLOW: whatever somebody renames meanwhile, no step leaves the root.
 */
#define LINKS_MAX 40

struct walk {
	const struct beneath *b;
	int cur; /* O_PATH descriptor of `done` */
	char done[WIRE_PATH_MAX];
	char rest[2 * WIRE_PATH_MAX];
	unsigned links;
	char *redirect;
};

static int open_fast(const struct beneath *b, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags,
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode & 07777 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	/* EAGAIN: somebody renamed or mounted while `..` was resolved, openat2(2) */
	for (int tries = 0; tries < 8; tries++) {
		fd = syscall(SYS_openat2, b->root, path[0] ? path : ".", &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

/* Lexical: what the program would open, with the leading `..` of @tail applied to the mount point. */
static int redirect_out(const struct walk *w, const char *tail)
{
	char base[WIRE_PATH_MAX];
	int n;

	snprintf(base, sizeof(base), "%s", w->b->mount);
	while (tail[0] == '.' && tail[1] == '.' && (tail[2] == '/' || !tail[2])) {
		char *slash = strrchr(base, '/');

		if (slash)
			*slash = 0;
		tail += tail[2] ? 3 : 2;
		while (*tail == '/')
			tail++;
	}
	n = snprintf(w->redirect, WIRE_PATH_MAX, "%s%s%s", base, tail[0] || !base[0] ? "/" : "", tail);
	return n >= WIRE_PATH_MAX ? -ENAMETOOLONG : VOLUME_REDIRECT;
}

static int step_into(struct walk *w, const char *name, int fd)
{
	size_t len = strlen(w->done);
	int n = snprintf(w->done + len, sizeof(w->done) - len, "%s%s", len ? "/" : "", name);

	if ((size_t)n >= sizeof(w->done) - len)
		return -ENAMETOOLONG;
	close(w->cur);
	w->cur = fd;
	return 0;
}

static int step_up(struct walk *w)
{
	char *slash = strrchr(w->done, '/');
	cleanup_close int cur = -1;

	if (slash)
		*slash = 0;
	else
		w->done[0] = 0;
	cur = openat(w->b->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (const char *p = w->done; cur >= 0 && *p;) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(p, "/");
		int next;

		memcpy(name, p, len);
		name[len] = 0;
		next = openat(cur, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(cur);
		cur = next;
		p += len + (p[len] == '/');
	}
	if (cur < 0)
		return -errno;
	close(w->cur);
	w->cur = steal_fd(&cur);
	return 0;
}

/* The symlink @fd, followed by @tail: 0 and a new rest, or VOLUME_REDIRECT. */
static int follow(struct walk *w, int fd, const char *tail)
{
	char target[WIRE_PATH_MAX], joined[2 * WIRE_PATH_MAX];
	ssize_t len = readlinkat(fd, "", target, sizeof(target) - 1);
	int n;

	if (len < 0)
		return -errno;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	target[len] = 0;
	n = snprintf(joined, sizeof(joined), "%s%s%s", target, *tail ? "/" : "", tail);
	if ((size_t)n >= sizeof(joined))
		return -ENAMETOOLONG;
	if (target[0] == '/') {
		if (n >= WIRE_PATH_MAX)
			return -ENAMETOOLONG;
		memcpy(w->redirect, joined, (size_t)n + 1);
		return VOLUME_REDIRECT;
	}
	memcpy(w->rest, joined, (size_t)n + 1);
	return 0;
}

/* The last component, which is no symlink that is to be followed. */
static int open_last(struct walk *w, const char *name, bool slash, int flags, mode_t mode, int *ret_fd)
{
	int fd = openat(w->cur, name, flags | O_NOFOLLOW | (slash ? O_DIRECTORY : 0), mode);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Takes one component off `rest`. Return: its length; 0 at the end; -ENAMETOOLONG. */
static int next_component(struct walk *w, char *name, const char **ret_tail)
{
	const char *p = w->rest;
	size_t len;

	while (*p == '/')
		p++;
	len = strcspn(p, "/");
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, p, len);
	name[len] = 0;
	*ret_tail = p + len;
	return (int)len;
}

/* One component. Return: 0 go on; 1 opened; 2 redirect; negative errno. */
enum { GO_ON, OPENED, REDIRECTED };

static int walk_step(struct walk *w, int flags, mode_t mode, int *ret_fd)
{
	char name[NAME_MAX + 1];
	const char *tail, *after;
	cleanup_close int fd = -1;
	struct stat st;
	bool last, slash;
	int rc = next_component(w, name, &tail);

	if (rc < 0)
		return rc;
	after = tail + strspn(tail, "/");
	last = !*after;
	slash = *tail == '/';
	if (rc == 0)
		strcpy(name, ".");
	if (strcmp(name, "..") == 0 && !w->done[0]) {
		rc = redirect_out(w, w->rest + strspn(w->rest, "/"));
		return rc == VOLUME_REDIRECT ? REDIRECTED : rc;
	}
	if (strcmp(name, "..") == 0) {
		rc = step_up(w);
		if (rc)
			return rc;
		strcpy(name, ".");
	}
	if (strcmp(name, ".") == 0) {
		memmove(w->rest, after, strlen(after) + 1);
		if (!last)
			return GO_ON;
		rc = open_last(w, ".", false, flags, mode, ret_fd);
		return rc ? rc : OPENED;
	}
	fd = openat(w->cur, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno != ENOENT || !last))
		return -errno;
	if (fd >= 0 && fstat(fd, &st) < 0)
		return -errno;
	if (fd >= 0 && S_ISLNK(st.st_mode) && (!last || slash || !(flags & (O_NOFOLLOW | O_EXCL)))) {
		rc = follow(w, fd, last && !slash ? "" : *after ? after : "/");
		return rc == VOLUME_REDIRECT ? REDIRECTED : rc;
	}
	if (last) {
		rc = open_last(w, name, slash, flags, mode, ret_fd);
		return rc ? rc : OPENED;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	rc = step_into(w, name, fd);
	if (rc == 0) {
		(void)steal_fd(&fd);
		memmove(w->rest, after, strlen(after) + 1);
	}
	return rc;
}

static int open_walk(const struct beneath *b, const char *path, int flags, mode_t mode, int *ret_fd, char *redirect)
{
	struct walk *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	w->b = b;
	w->redirect = redirect;
	w->cur = openat(b->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = w->cur < 0 ? -errno : GO_ON;
	if (rc == GO_ON)
		snprintf(w->rest, sizeof(w->rest), "%s", path);
	while (rc == GO_ON)
		rc = walk_step(w, flags, mode, ret_fd);
	if (w->cur >= 0)
		close(w->cur);
	free(w);
	return rc == OPENED ? 0 : rc == REDIRECTED ? VOLUME_REDIRECT : rc;
}

int beneath_open(const struct beneath *b, const char *path, int flags, mode_t mode, int *ret_fd, char *redirect)
{
	flags |= O_CLOEXEC;
	if (!b->no_openat2) {
		int fd = open_fast(b, path, flags, mode);

		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		/* ENOSYS: an old kernel; EPERM: seccomp filters of some container runtimes say so for unknown calls */
		if (fd != -EXDEV && fd != -ENOSYS && fd != -EPERM && fd != -EAGAIN)
			return fd;
	}
	return open_walk(b, path, flags, mode, ret_fd, redirect);
}

int beneath_parent(const struct beneath *b, const char *path, int *ret_fd, char *name, char *redirect)
{
	char dir[WIRE_PATH_MAX];
	size_t len = strlen(path), end = len, start;
	int rc;

	if (end && path[end - 1] == '/')
		end--;
	for (start = end; start && path[start - 1] != '/';)
		start--;
	if (end == start || (end - start == 2 && memcmp(path + start, "..", 2) == 0))
		return -EBUSY;
	if (end - start > NAME_MAX || len >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, start);
	dir[start ? start - 1 : 0] = 0;
	rc = beneath_open(b, dir, O_PATH | O_DIRECTORY, 0, ret_fd, redirect);
	if (rc == VOLUME_REDIRECT) {
		size_t have = strlen(redirect);
		bool slash = have && redirect[have - 1] == '/';

		if (have + !slash + (len - start) >= WIRE_PATH_MAX)
			return -ENAMETOOLONG;
		snprintf(redirect + have, WIRE_PATH_MAX - have, "%s%s", slash ? "" : "/", path + start);
	}
	if (rc == 0) {
		memcpy(name, path + start, len - start);
		name[len - start] = 0;
	}
	return rc;
}
