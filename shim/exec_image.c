/*
 * The kernel reads an image without a hook, so it is complete and pinned before. It is started by its descriptor; `#!`
 * lines are read here, because a script's descriptor would be closed before its interpreter opens it: the interpreter
 * gets the script's path and opens that through its own shim. An image that the kernel would refuse for its mode or its
 * file system, not for its owner's wish (the broker was asked), is copied into memory first.
 */
#include "shim/exec_image.h"
#include "shim/fd_open.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/link.h"
#include "shim/mem.h"
#include "shim/names.h"
#include "shim/needed.h"
#include "shim/present.h"
#include "shim/shim.h"
#include "shim/unhooked.h"
#include "shim/vfork.h"
#include "shim/env.h"
#include "tools/detect.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statfs.h>

#define NOEXEC 8 /* ST_NOEXEC of statfs(2) */

/* ---- scripts ---- */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* As the kernel's load_script(): blanks around both parts go, blanks inside the argument stay. */
static int parse(struct script *s, long n)
{
	char *at = s->line + 2, *end;

	if (n < 3 || s->line[0] != '#' || s->line[1] != '!')
		return 0;
	s->line[n] = '\0';
	end = at;
	while (*end && *end != '\n')
		end++;
	while (end > at && blank(end[-1]))
		end--;
	*end = '\0';
	while (blank(*at))
		at++;
	if (!*at)
		return 0;
	s->interpreter = at;
	s->argument = NULL;
	while (*at && !blank(*at))
		at++;
	if (*at) {
		*at++ = '\0';
		while (blank(*at))
			at++;
		s->argument = at;
	}
	return IMAGE_SCRIPT;
}

int image_script(const char *path, struct script *ret)
{
	long fd = SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), n;

	if (fd < 0)
		return 0;
	n = SYS(pread64, fd, ret->line, IMAGE_HEAD, 0);
	(void)SYS(close, fd);
	return parse(ret, n);
}

char *const *image_argv(const struct script *s, const char *name, char *const *argv)
{
	size_t argc = 0, n = 0;
	const char **ret;

	while (argv && argv[argc])
		argc++;
	ret = state_block((argc + 4) * sizeof(*ret));
	if (!ret)
		return NULL;
	ret[n++] = s->interpreter;
	if (s->argument)
		ret[n++] = s->argument;
	ret[n++] = name;
	for (size_t i = 1; i < argc; i++)
		ret[n++] = argv[i];
	ret[n] = NULL;
	return (char *const *)(void *)ret;
}

void image_argv_free(char *const *argv)
{
	state_block_free((void *)(uintptr_t)argv);
}

/* ---- images ---- */

bool image_exists(const char *path)
{
	struct wire_attr attr;
	struct route r;

	switch (route(&path, &r)) {
	case ROUTE_FOREIGN:
		return SYS(faccessat, AT_FDCWD, path, F_OK) == 0 ||
		       foreign_lead(AT_FDCWD, path, 0, &r) == FOREIGN_MOUNT;
	case ROUTE_MOUNT:
		return names_stat(&r, 0, &attr) >= 0;
	default:
		return true; /* exec has the right error */
	}
}

static int may_execute(struct route *r)
{
	struct wire_access_req req = { .flags = WIRE_EFFECTIVE, .mode = X_OK };
	struct wire_access_rep rep;

	return names_call(r, WIRE_ACCESS, &req, &req.mount, &rep, NULL);
}

static bool kernel_may_execute(int fd)
{
	struct statfs fs;
	struct stat st;

	return SYS(fstat, fd, &st) == 0 && (st.st_mode & 0111) &&
	       !(SYS(fstatfs, fd, &fs) == 0 && ((unsigned long)fs.f_flags & NOEXEC));
}

/* Return: a descriptor of a copy; -errno. */
static int copy_image(int fd, const char *path)
{
	const char *name = path;
	long to, n, off = 0;

	for (const char *p = path; *p; p++)
		if (*p == '/' && p[1])
			name = p + 1;
	to = SYS(memfd_create, name, 1 /* MFD_CLOEXEC */);
	if (to < 0)
		return (int)to;
	do
		n = SYS(sendfile, to, fd, &off, 1 << 30);
	while (n > 0);
	if (n == 0)
		return (int)to;
	(void)SYS(close, to);
	return (int)n;
}

static long head(int fd, char *buf)
{
	int saved = errno;
	long n = pread64(fd, buf, IMAGE_HEAD, 0);

	if (n < 0)
		n = -errno;
	errno = saved;
	return n;
}

static int examine(int fd, const char *path, int *ret_fd, struct script *ret_script)
{
	struct desc *d = fdtab_get(fd);
	int rc = d && d->kind == WIRE_KIND_DIR ? -EACCES : (int)head(fd, ret_script->line);

	if (rc >= 0)
		rc = parse(ret_script, rc);
	if (!rc && d)
		rc = present_pin(d, 0, 0);
	desc_put(d);
	if (rc)
		return rc;
	if (kernel_may_execute(fd)) {
		*ret_fd = fd;
		return IMAGE_PROGRAM;
	}
	rc = copy_image(fd, path);
	if (rc < 0)
		return rc;
	(void)fdtab_close(fd);
	*ret_fd = rc;
	return IMAGE_PROGRAM;
}

