#include "assets/place.h"

#include "base/util.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_in(int root, const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	long fd;

	do
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR)); /* a rename raced with the walk */
	return fd < 0 ? -errno : (int)fd;
}

/* The folder @path, each of its parts made where it is missing, in the one that was opened before it. */
static int open_folder(int root, char *path, struct err *err)
{
	cleanup_close int parent = open_in(root, "");
	int fd = parent;

	for (char *p = path; fd >= 0 && *p;) {
		char *end = p + strcspn(p, "/"), cut = *end;
		*end = '\0';
		fd = open_in(root, path);
		if (fd == -ENOENT) {
			if (mkdirat(parent, p, 0755) < 0 && errno != EEXIST)
				fd = -errno;
			else
				fd = open_in(root, path);
		}
		if (fd < 0)
			return err_set(err, -fd, "folder '/%s': %s", path, strerror(-fd));
		close(parent);
		parent = fd;
		*end = cut;
		p = end + (cut != '\0');
	}
	if (fd < 0)
		return err_set(err, -fd, "%s",
			       fd == -ENOSYS ? "this kernel has no openat2, which keeps symlinks inside of the root"
					     : strerror(-fd));
	return steal_fd(&parent);
}

int place_begin(struct place *place, int root, const char *target, struct err *err)
{
	cleanup_free char *path = strdup(target + strspn(target, "/"));
	unsigned long random = 0;
	char *slash, *name;

	*place = (struct place)PLACE_INIT;
	if (!path)
		return err_set(err, ENOMEM, "out of memory");
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	if (!*name || strlen(name) >= sizeof(place->name))
		return err_set(err, ENAMETOOLONG, "'%s' is no name of a file", target);
	strcpy(place->name, name);
	*(slash ? slash : path) = '\0';
	place->dir = open_folder(root, path, err);
	if (place->dir < 0)
		return place->dir;
	(void)!getrandom(&random, sizeof(random), 0);
	snprintf(place->temp, sizeof(place->temp), ".s3shim-%016lx", random);
	place->fd = openat(place->dir, place->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return place->fd < 0 ? err_set(err, errno, "a file beside '%s': %s", target, strerror(errno)) : 0;
}

int place_commit(struct place *place, mode_t mode, struct err *err)
{
	if (fchmod(place->fd, mode) < 0 || fsync(place->fd) < 0 ||
	    renameat(place->dir, place->temp, place->dir, place->name) < 0)
		return err_set(err, errno, "'%s': %s", place->name, strerror(errno));
	place->temp[0] = '\0';
	return 0;
}

void place_deinit(struct place *place)
{
	if (place->fd >= 0 && place->temp[0])
		(void)unlinkat(place->dir, place->temp, 0);
	if (place->fd >= 0)
		close(place->fd);
	if (place->dir >= 0)
		close(place->dir);
	*place = (struct place)PLACE_INIT;
}
