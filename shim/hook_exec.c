/*
 * The exec family ends in exec_path(): a foreign program is libc's execve with an environment that has the preload, the
 * settings and the state; a program on a mount is executed by its descriptor; a script starts its interpreter with the
 * script's path. The search along PATH is libc's algorithm (glibc posix/execvpe.c), because any step may be on a mount.
 *
 * All of it may run in a vfork child: what is allocated is freed by the parent when it resumes.
 */
#include "shim/env.h"
#include "shim/exec_image.h"
#include "shim/fd_open.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/link.h"
#include "shim/shim.h"
#include "shim/state.h"

#include <string.h>

#define DEFAULT_PATH "/bin:/usr/bin"

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

static int exec_path(const char *path, char *const *argv, char *const *envp, int scripts);

/* libc's errno is a return value here. */
static int real_execve(const char *path, char *const *argv, char *const *envp)
{
	int saved = errno, rc;

	(void)REAL(execve)(path, argv, envp);
	rc = -errno;
	errno = saved;
	return rc;
}

static int exec_script(const struct script *s, const char *name, char *const *argv, char *const *envp, int scripts)
{
	char *const *full;
	int rc;

	if (scripts >= IMAGE_SCRIPTS)
		return -ELOOP;
	full = image_argv(s, name, argv);
	if (!full)
		return -ENOMEM;
	rc = exec_path(s->interpreter, full, envp, scripts + 1);
	image_argv_free(full);
	return rc;
}

static int exec_routed(struct route *r, const char *name, char *const *argv, char *const *envp, int scripts);

static int exec_foreign(const char *path, char *const *argv, char *const *envp, int scripts)
{
	char *const *env;
	struct script s;
	struct route r;
	int rc = image_start(path, NULL, NULL);

	if (rc)
		return rc;
	env = state_environ(envp);
	rc = real_execve(path, argv, env);
	state_environ_free(env, envp);
	if ((rc == -ENOENT || rc == -ENOTDIR) && foreign_lead(AT_FDCWD, path, 0, &r) == FOREIGN_MOUNT)
		return exec_routed(&r, path, argv, envp, scripts);
	/* The kernel does not find an interpreter that is on a mount. */
	if (rc == -ENOENT && image_script(path, &s) == IMAGE_SCRIPT) {
		const char *interpreter = s.interpreter;
		if (route(&interpreter, &r) == ROUTE_MOUNT)
			return exec_script(&s, path, argv, envp, scripts);
	}
	return rc;
}

static int exec_image(int fd, const char *path, char *const *argv, char *const *envp)
{
	char link[32];
	char *const *env;
	struct image_libraries libraries;
	struct state_change change = { .libraries = libraries.text };
	int rc;

	fd_proc_name(fd, link);
	rc = image_start(link, path, NULL);
	if (!rc) {
		image_libraries(fd, path, &libraries);
		env = state_environ_with(envp, &change);
		rc = (int)SYS(execveat, fd, "", argv, env, AT_EMPTY_PATH);
		state_environ_free(env, envp);
		image_libraries_close(&libraries);
	}
	(void)fdtab_close(fd);
	return rc;
}

static int exec_routed(struct route *r, const char *name, char *const *argv, char *const *envp, int scripts)
{
	struct script s;
	int fd = -1, rc = image_open(r, &fd, &s);

	switch (rc) {
	case IMAGE_LEFT:
		return exec_foreign(r->path, argv, envp, scripts);
	case IMAGE_SCRIPT:
		return exec_script(&s, name, argv, envp, scripts);
	case IMAGE_PROGRAM:
		return exec_image(fd, r->path, argv, envp);
	default:
		return rc;
	}
}

/* Return: -errno; not at all where it works. */
static int exec_path(const char *path, char *const *argv, char *const *envp, int scripts)
{
	const char *name = path;
	struct route r;
	int rc = route(&path, &r);

	if (rc < 0)
		return rc;
	if (rc == ROUTE_FOREIGN)
		return exec_foreign(path, argv, envp, scripts);
	return exec_routed(&r, name, argv, envp, scripts);
}

/* ---- along PATH ---- */

/* A file that is no program is a script for the shell, as it was before `#!`. */
static int exec_or_shell(const char *path, char *const *argv, char *const *envp)
{
	struct script shell = { .interpreter = "/bin/sh" };
	int rc = exec_path(path, argv, envp, 0);

	return rc == -ENOEXEC ? exec_script(&shell, path, argv, envp, 0) : rc;
}

static bool try_next(int rc)
{
	return rc == -EACCES || rc == -ENOENT || rc == -ENOTDIR || rc == -ESTALE || rc == -ENODEV || rc == -ETIMEDOUT;
}

