/*
 * environ is libc's, set before any constructor of glibc's and musl's programs in practice, but the order of
 * constructors is not promised to a library without DT_NEEDED; so NULL is answered from /proc/self/environ, read once.
 */
#include "shim/env.h"
#include "shim/lock.h"
#include "shim/sys.h"

#include <fcntl.h>
#include <string.h>

#define EARLY_BYTES   65536
#define EARLY_ENTRIES 1024

extern char **environ;

static struct {
	struct lock lock;
	_Atomic int ready;
	char *entry[EARLY_ENTRIES + 1];
	char text[EARLY_BYTES];
} early;

static void early_read(void)
{
	size_t n = 0, count = 0;
	long fd = SYS(openat, AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC), got = 0;

	while (fd >= 0 && n < EARLY_BYTES - 1 && (got = SYS(read, fd, early.text + n, EARLY_BYTES - 1 - n)) > 0)
		n += (size_t)got;
	if (fd >= 0)
		(void)SYS(close, fd);
	early.text[n] = '\0';
	for (size_t at = 0; at < n && count < EARLY_ENTRIES; at += strlen(early.text + at) + 1)
		early.entry[count++] = early.text + at;
	early.entry[count] = NULL;
}

char **env_list(void)
{
	lock_mask mask;

	if (environ)
		return environ;
	if (!atomic_load_explicit(&early.ready, memory_order_acquire)) {
		mask = lock_take(&early.lock);
		if (!early.ready)
			early_read();
		atomic_store_explicit(&early.ready, 1, memory_order_release);
		lock_drop(&early.lock, mask);
	}
	return early.entry;
}

const char *env_get(const char *name)
{
	size_t len = strlen(name);

	for (char **e = env_list(); *e; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}
