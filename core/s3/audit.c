#include "s3/audit.h"

#include "base/log.h"
#include "base/util.h"
#include "s3/buf.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/*
 * A line is written in these steps, under our lock and the file's:
 *
 *   find    the file that is at the path now: whoever rotated it, or moved it away, left us with an old one
 *   rotate  if the line would make it larger than the limit
 *   reserve with .stop: blocks beyond the end, for as many lines as requests may be under way
 *   write   all of it, or cut off again what came of it
 */
#define RESERVE_BYTES MIB(1)
#define FIND_TRIES    10

struct audit {
	char *path;
	uint64_t max_bytes, session;
	unsigned keep;
	bool stop;
	pthread_mutex_t lock;
	int fd;
	bool regular;
	uint64_t reserved; /* to this offset */
	_Atomic bool stopped;
	uint64_t dropped, dropped_now; /* in all; since the last line */
};

static int open_file(const char *path, bool *ret_regular, struct err *err)
{
	cleanup_close int fd =
	    open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "the audit log '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return err_set(err, EINVAL, "the audit log '%s' is no file", path);
	*ret_regular = S_ISREG(st.st_mode);
	if (*ret_regular && (st.st_mode & 07777) != 0600 && fchmod(fd, 0600) < 0)
		return err_set(err, errno, "the audit log '%s' is somebody else's: %s", path, strerror(errno));
	return steal_fd(&fd);
}

static int reserve_locked(struct audit *a, uint64_t size, size_t len)
{
	if (!a->stop || !a->regular || size + len + RESERVE_BYTES / 2 <= a->reserved)
		return 0;
	if (fallocate(a->fd, FALLOC_FL_KEEP_SIZE, (off_t)size, (off_t)(len + RESERVE_BYTES)) == 0) {
		a->reserved = size + len + RESERVE_BYTES;
		return 0;
	}
	/* where it cannot be done a line may be lost when the disk is full */
	return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR ? 0 : -errno;
}

/* Before anything is sent. */
static int reserve_first(struct audit *a, struct err *err)
{
	struct stat st;
	int r = fstat(a->fd, &st) < 0 ? -errno : reserve_locked(a, (uint64_t)st.st_size, 0);

	return r < 0 ? err_set(err, -r, "the audit log '%s': %s", a->path, strerror(-r)) : 0;
}

int audit_open(const struct audit_config *config, struct audit **ret, struct err *err)
{
	struct audit *a = calloc(1, sizeof(*a));

	if (a)
		a->path = strdup(config->path);
	if (!a || !a->path) {
		free(a);
		return err_set(err, ENOMEM, "out of memory");
	}
	a->max_bytes = config->max_bytes;
	a->keep = config->keep;
	a->stop = config->stop;
	a->session = config->session;
	pthread_mutex_init(&a->lock, NULL);
	a->fd = open_file(a->path, &a->regular, err);
	int r = a->fd < 0 ? a->fd : reserve_first(a, err);
	if (r < 0) {
		audit_close(a);
		return r;
	}
	*ret = a;
	return 0;
}

/* the file */

static bool is_current(const struct audit *a, struct stat *ret)
{
	struct stat there;

	return fstat(a->fd, ret) == 0 && (!a->regular || (stat(a->path, &there) == 0 && there.st_dev == ret->st_dev &&
							  there.st_ino == ret->st_ino));
}

static int open_again(struct audit *a)
{
	int fd = open_file(a->path, &a->regular, NULL);

	if (fd < 0)
		return fd;
	close(a->fd);
	a->fd = fd;
	a->reserved = 0;
	return 0;
}

