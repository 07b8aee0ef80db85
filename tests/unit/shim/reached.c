/*
 * reached.c - every hook is really reached. Built as programs are: with and without _FILE_OFFSET_BITS=64, with
 * _FORTIFY_SOURCE=2, against musl.
 *
 *   reached marker      below marker.so: each call of libc's headers ends in a hook; each symbol of the table is its own
 *   reached LIBRARY     below the shim: each symbol of the table that a program looks up is the shim's
 */
#include <aio.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <wordexp.h>
#include <limits.h>
#include <mntent.h>
#include <pty.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>
#ifdef __GLIBC__
#ifndef __USE_FILE_OFFSET64
#include <fts.h>
#endif
#endif

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wunused-value"

static const char *const table[] = {
#define HOOK(family, name) #name,
#include "shim/hooks.def"
#undef HOOK
};
#define TABLE (sizeof(table) / sizeof(table[0]))

static const char *volatile *last;
static int bad;

static void check(const char *call)
{
	if (!*last) {
		printf("not reached: %s\n", call);
		bad = 1;
	}
}

#define C(call) \
	do { \
		*last = NULL; \
		call; \
		check(#call); \
	} while (0)

static char buf[4096];
static volatile size_t n = 1; /* so that the fortified functions have something to check */
static volatile int zero;

static void descriptors(void)
{
	struct iovec v = { .iov_base = buf, .iov_len = 1 };
	struct msghdr m = { 0 };
	int flags = zero;

	C(open("", flags));
	C(open("", O_CREAT, 0));
	C(openat(0, "", flags));
	C(creat("", 0));
	C(close(-1));
	C(dup(0));
	C(dup2(0, 0));
	C(fcntl(0, F_GETFD));
	C(ioctl(0, FIONREAD, buf));
	C(read(0, buf, n));
	C(write(0, buf, n));
	C(pread(0, buf, n, 0));
	C(pwrite(0, buf, n, 0));
	C(readv(0, &v, 1));
	C(writev(0, &v, 1));
	C(preadv(0, &v, 1, 0));
	C(pwritev(0, &v, 1, 0));
	C(lseek(0, 0, SEEK_SET));
	C(ftruncate(-1, 0));
	C(truncate("", 0));
	C(fsync(-1));
	C(fdatasync(-1));
	C(sync());
	C(posix_fallocate(-1, 0, 1));
	C(posix_fadvise(-1, 0, 1, 0));
	C(mmap(NULL, 1, 0, 0, -1, 0));
	C(msync(NULL, 1, 0));
	C(sendfile(-1, -1, NULL, 1));
	C(sendmsg(-1, &m, 0));
	C(bind(-1, NULL, 0));
	C(connect(-1, NULL, 0));
	C(dlopen("", RTLD_NOW));
	C(dup3(0, 0, 0));
	C(fallocate(-1, 0, 0, 1));
	C(sync_file_range(-1, 0, 0, 0));
	C(readahead(-1, 0, 1));
	C(syncfs(-1));
	C(mremap(NULL, 0, 0, 0));
	C(copy_file_range(-1, NULL, -1, NULL, 1, 0));
	C(splice(-1, NULL, -1, NULL, 1, 0));
	C(tee(-1, -1, 1, 0));
	C(vmsplice(-1, &v, 1, 0));
	C(sendmmsg(-1, NULL, 0, 0));
	C(syscall(SYS_getpid));
#ifdef __GLIBC__
	C(preadv2(-1, &v, 1, 0, 0));
	C(pwritev2(-1, &v, 1, 0, 0));
	C(close_range(1, 0, 0));
	C(closefrom(1000));
	C(dlmopen(LM_ID_BASE, "", RTLD_NOW));
#endif
}

static void streams(void)
{
	struct aiocb cb = { 0 };
	struct aiocb *list[] = { &cb };

	C(fopen("", "r"));
	C(freopen("", "r", stdin));
	C(fdopen(0, "r"));
	C(fclose(stdin));
	C(fileno(stdin));
	C(popen("", "r"));
	C(pclose(stdin));
	C(setmntent("", "r"));
	C(endmntent(stdin));
	C(fileno_unlocked(stdin));
	C(aio_read(&cb));
	C(aio_write(&cb));
	C(aio_fsync(O_SYNC, &cb));
	C(lio_listio(LIO_WAIT, list, 1, NULL));
}

static void attributes(void)
{
	struct timespec ts[2] = { { 0, 0 }, { 0, 0 } };
	struct timeval tv[2] = { { 0, 0 }, { 0, 0 } };
	struct utimbuf ut = { 0, 0 };
	struct stat st;
	struct statfs fs;
	struct statvfs vfs;

	C(stat("", &st));
	C(lstat("", &st));
	C(fstat(0, &st));
	C(fstatat(0, "", &st, 0));
	C(ftok("", 1));
	C(access("", 0));
	C(faccessat(0, "", 0, 0));
	C(statfs("", &fs));
	C(fstatfs(0, &fs));
	C(statvfs("", &vfs));
	C(fstatvfs(0, &vfs));
	C(pathconf("", 0));
	C(fpathconf(0, 0));
	C(chmod("", 0));
	C(fchmod(-1, 0));
	C(fchmodat(-1, "", 0, 0));
	C(lchmod("", 0));
	C(chown("", 0, 0));
	C(lchown("", 0, 0));
	C(fchown(-1, 0, 0));
	C(fchownat(-1, "", 0, 0, 0));
	C(utime("", &ut));
	C(utimes("", tv));
	C(lutimes("", tv));
	C(futimes(-1, tv));
	C(futimesat(-1, "", tv));
	C(utimensat(-1, "", ts, 0));
	C(futimens(-1, ts));
	C(umask(0));
	C(prctl(0));
	C(getxattr("", "", buf, n));
	C(lgetxattr("", "", buf, n));
	C(fgetxattr(-1, "", buf, n));
	C(setxattr("", "", buf, n, 0));
	C(lsetxattr("", "", buf, n, 0));
	C(fsetxattr(-1, "", buf, n, 0));
	C(listxattr("", buf, n));
	C(llistxattr("", buf, n));
	C(flistxattr(-1, buf, n));
	C(removexattr("", ""));
	C(lremovexattr("", ""));
	C(fremovexattr(-1, ""));
	C(inotify_add_watch(-1, "", 0));
	C(fanotify_mark(-1, 0, 0, -1, ""));
	C(name_to_handle_at(-1, "", NULL, NULL, 0));
	C(open_by_handle_at(-1, NULL, 0));
	C(eaccess("", 0));
	C(euidaccess("", 0));
#ifdef __GLIBC__
	struct statx sx;
	C(statx(0, "", 0, 0, &sx));
#endif
}

static int filter(const struct dirent *e)
{
	return e != NULL;
}

static int each(const char *path, const struct stat *st, int type)
{
	return path && st && type;
}

static int each_new(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return path && st && type && at;
}

static void folders(void)
{
	struct dirent **list;
	glob_t g = { 0 };
	wordexp_t w;
	DIR *volatile d = (DIR *)(void *)buf;

	C(opendir(""));
	C(fdopendir(-1));
	C(readdir(d));
	C(readdir_r(d, NULL, NULL));
	C(closedir(d));
	C(rewinddir(d));
	C(seekdir(d, 0));
	C(telldir(d));
	C(dirfd(d));
	C(scandir("", &list, filter, alphasort));
	C(glob("", 0, NULL, &g));
	C(globfree(&g));
	C(wordexp("", &w, 0));
	C(ftw("", each, 1));
	C(nftw("", each_new, 1, 0));
#ifdef __GLIBC__
	C(getdents64(-1, buf, n));
	C(scandirat(-1, "", &list, filter, alphasort));
#ifndef __USE_FILE_OFFSET64
	char *roots[] = { NULL };
	C(fts_open(roots, FTS_PHYSICAL, NULL));
	C(fts_read(NULL));
	C(fts_children(NULL, 0));
	C(fts_set(NULL, NULL, 0));
	C(fts_close(NULL));
#endif
#endif
}

static void names(void)
{
	char path[PATH_MAX], template[] = "XXXXXX";

	C(mkdir("", 0));
	C(mkdirat(-1, "", 0));
	C(rmdir(""));
	C(unlink(""));
	C(unlinkat(-1, "", 0));
	C(remove(""));
	C(rename("", ""));
	C(renameat(-1, "", -1, ""));
	C(link("", ""));
	C(linkat(-1, "", -1, "", 0));
	C(symlink("", ""));
	C(symlinkat("", -1, ""));
	C(readlink("", buf, n));
	C(readlinkat(-1, "", buf, n));
	C(mknod("", 0, 0));
	C(mknodat(-1, "", 0, 0));
	C(mkfifo("", 0));
	C(mkfifoat(-1, "", 0));
	C(realpath("", path));
	C(mkstemp(template));
	C(mkostemp(template, 0));
	C(mkstemps(template, 0));
	C(mkostemps(template, 0, 0));
	C(mkdtemp(template));
	C(mktemp(template));
	C(tempnam("", ""));
	C(chdir(""));
	C(fchdir(-1));
	C(getcwd(path, n));
	C(get_current_dir_name());
	C(chroot(""));
#ifdef __GLIBC__
	C(getwd(path));
	C(renameat2(-1, "", -1, "", 0));
	C(canonicalize_file_name(""));
#endif
}

static void processes(void)
{
	void (*volatile ends[])(int) = { exit, _exit, _Exit, quick_exit };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char *const none[] = { NULL };
	pid_t pid;

	for (int i = 0; i < 4; i++)
		C(ends[i](0));
	C(fork());
	C(vfork());
	C(daemon(0, 0));
	C(forkpty(NULL, NULL, NULL, NULL));
	C(execve("", none, none));
	C(execv("", none));
	C(execvp("", none));
	C(execvpe("", none, none));
	C(execl("", "", (char *)NULL));
	C(execlp("", "", (char *)NULL));
	C(execle("", "", (char *)NULL, none));
	C(fexecve(-1, none, none));
	C(posix_spawn(&pid, "", &actions, &attr, none, none));
	C(posix_spawnp(&pid, "", &actions, &attr, none, none));
	C(posix_spawn_file_actions_init(&actions));
	C(posix_spawn_file_actions_destroy(&actions));
	C(posix_spawn_file_actions_addopen(&actions, 0, "", 0, 0));
	C(posix_spawn_file_actions_adddup2(&actions, 0, 0));
	C(posix_spawn_file_actions_addchdir_np(&actions, ""));
	C(posix_spawn_file_actions_addfchdir_np(&actions, 0));
	C(system(""));
#ifdef __GLIBC__
	C(_Fork());
	C(execveat(-1, "", none, none, 0));
#endif
}

/* By name, as dlsym() finds them: java does so. */
static void by_name(void)
{
	for (size_t i = 0; i < TABLE; i++) {
		long (*f)(void) = (long (*)(void))(intptr_t)dlsym(RTLD_DEFAULT, table[i]);
		*last = NULL;
		if (f)
			f();
		if (!*last || strcmp(*last, table[i]) != 0) {
			printf("not its own: %s\n", table[i]);
			bad = 1;
		}
	}
}

static int owned(const char *library)
{
	for (size_t i = 0; i < TABLE; i++) {
		void *at = dlsym(RTLD_DEFAULT, table[i]);
		Dl_info info;
		if (!at || !dladdr(at, &info) || strcmp(info.dli_fname, library) != 0) {
			printf("somebody else's: %s\n", table[i]);
			bad = 1;
		}
	}
	return bad;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "marker") != 0)
		return owned(argv[1]);
	last = (const char *volatile *)dlsym(RTLD_DEFAULT, "marker_last");
	if (!last)
		return 2;
	descriptors();
	streams();
	attributes();
	folders();
	names();
	processes();
	by_name();
	printf("%zu symbols\n", TABLE);
	return bad;
}
