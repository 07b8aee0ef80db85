/* ls, cat, get, put and rm on what a session mounts: a file API for daemons that are not preloaded. */
#include "base/util.h"
#include "ctl.h"
#include "mounted.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define BLOCK MIB(1)

static void mounted_close_p(struct mounted **m)
{
	mounted_close(*m);
}
#define cleanup_mounted __attribute__((cleanup(mounted_close_p)))

/* ls */

struct names {
	char **name;
	size_t count, room;
};

static int add_name(void *arg, const char *name, struct err *err)
{
	struct names *to = arg;

	if (to->count == to->room) {
		size_t room = to->room ? 2 * to->room : 64;
		char **grown = reallocarray(to->name, room, sizeof(*grown));
		if (!grown)
			return err_set(err, ENOMEM, "out of memory");
		to->name = grown;
		to->room = room;
	}
	to->name[to->count] = strdup(name);
	return to->name[to->count++] ? 0 : err_set(err, ENOMEM, "out of memory");
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(struct names *names)
{
	while (names->count)
		free(names->name[--names->count]);
	free(names->name);
	names->name = NULL;
}

static const char *type_of(uint32_t mode)
{
	return S_ISDIR(mode) ? "folder" : S_ISLNK(mode) ? "symlink" : S_ISREG(mode) ? "file" : "other";
}

static void put_entry(struct ctl *q, const char *name, const struct wire_attr *a)
{
	char when[32];
	time_t seconds = (time_t)(a->mtime_ns / 1000000000);
	struct tm tm;

	if (q->json) {
		printf("%s{\"name\": ", q->shown++ ? ", " : "");
		ctl_put_string(name);
		printf(", \"type\": \"%s\", \"size\": %" PRIu64 ", \"mode\": \"%04o\", \"mtime_ns\": %" PRId64 "}",
		       type_of(a->mode), a->size, a->mode & 07777, a->mtime_ns);
		return;
	}
	if (q->long_form) {
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
		printf("%-7s %04o %12" PRIu64 " %s ", type_of(a->mode), a->mode & 07777, a->size, when);
	}
	ctl_put_plain(name);
	printf("\n");
}

static int list_folder(struct ctl *q, struct mounted *m, const char *path, struct err *err)
{
	__attribute__((cleanup(free_names))) struct names names = { 0 };
	int r = mounted_list(m, path, add_name, &names, err);

	if (r == 0 && names.count)
		qsort(names.name, names.count, sizeof(*names.name), by_bytes);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		cleanup_free char *child = NULL;
		struct wire_attr a = { 0 };
		if (asprintf(&child, "%s/%s", path, names.name[i]) < 0)
			return err_set(err, ENOMEM, "out of memory");
		if (q->json || q->long_form)
			r = mounted_stat(m, child, &a, err);
		if (r == -ENOENT) /* removed meanwhile */
			r = 0;
		else if (r == 0)
			put_entry(q, names.name[i], &a);
	}
	return r;
}

int ctl_ls(struct ctl *q, struct err *err)
{
	cleanup_mounted struct mounted *m = NULL;
	int r = mounted_open(&m, q->socket, err);

	for (int i = 0; r == 0 && i < q->word_count; i++) {
		struct wire_attr a;
		r = mounted_stat(m, q->words[i], &a, err);
		if (r < 0)
			break;
		if (q->json)
			printf(i ? ", " : "[");
		if (!q->json && q->word_count > 1 && S_ISDIR(a.mode))
			printf("%s%s:\n", i ? "\n" : "", q->words[i]);
		if (S_ISDIR(a.mode))
			r = list_folder(q, m, q->words[i], err);
		else
			put_entry(q, q->words[i], &a);
	}
	if (q->json && r == 0)
		printf("]\n");
	return r;
}

/* cat, get, put */

static int write_all(int fd, const char *buf, size_t size, const char *name, struct err *err)
{
	while (size) {
		ssize_t n = write(fd, buf, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "'%s': %s", name, strerror(errno));
		buf += n;
		size -= (size_t)n;
	}
	return 0;
}

static int copy_out(struct mounted *m, const char *path, int to, const char *name, struct err *err)
{
	cleanup_free char *buf = malloc(BLOCK);
	struct mounted_file f;
	ssize_t n = 1;
	int r = buf ? 0 : err_set(err, ENOMEM, "out of memory");

	if (r == 0)
		r = mounted_file_open(m, path, O_RDONLY | O_CLOEXEC, &f, err);
	if (r < 0)
		return r;
	if (f.kind == WIRE_KIND_DIR)
		r = err_set(err, EISDIR, "'%s': %s", path, strerror(EISDIR));
	while (r == 0 && n > 0) {
		n = mounted_file_read(m, &f, buf, BLOCK, err);
		r = n < 0 ? (int)n : write_all(to, buf, (size_t)n, name, err);
	}
	close(f.fd);
	return r;
}

