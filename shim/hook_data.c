/* Bytes by descriptor. Each export is one question, "is the descriptor routed?", and libc's call where it is not. */
#include "shim/data.h"
#include "shim/shim.h"

static ssize_t routed_read(int fd, struct desc *d, const struct iovec *iov, int count, int64_t pos, int flags)
{
	long rc = data_read(fd, d, iov, count, pos, flags);

	desc_put(d);
	return ret_errno(rc);
}

static ssize_t routed_write(int fd, struct desc *d, const struct iovec *iov, int count, int64_t pos, int flags)
{
	long rc = data_write(fd, d, iov, count, pos, flags);

	desc_put(d);
	return ret_errno(rc);
}

/* A negative position is the kernel's to refuse: to data.h it would be the shared offset. */
#define BYTES(name, move, base, len, pos, ...) \
	do { \
		struct desc *d_ = likely(fdtab_idle()) ? NULL : fdtab_get(fd); \
		struct iovec v_; \
		if (likely(!d_)) \
			return REAL(name)(__VA_ARGS__); \
		v_ = (struct iovec){ .iov_base = base, .iov_len = len }; \
		return move(fd, d_, &v_, 1, pos, 0); \
	} while (0)

#define VECTOR(name, move, pos, flags, ...) \
	do { \
		struct desc *d_ = likely(fdtab_idle()) ? NULL : fdtab_get(fd); \
		if (likely(!d_)) \
			return REAL(name)(__VA_ARGS__); \
		return move(fd, d_, iov, count, pos, flags); \
	} while (0)

#define REFUSE_NEGATIVE(off) \
	if (unlikely((off) < 0)) \
	return ret_errno(-EINVAL)

EXPORT ssize_t read(int fd, void *buf, size_t n)
{
	BYTES(read, routed_read, buf, n, DATA_OFFSET, fd, buf, n);
}

EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
	BYTES(write, routed_write, (void *)(uintptr_t)buf, n, DATA_OFFSET, fd, buf, n);
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
	VECTOR(readv, routed_read, DATA_OFFSET, 0, fd, iov, count);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	VECTOR(writev, routed_write, DATA_OFFSET, 0, fd, iov, count);
}

EXPORT ssize_t pread(int fd, void *buf, size_t n, off_t off)
{
	REFUSE_NEGATIVE(off);
	BYTES(pread, routed_read, buf, n, off, fd, buf, n, off);
}

EXPORT ssize_t pread64(int fd, void *buf, size_t n, off64_t off)
{
	REFUSE_NEGATIVE(off);
	BYTES(pread64, routed_read, buf, n, off, fd, buf, n, off);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t n, off_t off)
{
	REFUSE_NEGATIVE(off);
	BYTES(pwrite, routed_write, (void *)(uintptr_t)buf, n, off, fd, buf, n, off);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t off)
{
	REFUSE_NEGATIVE(off);
	BYTES(pwrite64, routed_write, (void *)(uintptr_t)buf, n, off, fd, buf, n, off);
}

EXPORT ssize_t preadv(int fd, const struct iovec *iov, int count, off_t off)
{
	REFUSE_NEGATIVE(off);
	VECTOR(preadv, routed_read, off, 0, fd, iov, count, off);
}

EXPORT ssize_t preadv64(int fd, const struct iovec *iov, int count, off64_t off)
{
	REFUSE_NEGATIVE(off);
	VECTOR(preadv64, routed_read, off, 0, fd, iov, count, off);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
	REFUSE_NEGATIVE(off);
	VECTOR(pwritev, routed_write, off, 0, fd, iov, count, off);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t off)
{
	REFUSE_NEGATIVE(off);
	VECTOR(pwritev64, routed_write, off, 0, fd, iov, count, off);
}

/* preadv2(2): -1 is the shared offset here. Where libc lacks the call the kernel has it. */
#define VECTOR2(name, number, move) \
	do { \
		struct desc *d_; \
		if (unlikely(off < -1)) \
			return ret_errno(-EINVAL); \
		d_ = fdtab_get(fd); \
		if (unlikely(d_ != NULL)) \
			return move(fd, d_, iov, count, off, flags); \
		if (HAVE(name)) \
			return REAL(name)(fd, iov, count, off, flags); \
		return ret_errno(SYS(number, fd, iov, count, off, 0, flags)); \
	} while (0)

EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
	VECTOR2(preadv2, preadv2, routed_read);
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off64_t off, int flags)
{
	VECTOR2(preadv64v2, preadv2, routed_read);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
	VECTOR2(pwritev2, pwritev2, routed_write);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t off, int flags)
{
	VECTOR2(pwritev64v2, pwritev2, routed_write);
}

/* Fortified: @room is the buffer's size. Too small is libc's to end the program for. */
#define CHECKED_READ(name, pos, ...) \
	do { \
		struct desc *d_ = likely(n <= room) ? fdtab_get(fd) : NULL; \
		struct iovec v_ = { .iov_base = buf, .iov_len = n }; \
		if (likely(!d_)) \
			return REAL(name)(__VA_ARGS__); \
		return routed_read(fd, d_, &v_, 1, pos, 0); \
	} while (0)

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	CHECKED_READ(__read_chk, DATA_OFFSET, fd, buf, n, room);
}

EXPORT ssize_t __pread_chk(int fd, void *buf, size_t n, off_t off, size_t room)
{
	REFUSE_NEGATIVE(off);
	CHECKED_READ(__pread_chk, off, fd, buf, n, off, room);
}

EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t off, size_t room)
{
	REFUSE_NEGATIVE(off);
	CHECKED_READ(__pread64_chk, off, fd, buf, n, off, room);
}

static off_t routed_seek(int fd, struct desc *d, int64_t off, int whence)
{
	long rc = data_seek(fd, d, off, whence);

	desc_put(d);
	return ret_errno(rc);
}

EXPORT off_t lseek(int fd, off_t off, int whence)
{
	struct desc *d = fdtab_get(fd);

	return likely(!d) ? REAL(lseek)(fd, off, whence) : routed_seek(fd, d, off, whence);
}

EXPORT off64_t lseek64(int fd, off64_t off, int whence)
{
	struct desc *d = fdtab_get(fd);

	return likely(!d) ? REAL(lseek64)(fd, off, whence) : routed_seek(fd, d, off, whence);
}
