#include "shim/stream.h"
#include "shim/data.h"
#include "shim/mem.h"
#include "shim/present.h"
#include "shim/shim.h"
#include "shim/unhooked.h"

#include <string.h>

/* In glibc and musl alike; a libc without it gets complete files. */
#pragma weak fopencookie

struct cookie {
	int fd;
	FILE *file;
	struct cookie *next;
};

static struct {
	struct lock lock;
	_Atomic uint32_t count;
	struct cookie *list;
} cookies;

/* ---- modes ---- */

bool stream_mode(const char *mode, struct stream_mode *ret)
{
	struct stream_mode m = { .flags = O_RDONLY };

	if (!mode || !*mode || !strchr("rwa", *mode))
		return false;
	m.reads = *mode == 'r';
	m.writes = !m.reads;
	if (m.writes)
		m.flags = O_WRONLY | O_CREAT | (*mode == 'w' ? O_TRUNC : O_APPEND);
	for (const char *p = mode + 1; *p && *p != ','; p++) {
		if (*p == '+') {
			m.reads = m.writes = true;
			m.flags = (m.flags & ~O_ACCMODE) | O_RDWR;
		}
		m.flags |= *p == 'x' ? O_EXCL : *p == 'e' ? O_CLOEXEC : 0;
	}
	m.charset = strstr(mode, ",ccs=") != NULL;
	*ret = m;
	return true;
}

const char *stream_null_mode(const char *mode, char *buf, size_t size)
{
	bool behind = false;
	size_t n = 0;

	for (; *mode; mode++) {
		behind |= *mode == ',';
		if (*mode == 'x' && !behind)
			continue;
		if (n + 1 >= size)
			return NULL;
		buf[n++] = *mode;
	}
	buf[n] = '\0';
	return buf;
}

/* ---- cookies ---- */

static ssize_t cookie_read(void *arg, char *buf, size_t n)
{
	const struct cookie *c = arg;
	struct iovec v = { .iov_base = buf, .iov_len = n };
	struct desc *d = fdtab_get(c->fd);
	long rc = d ? data_read(c->fd, d, &v, 1, DATA_OFFSET, 0) : SYS(read, c->fd, buf, n);

	desc_put(d);
	return ret_errno(rc);
}

static int cookie_seek(void *arg, off64_t *off, int whence)
{
	const struct cookie *c = arg;
	struct desc *d = fdtab_get(c->fd);
	long rc = d ? data_seek(c->fd, d, *off, whence) : SYS(lseek, c->fd, *off, whence);

	desc_put(d);
	if (rc < 0)
		return (int)ret_errno(rc);
	*off = rc;
	return 0;
}

static int cookie_close(void *arg)
{
	struct cookie *c = arg;
	int fd = c->fd;

	mem_free(c);
	return (int)ret_errno(fdtab_close(fd));
}

static FILE *cookie_new(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = {
		.read = cookie_read,
		.seek = cookie_seek,
		.close = cookie_close,
	};
	struct cookie *c = mem_alloc(sizeof(*c));
	lock_mask mask;

	if (!c) {
		errno = ENOMEM;
		return NULL;
	}
	c->fd = fd;
	c->file = fopencookie(c, mode, functions);
	if (!c->file) {
		mem_free(c);
		return NULL;
	}
	mask = lock_take(&cookies.lock);
	c->next = cookies.list;
	cookies.list = c;
	atomic_fetch_add(&cookies.count, 1);
	lock_drop(&cookies.lock, mask);
	return c->file;
}

int stream_fd(FILE *f)
{
	lock_mask mask;
	int fd = -1;

	if (likely(!atomic_load_explicit(&cookies.count, memory_order_relaxed)))
		return -1;
	mask = lock_take(&cookies.lock);
	for (const struct cookie *c = cookies.list; c && fd < 0; c = c->next)
		if (c->file == f)
			fd = c->fd;
	lock_drop(&cookies.lock, mask);
	return fd;
}

void stream_forget(FILE *f)
{
	lock_mask mask = lock_take(&cookies.lock);

	for (struct cookie **p = &cookies.list; *p; p = &(*p)->next)
		if ((*p)->file == f) {
			*p = (*p)->next;
			atomic_fetch_sub(&cookies.count, 1);
			break;
		}
	lock_drop(&cookies.lock, mask);
}

/* ---- streams ---- */

/* Only read, not here yet, and too large to wait for. */
static bool wants_cookie(int fd, struct desc *d, const struct stream_mode *m)
{
	struct stat st;

	if (!fopencookie || m->writes || m->charset)
		return false;
	if (d->kind == WIRE_KIND_DIR)
		return true;
	return !present_complete(d) && SYS(fstat, fd, &st) == 0 && (uint64_t)st.st_size > STREAM_COMPLETE_BYTES;
}

/* The character set is looked at by fopen(3) alone. */
static FILE *charset_stream(int fd, const char *mode, const struct stream_mode *m)
{
	char plain[128];
	const char *null_mode = stream_null_mode(mode, plain, sizeof(plain));
	FILE *f = null_mode ? REAL(fopen)("/dev/null", null_mode) : NULL;
	int rc;

	if (!f)
		return NULL;
	rc = stream_put_over(f, fd, m);
	if (!rc)
		return f;
	(void)REAL(fclose)(f);
	errno = -rc;
	return NULL;
}

FILE *stream_new(int fd, const char *mode)
{
	struct stream_mode m;
	struct desc *d = stream_mode(mode, &m) ? fdtab_get(fd) : NULL;
	FILE *f = NULL;
	int rc = 0;

	if (!d || (d->kind != WIRE_KIND_OBJECT && d->kind != WIRE_KIND_DIR) || !fdtab_verify(fd, d)) {
		f = d && m.charset ? charset_stream(fd, mode, &m) : REAL(fdopen)(fd, mode);
	} else if (wants_cookie(fd, d, &m)) {
		f = cookie_new(fd, mode);
	} else if ((rc = unhooked_use(d, m.reads, m.writes))) {
		errno = -rc;
	} else {
		f = m.charset ? charset_stream(fd, mode, &m) : REAL(fdopen)(fd, mode);
	}
	desc_put(d);
	return f;
}

int stream_put_over(FILE *f, int fd, const struct stream_mode *m)
{
	int to = REAL(fileno)(f), rc;
	struct desc *d = fdtab_get(fd);

	rc = d ? unhooked_use(d, m->reads, m->writes) : 0;
	desc_put(d);
	if (!rc)
		rc = (int)SYS(dup3, fd, to, m->flags & O_CLOEXEC);
	if (rc < 0)
		return rc;
	fdtab_dup(fd, to);
	return fdtab_close(fd);
}
