/*
 * syscall(): file calls by number are the hooks, everything else is the kernel's. node sends statx, copy_file_range and
 * close through it, and java asks for SYS_gettid 9,500 times in a trivial run, so the question is one load of a byte
 * (stubs.S). The structures of the kernel's stat calls are libc's on 64-bit architectures.
 *
 * io_uring reads and writes without any hook, on rings that a program sets up before it opens its files; so it is
 * refused wherever there is a mount point, and programs fall back to calls.
 */
#include "shim/fdtab.h"
#include "shim/cwd.h"
#include "shim/link.h"
#include "shim/ring.h"
#include "shim/route.h"
#include "shim/shim.h"

#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#define NUMBERS 512 /* stubs.S has it too */

/* Called by the stub in stubs.S. */
extern const unsigned char syscall_routed[NUMBERS];
long syscall_file(long n, long a, long b, long c, long d, long e, long f);
long syscall_failed(long rc);

#define PATH(x) ((const char *)(x))
#define PTR(x)  ((void *)(x))
#define FD(x)   ((int)(x))
#define INT(x)  ((int)(x))

/* ROW(number, call): the hooks by number. a to f are the arguments. */
#define ROWS_COMMON \
	ROW(SYS_openat, openat(FD(a), PATH(b), INT(c), (mode_t)d)) \
	ROW(SYS_openat2, openat2(FD(a), PATH(b), PTR(c), (size_t)d)) \
	ROW(SYS_close, close(FD(a))) \
	ROW(SYS_close_range, close_range((unsigned)a, (unsigned)b, INT(c))) \
	ROW(SYS_dup, dup(FD(a))) \
	ROW(SYS_dup3, dup3(FD(a), FD(b), INT(c))) \
	ROW(SYS_fcntl, fcntl(FD(a), INT(b), c)) \
	ROW(SYS_ioctl, ioctl(FD(a), (unsigned long)b, c)) \
	ROW(SYS_read, read(FD(a), PTR(b), (size_t)c)) \
	ROW(SYS_write, write(FD(a), PTR(b), (size_t)c)) \
	ROW(SYS_readv, readv(FD(a), PTR(b), INT(c))) \
	ROW(SYS_writev, writev(FD(a), PTR(b), INT(c))) \
	ROW(SYS_pread64, pread64(FD(a), PTR(b), (size_t)c, d)) \
	ROW(SYS_pwrite64, pwrite64(FD(a), PTR(b), (size_t)c, d)) \
	ROW(SYS_preadv, preadv64(FD(a), PTR(b), INT(c), d)) \
	ROW(SYS_pwritev, pwritev64(FD(a), PTR(b), INT(c), d)) \
	ROW(SYS_preadv2, preadv64v2(FD(a), PTR(b), INT(c), d, INT(f))) \
	ROW(SYS_pwritev2, pwritev64v2(FD(a), PTR(b), INT(c), d, INT(f))) \
	ROW(SYS_lseek, lseek64(FD(a), b, INT(c))) \
	ROW(SYS_ftruncate, ftruncate64(FD(a), b)) \
	ROW(SYS_truncate, truncate64(PATH(a), b)) \
	ROW(SYS_fsync, fsync(FD(a))) \
	ROW(SYS_fdatasync, fdatasync(FD(a))) \
	ROW(SYS_syncfs, syncfs(FD(a))) \
	ROW(SYS_sync_file_range, sync_file_range(FD(a), b, c, (unsigned)d)) \
	ROW(SYS_fallocate, fallocate64(FD(a), INT(b), c, d)) \
	ROW(SYS_fadvise64, positive(posix_fadvise64(FD(a), b, c, INT(d)))) \
	ROW(SYS_readahead, readahead(FD(a), b, (size_t)c)) \
	ROW(SYS_mmap, mapped(mmap64(PTR(a), (size_t)b, INT(c), INT(d), FD(e), f))) \
	ROW(SYS_mremap, mapped(mremap(PTR(a), (size_t)b, (size_t)c, INT(d), PTR(e)))) \
	ROW(SYS_msync, msync(PTR(a), (size_t)b, INT(c))) \
	ROW(SYS_sendfile, sendfile64(FD(a), FD(b), PTR(c), (size_t)d)) \
	ROW(SYS_copy_file_range, copy_file_range(FD(a), PTR(b), FD(c), PTR(d), (size_t)e, (unsigned)f)) \
	ROW(SYS_splice, splice(FD(a), PTR(b), FD(c), PTR(d), (size_t)e, (unsigned)f)) \
	ROW(SYS_sendmsg, sendmsg(FD(a), PTR(b), INT(c))) \
	ROW(SYS_sendmmsg, sendmmsg(FD(a), PTR(b), (unsigned)c, INT(d))) \
	ROW(SYS_bind, bind(FD(a), PTR(b), (socklen_t)c)) \
	ROW(SYS_connect, connect(FD(a), PTR(b), (socklen_t)c)) \
	ROW(SYS_io_submit, ret_errno(ring_submit((unsigned long)a, b, PTR(c)))) \
	ROW(SYS_fstat, fstat(FD(a), PTR(b))) \
	ROW(SYS_newfstatat, fstatat(FD(a), PATH(b), PTR(c), INT(d))) \
	ROW(SYS_statx, statx(FD(a), PATH(b), INT(c), (unsigned)d, PTR(e))) \
	ROW(SYS_statfs, statfs(PATH(a), PTR(b))) \
	ROW(SYS_fstatfs, fstatfs(FD(a), PTR(b))) \
	ROW(SYS_faccessat, faccessat(FD(a), PATH(b), INT(c), 0)) \
	ROW(SYS_faccessat2, faccessat(FD(a), PATH(b), INT(c), INT(d))) \
	ROW(SYS_getdents64, getdents64(FD(a), PTR(b), (size_t)c)) \
	ROW(SYS_getcwd, current(PTR(a), (size_t)b)) \
	ROW(SYS_chdir, chdir(PATH(a))) \
	ROW(SYS_fchdir, fchdir(FD(a))) \
	ROW(SYS_mkdirat, mkdirat(FD(a), PATH(b), (mode_t)c)) \
	ROW(SYS_mknodat, mknodat(FD(a), PATH(b), (mode_t)c, (dev_t)d)) \
	ROW(SYS_unlinkat, unlinkat(FD(a), PATH(b), INT(c))) \
	ROW(SYS_renameat2, renameat2(FD(a), PATH(b), FD(c), PATH(d), (unsigned)e)) \
	ROW(SYS_linkat, linkat(FD(a), PATH(b), FD(c), PATH(d), INT(e))) \
	ROW(SYS_symlinkat, symlinkat(PATH(a), FD(b), PATH(c))) \
	ROW(SYS_readlinkat, readlinkat(FD(a), PATH(b), PTR(c), (size_t)d)) \
	ROW(SYS_fchmod, fchmod(FD(a), (mode_t)b)) \
	ROW(SYS_fchmodat, fchmodat(FD(a), PATH(b), (mode_t)c, 0)) \
	ROW(SYS_fchown, fchown(FD(a), (uid_t)b, (gid_t)c)) \
	ROW(SYS_fchownat, fchownat(FD(a), PATH(b), (uid_t)c, (gid_t)d, INT(e))) \
	ROW(SYS_utimensat, times(FD(a), PATH(b), PTR(c), INT(d))) \
	ROW(SYS_getxattr, getxattr(PATH(a), PATH(b), PTR(c), (size_t)d)) \
	ROW(SYS_lgetxattr, lgetxattr(PATH(a), PATH(b), PTR(c), (size_t)d)) \
	ROW(SYS_fgetxattr, fgetxattr(FD(a), PATH(b), PTR(c), (size_t)d)) \
	ROW(SYS_setxattr, setxattr(PATH(a), PATH(b), PTR(c), (size_t)d, INT(e))) \
	ROW(SYS_lsetxattr, lsetxattr(PATH(a), PATH(b), PTR(c), (size_t)d, INT(e))) \
	ROW(SYS_fsetxattr, fsetxattr(FD(a), PATH(b), PTR(c), (size_t)d, INT(e))) \
	ROW(SYS_listxattr, listxattr(PATH(a), PTR(b), (size_t)c)) \
	ROW(SYS_llistxattr, llistxattr(PATH(a), PTR(b), (size_t)c)) \
	ROW(SYS_flistxattr, flistxattr(FD(a), PTR(b), (size_t)c)) \
	ROW(SYS_removexattr, removexattr(PATH(a), PATH(b))) \
	ROW(SYS_lremovexattr, lremovexattr(PATH(a), PATH(b))) \
	ROW(SYS_fremovexattr, fremovexattr(FD(a), PATH(b))) \
	ROW(SYS_inotify_add_watch, inotify_add_watch(FD(a), PATH(b), (uint32_t)c)) \
	ROW(SYS_name_to_handle_at, name_to_handle_at(FD(a), PATH(b), PTR(c), PTR(d), INT(e))) \
	ROW(SYS_open_by_handle_at, open_by_handle_at(FD(a), PTR(b), INT(c))) \
	ROW(SYS_fanotify_mark, fanotify_mark(FD(a), (unsigned)b, (uint64_t)c, FD(d), PATH(e))) \
	ROW(SYS_chroot, chroot(PATH(a))) \
	ROW(SYS_umask, umask((mode_t)a)) \
	ROW(SYS_execve, execve(PATH(a), PTR(b), PTR(c))) \
	ROW(SYS_execveat, execveat(FD(a), PATH(b), PTR(c), PTR(d), INT(e))) \
	ROW(SYS_exit_group, ended(INT(a))) \
	ROW(SYS_prctl, prctl(INT(a), b, c, d, e)) \
	ROW(SYS_seccomp, filter(a, b, c)) \
	ROW(SYS_io_uring_setup, ring((unsigned)a, PTR(b)))

