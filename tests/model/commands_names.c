/* Commands about names; `tree` and `look` are what an observer sees. */
#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static void answer_stat(int result, const struct stat *st)
{
	if (result < 0) {
		answer(result);
		return;
	}
	text_begin("ok");
	text_add_stat(st);
	text_answer();
}

static void do_stat(char **w)
{
	struct stat st;

	answer_stat(stat(path(w[0]), &st), &st);
}

static void do_lstat(char **w)
{
	struct stat st;

	answer_stat(lstat(path(w[0]), &st), &st);
}

static void do_fstatat(char **w)
{
	struct stat st;

	answer_stat(fstatat(folder(w[0]), path(w[1]), &st, (int)number(w[2])), &st);
}

static void do_statx(char **w)
{
	struct statx x;

	if (statx(folder(w[0]), path(w[1]), (int)number(w[2]), STATX_BASIC_STATS, &x) < 0)
		answer(-1);
	else if (S_ISDIR(x.stx_mode))
		answer_text("ok %o", x.stx_mode);
	else
		answer_text("ok %o %lu", x.stx_mode, (unsigned long)x.stx_size);
}

/* Are a descriptor and a name the same file, as tail -F, cp and find ask? */
static void do_same(char **w)
{
	struct stat a, b;

	if (fstat((int)number(w[0]), &a) < 0 || lstat(path(w[1]), &b) < 0)
		answer(-1);
	else
		answer(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static void do_access(char **w)
{
	answer(access(path(w[0]), (int)number(w[1])));
}

static void do_faccessat(char **w)
{
	answer(faccessat(folder(w[0]), path(w[1]), (int)number(w[2]), (int)number(w[3])));
}

static void do_mkdir(char **w)
{
	answer(mkdir(path(w[0]), (mode_t)number(w[1])));
}

static void do_mkdirat(char **w)
{
	answer(mkdirat(folder(w[0]), path(w[1]), (mode_t)number(w[2])));
}

static void do_rmdir(char **w)
{
	answer(rmdir(path(w[0])));
}

static void do_unlink(char **w)
{
	answer(unlink(path(w[0])));
}

static void do_unlinkat(char **w)
{
	answer(unlinkat(folder(w[0]), path(w[1]), (int)number(w[2])));
}

static void do_remove(char **w)
{
	answer(remove(path(w[0])));
}

static void do_rename(char **w)
{
	answer(rename(path(w[0]), path(w[1])));
}

static void do_renameat2(char **w)
{
	answer(renameat2(folder(w[0]), path(w[1]), folder(w[2]), path(w[3]), (unsigned)number(w[4])));
}

static void do_symlink(char **w)
{
	answer(symlink(path(w[0]), path(w[1])));
}

static void do_readlink(char **w)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path(w[0]), to, sizeof(to) - 1);

	if (n < 0) {
		answer(n);
		return;
	}
	to[n] = 0;
	text_begin("ok ");
	text_add_name(to);
	text_answer();
}

static void do_link(char **w)
{
	answer(link(path(w[0]), path(w[1])));
}

static void do_linkat(char **w)
{
	answer(linkat(folder(w[0]), path(w[1]), folder(w[2]), path(w[3]), (int)number(w[4])));
}

static void do_mkfifo(char **w)
{
	answer(mkfifo(path(w[0]), (mode_t)number(w[1])));
}

static void do_chmod(char **w)
{
	answer(chmod(path(w[0]), (mode_t)number(w[1])));
}

static void do_fchmodat(char **w)
{
	answer(fchmodat(folder(w[0]), path(w[1]), (mode_t)number(w[2]), 0));
}

static void do_chown(char **w)
{
	answer(chown(path(w[0]), (uid_t)number(w[1]), (gid_t)number(w[2])));
}

/* DIR PATH SECONDS NANOSECONDS FLAGS */
static void do_utimensat(char **w)
{
	struct timespec t[2] = { { number(w[2]), 7 }, { number(w[2]), number(w[3]) } };

	answer(utimensat(folder(w[0]), path(w[1]), t, (int)number(w[4])));
}

static void do_chdir(char **w)
{
	answer(chdir(path(w[0])));
}

static void do_fchdir(char **w)
{
	answer(fchdir((int)number(w[0])));
}

static void answer_name(const char *name)
{
	if (!name) {
		answer(-1);
		return;
	}
	text_begin("ok ");
	text_add_name(name);
	text_answer();
}

static void do_getcwd(char **w)
{
	char buf[PATH_MAX];

	(void)w;
	answer_name(getcwd(buf, sizeof(buf)));
}

