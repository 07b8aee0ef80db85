/*
 * posix_spawn and its file actions: libc's, with an environment that carries the state, a program on a mount given as
 * /proc/self/fd/N (the child inherits the descriptor, and exec closes it), and actions on routed paths made into others
 * (spawn_actions.h). These functions return their error.
 */
#include "shim/cwd.h"
#include "shim/env.h"
#include "shim/exec_image.h"
#include "shim/fd_open.h"
#include "shim/fdtab.h"
#include "shim/foreign.h"
#include "shim/names.h"
#include "shim/shim.h"
#include "shim/spawn_actions.h"
#include "shim/state.h"

#include <string.h>

struct spawn {
	pid_t *pid;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
	char *const *envp;
	bool search; /* the name is to be looked for by libc */
	struct actions_run run;
};

static int spawn_path(struct spawn *s, const char *path, char *const *argv, int scripts);

/* @name: as in image_start(). */
static int spawn_foreign(struct spawn *s, const char *path, const char *name, char *const *argv)
{
	char *const *env;
	int rc = image_start(s->search ? "" : path, name, &s->run.change);

	if (rc)
		return rc;
	env = state_environ_with(s->envp, &s->run.change);
	rc = s->search ? REAL(posix_spawnp)(s->pid, path, s->actions, s->attr, argv, env)
		       : REAL(posix_spawn)(s->pid, path, s->actions, s->attr, argv, env);
	state_environ_free(env, s->envp);
	return -rc;
}

static int spawn_script(struct spawn *s, const struct script *script, const char *name, char *const *argv, int scripts)
{
	char *const *full;
	int rc;

	if (scripts >= IMAGE_SCRIPTS)
		return -ELOOP;
	full = image_argv(script, name, argv);
	if (!full)
		return -ENOMEM;
	rc = spawn_path(s, script->interpreter, full, scripts + 1);
	image_argv_free(full);
	return rc;
}

static int spawn_routed(struct spawn *s, struct route *r, const char *name, char *const *argv, int scripts)
{
	char link[32];
	struct image_libraries libraries;
	struct script script;
	int fd = -1, rc = image_open(r, &fd, &script);

	switch (rc) {
	case IMAGE_LEFT:
		return spawn_foreign(s, r->path, NULL, argv);
	case IMAGE_SCRIPT:
		return spawn_script(s, &script, name, argv, scripts);
	case IMAGE_PROGRAM:
		fd_proc_name(fd, link);
		image_libraries(fd, r->path, &libraries);
		s->run.change.libraries = libraries.text;
		rc = spawn_foreign(s, link, r->path, argv);
		s->run.change.libraries = NULL;
		image_libraries_close(&libraries);
		(void)fdtab_close(fd);
		return rc;
	default:
		return rc;
	}
}

static int spawn_path(struct spawn *s, const char *path, char *const *argv, int scripts)
{
	const char *name = path;
	struct script script;
	struct route r;
	int rc = route(&path, &r);

	if (rc < 0)
		return rc;
	if (rc == ROUTE_MOUNT)
		return spawn_routed(s, &r, name, argv, scripts);
	rc = spawn_foreign(s, path, NULL, argv);
	if ((rc == -ENOENT || rc == -ENOTDIR) && foreign_lead(AT_FDCWD, path, 0, &r) == FOREIGN_MOUNT)
		return spawn_routed(s, &r, name, argv, scripts);
	/* The kernel does not find an interpreter that is on a mount. */
	if (rc == -ENOENT && image_script(path, &script) == IMAGE_SCRIPT) {
		const char *interpreter = script.interpreter;
		if (route(&interpreter, &r) == ROUTE_MOUNT)
			return spawn_script(s, &script, path, argv, scripts);
	}
	return rc;
}

static int spawn(struct spawn *s, const char *path, char *const *argv)
{
	int rc = actions_begin(s->actions, &s->run);

	if (rc)
		return -rc;
	rc = s->search ? spawn_foreign(s, path, NULL, argv) : spawn_path(s, path, argv, 0);
	actions_end(s->actions, &s->run);
	return -rc;
}

