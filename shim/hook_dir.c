/*
 * Directory streams of our own for routed folders. A stream is a slot in one reserved region, so that whether a DIR *
 * is ours is two comparisons. The position is the kernel offset of the folder's private file, shared by dup and fork as
 * on a disk; a stream reads ahead a batch, and the offset is where the batch ends, as glibc does it with getdents.
 *
 * A foreign folder in which a mount point lies that the kernel does not know is such a stream too: what the kernel
 * lists, then the names that it lacks.
 */
#include "shim/fd_open.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/link.h"
#include "shim/lock.h"
#include "shim/route.h"
#include "shim/shim.h"

#include <string.h>

#define STREAMS     1024
#define BATCH_BYTES 32768

_Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "one dirent for both");

struct stream {
	int fd;
	uint32_t used; /* bytes of batch */
	uint32_t at;   /* the next record */
	bool end;      /* nothing follows the batch */
	uint64_t told; /* position of the next record: telldir */
	struct lock lock;
	struct stream *next_free;
	struct dirent entry; /* what readdir returned last */
	char batch[BATCH_BYTES] __attribute__((aligned(8)));
};

static struct {
	struct lock lock;
	_Atomic(struct stream *) base;
	struct stream *free;
	uint32_t made;
} streams;

static struct stream *ours(DIR *dir)
{
	struct stream *s = (struct stream *)(void *)dir, *base = streams.base;

	return base && s >= base && s < base + STREAMS ? s : NULL;
}

static struct stream *stream_new(int fd)
{
	lock_mask mask = lock_take(&streams.lock);
	struct stream *s = streams.free;

	if (!streams.base) {
		long p = SYS(mmap, NULL, STREAMS * sizeof(*s), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p > 0 || p < -4095)
			streams.base = (struct stream *)p;
	}
	if (s)
		streams.free = s->next_free;
	else if (streams.base && streams.made < STREAMS)
		s = streams.base + streams.made++;
	lock_drop(&streams.lock, mask);
	if (s) {
		s->fd = fd;
		s->used = s->at = 0;
		s->end = false;
		s->told = 0;
		s->lock.v = 0;
	}
	return s;
}

static void stream_free(struct stream *s)
{
	lock_mask mask = lock_take(&streams.lock);

	s->next_free = streams.free;
	streams.free = s;
	lock_drop(&streams.lock, mask);
}

/* Append a record. Return: the bytes used then; @used where it does not fit. */
static size_t put_record(char *buf, size_t used, size_t room, const char *name, uint64_t ino, uint64_t next,
			 uint8_t type)
{
	struct wire_dirent *e = (void *)(buf + used);
	size_t n = strlen(name), size = (size_t)round_up(offsetof(struct wire_dirent, name) + n + 1, 8);

	if (size > room - used)
		return used;
	e->ino = ino;
	e->next = next;
	e->size = (uint16_t)size;
	e->type = type;
	e->name_len = (uint16_t)n;
	memcpy(e->name, name, n + 1);
	return used + size;
}

/* The same of an ancestor. */
static long fetch_ancestor(int fd, const char *path, uint64_t pos, char *buf, size_t room, bool *ret_end)
{
	char raw[BATCH_BYTES / 4] __attribute__((aligned(8))), name[256];
	long n = SYS(getdents64, fd, raw, sizeof(raw));
	size_t used = 0;
	uint32_t at = 0;

	/* The folder is not in the kernel's tree: cwd_nowhere(). */
	if (n == -ENOENT) {
		used = put_record(buf, used, room, ".", 1, pos, DT_DIR);
		used = put_record(buf, used, room, "..", 1, pos, DT_DIR);
		n = 0;
	}
	if (n < 0)
		return n;
	for (long i = 0; i < n;) {
		const struct dirent64 *e = (const void *)(raw + i);
		used = put_record(buf, used, room, e->d_name, e->d_ino, (uint64_t)e->d_off, e->d_type);
		i += e->d_reclen;
	}
	*ret_end = n == 0;
	while (!n && route_child(path, &at, name))
		used = put_record(buf, used, room, name, 1, pos, DT_UNKNOWN); /* a mount point may be a file */
	return (long)used;
}

