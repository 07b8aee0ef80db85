/* The stat family: one record by path, descriptor, folder and the old entry points. */
#include "probe.h"

#include <sys/sysmacros.h>

#ifdef __GLIBC__
int old_xstat(int ver, const char *path, struct stat *st);
int old_fxstat(int ver, int fd, struct stat *st);
int old_lxstat(int ver, const char *path, struct stat *st);
#if defined(__x86_64__)
__asm__(".symver old_xstat,__xstat@GLIBC_2.2.5");
__asm__(".symver old_fxstat,__fxstat@GLIBC_2.2.5");
__asm__(".symver old_lxstat,__lxstat@GLIBC_2.2.5");
#define OLD_ABI 1
#endif
#endif

static struct stat first;

static void show_stat(const char *what, int r, const struct stat *st)
{
	if (r < 0) {
		say(what, r);
		return;
	}
	printf("%s: mode %o uid %d same %d%s", what, st->st_mode, st->st_uid == geteuid(),
	       st->st_ino == first.st_ino && st->st_dev == first.st_dev && st->st_mtim.tv_sec == first.st_mtim.tv_sec,
	       S_ISDIR(st->st_mode) ? "\n" : "");
	if (!S_ISDIR(st->st_mode))
		printf(" nlink %ld size %ld blocks %d\n", (long)st->st_nlink, (long)st->st_size,
		       st->st_blocks * 512 >= st->st_size);
}

static void old_abi(int fd)
{
#ifdef OLD_ABI
	struct stat st;

	memset(&st, 0, sizeof(st));
	show_stat("__xstat", old_xstat(1, at("f"), &st), &st);
	memset(&st, 0, sizeof(st));
	show_stat("__fxstat", old_fxstat(1, fd, &st), &st);
	memset(&st, 0, sizeof(st));
	show_stat("__lxstat", old_lxstat(1, at("f"), &st), &st);
	show_stat("__xstat missing", old_xstat(1, at("none"), &st), &st);
#else
	(void)fd;
#endif
}

/* musl has statx from 1.2.5 on. */
static void extended(int fd, int dir)
{
#ifdef STATX_BASIC_STATS
	struct statx sx;

	memset(&sx, 0, sizeof(sx));
	if (say("statx", statx(AT_FDCWD, at("f"), 0, STATX_BASIC_STATS, &sx)) == 0)
		printf("mode %o size %ld nlink %u ino %d\n", sx.stx_mode, (long)sx.stx_size, sx.stx_nlink,
		       sx.stx_ino == first.st_ino);
	say("statx at", statx(dir, "f", 0, STATX_BASIC_STATS, &sx));
	say("statx fd", statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx));
	say("statx missing", statx(AT_FDCWD, at("none"), 0, STATX_BASIC_STATS, &sx));
#else
	(void)fd;
	(void)dir;
#endif
}

int main(int argc, char **argv)
{
	struct stat st;
	int fd, dir;

	probe_begin(argc, argv);
	make("f", "twelve bytes");
	say("mkdir", mkdir(at("d"), 0755));
	stat(at("f"), &first);
	show_stat("stat", stat(at("f"), &st), &st);
	show_stat("lstat", lstat(at("f"), &st), &st);
	fd = open(at("f"), O_RDWR);
	show_stat("fstat", fstat(fd, &st), &st);
	dir = open(at(""), O_RDONLY | O_DIRECTORY);
	show_stat("fstatat", fstatat(dir, "f", &st, 0), &st);
	show_stat("fstatat nofollow", fstatat(dir, "f", &st, AT_SYMLINK_NOFOLLOW), &st);
	show_stat("fstatat empty", fstatat(fd, "", &st, AT_EMPTY_PATH), &st);
	show_stat("fstatat empty, no flag", fstatat(fd, "", &st, 0), &st);
	show_stat("stat folder", stat(at("d"), &st), &st);
	show_stat("stat folder/", stat(at("d/"), &st), &st);
	show_stat("stat mount", stat(at(""), &st), &st);
	show_stat("stat d/..", stat(at("d/../f"), &st), &st);
	show_stat("fstat folder", fstat(dir, &st), &st);
	show_stat("stat missing", stat(at("none"), &st), &st);
	show_stat("stat below file", stat(at("f/x"), &st), &st);
	show_stat("stat file/", stat(at("f/"), &st), &st);
	show_stat("fstat closed", fstat(999, &st), &st);
	extended(fd, dir);
	old_abi(fd);
	say("write", pwrite(fd, "longer than it was before", 25, 0));
	fstat(fd, &st);
	say("size by fstat", st.st_size);
	stat(at("f"), &st);
	say("size by stat", st.st_size);
	close(fd);
	close(dir);
	stat(at("f"), &st);
	say("size after close", st.st_size);
	return 0;
}
