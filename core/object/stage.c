#include "object/stage.h"

#include "base/io.h"
#include "base/util.h"
#include "object/watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int open_proc(int fd, int flags)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	do {
		r = open(path, flags | O_CLOEXEC);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int stage_memory(struct stage *s, struct err *err)
{
	struct stage made = STAGE_INIT;

	/* No MFD_ALLOW_SEALING: a program that could seal it would stop our own writes. */
	made.rw = memfd_create("s3", MFD_CLOEXEC);
	if (made.rw < 0)
		return err_set(err, errno, "memfd_create: %s", strerror(errno));
	(void)fchmod(made.rw, 0644);
	made.ro = open_proc(made.rw, O_RDONLY);
	if (made.ro < 0) {
		int r = made.ro;

		close(made.rw);
		return err_set(err, -r, "opening a memfd again: %s", strerror(-r));
	}
	*s = made;
	return 0;
}

static int name_paths(struct stage *s, const char *dir, uint64_t id)
{
	if (asprintf(&s->path, "%s/%016" PRIx64 ".data", dir, id) < 0) {
		s->path = NULL;
		return -ENOMEM;
	}
	if (asprintf(&s->journal, "%s/%016" PRIx64 ".journal", dir, id) < 0) {
		s->journal = NULL;
		return -ENOMEM;
	}
	return 0;
}

int stage_file(struct stage *s, const char *dir, uint64_t id, bool named, struct err *err)
{
	struct stage made = STAGE_INIT;
	cleanup_close int rw = -1;
	int r;

	if (!named)
		rw = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	if (rw < 0) { /* named, or no O_TMPFILE on that file system */
		r = name_paths(&made, dir, id);
		if (r == 0) {
			rw = open(made.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
			r = rw < 0 ? -errno : 0;
		}
	} else {
		r = 0;
	}
	if (r == 0) {
		(void)fchmod(rw, 0644);
		made.ro = open_proc(rw, O_RDONLY);
		r = made.ro < 0 ? made.ro : 0;
	}
	if (r < 0) {
		stage_deinit(&made, false);
		return err_set(err, -r, "making a staging file in '%s': %s", dir, strerror(-r));
	}
	*s = made;
	return 0;
}

int stage_name(struct stage *s, const char *dir, uint64_t id, struct err *err)
{
	struct stage named = *s;
	char proc[64];
	int r;

	if (s->path || s->rw >= 0)
		return 0;
	r = name_paths(&named, dir, id);
	if (r == 0) {
		(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", s->ro);
		r = linkat(AT_FDCWD, proc, AT_FDCWD, named.path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
	}
	if (r < 0) {
		free(named.path);
		free(named.journal);
		return err_set(err, -r, "naming a staging file in '%s': %s", dir, strerror(-r));
	}
	s->path = named.path; /* the descriptors are read without a lock */
	s->journal = named.journal;
	return 0;
}

static void put_value(FILE *f, const char *key, const char *value)
{
	(void)fprintf(f, "%s=", key);
	for (const unsigned char *p = (const unsigned char *)(value ? value : ""); *p; p++) {
		if (*p < 0x20 || *p == '%' || *p == 0x7f)
			(void)fprintf(f, "%%%02X", *p);
		else
			(void)fputc(*p, f);
	}
	(void)fputc('\n', f);
}

int stage_write_journal(const struct stage *s, const struct stage_journal *j, struct err *err)
{
	char fresh[PATH_MAX];
	bool first;
	FILE *f;
	int fd;

	if (!s->journal)
		return 0;
	/* The first one has nothing to replace: without its data file's content it is worth nothing anyway. */
	first = access(s->journal, F_OK) < 0;
	if (snprintf(fresh, sizeof(fresh), "%s%s", s->journal, first ? "" : ".new") >= (int)sizeof(fresh))
		return err_set(err, ENAMETOOLONG, "journal '%s': %s", s->journal, strerror(ENAMETOOLONG));
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		int saved = errno;

		cleanup_close_p(&fd);
		return err_set(err, saved, "journal '%s': %s", fresh, strerror(saved));
	}
	put_value(f, "bucket", j->bucket);
	put_value(f, "key", j->key);
	put_value(f, "endpoint", j->endpoint);
	put_value(f, "base_etag", j->base_etag);
	put_value(f, "reason", j->reason);
	(void)fprintf(f, "base_end=%" PRIu64 "\n", j->base_end);
	if (j->missing_off < j->missing_end)
		(void)fprintf(f, "missing=%" PRIu64 "-%" PRIu64 "\n", j->missing_off, j->missing_end);
	if (ferror(f) | fclose(f) || (!first && rename(fresh, s->journal) < 0)) {
		int saved = errno ? errno : EIO;

		(void)unlink(fresh);
		return err_set(err, saved, "journal '%s': %s", s->journal, strerror(saved));
	}
	return 0;
}

void stage_drop_journal(const struct stage *s)
{
	if (s->journal)
		(void)unlink(s->journal);
}

static int sync_path(const char *path, int flags)
{
	cleanup_close int fd = open(path, flags | O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int stage_sync(const struct stage *s)
{
	cleanup_free char *dir = s->path ? strdup(s->path) : NULL;
	int r;

	if (!dir)
		return s->path ? -ENOMEM : -EOPNOTSUPP;
	*strrchr(dir, '/') = '\0';
	r = fdatasync(s->ro) < 0 ? -errno : 0;
	if (r == 0)
		r = sync_path(s->journal, 0);
	return r == 0 ? sync_path(dir, O_DIRECTORY) : r;
}

void stage_deinit(struct stage *s, bool keep)
{
	if (!keep && s->path)
		(void)unlink(s->path);
	if (!keep)
		stage_drop_journal(s);
	cleanup_close_p(&s->ro);
	cleanup_close_p(&s->rw);
	free(s->path);
	free(s->journal);
	*s = (struct stage)STAGE_INIT;
}

int stage_reopen(const struct stage *s, int flags)
{
	return open_proc(s->ro, flags);
}

int stage_borrow(const struct stage *s, struct watched *w)
{
	int fd;

	if (s->rw >= 0)
		return s->rw;
	watch_lock(w);
	fd = open_proc(s->ro, O_RDWR);
	if (fd < 0)
		watch_unlock(w);
	return fd;
}

void stage_return(const struct stage *s, struct watched *w, int fd)
{
	if (s->rw >= 0)
		return;
	close(fd);
	watch_unlock(w);
}

/*
 * What keeps st_mtime looks at it, changes the file and puts it back: meanwhile neither another one nor
 * stage_set_mtime() may come. The kernel takes an inode's lock for each write anyhow.
 */
static pthread_mutex_t *times_lock(const struct stage *s)
{
	static pthread_mutex_t locks[] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
					   PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
					   PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
					   PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };

	return &locks[(unsigned)s->ro % (sizeof(locks) / sizeof(locks[0]))];
}

int stage_allocate(const struct stage *s, uint64_t off, uint64_t len)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;
	int r = 0;

	pthread_mutex_lock(times_lock(s));
	if (fstat(s->rw, &st) < 0 || fallocate(s->rw, FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) < 0)
		r = -errno;
	times[1] = st.st_mtim;
	if (r == 0)
		(void)futimens(s->rw, times);
	pthread_mutex_unlock(times_lock(s));
	return r;
}

int stage_fill(const struct stage *s, struct watched *w, const void *data, size_t len, uint64_t off, bool keep_mtime)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;
	int r, fd = stage_borrow(s, w);

	if (fd < 0)
		return fd;
	if (keep_mtime)
		pthread_mutex_lock(times_lock(s));
	r = keep_mtime && fstat(fd, &st) < 0 ? -errno : io_pwrite(fd, data, len, off);
	if (r == 0 && keep_mtime) {
		times[1] = st.st_mtim;
		(void)futimens(fd, times);
	}
	if (keep_mtime)
		pthread_mutex_unlock(times_lock(s));
	stage_return(s, w, fd);
	return r;
}

int stage_punch(const struct stage *s, struct watched *w, uint64_t off, uint64_t len)
{
	int r, fd = stage_borrow(s, w);

	if (fd < 0)
		return fd;
	r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) < 0 ? -errno : 0;
	stage_return(s, w, fd);
	return r;
}