/* A batch of records from @pos, where the kernel's offset is, into @buf. Return: bytes, 0 at the end; -errno. */
static long fetch(int fd, uint64_t pos, void *buf, size_t room, bool *ret_end)
{
	struct wire_readdir_req req = { .pos = pos, .max_bytes = (uint32_t)min_u64(room, WIRE_REPLY_MAX / 2) };
	struct wire_readdir_rep rep;
	struct link_extra x = { .tail = buf, .tail_room = room, .fd = -1 };
	struct desc *d = fdtab_get(fd);
	int rc;

	if (!d)
		return -EBADF;
	if (d->kind == DESC_ANCESTOR) {
		long n = fetch_ancestor(fd, d->path, pos, buf, room, ret_end);
		desc_put(d);
		return n;
	}
	req.file = d->file;
	rc = d->kind == WIRE_KIND_DIR ? link_call(WIRE_READDIR, &req, &rep, &x) : -ENOTDIR;
	desc_put(d);
	if (rc)
		return rc > 0 ? -EIO : rc;
	*ret_end = rep.end;
	return (long)x.tail_len;
}

/* The record at @at, if a whole one is there. */
static const struct wire_dirent *record(const char *batch, size_t used, size_t at)
{
	const size_t head = offsetof(struct wire_dirent, name); /* less than sizeof: the name begins in the padding */
	const struct wire_dirent *e = (const void *)(batch + at);

	if (used - at < head || e->size < head + e->name_len + 1u || e->size > used - at)
		return NULL;
	return e;
}

/* Return: 1 and s->entry; 0 at the end; -errno. */
static int stream_next(struct stream *s)
{
	const struct wire_dirent *e, *last = NULL;
	long pos, n;

	if (s->at >= s->used) {
		if (s->end)
			return 0;
		pos = SYS(lseek, s->fd, 0, SEEK_CUR);
		if (pos < 0)
			return (int)pos;
		n = fetch(s->fd, (uint64_t)pos, s->batch, sizeof(s->batch), &s->end);
		if (n <= 0)
			return (int)n;
		s->used = (uint32_t)n;
		s->at = 0;
		s->told = (uint64_t)pos;
		for (size_t at = 0; at < s->used && (e = record(s->batch, s->used, at)); at += e->size)
			last = e;
		if (!last)
			return -EIO;
		(void)SYS(lseek, s->fd, (off_t)last->next, SEEK_SET);
	}
	e = record(s->batch, s->used, s->at);
	if (!e || e->name_len >= sizeof(s->entry.d_name))
		return -EIO;
	s->entry.d_ino = e->ino;
	s->entry.d_off = (off_t)e->next;
	s->entry.d_type = e->type;
	s->entry.d_reclen = (unsigned short)round_up(offsetof(struct dirent, d_name) + e->name_len + 1u, 8);
	memcpy(s->entry.d_name, e->name, (size_t)e->name_len + 1);
	s->at += e->size;
	s->told = e->next;
	return 1;
}

static DIR *open_stream(int fd)
{
	struct stream *s = stream_new(fd);

	if (!s)
		errno = ENOMEM;
	return (DIR *)(void *)s;
}

/* Is @fd an ancestor with mount points to show? */
static bool shows_mounts(int fd)
{
	struct desc *d = likely(!fdtab_routed(fd)) ? NULL : fdtab_get(fd);
	char name[256];
	uint32_t at = 0;
	bool ret = d && d->kind == DESC_ANCESTOR && fdtab_verify(fd, d) && route_child(d->path, &at, name);

	desc_put(d);
	return ret;
}

#define OPENDIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)

static DIR *stream_on(int fd)
{
	DIR *dir;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	/* A link may have led out of the mount: then it is libc's after all. */
	if (!fdtab_routed(fd))
		return REAL(fdopendir)(fd);
	dir = open_stream(fd);
	if (!dir)
		(void)fdtab_close(fd);
	return dir;
}

