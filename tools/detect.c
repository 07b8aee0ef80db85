#include "detect.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#define HEAD_BYTES  256 /* the kernel's BINPRM_BUF_SIZE: a longer `#!` line is cut there */
#define SCRIPTS_MAX 5   /* the kernel gives up with ELOOP */
#define PHNUM_MAX   1024

/* Where a script leads to: the interpreter, then with `env` a program to be found by name. */
struct next {
	char path[DETECT_PATH_MAX];
	char name[HEAD_BYTES]; /* "" unless it is env's */
};

static bool copy(char *to, size_t room, const char *from, size_t n)
{
	if (n >= room)
		return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

static const char *base_name(const char *path)
{
	const char *base = path;

	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	return base;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t word_length(const char *at, const char *end)
{
	size_t n = 0;

	while (at + n < end && !is_blank(at[n]))
		n++;
	return n;
}

/* The program among env's arguments in [@at, @end): the kernel passes them as one, -S splits it. */
static void env_program(const char *at, const char *end, char *name)
{
	bool split = end - at >= 2 && at[0] == '-' && (at[1] == 'S' || memchr(at, 'S', word_length(at, end)));

	if (!split) {
		(void)copy(name, HEAD_BYTES, at, (size_t)(end - at));
		return;
	}
	if (at[1] == 'S')
		at += 2; /* -Sprog and -S prog */
	while (at < end) {
		size_t n = word_length(at, end);
		if (n && at[0] != '-' && !memchr(at, '=', n)) {
			(void)copy(name, HEAD_BYTES, at, n);
			return;
		}
		at += n ? n : 1;
	}
}

/* `#!interpreter argument` in the first @n bytes of a file. Return: false if the line names none. */
static bool parse_script(const char *head, size_t n, struct next *ret)
{
	const char *at = head + 2, *end = memchr(head, '\n', n);
	size_t length;

	if (!end)
		end = head + n;
	while (at < end && is_blank(*at))
		at++;
	while (end > at && is_blank(end[-1]))
		end--;
	length = word_length(at, end);
	ret->name[0] = '\0';
	if (!length || !copy(ret->path, sizeof(ret->path), at, length))
		return false;
	at += length;
	while (at < end && is_blank(*at))
		at++;
	if (at < end && strcmp(base_name(ret->path), "env") == 0)
		env_program(at, end, ret->name);
	return true;
}

/* The first bytes of a file, which were read to see what it is, and the rest of it. */
struct image {
	const struct detect_ops *ops;
	int fd;
	const char *head;
	size_t head_bytes;
};

static bool image_read(const struct image *i, void *buf, size_t size, size_t offset)
{
	if (size <= i->head_bytes && offset <= i->head_bytes - size) {
		memcpy(buf, i->head + offset, size);
		return true;
	}
	return i->ops->pread(i->ops->arg, i->fd, buf, size, (long)offset) == (long)size;
}

/* The dynamic linker started as a program has no PT_INTERP, and honours LD_PRELOAD all the same. */
static bool is_dynamic_linker(const char *path)
{
	const char *base = base_name(path);

	return memcmp(base, "ld-linux", strnlen(base, 8)) == 0 || memcmp(base, "ld-musl-", strnlen(base, 8)) == 0 ||
	       strcmp(base, "ld.so") == 0;
}

static enum detect_result check_privileges(const struct detect_ops *ops, int fd)
{
	struct stat st;

	if (ops->no_new_privs || ops->fstat(ops->arg, fd, &st) < 0)
		return DETECT_OK;
	if (st.st_mode & S_ISUID && st.st_uid != ops->euid)
		return DETECT_SETUID;
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != ops->egid)
		return DETECT_SETGID;
	return ops->euid != 0 && ops->has_capabilities(ops->arg, fd) ? DETECT_CAPABILITIES : DETECT_OK;
}

static enum detect_result check_elf(const struct image *image, const char *path)
{
	Elf64_Ehdr e;
	enum detect_result r;

	if (!image_read(image, &e, EI_NIDENT + sizeof(e.e_type) + sizeof(e.e_machine), 0))
		return DETECT_OK; /* exec will refuse it */
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB || e.e_machine != DETECT_MACHINE)
		return DETECT_ARCHITECTURE;
	r = check_privileges(image->ops, image->fd);
	if (r != DETECT_OK || !image_read(image, &e, sizeof(e), 0))
		return r;
	for (unsigned i = 0; i < e.e_phnum && i < PHNUM_MAX; i++) {
		Elf64_Phdr p;
		if (!image_read(image, &p, sizeof(p), e.e_phoff + (size_t)i * e.e_phentsize))
			return DETECT_OK;
		if (p.p_type == PT_INTERP)
			return DETECT_OK;
	}
	return is_dynamic_linker(path) ? DETECT_OK : DETECT_STATIC;
}

