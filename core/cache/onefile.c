#include "cache/backend.h"

#include "base/log.h"
#include "base/util.h"
#include "cache/cache.h"
#include "s3/checksum.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/*
 * One sparse file of entries:
 *
 *     0         struct header, a page: how large, and a clock that counts uses
 *     1 page    SLOTS times struct slot, 64 bytes each: which name lies where
 *     DATA_OFF  regions, one an entry, at multiples of a page, in no order
 *
 * The file has its full length from the beginning and takes the disk's space as entries come; what goes is punched out.
 * A region is one run of bytes: where no gap is large enough, the entries that were not used for longest go until one is,
 * which may be more than would fit in all.
 *
 * Locks, by byte (F_OFD_SETLK), so that they end with whoever holds them:
 *   byte 0                 the index: whoever reads or changes it, for that moment
 *   first byte of a slot   its region: shared while it is read, exclusive while it is written, of a descriptor of its own
 *
 *   FREE ──begin──► WRITING ──commit──► READY ──drop, a newer one──► GONE
 *    ▲                 │ undo; nobody holds the slot: its writer was killed   │ the oldest; nobody holds the slot
 *    └─────────────────┴──────────────────────────────────────────────────────┘
 *
 * GONE is READY without a name: somebody may still read it. A header or slot whose checksum is wrong counts as empty. So
 * two regions may overlap after damage: the entries' own checksums notice.
 */
#define MAGIC    "s3shimC1"
#define SLOTS    16384u
#define DATA_OFF (CACHE_PAGE + SLOTS * sizeof(struct slot))

struct header {
	char magic[8];
	uint64_t size, clock, slots, sum;
};

enum { FREE, WRITING, READY, GONE };

struct slot {
	uint8_t hash[CACHE_HASH_BYTES];
	uint64_t off, len;
	uint64_t used_state; /* the clock, times 4, and the state */
	uint64_t sum;
};
_Static_assert(sizeof(struct slot) == 64, "the file's format");
_Static_assert(DATA_OFF % CACHE_PAGE == 0, "regions begin at pages");

struct onefile {
	struct cache_backend base;
	int fd;
	/* while the lock is held */
	struct header header;
	struct slot *slots; /* damaged ones are FREE */
};

struct gap {
	uint64_t off, end;
};

static struct onefile *of(struct cache_backend *b)
{
	return container_of(b, struct onefile, base);
}

static unsigned state_of(const struct slot *s)
{
	return s->used_state & 3;
}

/* locks */

static int lock_byte(int fd, short type, uint64_t at, bool wait)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1 };
	int r;

	do
		r = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static uint64_t slot_at(uint32_t i)
{
	return CACHE_PAGE + i * sizeof(struct slot);
}

static uint64_t sum_of(const void *data, size_t len)
{
	return crc64_update(0, data, len);
}

static bool header_good(const struct header *h)
{
	return memcmp(h->magic, MAGIC, sizeof(h->magic)) == 0 && h->sum == sum_of(h, offsetof(struct header, sum)) &&
	       h->slots == SLOTS && h->size >= DATA_OFF;
}

static int write_at(int fd, const void *data, size_t len, uint64_t off)
{
	ssize_t n = pwrite(fd, data, len, (off_t)off);

	return n < 0 ? -errno : (size_t)n < len ? -ENOSPC : 0;
}

static int write_header(struct onefile *f)
{
	f->header.sum = sum_of(&f->header, offsetof(struct header, sum));
	return write_at(f->fd, &f->header, sizeof(f->header), 0);
}

static void read_slots(struct onefile *f)
{
	size_t len = SLOTS * sizeof(struct slot);

	if (pread(f->fd, f->slots, len, CACHE_PAGE) != (ssize_t)len)
		memset(f->slots, 0, len);
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slots[i];
		if (state_of(s) != FREE && (s->sum != sum_of(s, offsetof(struct slot, sum)) || s->off < DATA_OFF ||
					    s->off % CACHE_PAGE || range_end(s->off, s->len) > f->header.size))
			*s = (struct slot){ .off = 0 };
	}
}

/* The index, to oneself, read. Return: 0; negative errno, nothing is held. */
static int lock(struct onefile *f)
{
	int r;

	pthread_mutex_lock(&f->base.lock);
	r = lock_byte(f->fd, F_WRLCK, 0, true);
	if (r == 0) {
		if (pread(f->fd, &f->header, sizeof(f->header), 0) == sizeof(f->header) && header_good(&f->header)) {
			read_slots(f);
			return 0;
		}
		(void)lock_byte(f->fd, F_UNLCK, 0, false);
		r = -EIO;
	}
	pthread_mutex_unlock(&f->base.lock);
	return r;
}