int ctl_cat(struct ctl *q, struct err *err)
{
	cleanup_mounted struct mounted *m = NULL;
	int r = mounted_open(&m, q->socket, err);

	for (int i = 0; r == 0 && i < q->word_count; i++)
		r = copy_out(m, q->words[i], STDOUT_FILENO, "stdout", err);
	return r;
}

/* Into a new file beside the target, which it replaces when it is whole. */
int ctl_get(struct ctl *q, struct err *err)
{
	cleanup_mounted struct mounted *m = NULL;
	cleanup_close int fd = -1;
	cleanup_free char *part = NULL;
	const char *slash = strrchr(q->words[0], '/'), *local = q->words[1];
	mode_t mask = umask(0);
	int r = mounted_open(&m, q->socket, err);

	umask(mask);
	if (r < 0)
		return r;
	if (q->word_count < 2)
		local = slash && slash[1] ? slash + 1 : q->words[0];
	if (asprintf(&part, "%s.XXXXXX", local) < 0)
		return err_set(err, ENOMEM, "out of memory");
	fd = mkostemp(part, O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "'%s': %s", local, strerror(errno));
	r = copy_out(m, q->words[0], fd, local, err);
	if (r == 0 && (fchmod(fd, 0666 & ~mask) < 0 || rename(part, local) < 0))
		r = err_set(err, errno, "'%s': %s", local, strerror(errno));
	if (r < 0)
		(void)unlink(part);
	return r;
}

static int copy_in(struct mounted *m, struct mounted_file *f, int from, const char *name, struct err *err)
{
	cleanup_free char *buf = malloc(BLOCK);
	int r = buf ? 0 : err_set(err, ENOMEM, "out of memory");

	while (r == 0) {
		ssize_t n = read(from, buf, BLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return 0;
		r = n < 0 ? err_set(err, errno, "'%s': %s", name, strerror(errno))
			  : mounted_file_write(m, f, buf, (size_t)n, err);
	}
	return r;
}

/* What was written before a failure stays, as with cp. */
int ctl_put(struct ctl *q, struct err *err)
{
	cleanup_mounted struct mounted *m = NULL;
	bool input = strcmp(q->words[0], "-") == 0;
	cleanup_close int from = input ? dup(STDIN_FILENO) : open(q->words[0], O_RDONLY | O_CLOEXEC);
	struct mounted_file f;
	struct stat st;
	int r, closed;

	if (from < 0 || fstat(from, &st) < 0)
		return err_set(err, errno, "'%s': %s", q->words[0], strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(err, EISDIR, "'%s': %s", q->words[0], strerror(EISDIR));
	r = mounted_open(&m, q->socket, err);
	if (r == 0)
		r = mounted_file_open(m, q->words[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, &f, err);
	if (r < 0)
		return r;
	r = copy_in(m, &f, from, q->words[0], err);
	closed = mounted_file_close(m, &f, r < 0 ? NULL : err);
	return r < 0 ? r : closed;
}

/* rm */

struct removal {
	struct mounted *m;
	const char *path;
};

static int remove_tree(struct mounted *m, const char *path, struct err *err);

static int remove_child(void *arg, const char *name, struct err *err)
{
	const struct removal *in = arg;
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s/%s", in->path, name) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return remove_tree(in->m, path, err);
}

static int remove_tree(struct mounted *m, const char *path, struct err *err)
{
	__attribute__((cleanup(free_names))) struct names names = { 0 };
	struct removal in = { m, path };
	struct wire_attr a;
	int r = mounted_stat(m, path, &a, err);

	if (r < 0 || !S_ISDIR(a.mode))
		return r < 0 ? r : mounted_remove(m, path, false, err);
	/* The whole list first: positions need not survive what is removed. */
	r = mounted_list(m, path, add_name, &names, err);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = remove_child(&in, names.name[i], err);
	return r < 0 ? r : mounted_remove(m, path, true, err);
}

int ctl_rm(struct ctl *q, struct err *err)
{
	cleanup_mounted struct mounted *m = NULL;
	int r = mounted_open(&m, q->socket, err);

	for (int i = 0; r == 0 && i < q->word_count; i++)
		r = q->recursive ? remove_tree(m, q->words[i], err) : mounted_remove(m, q->words[i], false, err);
	return r;
}
