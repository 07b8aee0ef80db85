/* Descriptors' numbers: what is closed, copied, and what is remembered of it (fdtab.h). */
#include "shim/copy.h"
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/shim.h"

#include <linux/close_range.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/resource.h>

EXPORT int close(int fd)
{
	if (unlikely(link_owns(fd)))
		return (int)ret_errno(-EBADF);
	return likely(!fdtab_routed(fd)) ? REAL(close)(fd) : (int)ret_errno(fdtab_close(fd));
}

struct span {
	int first, last;
};

static int close_routed(int fd, struct desc *d, void *arg)
{
	const struct span *s = arg;

	(void)d;
	if (fd >= s->first && fd <= s->last)
		(void)fdtab_close(fd);
	return 0;
}

/* Everything in the span that is not the link's own, in pieces around it. Return: 0 or -errno of the first failure. */
static int close_pieces(unsigned first, unsigned last, unsigned flags)
{
	struct span span = { .first = (int)min_u64(first, INT32_MAX), .last = (int)min_u64(last, INT32_MAX) };
	unsigned from = first;
	int rc = 0;

	(void)fdtab_each(close_routed, &span);
	for (int own; (own = link_next_owned((int)min_u64(from, INT32_MAX))) >= 0 && (unsigned)own <= last && !rc;) {
		if ((unsigned)own > from)
			rc = (int)SYS(close_range, from, (unsigned)own - 1, flags);
		from = (unsigned)own + 1;
	}
	if (!rc && from <= last)
		rc = (int)SYS(close_range, from, last, flags);
	return rc;
}

/* Marking close-on-exec concerns neither the table nor the link, whose descriptors are marked already. */
EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	if (first > last || (unsigned)flags & CLOSE_RANGE_CLOEXEC)
		return (int)ret_errno(SYS(close_range, first, last, flags));
	return (int)ret_errno(close_pieces(first, last, (unsigned)flags));
}

EXPORT void closefrom(int low)
{
	unsigned first = low < 0 ? 0 : (unsigned)low;
	struct rlimit limit;

	if (close_pieces(first, ~0u, 0) == 0)
		return;
	/* Before Linux 5.9. */
	if (SYS(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) < 0)
		limit.rlim_cur = 1024;
	for (unsigned fd = first; fd < limit.rlim_cur && fd < 1u << 20; fd++)
		if (!link_owns((int)fd))
			(void)SYS(close, fd);
}

EXPORT int dup(int fd)
{
	int to = REAL(dup)(fd);

	if (to >= 0)
		fdtab_dup(fd, to);
	return to;
}

EXPORT int dup2(int from, int to)
{
	int rc = REAL(dup2)(from, to);

	if (rc >= 0)
		fdtab_dup(from, to);
	return rc;
}

EXPORT int dup3(int from, int to, int flags)
{
	int rc = REAL(dup3)(from, to, flags);

	if (rc >= 0)
		fdtab_dup(from, to);
	return rc;
}

/* ---- fcntl ---- */

/* O_APPEND comes and goes: it decides what a write claims. */
static int set_flags(int fd, struct desc *d, long flags)
{
	long rc = SYS(fcntl, fd, F_SETFL, flags);

	if (rc == 0)
		atomic_store(&d->flags, (d->flags & ~(uint32_t)O_APPEND) | ((uint32_t)flags & O_APPEND));
	return (int)rc;
}

static int routed_fcntl(int fd, struct desc *d, int cmd, void *arg)
{
	bool folder = d->kind == WIRE_KIND_DIR, object = d->kind == WIRE_KIND_OBJECT;

	if (cmd == F_SETFL && object)
		return set_flags(fd, d, (long)arg);
	/* What stands for a folder is a file, and what stands for an object may be a memfd. */
	if (cmd == F_GETFL && folder && fdtab_verify(fd, d))
		return (int)(d->flags & ~(uint32_t)O_ACCMODE) | O_DIRECTORY;
	if ((cmd == F_ADD_SEALS || cmd == F_GET_SEALS) && (folder || object) && fdtab_verify(fd, d))
		return -EINVAL;
	/* Its notices would be of the file: as of a kernel without them. */
	if (cmd == F_NOTIFY && folder && fdtab_verify(fd, d))
		return -EINVAL;
	return (int)SYS(fcntl, fd, cmd, arg);
}

/* Waits for a lock are cancellation points: those go through libc. */
static bool libcs_own(int cmd)
{
	return cmd == F_SETLKW || cmd == F_OFD_SETLKW || cmd == F_GETOWN || cmd == F_SETOWN;
}

static inline int fcntl_common(int fd, int cmd, void *arg, __typeof__(&fcntl) real)
{
	struct desc *d;
	int rc;

	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
		rc = real(fd, cmd, arg);
		if (rc >= 0)
			fdtab_dup(fd, rc);
		return rc;
	}
	d = likely(!fdtab_routed(fd)) || libcs_own(cmd) ? NULL : fdtab_get(fd);
	if (likely(!d))
		return real(fd, cmd, arg);
	rc = (int)ret_errno(routed_fcntl(fd, d, cmd, arg));
	desc_put(d);
	return rc;
}

EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fcntl_common(fd, cmd, arg, REAL(fcntl));
}

EXPORT int fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fcntl_common(fd, cmd, arg, REAL(fcntl64));
}

/* ---- ioctl ---- */

/*
 * Sharing blocks with an inode that is still being filled, and looking at its holes. What shares a whole file is a copy on
 * the server; else whoever asks is told to copy the bytes.
 */
static bool is_object(int fd)
{
	struct desc *d = fdtab_ours(fd);
	bool object = d && d->kind == WIRE_KIND_OBJECT;

	desc_put(d);
	return object;
}

/* Return: true where an object is concerned, and what the program is told. */
static bool shares_blocks(unsigned long request, int fd, const void *arg, int *ret)
{
	const struct file_clone_range *range = arg;
	int from = -1;
	bool whole = false;
	long rc;

	switch (request) {
	case FICLONE:
		from = (int)(long)arg;
		whole = true;
		break;
	case FICLONERANGE:
		from = (int)range->src_fd;
		whole = !range->src_offset && !range->src_length && !range->dest_offset;
		break;
	case FIDEDUPERANGE:
	case FS_IOC_FIEMAP:
	case FS_IOC_SETFLAGS:
		break;
	default:
		return false;
	}
	if (!is_object(fd) && !is_object(from))
		return false;
	rc = whole ? copy_clone(from, fd) : -EOPNOTSUPP;
	*ret = rc < 0 ? (int)rc : 0;
	return true;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (unlikely(shares_blocks(request, fd, arg, &rc)))
		return (int)ret_errno(rc);
	return REAL(ioctl)(fd, request, arg);
}