/* One file. *ret_script: it is a script, and *ret_next says where it leads. */
static enum detect_result check_file(const struct detect_ops *ops, const char *path, bool *ret_script,
				     struct next *ret_next)
{
	static const char shell[] = "/bin/sh";
	char head[HEAD_BYTES];
	enum detect_result r = DETECT_OK;
	int fd;
	long n;

	*ret_script = false;
	if (ops->skip && ops->skip(ops->arg, path))
		return DETECT_OK;
	fd = ops->open(ops->arg, path);
	if (fd < 0)
		return fd == -EACCES || fd == -EPERM ? DETECT_UNREADABLE : DETECT_OK;
	n = ops->pread(ops->arg, fd, head, sizeof(head), 0);
	if (n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) {
		const struct image image = { ops, fd, head, (size_t)n };
		r = check_elf(&image, path);
	} else if (n >= 2 && head[0] == '#' && head[1] == '!') {
		*ret_script = parse_script(head, (size_t)n, ret_next);
	} else if (n >= 0) {
		/* execvp(3): what the kernel does not know is a shell's */
		*ret_script = true;
		memcpy(ret_next->path, shell, sizeof(shell));
		ret_next->name[0] = '\0';
	}
	ops->close(ops->arg, fd);
	return r;
}

/* The first readable file called @name in ops->search into @to. A folder that is skipped may have it: then it is. */
static bool find(const struct detect_ops *ops, const char *name, char *to)
{
	const char *at = ops->search ? ops->search : "/bin:/usr/bin";
	size_t name_len = strlen(name);

	if (memchr(name, '/', name_len))
		return copy(to, DETECT_PATH_MAX, name, name_len);
	while (*at) {
		const char *colon = strchr(at, ':');
		size_t n = colon ? (size_t)(colon - at) : strlen(at);
		if (n && n + name_len + 2 < DETECT_PATH_MAX) {
			int fd;
			memcpy(to, at, n);
			to[n] = '/';
			memcpy(to + n + 1, name, name_len + 1);
			fd = ops->open(ops->arg, to);
			if (fd >= 0)
				ops->close(ops->arg, fd);
			if (fd >= 0 || fd == -EACCES)
				return true;
		}
		at += n + (colon != NULL);
	}
	return false;
}

enum detect_result detect_program(const struct detect_ops *ops, const char *path, char *ret_which)
{
	struct next next;
	char name[HEAD_BYTES];
	bool script = false;
	enum detect_result r;

	if (!copy(ret_which, DETECT_PATH_MAX, path, strlen(path)))
		return DETECT_OK; /* ENAMETOOLONG is exec's to say */
	name[0] = '\0';
	for (int i = 0; i <= SCRIPTS_MAX; i++) {
		r = check_file(ops, ret_which, &script, &next);
		if (r != DETECT_OK)
			return r;
		if (script) {
			if (next.name[0])
				memcpy(name, next.name, sizeof(name));
			memcpy(ret_which, next.path, strlen(next.path) + 1);
			continue;
		}
		/* The end of a chain of interpreters; one that was env goes on with the program it is told. */
		if (!name[0] || !find(ops, name, ret_which))
			return DETECT_OK;
		name[0] = '\0';
	}
	return DETECT_OK;
}