/* The file at the path, locked. */
static int find_locked(struct audit *a, struct stat *ret)
{
	for (int tries = 0; tries < FIND_TRIES; tries++) {
		int r;

		while (flock(a->fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return -errno;
		if (is_current(a, ret))
			return 0;
		(void)flock(a->fd, LOCK_UN);
		r = open_again(a);
		if (r < 0)
			return r;
	}
	return -EBUSY;
}

/* Blocks that were set aside, given back. */
static void trim_locked(struct audit *a)
{
	struct stat st;

	if (a->reserved && fstat(a->fd, &st) == 0 && ftruncate(a->fd, st.st_size) == 0)
		a->reserved = 0;
}

static int rotate_locked(struct audit *a)
{
	char from[PATH_MAX], to[PATH_MAX];

	trim_locked(a);
	for (unsigned i = a->keep; i > 0; i--) {
		(void)snprintf(to, sizeof(to), "%s.%u", a->path, i);
		if (i > 1)
			(void)snprintf(from, sizeof(from), "%s.%u", a->path, i - 1);
		else
			(void)snprintf(from, sizeof(from), "%s", a->path);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	(void)fdatasync(a->fd);
	(void)flock(a->fd, LOCK_UN);
	return open_again(a);
}

static int append_locked(struct audit *a, const char *line, size_t len)
{
	struct stat st;
	int r = find_locked(a, &st), room;
	ssize_t n;

	if (r < 0)
		return r;
	if (a->regular && a->max_bytes && st.st_size && (uint64_t)st.st_size + len > a->max_bytes) {
		r = rotate_locked(a);
		if (r == 0)
			r = find_locked(a, &st);
		if (r < 0)
			return r;
	}
	room = reserve_locked(a, (uint64_t)st.st_size, len);
	do
		n = write(a->fd, line, len);
	while (n < 0 && errno == EINTR);
	r = n == (ssize_t)len ? 0 : n < 0 ? -errno : -ENOSPC;
	if (r < 0 && n > 0 && a->regular && ftruncate(a->fd, st.st_size) < 0)
		log_warn("audit", "cutting off half a line of '%s': %s, ignoring", a->path, strerror(errno));
	(void)flock(a->fd, LOCK_UN);
	/* the line is there, and was the last for which there was room */
	if (r == 0 && room < 0 && !atomic_exchange(&a->stopped, true))
		log_error("audit", "no room is left for '%s': %s; the session stops", a->path, strerror(-room));
	return r;
}

/* lines */

/* Under the lock, so that times are in the order of lines. */
static void stamp_locked(const struct audit *a, struct buf *to)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(to, "{\"time\": \"%s.%03ldZ\", \"session\": \"%016" PRIx64 "\"", text, now.tv_nsec / 1000000,
		   a->session);
}

static void put_text(struct buf *to, const char *name, const char *value)
{
	buf_printf(to, ", \"%s\": ", name);
	buf_json(to, value ? value : "");
}

static void put_number(struct buf *to, const char *name, uint64_t value)
{
	buf_printf(to, ", \"%s\": %" PRIu64, name, value);
}

/* The C library's own name of an errno is not everywhere. */
static const char *errno_name(int errnum, char *buf, size_t size)
{
	static const struct {
		int errnum;
		const char *name;
	} names[] = {
#define N(e) { e, #e }
		N(EACCES),       N(EBADMSG), N(ECANCELED), N(EDQUOT), N(EEXIST), N(EFBIG),     N(EINVAL),
		N(EIO),          N(EISDIR),  N(ENOENT),    N(ENOMEM), N(ENOSPC), N(ENOTSUP),   N(ENOTDIR),
		N(ENAMETOOLONG), N(EPERM),   N(ERANGE),    N(EROFS),  N(ESTALE), N(ETIMEDOUT),
#undef N
	};

	if (!errnum)
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].errnum == errnum)
			return names[i].name;
	(void)snprintf(buf, size, "%d", errnum);
	return buf;
}

static void failed_locked(struct audit *a, int r)
{
	a->dropped++;
	if (a->stop && !atomic_exchange(&a->stopped, true))
		log_error("audit", "'%s' cannot be written: %s; the session stops", a->path, strerror(-r));
	else if (!a->stop && !a->dropped_now)
		log_warn("audit", "'%s' cannot be written: %s; lines are dropped", a->path, strerror(-r));
	a->dropped_now++;
}

/* Head and tail around what was put together. */
static int line_locked(struct audit *a, const struct buf *what)
{
	cleanup_buf struct buf line = BUF_INIT;

	stamp_locked(a, &line);
	buf_add(&line, buf_str(what), what->len);
	buf_puts(&line, "}\n");
	return buf_ok(what) && buf_ok(&line) ? append_locked(a, buf_str(&line), line.len) : -ENOMEM;
}

/* Of what was dropped before, now that there is room. */
static void tell_dropped_locked(struct audit *a)
{
	cleanup_buf struct buf line = BUF_INIT;

	put_text(&line, "event", "dropped");
	put_number(&line, "lines", a->dropped_now);
	if (line_locked(a, &line) < 0)
		return;
	log_warn("audit", "'%s' can be written again, %" PRIu64 " lines were dropped", a->path, a->dropped_now);
	a->dropped_now = 0;
}

