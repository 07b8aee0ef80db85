#include "shim/loader.h"
#include "shim/fd_open.h"
#include "shim/lock.h"
#include "shim/needed.h"
#include "shim/present.h"
#include "shim/shim.h"

#include <string.h>

#define LOADED_MAX 128

static struct {
	struct lock lock;
	uint32_t count;
	struct {
		uint64_t dev, ino;
		int fd;
	} at[LOADED_MAX];
} loaded;

bool loader_is_routed(const char *name)
{
	struct route r;

	return name && route_active() && strchr(name, '/') && route(&name, &r) == ROUTE_MOUNT;
}

int loader_flags(int flags)
{
	return route_active() ? flags & ~RTLD_DEEPBIND : flags;
}

static bool is_file(int fd, uint64_t dev, uint64_t ino)
{
	struct stat st;

	return SYS(fstat, fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* A number that was used before, and closed by the program since, would name the library that was loaded by it. */
static int unused_number(int fd)
{
	for (uint32_t i = 0; i < loaded.count && fd >= 0; i++)
		if (loaded.at[i].fd == fd) {
			int other = (int)SYS(fcntl, fd, F_DUPFD_CLOEXEC, fd + 1);
			if (other >= 0)
				fdtab_dup(fd, other);
			(void)fdtab_close(fd);
			fd = other;
			i = UINT32_MAX;
		}
	return fd;
}

/* The descriptor by which the same file was loaded before, -1 if it is new; then @fd is remembered. */
static int known(int fd)
{
	struct stat st;
	lock_mask mask;
	int ret = -1;

	if (SYS(fstat, fd, &st) < 0)
		return -1;
	mask = lock_take(&loaded.lock);
	for (uint32_t i = 0; i < loaded.count && ret < 0; i++)
		if (loaded.at[i].dev == st.st_dev && loaded.at[i].ino == st.st_ino &&
		    is_file(loaded.at[i].fd, st.st_dev, st.st_ino))
			ret = loaded.at[i].fd;
	if (ret < 0 && loaded.count < LOADED_MAX) {
		loaded.at[loaded.count].dev = st.st_dev;
		loaded.at[loaded.count].ino = st.st_ino;
		loaded.at[loaded.count++].fd = fd;
	}
	lock_drop(&loaded.lock, mask);
	return ret;
}

struct loading {
	int flags;
	const Lmid_t *space;
};

/* Its handle is never given back: who needs it is not known here. */
static void load_needed(const char *path, void *arg)
{
	const struct loading *l = arg;

	(void)loader_open(path, (l->flags & ~RTLD_NOLOAD) | RTLD_LAZY, l->space);
}

/* Return: a descriptor that is complete and stays open; -errno. What the library needs is loaded. */
static int open_library(const char *name, struct loading *l)
{
	struct route r;
	struct desc *d;
	int rc = route(&name, &r), fd, before;

	if (rc != ROUTE_MOUNT)
		return rc ? rc : -ENOENT;
	fd = fd_open(&r, O_RDONLY | O_CLOEXEC, 0);
	if (fd >= 0)
		fd = unused_number(fd);
	if (fd < 0)
		return fd;
	d = fdtab_get(fd);
	rc = d ? present_pin(d, 0, 0) : 0;
	desc_put(d);
	if (rc) {
		(void)fdtab_close(fd);
		return rc;
	}
	before = known(fd);
	if (before < 0) {
		if (!(l->flags & RTLD_NOLOAD))
			needed_each(fd, r.path, load_needed, l);
		return fd;
	}
	(void)fdtab_close(fd);
	return before;
}

void *loader_open(const char *name, int flags, const Lmid_t *space)
{
	char by_fd[32];
	struct loading l = { .flags = flags, .space = space };
	int fd = open_library(name, &l), saved;
	void *ret;

	if (fd >= 0)
		fd_proc_name(fd, by_fd);
	/* Where it cannot be opened, libc fails to find the name as well, and leaves a sentence for dlerror(). */
	name = fd >= 0 ? by_fd : name;
	ret = space ? REAL(dlmopen)(*space, name, loader_flags(flags)) : REAL(dlopen)(name, loader_flags(flags));
	saved = fd < 0 ? -fd : errno;
	if (!ret)
		errno = saved;
	return ret;
}

bool loader_by_path(const char *name)
{
	char found[WIRE_PATH_MAX];

	return name && route_active() && name[0] && !strchr(name, '/') && needed_find(name, found);
}

void *loader_search(const char *name, int flags)
{
	char found[WIRE_PATH_MAX];
	void *there = REAL(dlopen)(name, (flags & ~RTLD_DEEPBIND) | RTLD_NOLOAD);

	if (there || flags & RTLD_NOLOAD)
		return there;
	return loader_open(needed_find(name, found) ? found : name, flags, NULL);
}