/* The old calls, which newer architectures never had. */
#ifdef SYS_open
#define ROWS_OLD \
	ROW(SYS_open, open(PATH(a), INT(b), (mode_t)c)) \
	ROW(SYS_creat, creat(PATH(a), (mode_t)b)) \
	ROW(SYS_dup2, dup2(FD(a), FD(b))) \
	ROW(SYS_stat, stat(PATH(a), PTR(b))) \
	ROW(SYS_lstat, lstat(PATH(a), PTR(b))) \
	ROW(SYS_access, access(PATH(a), INT(b))) \
	ROW(SYS_mkdir, mkdir(PATH(a), (mode_t)b)) \
	ROW(SYS_rmdir, rmdir(PATH(a))) \
	ROW(SYS_mknod, mknod(PATH(a), (mode_t)b, (dev_t)c)) \
	ROW(SYS_unlink, unlink(PATH(a))) \
	ROW(SYS_rename, rename(PATH(a), PATH(b))) \
	ROW(SYS_renameat, renameat(FD(a), PATH(b), FD(c), PATH(d))) \
	ROW(SYS_link, link(PATH(a), PATH(b))) \
	ROW(SYS_symlink, symlink(PATH(a), PATH(b))) \
	ROW(SYS_readlink, readlink(PATH(a), PTR(b), (size_t)c)) \
	ROW(SYS_chmod, chmod(PATH(a), (mode_t)b)) \
	ROW(SYS_chown, chown(PATH(a), (uid_t)b, (gid_t)c)) \
	ROW(SYS_lchown, lchown(PATH(a), (uid_t)b, (gid_t)c)) \
	ROW(SYS_utime, utime(PATH(a), PTR(b))) \
	ROW(SYS_utimes, utimes(PATH(a), PTR(b))) \
	ROW(SYS_futimesat, futimesat(FD(a), PATH(b), PTR(c))) \
	ROW(SYS_fork, fork())
