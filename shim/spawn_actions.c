/*
 * A list of notes under one lock; it is short, and empty in nearly every program. A note of an open owns a descriptor
 * on /dev/null, close-on-exec, at a high number: that is what the registered dup2 copies from. At the spawn the routed
 * file takes that number, and /dev/null again afterwards, so that the actions can be used once more.
 */
#include "shim/spawn_actions.h"
#include "shim/fd_open.h"
#include "shim/fdtab.h"
#include "shim/lock.h"
#include "shim/mem.h"
#include "shim/names.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <string.h>

#define RESERVED_FROM 512

enum note_kind { NOTE_OPEN, NOTE_DUP, NOTE_CHDIR };

struct note {
	struct note *_Atomic next;
	const posix_spawn_file_actions_t *key;
	enum note_kind kind;
	int from, fd; /* NOTE_OPEN: the reserved number, and what it becomes */
	int flags;
	mode_t mode;
	char path[];
};

static struct lock lock;
static struct note *_Atomic notes; /* in the order of registration */

static int reserve(void)
{
	long null = SYS(openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC), high;

	if (null < 0)
		return (int)null;
	high = SYS(fcntl, null, F_DUPFD_CLOEXEC, RESERVED_FROM);
	if (high < 0)
		return (int)null;
	(void)SYS(close, null);
	return (int)high;
}