static void unlock(struct onefile *f)
{
	(void)lock_byte(f->fd, F_UNLCK, 0, false);
	pthread_mutex_unlock(&f->base.lock);
}

/* slots, with the lock */

static int set_slot(struct onefile *f, uint32_t i, const uint8_t *hash, unsigned state)
{
	struct slot *s = &f->slots[i];

	if (hash)
		memcpy(s->hash, hash, sizeof(s->hash));
	else
		memset(s->hash, 0, sizeof(s->hash));
	s->used_state = (state == GONE ? s->used_state >> 2 : ++f->header.clock) << 2 | state;
	s->sum = sum_of(s, offsetof(struct slot, sum));
	return write_at(f->fd, s, sizeof(*s), slot_at(i));
}

static void free_slot(struct onefile *f, uint32_t i)
{
	struct slot *s = &f->slots[i];

	(void)fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->off, (off_t)s->len);
	*s = (struct slot){ .off = 0 };
	(void)write_at(f->fd, s, sizeof(*s), slot_at(i));
}

/* Free it, unless somebody reads or writes it. */
static bool try_free(struct onefile *f, uint32_t i)
{
	if (lock_byte(f->fd, F_WRLCK, slot_at(i), false) < 0)
		return false;
	free_slot(f, i);
	(void)lock_byte(f->fd, F_UNLCK, slot_at(i), false);
	return true;
}

/* No name leads to it any more; it goes when its last reader has. */
static void disown(struct onefile *f, uint32_t i)
{
	if (!try_free(f, i))
		(void)set_slot(f, i, NULL, GONE);
}

static int find_slot(const struct onefile *f, const uint8_t *hash)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		if (state_of(&f->slots[i]) == READY && memcmp(f->slots[i].hash, hash, CACHE_HASH_BYTES) == 0)
			return (int)i;
	return -1;
}

static int by_off(const void *a, const void *b)
{
	const struct gap *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

/* The first gap of @len bytes. Return: where it begins; 0: there is none. */
static uint64_t find_gap(const struct onefile *f, struct gap *taken, uint64_t len)
{
	uint64_t at = DATA_OFF;
	size_t count = 0;

	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &f->slots[i];
		if (state_of(s) != FREE)
			taken[count++] = (struct gap){ s->off, s->off + s->len };
	}
	qsort(taken, count, sizeof(*taken), by_off);
	for (size_t i = 0; i < count; i++) {
		if (taken[i].off >= at && taken[i].off - at >= len)
			return at;
		at = max_u64(at, taken[i].end);
	}
	return range_end(at, len) <= f->header.size ? at : 0;
}

static int find_free(const struct onefile *f)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		if (state_of(&f->slots[i]) == FREE)
			return (int)i;
	return -1;
}

/* The one that was used before all others; writers whose process is gone first of all. */
static bool free_oldest(struct onefile *f)
{
	uint64_t tried = 0;

	for (;;) {
		int best = -1;
		for (uint32_t i = 0; i < SLOTS; i++) {
			const struct slot *s = &f->slots[i];
			if (state_of(s) == WRITING && !tried && try_free(f, i))
				return true;
			if ((state_of(s) == READY || state_of(s) == GONE) && s->used_state >= tried &&
			    (best < 0 || s->used_state < f->slots[best].used_state))
				best = (int)i;
		}
		if (best < 0)
			return false;
		tried = f->slots[best].used_state + 1;
		if (try_free(f, (uint32_t)best))
			return true;
	}
}

static int make_room(struct onefile *f, uint64_t len, uint64_t *ret_off)
{
	cleanup_free struct gap *taken = calloc(SLOTS, sizeof(*taken));

	if (!taken)
		return -ENOMEM;
	for (;;) {
		int slot = find_free(f);
		*ret_off = slot < 0 ? 0 : find_gap(f, taken, len);
		if (*ret_off)
			return slot;
		if (!free_oldest(f))
			return -ENOSPC;
	}
}

/* the operations */

