/**
 * abi.h - prototypes of every symbol in hooks.def: libc's headers, and what they no longer or never declare.
 */
#ifndef S3SHIM_SHIM_ABI_H
#define S3SHIM_SHIM_ABI_H

#include <aio.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <fts.h>
#include <glob.h>
#include <wordexp.h>
#include <mntent.h>
#include <pty.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

struct open_how; /* linux/openat2.h */

/* fortified entries (glibc, debug/) */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t off, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t off, size_t room);
ssize_t __readlink_chk(const char *path, char *buf, size_t n, size_t room);
ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t n, size_t room);
char *__getcwd_chk(char *buf, size_t n, size_t room);
char *__getwd_chk(char *buf, size_t room);
char *__realpath_chk(const char *path, char *out, size_t room);

/* the stat family's old names (glibc before 2.33) */
int __xstat(int ver, const char *path, struct stat *st);
int __xstat64(int ver, const char *path, struct stat64 *st);
int __lxstat(int ver, const char *path, struct stat *st);
int __lxstat64(int ver, const char *path, struct stat64 *st);
int __fxstat(int ver, int fd, struct stat *st);
int __fxstat64(int ver, int fd, struct stat64 *st);
int __fxstatat(int ver, int dirfd, const char *path, struct stat *st, int flags);
int __fxstatat64(int ver, int dirfd, const char *path, struct stat64 *st, int flags);
int __xmknod(int ver, const char *path, mode_t mode, dev_t *dev);
int __xmknodat(int ver, int dirfd, const char *path, mode_t mode, dev_t *dev);

/* names beside the public ones */
int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);
int __close(int fd);
ssize_t __read(int fd, void *buf, size_t n);
ssize_t __write(int fd, const void *buf, size_t n);
ssize_t __pread64(int fd, void *buf, size_t n, off64_t off);
ssize_t __pwrite64(int fd, const void *buf, size_t n, off64_t off);
ssize_t __libc_pread(int fd, void *buf, size_t n, off_t off);
ssize_t __libc_pwrite(int fd, const void *buf, size_t n, off_t off);
off_t __lseek(int fd, off_t off, int whence);
int __dup2(int from, int to);
int __fcntl(int fd, int cmd, ...);
int __statfs(const char *path, struct statfs *st);
int __connect(int fd, const struct sockaddr *to, socklen_t len);
int __sendmmsg(int fd, struct mmsghdr *list, unsigned count, int flags);
pid_t __fork(void);
pid_t __libc_fork(void);
pid_t __vfork(void);
int __libc_system(const char *command);
FILE *_IO_fopen(const char *path, const char *mode);
FILE *_IO_fdopen(int fd, const char *mode);
int _IO_fclose(FILE *f);
FILE *_IO_popen(const char *command, const char *mode);
FILE *__setmntent(const char *path, const char *mode);
int __endmntent(FILE *f);
char *__mktemp(char *template);

/* libaio (libaio.h), liburing (liburing.h) */
struct io_context;
struct iocb;
struct io_uring;
struct io_uring_params;
int io_submit(struct io_context *context, long count, struct iocb **list);
int io_uring_setup(unsigned entries, struct io_uring_params *p);
int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p);
int io_uring_queue_init_mem(unsigned entries, struct io_uring *ring, struct io_uring_params *p, void *buf, size_t n);

/* since glibc 2.43; the kernel's (linux/openat2.h) */
int openat2(int dirfd, const char *path, struct open_how *how, size_t size);

#endif