/* The number is /dev/null again. The table forgets by the hook, the kernel's dup3 closes what was there. */
static void empty(int reserved)
{
	long null = SYS(openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	struct desc *d = fdtab_drop(reserved);
	(void)SYS(dup3, null, reserved, O_CLOEXEC);
	(void)SYS(close, null);
	(void)fdtab_closed(d);
}

static struct note *note_new(const posix_spawn_file_actions_t *key, enum note_kind kind, const char *path)
{
	size_t n = strlen(path) + 1;
	struct note *note = mem_alloc(sizeof(*note) + n);

	if (!note)
		return NULL;
	*note = (struct note){ .key = key, .kind = kind, .from = -1, .fd = -1 };
	memcpy(note->path, path, n);
	return note;
}

static void note_add(struct note *note)
{
	struct note *_Atomic *at = &notes;
	lock_mask mask = lock_take(&lock);

	while (*at)
		at = &(*at)->next;
	*at = note;
	lock_drop(&lock, mask);
}

void actions_forget(const posix_spawn_file_actions_t *key)
{
	struct note *gone = NULL, *n;
	lock_mask mask;

	if (likely(!atomic_load_explicit(&notes, memory_order_relaxed)))
		return;
	mask = lock_take(&lock);
	for (struct note *_Atomic *at = &notes; (n = *at);) {
		if (n->key != key) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		n->next = gone;
		gone = n;
	}
	lock_drop(&lock, mask);
	while ((n = gone)) {
		gone = n->next;
		if (n->kind == NOTE_OPEN)
			(void)SYS(close, n->from);
		mem_free(n);
	}
}

int actions_note_open(const posix_spawn_file_actions_t *key, int fd, const char *path, int flags, mode_t mode,
		      int *ret_from)
{
	struct note *note = note_new(key, NOTE_OPEN, path);
	int from = note ? reserve() : -ENOMEM;

	if (from < 0) {
		mem_free(note);
		return from;
	}
	note->from = from;
	note->fd = fd;
	note->flags = flags;
	note->mode = mode;
	note_add(note);
	*ret_from = from;
	return 0;
}

static bool becomes_routed(const posix_spawn_file_actions_t *key, int fd)
{
	lock_mask mask = lock_take(&lock);
	bool ret = false;

	for (struct note *n = notes; n && !ret; n = n->next)
		ret = n->key == key && n->fd == fd;
	lock_drop(&lock, mask);
	return ret;
}

int actions_note_dup(const posix_spawn_file_actions_t *key, int from, int to)
{
	struct note *note;

	if (!fdtab_routed(from) && (!notes || !becomes_routed(key, from)))
		return 0;
	note = note_new(key, NOTE_DUP, "");
	if (!note)
		return -ENOMEM;
	note->from = from;
	note->fd = to;
	note_add(note);
	return 0;
}

int actions_note_chdir(const posix_spawn_file_actions_t *key, const char *path)
{
	struct note *note = note_new(key, NOTE_CHDIR, path);

	if (!note)
		return -ENOMEM;
	note_add(note);
	return 0;
}

/* ---- a spawn ---- */

/* @d's reference goes to the run. */
static int run_add(struct actions_run *run, int fd, struct desc *d)
{
	if (run->change.count == ACTIONS_MAX) {
		desc_put(d);
		return -EMFILE;
	}
	d->shared = 1;
	run->fd[run->change.count] = fd;
	run->desc[run->change.count++] = d;
	return 0;
}

static int run_open(struct actions_run *run, const struct note *n)
{
	const char *path = n->path;
	struct desc *d;
	struct route r;
	int rc = route(&path, &r), fd;

	if (rc != ROUTE_MOUNT)
		return rc < 0 ? rc : -ENOENT;
	fd = fd_open(&r, n->flags | O_CLOEXEC, n->mode);
	if (fd < 0)
		return fd;
	rc = (int)SYS(dup3, fd, n->from, O_CLOEXEC);
	if (rc >= 0)
		fdtab_dup(fd, n->from);
	(void)fdtab_close(fd);
	d = rc < 0 ? NULL : fdtab_get(n->from);
	return d ? run_add(run, n->fd, d) : rc < 0 ? rc : 0;
}

static int run_dup(struct actions_run *run, const struct note *n)
{
	for (size_t i = run->change.count; i-- > 0;)
		if (run->fd[i] == n->from) {
			struct desc *d = run->desc[i];
			atomic_fetch_add(&d->refs, 1);
			return run_add(run, n->fd, d);
		}
	struct desc *d = fdtab_get(n->from);

	if (d && d->kind == DESC_ANCESTOR) {
		desc_put(d);
		d = NULL;
	}
	return d ? run_add(run, n->fd, d) : 0;
}

static int run_chdir(struct actions_run *run, const struct note *n)
{
	const char *path = n->path;
	struct wire_attr attr;
	struct route r;
	int rc;

	run->change.cwd = run->cwd;
	memcpy(run->cwd, path, strlen(path) + 1);
	if (!path[0])
		return 0;
	rc = route(&path, &r);
	if (rc != ROUTE_MOUNT)
		return rc < 0 ? rc : -ENOENT;
	rc = names_stat(&r, 0, &attr);
	return rc < 0 ? rc : S_ISDIR(attr.mode) ? 0 : -ENOTDIR;
}

/* The notes of @key, copied: what is done with them takes messages. */
static size_t snapshot(const posix_spawn_file_actions_t *key, struct note **to, size_t room)
{
	lock_mask mask = lock_take(&lock);
	size_t count = 0;

	for (struct note *n = notes; n && count < room; n = n->next)
		if (n->key == key)
			to[count++] = n;
	lock_drop(&lock, mask);
	return count;
}

int actions_begin(const posix_spawn_file_actions_t *key, struct actions_run *run)
{
	struct note *mine[ACTIONS_MAX];
	size_t count = key && notes ? snapshot(key, mine, ACTIONS_MAX) : 0;
	int rc = 0;

	run->change = (struct state_change){ .fd = run->fd, .desc = run->desc };
	for (size_t i = 0; i < count && !rc; i++)
		rc = mine[i]->kind == NOTE_OPEN  ? run_open(run, mine[i])
		     : mine[i]->kind == NOTE_DUP ? run_dup(run, mine[i])
						 : run_chdir(run, mine[i]);
	if (rc)
		actions_end(key, run);
	return rc;
}

void actions_end(const posix_spawn_file_actions_t *key, struct actions_run *run)
{
	struct note *mine[ACTIONS_MAX];
	size_t count = key && notes ? snapshot(key, mine, ACTIONS_MAX) : 0;

	for (size_t i = 0; i < run->change.count; i++)
		desc_put(run->desc[i]);
	for (size_t i = 0; i < count; i++)
		if (mine[i]->kind == NOTE_OPEN)
			empty(mine[i]->from);
	run->change.count = 0;
}