int image_open(struct route *r, int *ret_fd, struct script *ret_script)
{
	int rc = may_execute(r), fd;

	if (rc)
		return rc < 0 ? rc : IMAGE_LEFT;
	fd = fd_open(r, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	rc = examine(fd, r->path, ret_fd, ret_script);
	if (rc != IMAGE_PROGRAM)
		(void)fdtab_close(fd);
	return rc;
}

/* ---- libraries ---- */

static bool has_library(const struct image_libraries *l, int fd)
{
	struct stat a, b;

	for (int i = 0; i < l->count; i++)
		if (SYS(fstat, fd, &a) == 0 && SYS(fstat, l->fd[i], &b) == 0 && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino)
			return true;
	return false;
}

static void add_library(const char *path, void *arg)
{
	struct image_libraries *l = arg;
	size_t at = strlen(l->text);
	struct route r;
	struct desc *d;
	int fd = -1, rc;

	if (l->count == IMAGE_LIBRARIES || route(&path, &r) != ROUTE_MOUNT || (fd = fd_open(&r, O_RDONLY, 0)) < 0)
		return;
	d = fdtab_get(fd);
	rc = d ? present_pin(d, 0, 0) : 0;
	desc_put(d);
	if (rc || has_library(l, fd)) {
		(void)fdtab_close(fd);
		return;
	}
	l->fd[l->count++] = fd;
	if (at)
		l->text[at++] = ':';
	fd_proc_name(fd, l->text + at);
	needed_each(fd, r.path, add_library, l);
}

void image_libraries(int fd, const char *path, struct image_libraries *ret)
{
	ret->count = 0;
	ret->text[0] = '\0';
	needed_each(fd, path, add_library, ret);
}

void image_libraries_close(struct image_libraries *l)
{
	while (l->count)
		(void)fdtab_close(l->fd[--l->count]);
}

/* ---- what is inherited ---- */

static int look_open(void *arg, const char *path)
{
	(void)arg;
	return (int)SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static long look_pread(void *arg, int fd, void *buf, size_t size, long offset)
{
	(void)arg;
	return SYS(pread64, fd, buf, size, offset);
}

static int look_fstat(void *arg, int fd, struct stat *ret)
{
	(void)arg;
	return (int)SYS(fstat, fd, ret);
}

static bool look_capabilities(void *arg, int fd)
{
	(void)arg;
	return SYS(fgetxattr, fd, "security.capability", NULL, 0) > 0;
}

static void look_close(void *arg, int fd)
{
	(void)arg;
	(void)SYS(close, fd);
}

static bool look_skip(void *arg, const char *path)
{
	struct route r;

	(void)arg;
	return route(&path, &r) != ROUTE_FOREIGN;
}

static enum detect_result look(const char *path, char *ret_which)
{
	struct detect_ops ops = { .open = look_open,
				  .pread = look_pread,
				  .fstat = look_fstat,
				  .has_capabilities = look_capabilities,
				  .close = look_close,
				  .skip = look_skip,
				  .euid = (uid_t)SYS(geteuid),
				  .egid = (gid_t)SYS(getegid),
				  .no_new_privs = SYS(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
				  .search = env_get("PATH") };

	return detect_program(&ops, path, ret_which);
}

/* Return: can the preload reach it? */
static bool reached(const char *path, const char *name)
{
	struct wire_escaped_req req = { 0 };
	char which[DETECT_PATH_MAX];

	if (!path[0])
		return false;
	req.why = look(path, which);
	if (req.why == DETECT_OK)
		return true;
	if (SYS(faccessat, AT_FDCWD, path, X_OK) == 0)
		link_tell(WIRE_ESCAPED, &req, name && strcmp(which, path) == 0 ? name : which);
	return false;
}

/* Who is preloaded looks after its standard streams by itself: unhooked_inherited(). */
static int complete(struct desc *d)
{
	bool reads = (d->flags & O_ACCMODE) != O_WRONLY && !present_complete(d);
	bool writes = desc_writable(d) && !present_writes_free(d);

	return d->kind == WIRE_KIND_OBJECT && (reads || writes) ? unhooked_use(d, reads, writes) : 0;
}

static int complete_entry(int fd, struct desc *d, void *arg)
{
	long flags = SYS(fcntl, fd, F_GETFD);
	int rc;

	(void)arg;
	if (d->kind == DESC_ANCESTOR || flags < 0 || flags & FD_CLOEXEC)
		return 0;
	d = fdtab_get(fd); /* attached now */
	if (!d)
		return 0;
	rc = complete(d);
	desc_put(d);
	return rc;
}

int image_start(const char *path, const char *name, const struct state_change *change)
{
	int rc;

	if (reached(path, name))
		return 0;
	rc = fdtab_each(complete_entry, NULL);
	for (size_t i = 0; !rc && change && i < change->count; i++)
		rc = complete(change->desc[i]);
	return rc;
}
