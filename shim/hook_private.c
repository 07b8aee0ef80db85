/* Names that libc exports beside the public ones, and shipped binaries import: libpthread's and libstdc++'s of old,
 * and what the headers of glibc 2.0 named. Each is the public one. */
#include "shim/fd_open.h"
#include "shim/shim.h"

EXPORT int __open(const char *path, int flags, ...)
{
	FD_OPEN_MODE(flags, mode)
	return open(path, flags, mode);
}

EXPORT int __open64(const char *path, int flags, ...)
{
	FD_OPEN_MODE(flags, mode)
	return open64(path, flags, mode);
}

EXPORT int __close(int fd)
{
	return close(fd);
}

EXPORT ssize_t __read(int fd, void *buf, size_t n)
{
	return read(fd, buf, n);
}

EXPORT ssize_t __write(int fd, const void *buf, size_t n)
{
	return write(fd, buf, n);
}

EXPORT ssize_t __pread64(int fd, void *buf, size_t n, off64_t off)
{
	return pread64(fd, buf, n, off);
}

EXPORT ssize_t __pwrite64(int fd, const void *buf, size_t n, off64_t off)
{
	return pwrite64(fd, buf, n, off);
}

EXPORT ssize_t __libc_pread(int fd, void *buf, size_t n, off_t off)
{
	return pread(fd, buf, n, off);
}

EXPORT ssize_t __libc_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	return pwrite(fd, buf, n, off);
}

EXPORT off_t __lseek(int fd, off_t off, int whence)
{
	return lseek(fd, off, whence);
}

EXPORT int __dup2(int from, int to)
{
	return dup2(from, to);
}

EXPORT int __fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fcntl(fd, cmd, arg);
}

EXPORT int __statfs(const char *path, struct statfs *st)
{
	return statfs(path, st);
}

EXPORT int __connect(int fd, const struct sockaddr *to, socklen_t len)
{
	return connect(fd, to, len);
}

EXPORT int __sendmmsg(int fd, struct mmsghdr *list, unsigned count, int flags)
{
	return sendmmsg(fd, list, count, flags);
}

EXPORT pid_t __fork(void)
{
	return fork();
}

EXPORT pid_t __libc_fork(void)
{
	return fork();
}

EXPORT int __libc_system(const char *command)
{
	return system(command);
}

EXPORT FILE *_IO_fopen(const char *path, const char *mode)
{
	return fopen(path, mode);
}

EXPORT FILE *_IO_fdopen(int fd, const char *mode)
{
	return fdopen(fd, mode);
}

EXPORT int _IO_fclose(FILE *f)
{
	return fclose(f);
}

EXPORT FILE *_IO_popen(const char *command, const char *mode)
{
	return popen(command, mode);
}

EXPORT FILE *__setmntent(const char *path, const char *mode)
{
	return setmntent(path, mode);
}

EXPORT int __endmntent(FILE *f)
{
	return endmntent(f);
}