static int open_own(const struct onefile *f, uint32_t slot, bool write)
{
	char path[64];
	int fd, r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = lock_byte(fd, write ? F_WRLCK : F_RDLCK, slot_at(slot), false);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static void fill_region(const struct onefile *f, uint32_t slot, int fd, struct cache_region *ret)
{
	const struct slot *s = &f->slots[slot];

	*ret = (struct cache_region){ .fd = fd, .off = s->off, .len = s->len, .slot = slot };
	memcpy(ret->hash, s->hash, sizeof(ret->hash));
}

static int onefile_find(struct cache_backend *b, const uint8_t *hash, struct cache_region *ret)
{
	struct onefile *f = of(b);
	int slot, fd, r = lock(f);

	if (r < 0)
		return r;
	slot = find_slot(f, hash);
	fd = slot < 0 ? -ENOENT : open_own(f, (uint32_t)slot, false);
	if (fd >= 0) {
		(void)set_slot(f, (uint32_t)slot, hash, READY);
		(void)write_header(f);
		fill_region(f, (uint32_t)slot, fd, ret);
	}
	unlock(f);
	return fd < 0 ? fd : 0;
}

static int onefile_begin(struct cache_backend *b, const uint8_t *hash, uint64_t len, struct cache_region *ret)
{
	struct onefile *f = of(b);
	uint64_t off;
	int slot, fd, r = lock(f);

	if (r < 0)
		return r;
	slot = len > f->header.size - DATA_OFF ? -EFBIG : make_room(f, len, &off);
	fd = slot < 0 ? slot : open_own(f, (uint32_t)slot, true);
	r = fd < 0 ? fd : 0;
	if (r == 0) {
		f->slots[slot].off = off;
		f->slots[slot].len = len;
		r = set_slot(f, (uint32_t)slot, hash, WRITING);
		if (r == 0)
			r = write_header(f);
		if (r < 0)
			close(fd);
	}
	if (r == 0)
		fill_region(f, (uint32_t)slot, fd, ret);
	unlock(f);
	return r;
}

static int onefile_commit(struct cache_backend *b, struct cache_region *region)
{
	struct onefile *f = of(b);
	int older, r = lock(f);

	if (r < 0)
		return r;
	older = find_slot(f, region->hash);
	r = state_of(&f->slots[region->slot]) != WRITING ? -EIO : 0; /* it was damaged */
	if (r == 0)
		r = set_slot(f, region->slot, region->hash, READY);
	if (r == 0 && older >= 0)
		disown(f, (uint32_t)older);
	(void)write_header(f);
	unlock(f);
	return r;
}

static bool still_that(const struct onefile *f, const struct cache_region *r, unsigned state)
{
	const struct slot *s = &f->slots[r->slot];

	return state_of(s) == state && s->off == r->off && s->len == r->len &&
	       memcmp(s->hash, r->hash, sizeof(s->hash)) == 0;
}

static void onefile_drop(struct cache_backend *b, const struct cache_region *region)
{
	struct onefile *f = of(b);

	if (lock(f) < 0)
		return;
	if (still_that(f, region, READY))
		disown(f, region->slot);
	unlock(f);
}

static void onefile_put(struct cache_backend *b, struct cache_region *region, bool undo)
{
	struct onefile *f = of(b);

	if (undo && lock(f) == 0) {
		if (still_that(f, region, WRITING))
			free_slot(f, region->slot);
		unlock(f);
	}
	close(region->fd);
	*region = (struct cache_region)CACHE_REGION_NONE;
}

static void onefile_close(struct cache_backend *b)
{
	struct onefile *f = of(b);

	cleanup_close_p(&f->fd);
	free(f->slots);
	pthread_mutex_destroy(&b->lock);
	free(f);
}

static const struct cache_backend_ops onefile_ops = {
	.find = onefile_find,
	.begin = onefile_begin,
	.commit = onefile_commit,
	.drop = onefile_drop,
	.put = onefile_put,
	.close = onefile_close,
};

/* opening */

static int open_path(const char *path, struct err *err)
{
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	uint64_t size;

	if (fd < 0)
		return err_set(err, errno, "the cache file '%s': %s", path, strerror(errno));
	if (!backend_check(fd, &size))
		return err_set(
		    err, EPERM,
		    "the cache file '%s' is not this user's own file that nobody else may read (mode 600): name "
		    "another one with --cloud-cache-file",
		    path);
	return steal_fd(&fd);
}

/* Has the disk room for the rest of it? */
static int check_disk(const struct onefile *f, const char *path, uint64_t size, struct err *err)
{
	uint64_t room;
	struct statvfs fs;
	struct stat st;

	if (fstat(f->fd, &st) < 0 || fstatvfs(f->fd, &fs) < 0)
		return err_set(err, errno, "the cache file '%s': %s", path, strerror(errno));
	room = fs.f_bavail * fs.f_frsize + (uint64_t)st.st_blocks * 512;
	if (size > room)
		return err_set(err, ENOSPC,
			       "the cache file '%s' cannot be of %" PRIu64 " MiB: its disk has room for %" PRIu64
			       " MiB: say less with --max-cloud-cache-size, or name a file on another disk",
			       path, size >> 20, room >> 20);
	return 0;
}

/* What lies behind the new end goes. Return: the end that can be had. */
static uint64_t cut_to(struct onefile *f, uint64_t size)
{
	uint64_t end = size;

	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &f->slots[i];
		if (state_of(s) != FREE && s->off + s->len > size && !try_free(f, i))
			end = max_u64(end, s->off + s->len);
	}
	return end;
}

