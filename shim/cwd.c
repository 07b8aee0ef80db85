/*
 * Two truths: while `routed` is 0 the kernel's current directory counts and costs nothing here. Otherwise `path` does,
 * and the kernel's is an empty removed folder. Changes are rare: a lock with signals blocked around a copy is enough.
 */
#include "shim/cwd.h"
#include "shim/lock.h"
#include "shim/mem.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/vfork.h"

#include <fcntl.h>
#include <string.h>

struct place {
	_Atomic int routed;
	char path[WIRE_PATH_MAX];
};

static struct lock lock;
static struct place process;           /* of this process */
static __thread struct place *overlay; /* of the vfork child that runs on this thread, once it changed folder */

static struct place *place(void)
{
	return unlikely(overlay != NULL) && vfork_child() ? overlay : &process;
}

const char *cwd_routed(char *buf)
{
	struct place *p = place();
	const char *ret = NULL;
	lock_mask mask;

	if (likely(!atomic_load_explicit(&p->routed, memory_order_acquire)))
		return NULL;
	mask = lock_take(&lock);
	if (p->routed)
		ret = strcpy(buf, p->path);
	lock_drop(&lock, mask);
	return ret;
}

long cwd_get(char *buf, size_t size)
{
	char routed[WIRE_PATH_MAX];
	long n;

	if (cwd_routed(routed)) {
		n = (long)strlen(routed);
		if ((size_t)n >= size)
			return -ERANGE;
		memcpy(buf, routed, (size_t)n + 1);
		return n;
	}
	n = SYS(getcwd, buf, size);
	return n < 0 ? n : n - 1;
}

int cwd_nowhere(void)
{
	static const char *const folders[] = { "/tmp", "/dev/shm", "/var/tmp" };
	static const char hex[] = "0123456789abcdef";
	unsigned char random[8];
	char name[64];
	int fd = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && fd < 0; i++) {
		size_t n = strlen(folders[i]);
		memcpy(name, folders[i], n);
		memcpy(name + n, "/.s3shim-", 9);
		n += 9;
		if (SYS(getrandom, random, sizeof(random), 0) != (long)sizeof(random))
			return -EIO;
		for (size_t k = 0; k < sizeof(random); k++) {
			name[n++] = hex[random[k] >> 4];
			name[n++] = hex[random[k] & 15];
		}
		name[n] = '\0';
		if (SYS(mkdirat, AT_FDCWD, name, 0700) < 0)
			continue;
		fd = (int)SYS(openat, AT_FDCWD, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		(void)SYS(unlinkat, AT_FDCWD, name, AT_REMOVEDIR);
	}
	return fd;
}

/* Nowhere to write: the kernel's folder stays what it was, only calls without hooks would see it. */
static int park(void)
{
	int fd = cwd_nowhere();

	if (fd == -EIO)
		return fd;
	if (fd >= 0) {
		(void)SYS(fchdir, fd);
		(void)SYS(close, fd);
	}
	return 0;
}

static struct place *place_to_change(void)
{
	if (!vfork_child())
		return &process;
	if (!overlay) {
		overlay = mem_alloc(sizeof(*overlay));
		if (!overlay)
			return NULL;
		overlay->routed = process.routed;
		memcpy(overlay->path, process.path, sizeof(overlay->path));
	}
	return overlay;
}

int cwd_enter(const char *path)
{
	char clean[WIRE_PATH_MAX];
	long len = path_normalise("/", path, clean, sizeof(clean));
	struct place *p = place_to_change();
	lock_mask mask;

	if (len < 0)
		return (int)len;
	if (!p)
		return -ENOMEM;
	if (!p->routed && park() < 0)
		return -EIO;
	mask = lock_take(&lock);
	memcpy(p->path, clean, (size_t)len + 1);
	atomic_store_explicit(&p->routed, 1, memory_order_release);
	lock_drop(&lock, mask);
	return 0;
}

void cwd_leave(void)
{
	struct place *p = place();

	if (!p->routed)
		return;
	p = place_to_change();
	if (p)
		p->routed = 0;
}

void cwd_restore(const char *path)
{
	lock_mask mask = lock_take(&lock);
	size_t n = strlen(path);

	if (n < sizeof(process.path)) {
		memcpy(process.path, path, n + 1);
		atomic_store_explicit(&process.routed, 1, memory_order_release);
	}
	lock_drop(&lock, mask);
}

void cwd_vfork_done(void)
{
	mem_free(overlay);
	overlay = NULL;
}
