/* Streams: opened here, because libc opens inside; what happens on them is libc's (stream.h). */
#include "shim/fd_open.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/shim.h"
#include "shim/stream.h"

static FILE *fail(int rc)
{
	errno = -rc;
	return NULL;
}

/* The descriptor under @f, errno untouched; -1 if it has none. */
static int descriptor(FILE *f)
{
	int saved = errno, fd = stream_fd(f);

	if (likely(fd < 0))
		fd = REAL(fileno)(f);
	errno = saved;
	return fd;
}

static inline FILE *open_stream(const char *path, const char *mode, __typeof__(&fopen) real)
{
	int dirfd = AT_FDCWD, fd = FD_FOREIGN, saved;
	struct stream_mode m;
	struct route keep;
	FILE *f;

	if (route_active() && stream_mode(mode, &m))
		fd = fd_open_at(&dirfd, &path, m.flags, 0666, &keep);
	if (fd == FD_FOREIGN) {
		f = real(path, mode);
		if (likely(f != NULL) || foreign_again(-1, AT_FDCWD, path, 0, &keep) != FOREIGN_MOUNT)
			return f;
		fd = fd_open(&keep, m.flags, 0666);
	}
	if (fd < 0)
		return fail(fd);
	f = stream_new(fd, mode);
	if (!f) {
		saved = errno;
		(void)fdtab_close(fd);
		errno = saved;
	}
	return f;
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	return open_stream(path, mode, REAL(fopen));
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
	return open_stream(path, mode, REAL(fopen64));
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
	return likely(!fdtab_routed(fd)) ? REAL(fdopen)(fd, mode) : stream_new(fd, mode);
}

/* fclose(3) writes what is buffered and closes inside libc; the upload is waited for here, and its failure is fclose's.
 */
EXPORT int fclose(FILE *f)
{
	int fd = route_active() ? descriptor(f) : -1, rc, uploaded;
	struct desc *d;

	if (likely(fd < 0) || likely(!fdtab_routed(fd)))
		return REAL(fclose)(f);
	if (stream_fd(f) >= 0) {
		stream_forget(f);
		return REAL(fclose)(f);
	}
	d = fdtab_drop(fd);
	rc = REAL(fclose)(f);
	uploaded = fdtab_closed(d);
	if (!rc && uploaded < 0) {
		errno = -uploaded;
		rc = EOF;
	}
	return rc;
}

/* Flushes, and closes nothing (glibc, libio/genops.c). */
EXPORT int fcloseall(void)
{
	return HAVE(fcloseall) ? REAL(fcloseall)() : 0;
}

EXPORT int fileno(FILE *f)
{
	int fd = stream_fd(f);

	return likely(fd < 0) ? REAL(fileno)(f) : fd;
}

EXPORT int fileno_unlocked(FILE *f)
{
	int fd = stream_fd(f);

	return likely(fd < 0) ? REAL(fileno_unlocked)(f) : fd;
}

/* Tables like /etc/fstab: a stream by another name. */
EXPORT FILE *setmntent(const char *path, const char *mode)
{
	const char *routed = path;
	struct route r;

	return route(&routed, &r) == ROUTE_MOUNT ? fopen(path, mode) : REAL(setmntent)(path, mode);
}

EXPORT int endmntent(FILE *f)
{
	if (f)
		(void)fclose(f);
	return 1;
}

/* ---- freopen ---- */

/* What @f was is closed by libc; then comes what that closing means. */
static FILE *reopen_by_libc(const char *path, const char *mode, FILE *f, __typeof__(&freopen) real)
{
	int fd = descriptor(f), saved;
	struct desc *d = fd >= 0 ? fdtab_drop(fd) : NULL;
	FILE *ret;

	stream_forget(f);
	ret = real(path, mode, f);
	saved = errno;
	(void)fdtab_closed(d);
	errno = saved;
	return ret;
}

/* Only libc can change the stream itself: it gets /dev/null, and the routed descriptor is put over that. */
static FILE *reopen_on(int fd, const char *mode, const struct stream_mode *m, FILE *f, __typeof__(&freopen) real)
{
	char plain[128];
	const char *null_mode = stream_null_mode(mode, plain, sizeof(plain));
	FILE *ret = null_mode ? reopen_by_libc("/dev/null", null_mode, f, real) : NULL;
	int rc = ret ? stream_put_over(ret, fd, m) : -errno;

	if (!rc)
		return ret;
	(void)fdtab_close(fd);
	if (ret)
		(void)REAL(fclose)(ret);
	return fail(rc);
}

static inline FILE *reopen(const char *path, const char *mode, FILE *f, __typeof__(&freopen) real)
{
	int dirfd = AT_FDCWD, fd = FD_FOREIGN, old;
	char own[32];
	struct stream_mode m;
	struct route keep;

	if (!route_active() || !stream_mode(mode, &m))
		return real(path, mode, f);
	old = descriptor(f);
	/* NULL: the same file in another mode. */
	if (!path && old >= 0 && fdtab_routed(old)) {
		fd_proc_name(old, own);
		path = own;
	}
	if (path)
		fd = fd_open_at(&dirfd, &path, m.flags, 0666, &keep);
	if (fd == FD_FOREIGN)
		return reopen_by_libc(path, mode, f, real);
	if (fd >= 0)
		return reopen_on(fd, mode, &m, f, real);
	/* The stream is closed all the same: libc does that when it fails to open "". */
	(void)reopen_by_libc("", mode, f, real);
	return fail(fd);
}

EXPORT FILE *freopen(const char *path, const char *mode, FILE *f)
{
	return reopen(path, mode, f, REAL(freopen));
}

EXPORT FILE *freopen64(const char *path, const char *mode, FILE *f)
{
	return reopen(path, mode, f, REAL(freopen64));
}