static void do_realpath(char **w)
{
	char buf[PATH_MAX];

	answer_name(realpath(path(w[0]), buf));
}

static void do_statvfs(char **w)
{
	struct statvfs s;

	answer(statvfs(path(w[0]), &s));
}

static void do_umask(char **w)
{
	answer((long)umask((mode_t)number(w[0])));
}

static void do_setxattr(char **w)
{
	answer(setxattr(path(w[0]), "user.model", "x", 1, 0));
}

static void do_removexattr(char **w)
{
	answer(removexattr(path(w[0]), "user.model"));
}

static void do_getxattr(char **w)
{
	char value[16];

	answer(getxattr(path(w[0]), "user.model", value, sizeof(value)));
}

static int visible(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* What is at a name: attributes, a link's target, a file's content. */
static void add_look(const char *name)
{
	char to[PATH_MAX];
	struct stat st;
	ssize_t n;
	int fd;

	if (lstat(name, &st) < 0) {
		text_add(" %s", strerrorname_np(errno));
		return;
	}
	text_add_stat(&st);
	if (S_ISLNK(st.st_mode)) {
		n = readlink(name, to, sizeof(to) - 1);
		to[n < 0 ? 0 : n] = 0;
		text_add(" -> ");
		text_add_name(n < 0 ? strerrorname_np(errno) : to);
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buffer, BUFFER_BYTES);
	if (n < 0)
		text_add(" %s", strerrorname_np(errno));
	else
		text_add(" %zd %016lx", n, hash(buffer, (size_t)n));
	if (fd >= 0)
		close(fd);
}

static void do_look(char **w)
{
	text_begin("ok");
	add_look(path(w[0]));
	text_answer();
}

static void add_tree(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, visible, by_bytes);

	if (n < 0) {
		text_add("; ");
		text_add_name(folder);
		text_add(": %s", strerrorname_np(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		char name[2 * PATH_MAX];
		struct stat st;

		snprintf(name, sizeof(name), "%s/%s", folder, names[i]->d_name);
		text_add("; ");
		text_add_name(name);
		add_look(name);
		if (lstat(name, &st) == 0 && S_ISDIR(st.st_mode))
			add_tree(name);
		free(names[i]);
	}
	free(names);
}

static void do_tree(char **w)
{
	(void)w;
	text_begin("ok");
	add_tree(root);
	text_answer();
}

static void do_list(char **w)
{
	struct dirent **names;
	int n = scandir(path(w[0]), &names, NULL, by_bytes);

	if (n < 0) {
		answer(n);
		return;
	}
	text_begin("ok");
	for (int i = 0; i < n; i++) {
		text_add(" ");
		text_add_name(names[i]->d_name);
		text_add(names[i]->d_type == DT_DIR ? "/" : "");
		free(names[i]);
	}
	free(names);
	text_answer();
}

const struct command commands_names[] = {
	{ "stat", 1, do_stat },
	{ "lstat", 1, do_lstat },
	{ "fstatat", 3, do_fstatat },
	{ "statx", 3, do_statx },
	{ "same", 2, do_same },
	{ "access", 2, do_access },
	{ "faccessat", 4, do_faccessat },
	{ "mkdir", 2, do_mkdir },
	{ "mkdirat", 3, do_mkdirat },
	{ "rmdir", 1, do_rmdir },
	{ "unlink", 1, do_unlink },
	{ "unlinkat", 3, do_unlinkat },
	{ "remove", 1, do_remove },
	{ "rename", 2, do_rename },
	{ "renameat2", 5, do_renameat2 },
	{ "symlink", 2, do_symlink },
	{ "readlink", 1, do_readlink },
	{ "link", 2, do_link },
	{ "linkat", 5, do_linkat },
	{ "mkfifo", 2, do_mkfifo },
	{ "chmod", 2, do_chmod },
	{ "fchmodat", 3, do_fchmodat },
	{ "chown", 3, do_chown },
	{ "utimensat", 5, do_utimensat },
	{ "chdir", 1, do_chdir },
	{ "fchdir", 1, do_fchdir },
	{ "getcwd", 0, do_getcwd },
	{ "realpath", 1, do_realpath },
	{ "statvfs", 1, do_statvfs },
	{ "umask", 1, do_umask },
	{ "setxattr", 1, do_setxattr },
	{ "removexattr", 1, do_removexattr },
	{ "getxattr", 1, do_getxattr },
	{ "look", 1, do_look },
	{ "tree", 0, do_tree },
	{ "list", 1, do_list },
	{ NULL, 0, NULL },
};