static int set_size(struct onefile *f, const char *path, uint64_t size, struct err *err)
{
	struct stat st;

	if (size < f->header.size) {
		uint64_t end = cut_to(f, size);
		if (end > size)
			log_warn("cache", "'%s' is in use: cut to %" PRIu64 " MiB, not to %" PRIu64 " MiB", path,
				 end >> 20, size >> 20);
		size = end;
	}
	f->header.size = size;
	if (fstat(f->fd, &st) < 0 || ((uint64_t)st.st_size != size && ftruncate(f->fd, (off_t)size) < 0))
		return err_set(err, errno,
			       "the cache file '%s' cannot be of %" PRIu64
			       " MiB: %s: say less with --max-cloud-cache-size, or name a file on another disk",
			       path, size >> 20, strerror(errno));
	return write_header(f) < 0 ? err_set(err, EIO, "the cache file '%s' cannot be written to", path) : 0;
}

/* A file that is empty, or was left before its header was written, is made; one of somebody else's is left alone. */
static int make(struct onefile *f, const char *path, uint64_t size, struct err *err)
{
	static const struct header nothing;
	struct header h = nothing;

	if (pread(f->fd, &h, sizeof(h), 0) < 0)
		return err_set(err, errno, "the cache file '%s': %s", path, strerror(errno));
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 && memcmp(&h, &nothing, sizeof(h)) != 0)
		return err_set(
		    err, EEXIST,
		    "'%s' is there and no cache of s3shim: name another file with --cloud-cache-file, or remove "
		    "it",
		    path);
	if (!size)
		return err_set(
		    err, EINVAL,
		    "the cache file '%s' is not made yet: say how large it is to be with --max-cloud-cache-size", path);
	if (ftruncate(f->fd, 0) < 0)
		return err_set(err, errno, "the cache file '%s': %s", path, strerror(errno));
	f->header = (struct header){ .size = size, .slots = SLOTS };
	memcpy(f->header.magic, MAGIC, sizeof(f->header.magic));
	memset(f->slots, 0, SLOTS * sizeof(struct slot));
	return 0;
}

static int open_locked(struct onefile *f, const char *path, uint64_t size, struct err *err)
{
	uint64_t had = 0;
	int r = 0;

	if (pread(f->fd, &f->header, sizeof(f->header), 0) == sizeof(f->header) && header_good(&f->header)) {
		read_slots(f);
		had = f->header.size;
		size = size ? size : had;
	} else {
		r = make(f, path, size, err);
	}
	if (r == 0 && size > had)
		r = check_disk(f, path, size, err);
	return r < 0 ? r : set_size(f, path, size, err);
}

int onefile_open(const char *path, uint64_t max_bytes, struct cache_backend **ret, struct err *err)
{
	struct onefile *f = calloc(1, sizeof(*f));
	int r;

	if (!f || !(f->slots = calloc(SLOTS, sizeof(*f->slots)))) {
		free(f);
		return err_set(err, ENOMEM, "out of memory");
	}
	f->base.ops = &onefile_ops;
	pthread_mutex_init(&f->base.lock, NULL);
	max_bytes = round_down(max_bytes, CACHE_PAGE);
	f->fd = -1;
	r = max_bytes && max_bytes < CACHE_FILE_MIN
		? err_set(err, EINVAL, "--max-cloud-cache-size: a cache file is of 4MiB or more")
		: 0;
	if (r == 0)
		f->fd = r = open_path(path, err);
	if (r >= 0 && (r = lock_byte(f->fd, F_WRLCK, 0, true)) < 0)
		err_set(err, -r, "the cache file '%s' cannot be locked: %s", path, strerror(-r));
	if (r >= 0) {
		r = open_locked(f, path, max_bytes, err);
		(void)lock_byte(f->fd, F_UNLCK, 0, false);
	}
	if (r < 0)
		onefile_close(&f->base);
	else
		*ret = &f->base;
	return r;
}