static DIR *open_foreign(const char *path)
{
	DIR *dir = REAL(opendir)(path);
	struct route r;
	struct stat st;
	int fd;

	if (!route_active())
		return dir;
	if (!dir)
		switch (foreign_again(-1, AT_FDCWD, path, 0, &r)) {
		case FOREIGN_MOUNT:
			return stream_on(fd_open(&r, OPENDIR_FLAGS, 0));
		case FOREIGN_ABOVE:
			return stream_on(fd_open_above(r.path, OPENDIR_FLAGS));
		default:
			return NULL;
		}
	if (foreign_covers() && SYS(fstat, REAL(dirfd)(dir), &st) == 0 && foreign_is_mount(&st, &r)) {
		(void)REAL(closedir)(dir);
		return stream_on(fd_open(&r, OPENDIR_FLAGS, 0));
	}
	fd = fd_opened(REAL(dirfd)(dir), AT_FDCWD, path, O_DIRECTORY);
	if (likely(!shows_mounts(fd)))
		return dir;
	(void)REAL(closedir)(dir);
	fd = REAL(open)(path, OPENDIR_FLAGS);
	if (fd < 0)
		return NULL;
	dir = shows_mounts(fd_opened(fd, AT_FDCWD, path, O_DIRECTORY)) ? open_stream(fd) : NULL;
	return dir ? dir : REAL(fdopendir)(fd);
}

EXPORT DIR *opendir(const char *path)
{
	struct route r;
	int rc = route(&path, &r);

	if (rc == ROUTE_FOREIGN)
		return open_foreign(path);
	if (rc == ROUTE_MOUNT)
		rc = fd_open(&r, OPENDIR_FLAGS, 0);
	return stream_on(rc);
}

EXPORT DIR *fdopendir(int fd)
{
	struct desc *d = fdtab_get(fd);
	bool routed = d && d->kind != DESC_ANCESTOR && d->kind != WIRE_KIND_NATIVE && fdtab_verify(fd, d);
	bool folder = routed && d->kind == WIRE_KIND_DIR;

	desc_put(d);
	if (!routed && shows_mounts(fd))
		folder = true;
	else if (!routed)
		return REAL(fdopendir)(fd);
	if (!folder) {
		errno = ENOTDIR;
		return NULL;
	}
	(void)SYS(fcntl, fd, F_SETFD, FD_CLOEXEC);
	return open_stream(fd);
}

EXPORT int closedir(DIR *dir)
{
	struct stream *s = ours(dir);
	int fd;

	if (!s)
		return REAL(closedir)(dir);
	fd = s->fd;
	stream_free(s);
	return (int)ret_errno(fdtab_close(fd));
}

static struct dirent *next_entry(struct stream *s)
{
	int rc;

	lock_wait(&s->lock);
	rc = stream_next(s);
	lock_wake(&s->lock);
	if (rc < 0)
		errno = -rc;
	return rc > 0 ? &s->entry : NULL;
}

EXPORT struct dirent *readdir(DIR *dir)
{
	struct stream *s = ours(dir);

	return s ? next_entry(s) : REAL(readdir)(dir);
}

EXPORT struct dirent64 *readdir64(DIR *dir)
{
	struct stream *s = ours(dir);

	return s ? (struct dirent64 *)(void *)next_entry(s) : REAL(readdir64)(dir);
}

static int next_entry_r(struct stream *s, struct dirent *entry, struct dirent **result)
{
	int rc;

	lock_wait(&s->lock);
	rc = stream_next(s);
	if (rc > 0)
		memcpy(entry, &s->entry, s->entry.d_reclen);
	lock_wake(&s->lock);
	*result = rc > 0 ? entry : NULL;
	return rc < 0 ? -rc : 0;
}

EXPORT int readdir_r(DIR *dir, struct dirent *entry, struct dirent **result)
{
	struct stream *s = ours(dir);

	return s ? next_entry_r(s, entry, result) : REAL(readdir_r)(dir, entry, result);
}