/*
 * The first place on PATH that has the name. Return: the path in @buf; NULL: the name is not found or PATH leads
 * nowhere near a mount before it is, and libc searches, in the child's current directory.
 */
static const char *search(const char *file, char *buf, size_t size)
{
	const char *path = env_get("PATH");
	size_t file_size = strlen(file) + 1;

	for (const char *p = path; p && file_size > 1; p++) {
		const char *end = strchr(p, ':');
		size_t n = end ? (size_t)(end - p) : strlen(p);
		if (n && p[0] == '/' && n + 1 + file_size <= size) {
			memcpy(buf, p, n);
			buf[n] = '/';
			memcpy(buf + n + 1, file, file_size);
			if (image_exists(buf))
				return buf;
		}
		if (!end)
			break;
		p = end;
	}
	return NULL;
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	struct spawn s = { .pid = pid, .actions = actions, .attr = attr, .envp = envp };

	if (!route_active())
		return REAL(posix_spawn)(pid, path, actions, attr, argv, envp);
	return spawn(&s, path, argv);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	struct spawn s = { .pid = pid, .actions = actions, .attr = attr, .envp = envp };
	const char *found = NULL;
	char full[WIRE_PATH_MAX];

	if (!route_active())
		return REAL(posix_spawnp)(pid, file, actions, attr, argv, envp);
	if (strchr(file, '/'))
		return spawn(&s, file, argv);
	found = search(file, full, sizeof(full));
	s.search = !found;
	return spawn(&s, found ? found : file, argv);
}

/* ---- file actions ---- */

EXPORT int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
{
	actions_forget(actions);
	return REAL(posix_spawn_file_actions_init)(actions);
}

EXPORT int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
	actions_forget(actions);
	return REAL(posix_spawn_file_actions_destroy)(actions);
}

EXPORT int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd, const char *path, int flags,
					    mode_t mode)
{
	struct route r;
	int rc = 0, from = -1;

	if (route_active())
		rc = route(&path, &r);
	if (rc == ROUTE_FOREIGN)
		return REAL(posix_spawn_file_actions_addopen)(actions, fd, path, flags, mode);
	if (rc > 0)
		rc = actions_note_open(actions, fd, r.path, flags, mode, &from);
	return rc < 0 ? -rc : REAL(posix_spawn_file_actions_adddup2)(actions, from, fd);
}

EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to)
{
	int rc = route_active() ? actions_note_dup(actions, from, to) : 0;

	return rc < 0 ? -rc : REAL(posix_spawn_file_actions_adddup2)(actions, from, to);
}

/* The kernel's current directory stays what it is: the child's shim knows better. */
EXPORT int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path)
{
	char here[WIRE_PATH_MAX];
	struct route r;
	int rc = 0;

	if (route_active())
		rc = route(&path, &r);
	if (rc > 0)
		return -actions_note_chdir(actions, r.path);
	if (rc == ROUTE_FOREIGN && route_active() && cwd_routed(here))
		rc = actions_note_chdir(actions, "");
	if (rc < 0)
		return -rc;
	return HAVE(posix_spawn_file_actions_addchdir_np) ? REAL(posix_spawn_file_actions_addchdir_np)(actions, path)
							  : ENOSYS;
}

EXPORT int posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t *actions, int fd)
{
	char here[WIRE_PATH_MAX];
	struct desc *d = route_active() ? fdtab_ours(fd) : NULL;
	int rc = 0;

	if (d) {
		rc = d->kind == WIRE_KIND_DIR ? actions_note_chdir(actions, d->path) : -ENOTDIR;
		desc_put(d);
		return -rc;
	}
	if (route_active() && cwd_routed(here))
		rc = actions_note_chdir(actions, "");
	if (rc < 0)
		return -rc;
	return HAVE(posix_spawn_file_actions_addfchdir_np) ? REAL(posix_spawn_file_actions_addfchdir_np)(actions, fd)
							   : ENOSYS;
}
