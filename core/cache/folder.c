#include "cache/backend.h"

#include "base/util.h"
#include "s3/checksum.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

/*
 * A folder of entries:
 *
 *     <64 hex digits>   an entry, the hash of its name; st_mtime is when it was last of use
 *     tmp-<16 hex>      one that is being written: of its full size from the beginning, locked while its writer lives
 *     account           how many bytes all of them have; its lock is that of the folder's accounting
 *
 * A writer adds to the account before its file is there, and subtracts after a file is gone. So a session that is killed
 * leaves an account that says too much, never too little; when it says that there is no room, everything is counted
 * anew, what killed writers left is removed, and the oldest go. More goes than is needed: to count is dear.
 *
 * Entries are read without any lock: they appear by rename(2), whole, and a file that is removed stays readable to whoever
 * has it open.
 */
#define ACCOUNT       "account"
#define ACCOUNT_MAGIC 0x314143436d696873ull /* "shimCCA1" */
#define TEMP          "tmp-"
#define SLACK         16 /* of the bound: the share that is freed beyond what is needed */

struct account {
	uint64_t magic, bytes, sum;
};

struct folder {
	struct cache_backend base;
	int dir, account;
	uint64_t max, bytes; /* bytes: while the lock is held */
};

struct found {
	char name[2 * CACHE_HASH_BYTES + 1];
	uint64_t bytes;
	struct timespec used;
};

static struct folder *of(struct cache_backend *b)
{
	return container_of(b, struct folder, base);
}

static void name_of(const uint8_t *hash, char ret[2 * CACHE_HASH_BYTES + 1])
{
	for (size_t i = 0; i < CACHE_HASH_BYTES; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

static bool is_entry(const char *name)
{
	return strlen(name) == (size_t)2 * CACHE_HASH_BYTES && strspn(name, "0123456789abcdef") == strlen(name);
}

static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1 && !(st->st_mode & 077);
}

bool backend_check(int fd, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !is_ours(&st))
		return false;
	*ret_size = (uint64_t)st.st_size;
	return true;
}

/* the account */