static int exec_search(const char *file, char *const *argv, char *const *envp)
{
	const char *path = env_get("PATH");
	size_t file_size = strlen(file) + 1;
	bool denied = false;
	char full[WIRE_PATH_MAX];
	int rc = -ENOENT;

	if (file_size == 1)
		return -ENOENT;
	if (strchr(file, '/'))
		return exec_or_shell(file, argv, envp);
	for (const char *p = path ? path : DEFAULT_PATH, *end;; p = end + 1) {
		size_t n = 0;
		for (end = p; *end && *end != ':'; end++)
			;
		n = (size_t)(end - p);
		if (n + 1 + file_size <= sizeof(full)) {
			memcpy(full, p, n);
			if (n)
				full[n++] = '/';
			memcpy(full + n, file, file_size);
			/* Most places do not have it: that costs one call, not a new environment. */
			rc = image_exists(full) ? exec_or_shell(full, argv, envp) : -ENOENT;
			if (!try_next(rc))
				return rc;
			denied = denied || rc == -EACCES;
		}
		if (!*end)
			return denied ? -EACCES : rc;
	}
}

/* ---- by descriptor ---- */

/* As the kernel sees @path below @dirfd; "" where that is too long. */
static void path_below(int dirfd, const char *path, char *ret)
{
	size_t n = strlen(path) + 1, at;

	ret[0] = '\0';
	if (n > WIRE_PATH_MAX - 32)
		return;
	if (dirfd >= 0 && path[0] != '/') {
		fd_proc_name(dirfd, ret);
		at = strlen(ret);
		ret[at++] = '/';
		ret += at;
	}
	memcpy(ret, path, n);
}

static int exec_fd(int fd, char *const *argv, char *const *envp)
{
	struct desc *d = fdtab_get(fd);
	char link[32], name[WIRE_PATH_MAX];
	char *const *env;
	long n;
	int rc;

	if (d && d->kind == WIRE_KIND_OBJECT && d->path[0]) {
		memcpy(name, d->path, strlen(d->path) + 1);
		desc_put(d);
		return exec_path(name, argv, envp, 0);
	}
	desc_put(d);
	fd_proc_name(fd, link);
	n = SYS(readlinkat, AT_FDCWD, link, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = '\0';
	rc = image_start(link, name, NULL);
	if (rc)
		return rc;
	env = state_environ(envp);
	rc = (int)SYS(execveat, fd, "", argv, env, AT_EMPTY_PATH);
	state_environ_free(env, envp);
	return rc;
}

/* ---- the hooks ---- */

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	if (!route_active())
		return REAL(execve)(path, argv, envp);
	return (int)ret_errno(exec_path(path, argv, envp, 0));
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, env_list());
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	if (!route_active())
		return REAL(execvpe)(file, argv, envp);
	return (int)ret_errno(exec_search(file, argv, envp));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	if (!route_active())
		return REAL(execvp)(file, argv);
	return (int)ret_errno(exec_search(file, argv, env_list()));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	if (!route_active())
		return REAL(fexecve)(fd, argv, envp);
	return (int)ret_errno(exec_fd(fd, argv, envp));
}

EXPORT int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	const char *name = path;
	char full[WIRE_PATH_MAX];
	char *const *env;
	struct route r;
	int rc;

	if (!route_active())
		return (int)ret_errno(SYS(execveat, dirfd, path, argv, envp, flags));
	if (path && !path[0] && flags & AT_EMPTY_PATH)
		return (int)ret_errno(exec_fd(dirfd, argv, envp));
	rc = route_at(&dirfd, &path, &r);
	if (rc == ROUTE_MOUNT)
		return (int)ret_errno(exec_routed(&r, name[0] == '/' ? name : r.path, argv, envp, 0));
	if (rc < 0)
		return (int)ret_errno(rc);
	if (dirfd == AT_FDCWD && !flags)
		return (int)ret_errno(exec_foreign(path, argv, envp, 0));
	path_below(dirfd, path, full);
	rc = image_start(full, NULL, NULL);
	if (rc)
		return (int)ret_errno(rc);
	env = state_environ(envp);
	rc = (int)SYS(execveat, dirfd, path, argv, env, flags);
	state_environ_free(env, envp);
	return (int)ret_errno(rc);
}

/* The arguments of execl and its like, on the stack: copied inline, a va_list is not the same everywhere. */
#define COLLECT(first, ap, argv) \
	do { \
		size_t n_ = 1, i_ = 1; \
		va_start(ap, first); \
		while (va_arg(ap, const char *)) \
			n_++; \
		va_end(ap); \
		(argv) = __builtin_alloca((n_ + 1) * sizeof(char *)); \
		(argv)[0] = (char *)(uintptr_t)(first); \
		va_start(ap, first); \
		while (((argv)[i_] = va_arg(ap, char *))) \
			i_++; \
	} while (0)

EXPORT int execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	COLLECT(arg, ap, argv);
	va_end(ap);
	return execv(path, argv);
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	COLLECT(arg, ap, argv);
	va_end(ap);
	return execvp(file, argv);
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	char *const *envp;
	char **argv;
	va_list ap;

	COLLECT(arg, ap, argv);
	envp = va_arg(ap, char *const *);
	va_end(ap);
	return execve(path, argv, envp);
}