EXPORT int readdir64_r(DIR *dir, struct dirent64 *entry, struct dirent64 **result)
{
	struct stream *s = ours(dir);

	return s ? next_entry_r(s, (struct dirent *)(void *)entry, (struct dirent **)(void *)result)
		 : REAL(readdir64_r)(dir, entry, result);
}

static void go_to(struct stream *s, uint64_t pos)
{
	lock_wait(&s->lock);
	(void)SYS(lseek, s->fd, (off_t)pos, SEEK_SET);
	s->used = s->at = 0;
	s->end = false;
	s->told = pos;
	lock_wake(&s->lock);
}

EXPORT void rewinddir(DIR *dir)
{
	struct stream *s = ours(dir);

	if (s)
		go_to(s, 0);
	else
		REAL(rewinddir)(dir);
}

EXPORT void seekdir(DIR *dir, long pos)
{
	struct stream *s = ours(dir);

	if (s)
		go_to(s, (uint64_t)pos);
	else
		REAL(seekdir)(dir, pos);
}

EXPORT long telldir(DIR *dir)
{
	struct stream *s = ours(dir);

	return s ? (long)s->told : REAL(telldir)(dir);
}

EXPORT int dirfd(DIR *dir)
{
	struct stream *s = ours(dir);

	return s ? s->fd : REAL(dirfd)(dir);
}

/* getdents64(2): the wire's records in the kernel's layout, which is struct dirent64's without the fixed name. */
static long dents(int fd, void *buf, size_t room)
{
	char batch[BATCH_BYTES] __attribute__((aligned(8)));
	long pos = SYS(lseek, fd, 0, SEEK_CUR), n;
	size_t out = 0;
	bool end;

	if (pos < 0)
		return pos;
	n = fetch(fd, (uint64_t)pos, batch, min_u64(sizeof(batch), room), &end);
	if (n <= 0)
		return n;
	for (size_t at = 0; at < (size_t)n;) {
		const struct wire_dirent *e = record(batch, (size_t)n, at);
		struct dirent64 *d = (void *)((char *)buf + out);
		size_t size;
		if (!e)
			return -EIO;
		size = (size_t)round_up(offsetof(struct dirent64, d_name) + e->name_len + 1u, 8);
		if (size > room - out)
			break;
		d->d_ino = e->ino;
		d->d_off = (off64_t)e->next;
		d->d_reclen = (unsigned short)size;
		d->d_type = e->type;
		memcpy(d->d_name, e->name, (size_t)e->name_len + 1);
		out += size;
		at += e->size;
		pos = (long)e->next;
	}
	if (!out)
		return -EINVAL;
	(void)SYS(lseek, fd, pos, SEEK_SET);
	return (long)out;
}

/* The kernel's list; at its end, once, what it lacks. */
static long dents_ancestor(int fd, struct desc *d, char *buf, size_t room)
{
	bool begins = SYS(lseek, fd, 0, SEEK_CUR) == 0;
	long n = SYS(getdents64, fd, buf, room);
	size_t used = 0;
	uint32_t at = 0;
	char name[256];

	if (n == -ENOENT)
		n = 0;
	if (begins)
		atomic_store(&d->told, 0);
	if (n || atomic_exchange(&d->told, 1))
		return n;
	while (route_child(d->path, &at, name)) {
		struct dirent64 *e = (void *)(buf + used);
		size_t size = (size_t)round_up(offsetof(struct dirent64, d_name) + strlen(name) + 1, 8);
		if (size > room - used)
			break;
		e->d_ino = 1;
		e->d_off = INT64_MAX;
		e->d_reclen = (unsigned short)size;
		e->d_type = DT_DIR;
		memcpy(e->d_name, name, strlen(name) + 1);
		used += size;
	}
	return (long)used;
}