#else
#define ROWS_OLD
#endif

const unsigned char syscall_routed[NUMBERS] = {
#define ROW(number, call) [number] = 1,
	ROWS_COMMON ROWS_OLD
#undef ROW
};

long syscall_failed(long rc)
{
	return ret_errno(rc);
}

/* posix_fadvise returns its error. */
static long positive(int rc)
{
	return ret_errno(-rc);
}

static long mapped(void *p)
{
	return (long)p;
}

/* The kernel's getcwd returns the length with the NUL. */
static long current(char *buf, size_t size)
{
	long n;

	if (!route_active())
		return ret_errno(SYS(getcwd, buf, size));
	n = cwd_get(buf, size);
	return ret_errno(n < 0 ? n : n + 1);
}

/* The kernel's utimensat takes NULL for "the descriptor itself", which libc refuses: there it is futimens. */
static long times(int fd, const char *path, const struct timespec *t, int flags)
{
	return path ? utimensat(fd, path, t, flags) : futimens(fd, t);
}

static long ended(int status)
{
	_exit(status);
}

static long ring(unsigned entries, void *params)
{
	return ret_errno(route_active() ? -ENOSYS : SYS(io_uring_setup, entries, params));
}

/* libc has no function for it; see prctl(). */
static long filter(long operation, long flags, long arg)
{
	if (operation == SECCOMP_SET_MODE_FILTER && route_active())
		link_keep();
	return ret_errno(SYS(seccomp, operation, flags, arg));
}

long syscall_file(long n, long a, long b, long c, long d, long e, long f)
{
	switch (n) {
#define ROW(number, call) \
	case number: \
		return (long)(call);
		ROWS_COMMON ROWS_OLD
#undef ROW
		    default : return ret_errno(sys6(n, a, b, c, d, e, f));
	}
}

#if !defined(__x86_64__)
EXPORT long syscall(long n, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, n);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (n >= 0 && n < NUMBERS && syscall_routed[n])
		return syscall_file(n, a[0], a[1], a[2], a[3], a[4], a[5]);
	return ret_errno(sys6(n, a[0], a[1], a[2], a[3], a[4], a[5]));
}
#endif
