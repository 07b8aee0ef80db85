#include "volume/dir.h"

#include "base/util.h"
#include "object/watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Entries are offsets into one block of text, and an open-addressed table of indices (plus one, 0 is free) that knows
 * which names were shown. All of it is thrown away when position 0 is read.
 */
struct entry {
	uint64_t ino;
	uint32_t text;
	uint16_t len;
	uint8_t type;
};

struct dir {
	struct vfile base;
	int fd; /* O_RDONLY, the only one kept */
	struct watched *watched;
	const struct dir_source *ops;
	void *source;

	pthread_mutex_t lock;
	bool taken, end;
	struct entry *entries;
	size_t count, room;
	char *text;
	size_t text_len, text_room;
	uint32_t *table;
	size_t table_size; /* a power of two */
};

static struct dir *dir_of(struct vfile *f)
{
	return container_of(f, struct dir, base);
}

static uint64_t hash_name(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ull;
	return h ^ (h >> 32);
}

/* The place of @name in the table: its index plus one, or a free place. */
static uint32_t *place_of(struct dir *d, const char *name, size_t len)
{
	size_t i = hash_name(name, len) & (d->table_size - 1);

	while (d->table[i]) {
		const struct entry *e = &d->entries[d->table[i] - 1];

		if (e->len == len && memcmp(d->text + e->text, name, len) == 0)
			break;
		i = (i + 1) & (d->table_size - 1);
	}
	return &d->table[i];
}

static int grow(void *pp, size_t *room, size_t need, size_t each)
{
	void **p = pp;
	size_t want = *room ? *room : 64;
	void *n;

	if (need <= *room)
		return 0;
	while (want < need)
		want *= 2;
	n = realloc(*p, want * each);
	if (!n)
		return -ENOMEM;
	*p = n;
	*room = want;
	return 0;
}

static int grow_table(struct dir *d)
{
	size_t size = d->table_size ? d->table_size * 2 : 128;
	uint32_t *table = calloc(size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	free(d->table);
	d->table = table;
	d->table_size = size;
	for (size_t i = 0; i < d->count; i++)
		*place_of(d, d->text + d->entries[i].text, d->entries[i].len) = (uint32_t)i + 1;
	return 0;
}

int dir_add(struct dir *d, const char *name, size_t len, uint64_t ino, uint8_t type)
{
	uint32_t *place;

	if ((d->count + 1) * 2 > d->table_size && grow_table(d))
		return -ENOMEM;
	place = place_of(d, name, len);
	if (*place)
		return 0;
	if (d->text_len + len > UINT32_MAX || grow(&d->entries, &d->room, d->count + 1, sizeof(*d->entries)) ||
	    grow(&d->text, &d->text_room, d->text_len + len, 1))
		return -ENOMEM;
	memcpy(d->text + d->text_len, name, len);
	d->entries[d->count] = (struct entry){ ino, (uint32_t)d->text_len, (uint16_t)len, type };
	d->text_len += len;
	*place = (uint32_t)++d->count;
	return 0;
}

static int take_locked(struct dir *d, struct vcall *call)
{
	uint64_t self = 0, parent = 0;
	int rc;

	d->taken = false;
	d->end = false;
	d->count = 0;
	d->text_len = 0;
	if (d->table)
		memset(d->table, 0, d->table_size * sizeof(*d->table));
	rc = d->ops->rewind(d, d->source, call, &self, &parent);
	if (rc == 0)
		rc = dir_add(d, ".", 1, self, DT_DIR);
	if (rc == 0)
		rc = dir_add(d, "..", 2, parent, DT_DIR);
	d->taken = rc == 0;
	return rc;
}

static int readdir_locked(struct dir *d, struct vcall *call, uint64_t pos, char *buf, size_t room, size_t *ret_used,
			  uint32_t *ret_entries, bool *ret_end)
{
	size_t used = 0;
	uint32_t entries = 0;
	int rc = 0;

	if (pos == 0 || !d->taken)
		rc = take_locked(d, call);
	while (rc == 0) {
		const struct entry *e;
		size_t n;

		if (pos >= d->count) {
			if (d->end || (entries && used > room / 2))
				break;
			rc = d->ops->more(d, d->source, call, &d->end);
			continue;
		}
		e = &d->entries[pos];
		n = wire_put_dirent(buf + used, room - used, e->ino, pos + 1, e->type, d->text + e->text, e->len);
		if (!n)
			break;
		used += n;
		pos++;
		entries++;
	}
	/* what was gathered before an error is handed out first: the next call meets the error again */
	if (rc && !entries)
		return rc;
	if (!entries && pos < d->count)
		return -EINVAL;
	*ret_used = used;
	*ret_entries = entries;
	*ret_end = rc == 0 && d->end && pos >= d->count;
	return 0;
}

int dir_readdir(struct vfile *f, struct vcall *call, uint64_t pos, void *buf, size_t room, size_t *ret_used,
		uint32_t *ret_entries, bool *ret_end)
{
	struct dir *d = dir_of(f);
	int rc;

	pthread_mutex_lock(&d->lock);
	rc = readdir_locked(d, call, pos, buf, room, ret_used, ret_entries, ret_end);
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static void on_no_holders(void *arg)
{
	struct dir *d = arg;
	const struct volume_events *events = &d->base.volume->events;

	if (events->file_gone)
		events->file_gone(events->owner, &d->base, 0);
}

static int reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The memfd's first description is left behind: only the reopened one is seen by inotify and leases. */
static int make_private_file(int *ret)
{
	cleanup_close int first = memfd_create("s3shim-directory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int fd;

	if (first < 0)
		return -errno;
	if (fcntl(first, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -errno;
	fd = reopen(first);
	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

int dir_open(struct volume *v, struct watch *watch, const struct dir_source *ops, void *source,
	     struct volume_opened *ret, struct err *err)
{
	struct watch_ops watching = { .no_holders = on_no_holders };
	struct dir *d = calloc(1, sizeof(*d));
	int fd = -1, rc = 0;

	if (!d)
		return -ENOMEM;
	d->base = (struct vfile){ .volume = v, .kind = WIRE_KIND_DIR, .slot = WIRE_NO_SLOT };
	d->fd = -1;
	pthread_mutex_init(&d->lock, NULL);
	watching.arg = d;
	rc = make_private_file(&d->fd);
	if (rc == 0) {
		fd = reopen(d->fd);
		rc = fd < 0 ? fd : 0;
	}
	if (rc == 0 && watch)
		rc = watch_add(watch, d->fd, -1, &watching, &d->watched, err);
	if (rc) {
		if (fd >= 0)
			close(fd);
		dir_free(&d->base);
		return rc;
	}
	d->ops = ops;
	d->source = source;
	if (watch)
		watch_handed_out(d->watched, false);
	*ret = (struct volume_opened){ .file = &d->base, .fd = fd, .kind = WIRE_KIND_DIR, .slot = WIRE_NO_SLOT };
	return 0;
}

void *dir_source_of(struct vfile *f)
{
	return dir_of(f)->source;
}

void dir_free(struct vfile *f)
{
	struct dir *d = dir_of(f);

	watch_remove(d->watched);
	if (d->fd >= 0)
		close(d->fd);
	if (d->source)
		d->ops->release(d->source);
	pthread_mutex_destroy(&d->lock);
	free(d->entries);
	free(d->text);
	free(d->table);
	free(d);
}