EXPORT ssize_t getdents64(int fd, void *buf, size_t room)
{
	struct desc *d = likely(!fdtab_routed(fd)) ? NULL : fdtab_get(fd);
	bool known = d && (d->kind == WIRE_KIND_DIR || d->kind == DESC_ANCESTOR) && fdtab_verify(fd, d);
	long n = known ? d->kind == WIRE_KIND_DIR ? dents(fd, buf, room) : dents_ancestor(fd, d, buf, room) : 0;

	desc_put(d);
	if (known)
		return ret_errno(n);
	return HAVE(getdents64) ? REAL(getdents64)(fd, buf, room) : ret_errno(SYS(getdents64, fd, buf, room));
}

EXPORT ssize_t getdirentries(int fd, char *buf, size_t room, off_t *base)
{
	off_t pos = lseek(fd, 0, SEEK_CUR);
	ssize_t n = pos < 0 ? -1 : getdents64(fd, buf, room);

	if (n >= 0)
		*base = pos;
	return n;
}

EXPORT ssize_t getdirentries64(int fd, char *buf, size_t room, off64_t *base)
{
	return getdirentries(fd, buf, room, base);
}

/* scandir(3) for a routed folder: the list and its entries are malloc()ed, for the program to free. */
typedef int filter_fn(const struct dirent *);
typedef int compare_fn(const struct dirent **, const struct dirent **);

static int collect(DIR *dir, struct dirent ***list, size_t *count, filter_fn *filter)
{
	struct dirent *e, **grown;
	size_t room = 0;

	for (errno = 0; (e = readdir(dir)); errno = 0) {
		if (filter && !filter(e))
			continue;
		if (*count == room) {
			room = room ? room * 2 : 64;
			grown = realloc(*list, room * sizeof(e));
			if (!grown)
				return -ENOMEM;
			*list = grown;
		}
		(*list)[*count] = malloc(e->d_reclen);
		if (!(*list)[*count])
			return -ENOMEM;
		memcpy((*list)[(*count)++], e, e->d_reclen);
	}
	return -errno;
}

static int scan(const char *path, struct dirent ***ret, filter_fn *filter, compare_fn *compare)
{
	struct dirent **list = NULL;
	size_t count = 0;
	DIR *dir = opendir(path);
	int rc;

	if (!dir)
		return -1;
	rc = collect(dir, &list, &count, filter);
	(void)closedir(dir);
	if (rc) {
		while (count)
			free(list[--count]);
		free(list);
		return (int)ret_errno(rc);
	}
	if (compare && count)
		qsort(list, count, sizeof(*list), (int (*)(const void *, const void *))(void (*)(void))compare);
	*ret = list ? list : malloc(sizeof(*list));
	return (int)count;
}

/* Does the foreign @path lie above a mount point? Then its absolute form is in @ret. */
static bool ancestor(int dirfd, const char *path, char *ret)
{
	return route_active() && path && fd_absolute(dirfd, path, ret) && route_is_ancestor(ret);
}

#define SCAN(name, type, params, at, real) \
	EXPORT int name params \
	{ \
		struct route r; \
		int at_ = at, rc = route_at(&at_, &path, &r); \
\
		if (rc == ROUTE_MOUNT || (!rc && ancestor(at_, path, r.path))) \
			return scan(r.path, (void *)list, (filter_fn *)(void (*)(void))filter, \
				    (compare_fn *)(void (*)(void))compare); \
		return rc < 0 ? (int)ret_errno(rc) : REAL(name) real; \
	}
#define SCAN_REST(type) \
	const char *path, struct type ***list, int (*filter)(const struct type *), \
	    int (*compare)(const struct type **, const struct type **)
SCAN(scandir, dirent, (SCAN_REST(dirent)), AT_FDCWD, (path, list, filter, compare))
SCAN(scandir64, dirent64, (SCAN_REST(dirent64)), AT_FDCWD, (path, list, filter, compare))
SCAN(scandirat, dirent, (int fd, SCAN_REST(dirent)), fd, (at_, path, list, filter, compare))
SCAN(scandirat64, dirent64, (int fd, SCAN_REST(dirent64)), fd, (at_, path, list, filter, compare))