static int open_account(struct folder *f)
{
	uint64_t size;
	int fd = openat(f->dir, ACCOUNT, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (backend_check(fd, &size))
		return fd;
	close(fd);
	return -EPERM;
}

static void count_all(struct folder *f, uint64_t need);

static uint64_t account_sum(const struct account *a)
{
	return crc64_update(0, a, offsetof(struct account, sum));
}

static void write_account(struct folder *f)
{
	struct account a = { ACCOUNT_MAGIC, f->bytes, 0 };

	a.sum = account_sum(&a);
	if (pwrite(f->account, &a, sizeof(a), 0) != sizeof(a))
		(void)!ftruncate(f->account, 0); /* counted anew by the next one */
}

/* With the mutex and the file's lock, and f->bytes. Return: 0; negative errno, nothing is held. */
static int lock(struct folder *f)
{
	struct account a;
	struct stat st;
	int fd;

	pthread_mutex_lock(&f->base.lock);
	for (;;) {
		int r;
		do
			r = flock(f->account, LOCK_EX);
		while (r < 0 && errno == EINTR);
		if (r == 0 && fstat(f->account, &st) == 0 && st.st_nlink)
			break;
		fd = r < 0 ? -errno : open_account(f); /* somebody has removed it */
		if (fd < 0) {
			pthread_mutex_unlock(&f->base.lock);
			return fd;
		}
		close(f->account);
		f->account = fd;
	}
	if (pread(f->account, &a, sizeof(a), 0) == sizeof(a) && a.magic == ACCOUNT_MAGIC && a.sum == account_sum(&a)) {
		f->bytes = a.bytes;
	} else {
		count_all(f, 0);
		write_account(f);
	}
	return 0;
}

static void unlock(struct folder *f)
{
	(void)flock(f->account, LOCK_UN);
	pthread_mutex_unlock(&f->base.lock);
}

/* Something that bears an entry's name, and is none. */
static void throw_away(struct folder *f, const char *name)
{
	if (unlinkat(f->dir, name, 0) < 0)
		(void)unlinkat(f->dir, name, AT_REMOVEDIR);
}

static uint64_t bytes_of(const struct folder *f, const char *name)
{
	struct stat st;

	return fstatat(f->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ? 0 : (uint64_t)st.st_size;
}

/* A writer's file: how large it will be; 0 and it is gone where the writer is. */
static uint64_t look_at_temp(struct folder *f, const char *name)
{
	cleanup_close int fd = openat(f->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint64_t bytes = bytes_of(f, name);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return bytes;
	throw_away(f, name);
	return 0;
}

static int by_use(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

static bool add_found(struct folder *f, const char *name, struct found **list, size_t *count)
{
	struct found *more;
	struct stat st;

	if (fstatat(f->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	if (!S_ISREG(st.st_mode)) {
		throw_away(f, name);
		return true;
	}
	if ((*count & (*count - 1)) == 0) { /* a power of two: it is full */
		more = reallocarray(*list, *count ? 2 * *count : 1, sizeof(*more));
		if (!more)
			return false;
		*list = more;
	}
	(*list)[*count] = (struct found){ .bytes = (uint64_t)st.st_size, .used = st.st_mtim };
	strcpy((*list)[(*count)++].name, name);
	return true;
}

/* f->bytes anew; and where they and @need are more than may be, the oldest go. */
static void count_all(struct folder *f, uint64_t need)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct found *list = NULL;
	size_t count = 0;
	struct dirent *e;
	uint64_t most;

	if (!dir) {
		cleanup_close_p(&fd);
		return;
	}
	f->bytes = 0;
	while ((e = readdir(dir))) {
		if (strncmp(e->d_name, TEMP, strlen(TEMP)) == 0)
			f->bytes += look_at_temp(f, e->d_name);
		else if (is_entry(e->d_name) && !add_found(f, e->d_name, &list, &count))
			break;
	}
	closedir(dir);
	for (size_t i = 0; i < count; i++)
		f->bytes += list[i].bytes;
	if (range_end(f->bytes, need) > f->max) {
		most = f->max > need ? f->max - need : 0;
		most -= min_u64(most, f->max / SLACK);
		qsort(list, count, sizeof(*list), by_use);
		for (size_t i = 0; i < count && f->bytes > most; i++) {
			throw_away(f, list[i].name);
			f->bytes -= list[i].bytes;
		}
	}
	free(list);
}

/* the operations */

/* Return: -EBADMSG: what bears that name is no entry, and thrown away; -ENOENT: it has gone meanwhile. */
static int refuse(struct folder *f, const char *name)
{
	struct stat st;
	int r = lock(f);

	if (r < 0)
		return r;
	r = -ENOENT;
	if (fstatat(f->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !is_ours(&st)) {
		f->bytes -= min_u64(bytes_of(f, name), f->bytes);
		throw_away(f, name);
		write_account(f);
		r = -EBADMSG;
	}
	unlock(f);
	return r;
}

static int folder_find(struct cache_backend *b, const uint8_t *hash, struct cache_region *ret)
{
	struct folder *f = of(b);
	char name[2 * CACHE_HASH_BYTES + 1];
	cleanup_close int fd = -1;
	uint64_t size;

	name_of(hash, name);
	fd = openat(f->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ELOOP && errno != ENXIO && errno != EACCES)
		return -errno;
	if (fd < 0 || !backend_check(fd, &size)) /* or it was replaced since */
		return refuse(f, name);
	(void)futimens(fd, NULL);
	*ret = (struct cache_region){ .fd = steal_fd(&fd), .len = size };
	memcpy(ret->hash, hash, sizeof(ret->hash));
	return 0;
}

/* Under the lock, so that nobody takes it for one whose writer is gone. */
static int make_temp(struct folder *f, uint64_t len, struct cache_region *r)
{
	unsigned long random = 0;
	int rc = 0;

	(void)!getrandom(&random, sizeof(random), 0);
	(void)snprintf(r->temp, sizeof(r->temp), TEMP "%016lx", random);
	r->fd = openat(f->dir, r->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->fd < 0)
		return -errno;
	if (fchmod(r->fd, 0600) < 0 || flock(r->fd, LOCK_EX | LOCK_NB) < 0 || ftruncate(r->fd, (off_t)len) < 0) {
		rc = -errno;
		(void)unlinkat(f->dir, r->temp, 0);
		close(r->fd);
	}
	return rc;
}

static int folder_begin(struct cache_backend *b, const uint8_t *hash, uint64_t len, struct cache_region *ret)
{
	struct folder *f = of(b);
	struct cache_region region = { .len = len };
	int r;

	if (len > f->max)
		return -EFBIG;
	r = lock(f);
	if (r < 0)
		return r;
	if (range_end(f->bytes, len) > f->max)
		count_all(f, len);
	if (range_end(f->bytes, len) > f->max) {
		r = -ENOSPC; /* others are writing that much */
	} else {
		f->bytes += len;
		write_account(f);
		r = make_temp(f, len, &region);
		if (r < 0)
			f->bytes -= len;
	}
	write_account(f);
	unlock(f);
	if (r < 0)
		return r;
	memcpy(region.hash, hash, sizeof(region.hash));
	*ret = region;
	return 0;
}

static int folder_commit(struct cache_backend *b, struct cache_region *r)
{
	struct folder *f = of(b);
	char name[2 * CACHE_HASH_BYTES + 1];
	uint64_t older;
	int rc = lock(f);

	if (rc < 0)
		return rc;
	name_of(r->hash, name);
	older = bytes_of(f, name);
	if (renameat(f->dir, r->temp, f->dir, name) < 0)
		rc = -errno;
	if (rc == 0) {
		r->temp[0] = '\0';
		f->bytes -= min_u64(older, f->bytes);
		(void)futimens(r->fd, NULL);
	}
	write_account(f);
	unlock(f);
	return rc;
}

static void folder_drop(struct cache_backend *b, const struct cache_region *r)
{
	struct folder *f = of(b);
	char name[2 * CACHE_HASH_BYTES + 1];
	struct stat now, was;

	if (lock(f) < 0)
		return;
	name_of(r->hash, name);
	if (fstat(r->fd, &was) == 0 && fstatat(f->dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	    now.st_ino == was.st_ino && now.st_dev == was.st_dev && unlinkat(f->dir, name, 0) == 0)
		f->bytes -= min_u64((uint64_t)now.st_size, f->bytes);
	write_account(f);
	unlock(f);
}

static void folder_put(struct cache_backend *b, struct cache_region *r, bool undo)
{
	struct folder *f = of(b);

	if (undo && r->temp[0] && lock(f) == 0) {
		if (unlinkat(f->dir, r->temp, 0) == 0)
			f->bytes -= min_u64(r->len, f->bytes);
		write_account(f);
		unlock(f);
	}
	close(r->fd);
	*r = (struct cache_region)CACHE_REGION_NONE;
}

static void folder_close(struct cache_backend *b)
{
	struct folder *f = of(b);

	cleanup_close_p(&f->account);
	cleanup_close_p(&f->dir);
	pthread_mutex_destroy(&b->lock);
	free(f);
}

static const struct cache_backend_ops folder_ops = {
	.find = folder_find,
	.begin = folder_begin,
	.commit = folder_commit,
	.drop = folder_drop,
	.put = folder_put,
	.close = folder_close,
};

static int open_dir(const char *dir, struct err *err)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "making the folder '%s' of the shared cache: %s", dir, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "the folder '%s' of the shared cache: %s", dir, strerror(errno));
	if (st.st_uid != geteuid() || st.st_mode & 077)
		return err_set(
		    err, EPERM,
		    "the folder '%s' of the shared cache is not this user's alone: remove it, or name another "
		    "one with --cache-dir",
		    dir);
	return steal_fd(&fd);
}

int folder_open(const char *dir, uint64_t max_bytes, struct cache_backend **ret, struct err *err)
{
	struct folder *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_set(err, ENOMEM, "out of memory");
	f->base.ops = &folder_ops;
	pthread_mutex_init(&f->base.lock, NULL);
	f->max = max_bytes;
	f->account = -1;
	f->dir = open_dir(dir, err);
	r = f->dir < 0 ? f->dir : 0;
	if (r == 0) {
		f->account = open_account(f);
		if (f->account < 0)
			r = err_set(err, -f->account, "'%s/" ACCOUNT "': %s", dir, strerror(-f->account));
	}
	if (r == 0 && (r = lock(f)) < 0)
		err_set(err, -r, "locking '%s/" ACCOUNT "': %s", dir, strerror(-r));
	if (r == 0) {
		if (f->bytes > f->max) /* it was larger before */
			count_all(f, 0);
		write_account(f);
		unlock(f);
	}
	if (r < 0)
		folder_close(&f->base);
	else
		*ret = &f->base;
	return r;
}