uint64_t stage_size(const struct stage *s)
{
	struct stat st;

	return fstat(s->ro, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

bool stage_is_data(const struct stage *s, uint64_t off, uint64_t end)
{
	off_t hole = lseek(s->ro, (off_t)off, SEEK_HOLE);

	return hole < 0 ? errno != ENXIO : (uint64_t)hole >= end;
}

uint64_t stage_next_data(const struct stage *s, uint64_t off)
{
	off_t data = lseek(s->ro, (off_t)off, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? UINT64_MAX : off;
	return (uint64_t)data;
}

int64_t stage_mtime_ns(const struct stage *s)
{
	struct stat st;

	return fstat(s->ro, &st) < 0 ? 0 : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

int stage_set_mtime(const struct stage *s, struct watched *w, int64_t mtime_ns)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0, 0 } };
	int64_t sec = mtime_ns / 1000000000, ns = mtime_ns % 1000000000;
	int r, fd = stage_borrow(s, w);

	if (fd < 0)
		return fd;
	if (ns < 0) {
		sec--;
		ns += 1000000000;
	}
	times[1].tv_sec = sec;
	times[1].tv_nsec = ns;
	pthread_mutex_lock(times_lock(s));
	r = futimens(fd, times) < 0 ? -errno : 0;
	pthread_mutex_unlock(times_lock(s));
	stage_return(s, w, fd);
	return r;
}

int stage_scratch(const char *dir)
{
	int fd = dir ? open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		fd = memfd_create("s3-part", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
