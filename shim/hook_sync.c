/* Sizes and durability by descriptor. On objects they are the broker's: a truncation that raced with a fill would leave
 * the fill's bytes behind the end, and the disk is not where the bytes are safe. */
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/maps.h"
#include "shim/present.h"
#include "shim/route.h"
#include "shim/shim.h"

#define SYNC_FOREIGN 1

static int resize(int fd, off_t size)
{
	struct desc *d = fdtab_ours(fd);
	struct wire_ftruncate_req req;
	struct wire_ftruncate_rep rep;
	int rc = -EINVAL;

	if (!d)
		return SYNC_FOREIGN;
	if (d->kind == WIRE_KIND_OBJECT && desc_writable(d) && size >= 0) {
		req = (struct wire_ftruncate_req){ .file = d->file, .size = (uint64_t)size };
		rc = link_call(WIRE_FTRUNCATE, &req, &rep, NULL);
	}
	desc_put(d);
	return rc;
}

static int allocate(int fd, int mode, off_t off, off_t len)
{
	struct desc *d = fdtab_ours(fd);
	struct wire_fallocate_req req;
	struct wire_fallocate_rep rep;
	int rc;

	if (!d)
		return SYNC_FOREIGN;
	if (off < 0 || len <= 0) {
		rc = -EINVAL;
	} else if (d->kind == WIRE_KIND_DIR || !desc_writable(d)) {
		rc = -EBADF;
	} else {
		req = (struct wire_fallocate_req){
			.file = d->file, .off = (uint64_t)off, .len = (uint64_t)len, .mode = (uint32_t)mode
		};
		rc = link_call(WIRE_FALLOCATE, &req, &rep, NULL);
	}
	desc_put(d);
	return rc;
}

static int sync_file(uint64_t file)
{
	struct wire_sync_req req = { .file = file };
	struct wire_sync_rep rep;

	return link_call(WIRE_SYNC, &req, &rep, NULL);
}

/* A folder has nothing to make durable: its names are in the bucket already. */
static int commit(int fd)
{
	struct desc *d = fdtab_ours(fd);
	int rc;

	if (!d)
		return SYNC_FOREIGN;
	rc = d->kind == WIRE_KIND_OBJECT ? sync_file(d->file) : 0;
	desc_put(d);
	return rc;
}

static bool is_special(int fd)
{
	struct desc *d = fdtab_ours(fd);

	desc_put(d);
	return d != NULL;
}

#define ANSWER(call, real) \
	do { \
		int rc_ = (call); \
		return likely(rc_ == SYNC_FOREIGN) ? (real) : (int)ret_errno(rc_); \
	} while (0)

EXPORT int ftruncate(int fd, off_t size)
{
	ANSWER(resize(fd, size), REAL(ftruncate)(fd, size));
}

EXPORT int ftruncate64(int fd, off64_t size)
{
	ANSWER(resize(fd, size), REAL(ftruncate64)(fd, size));
}

EXPORT int fsync(int fd)
{
	ANSWER(commit(fd), REAL(fsync)(fd));
}

EXPORT int fdatasync(int fd)
{
	ANSWER(commit(fd), REAL(fdatasync)(fd));
}

EXPORT void sync(void)
{
	if (route_active())
		(void)sync_file(0);
	REAL(sync)();
}

EXPORT int syncfs(int fd)
{
	ANSWER(is_special(fd) ? sync_file(0) : SYNC_FOREIGN, REAL(syncfs)(fd));
}

/* Says nothing about durability (its man page), so there is nothing to do. */
EXPORT int sync_file_range(int fd, off64_t off, off64_t len, unsigned flags)
{
	ANSWER(is_special(fd) ? 0 : SYNC_FOREIGN, REAL(sync_file_range)(fd, off, len, flags));
}

EXPORT int msync(void *addr, size_t len, int flags)
{
	int rc = REAL(msync)(addr, len, flags);

	if (rc < 0 || !(flags & MS_SYNC))
		return rc;
	return (int)ret_errno(maps_sync(addr, len));
}

EXPORT int fallocate(int fd, int mode, off_t off, off_t len)
{
	ANSWER(allocate(fd, mode, off, len), REAL(fallocate)(fd, mode, off, len));
}

EXPORT int fallocate64(int fd, int mode, off64_t off, off64_t len)
{
	ANSWER(allocate(fd, mode, off, len), REAL(fallocate64)(fd, mode, off, len));
}

/* posix_fallocate(3) and posix_fadvise(2) return the error's number and leave errno alone. */
EXPORT int posix_fallocate(int fd, off_t off, off_t len)
{
	int rc = allocate(fd, 0, off, len);

	return likely(rc == SYNC_FOREIGN) ? REAL(posix_fallocate)(fd, off, len) : -rc;
}

EXPORT int posix_fallocate64(int fd, off64_t off, off64_t len)
{
	int rc = allocate(fd, 0, off, len);

	return likely(rc == SYNC_FOREIGN) ? REAL(posix_fallocate64)(fd, off, len) : -rc;
}

/* Told to the broker, never to the kernel: its pages of the inode are not the program's to drop. Nobody waits for it. */
static int advise(int fd, off_t off, off_t len, int advice)
{
	struct desc *d = fdtab_ours(fd);
	struct wire_advise_req req;
	int rc = 0;

	if (!d)
		return SYNC_FOREIGN;
	if (len < 0 || advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE) {
		rc = -EINVAL;
	} else if (off >= 0 && d->kind == WIRE_KIND_OBJECT && !present_complete(d)) {
		req = (struct wire_advise_req){
			.file = d->file, .off = (uint64_t)off, .len = (uint64_t)len, .advice = (uint32_t)advice
		};
		link_post(WIRE_ADVISE, &req);
	}
	desc_put(d);
	return rc;
}

EXPORT int posix_fadvise(int fd, off_t off, off_t len, int advice)
{
	int rc = advise(fd, off, len, advice);

	return likely(rc == SYNC_FOREIGN) ? REAL(posix_fadvise)(fd, off, len, advice) : -rc;
}

EXPORT int posix_fadvise64(int fd, off64_t off, off64_t len, int advice)
{
	int rc = advise(fd, off, len, advice);

	return likely(rc == SYNC_FOREIGN) ? REAL(posix_fadvise64)(fd, off, len, advice) : -rc;
}

EXPORT ssize_t readahead(int fd, off64_t off, size_t n)
{
	struct desc *d = fdtab_ours(fd);
	bool ours = d;
	int rc = 0;

	if (d && ((d->flags & O_ACCMODE) == O_WRONLY || (d->flags & O_PATH)))
		rc = -EBADF;
	else if (d && d->kind == WIRE_KIND_DIR)
		rc = -EINVAL;
	desc_put(d);
	if (rc || (ours && n == 0))
		return ret_errno(rc);
	ANSWER(advise(fd, off, (off_t)min_u64(n, INT64_MAX), POSIX_FADV_WILLNEED), REAL(readahead)(fd, off, n));
}