static void end(struct audit *a, const struct buf *what)
{
	int r;

	pthread_mutex_lock(&a->lock);
	if (a->dropped_now)
		tell_dropped_locked(a);
	r = a->dropped_now ? -ENOSPC : line_locked(a, what);
	if (r < 0)
		failed_locked(a, r);
	pthread_mutex_unlock(&a->lock);
}

static void put_what(struct buf *to, const struct audit_request *r)
{
	put_text(to, "operation", r->operation);
	put_text(to, "bucket", r->bucket);
	put_text(to, "key", r->key);
	if (r->source_key) {
		put_text(to, "source_bucket", r->source_bucket);
		put_text(to, "source_key", r->source_key);
	}
	if (r->key_count)
		buf_puts(to, ", \"keys\": [");
	for (size_t i = 0; i < r->key_count; i++) {
		buf_puts(to, i ? ", " : "");
		buf_json(to, r->keys[i]);
	}
	if (r->key_count)
		buf_puts(to, "]");
}

void audit_request(struct audit *a, const struct audit_request *r)
{
	cleanup_buf struct buf line = BUF_INIT;

	if (!a)
		return;
	put_text(&line, "event", "request");
	put_what(&line, r);
	buf_printf(&line, ", \"status\": %d", r->status);
	put_text(&line, "error", r->error);
	put_number(&line, "sent", r->sent);
	put_number(&line, "received", r->received);
	put_text(&line, "etag", r->etag);
	put_text(&line, "version", r->version_id);
	put_text(&line, "request_id", r->request_id);
	put_number(&line, "ms", r->ms > 0 ? (uint64_t)r->ms : 0);
	end(a, &line);
}

void audit_refused(struct audit *a, const struct audit_request *r, int errnum, const char *reason)
{
	cleanup_buf struct buf line = BUF_INIT;
	char number[16];

	if (!a || a->stopped)
		return;
	put_text(&line, "event", "refused");
	put_what(&line, r);
	put_text(&line, "error", errno_name(errnum, number, sizeof(number)));
	put_text(&line, "reason", reason);
	end(a, &line);
}

void audit_file(struct audit *a, const struct audit_file *f)
{
	cleanup_buf struct buf line = BUF_INIT, path = BUF_INIT;
	char number[16];

	if (!a)
		return;
	buf_printf(&path, "%s%s%s", f->mount, f->path[0] ? "/" : "", f->path);
	put_text(&line, "event", "close");
	put_text(&line, "path", buf_str(&path));
	put_text(&line, "bucket", f->bucket);
	put_text(&line, "key", f->key);
	put_text(&line, "mode", f->written ? "write" : "read");
	put_number(&line, "granted", f->granted);
	put_number(&line, "claimed", f->claimed);
	put_number(&line, "size", f->size);
	put_text(&line, "etag", f->etag);
	put_text(&line, "error", errno_name(f->errnum, number, sizeof(number)));
	end(a, &line);
}

int audit_ready(struct audit *a, struct err *err)
{
	return a && a->stopped ? err_set(err, EIO, "the audit log '%s' cannot be written", a->path) : 0;
}

bool audit_ended(struct audit *a, char *buf, size_t size)
{
	uint64_t dropped;

	if (!a)
		return false;
	pthread_mutex_lock(&a->lock);
	dropped = a->dropped;
	pthread_mutex_unlock(&a->lock);
	if (!a->stopped && !dropped)
		return false;
	(void)snprintf(buf, size, "the audit log '%s' was full: %s%" PRIu64 " lines were dropped", a->path,
		       a->stopped ? "the session stopped, " : "", dropped);
	return true;
}

struct audit *audit_close(struct audit *a)
{
	char text[PATH_MAX + 128];

	if (!a)
		return NULL;
	if (audit_ended(a, text, sizeof(text)))
		log_warn("audit", "%s", text);
	if (a->fd >= 0 && flock(a->fd, LOCK_EX) == 0) {
		trim_locked(a);
		(void)fdatasync(a->fd);
	}
	if (a->fd >= 0)
		close(a->fd);
	pthread_mutex_destroy(&a->lock);
	free(a->path);
	free(a);
	return NULL;
}
