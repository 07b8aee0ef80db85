/*
 * system and popen spawn inside libc, with the environment as it is. That is right as long as there is nothing to tell
 * the child; otherwise they are done here, over posix_spawn, as POSIX has them (XSH system, popen).
 */
#include "shim/env.h"
#include "shim/exec_image.h"
#include "shim/lock.h"
#include "shim/mem.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/state.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define SHELL       "/bin/sh"
#define EARLIER_MAX 256

struct child {
	struct child *_Atomic next;
	FILE *stream;
	int fd;
	pid_t pid;
};

static struct lock lock;
static struct child *_Atomic children;

/* What is started inside libc is looked at here. */
static bool has_news(void)
{
	char small[256];

	if (!route_active())
		return false;
	if (state_format(small, sizeof(small)) != 0)
		return true;
	(void)image_start(SHELL, NULL, NULL);
	return false;
}

static int wait_for(pid_t pid)
{
	int status = -1;
	long rc;

	do
		rc = SYS(wait4, pid, &status, 0, NULL);
	while (rc == -EINTR);
	return rc < 0 ? (int)ret_errno(rc) : status;
}

static int spawn_shell(pid_t *pid, const char *command, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr)
{
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)command, NULL };

	return posix_spawn(pid, SHELL, actions, attr, argv, env_list());
}

/* The child starts with the signals that its parent ignores meanwhile. */
static int system_spawn(const char *command, const sigset_t *mask, const struct sigaction *intr,
			const struct sigaction *quit)
{
	posix_spawnattr_t attr;
	sigset_t reset;
	pid_t pid = -1;
	int rc;

	sigemptyset(&reset);
	if (intr->sa_handler != SIG_IGN)
		sigaddset(&reset, SIGINT);
	if (quit->sa_handler != SIG_IGN)
		sigaddset(&reset, SIGQUIT);
	if (posix_spawnattr_init(&attr))
		return -1;
	posix_spawnattr_setsigmask(&attr, mask);
	posix_spawnattr_setsigdefault(&attr, &reset);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	rc = spawn_shell(&pid, command, NULL, &attr);
	posix_spawnattr_destroy(&attr);
	return rc ? 127 << 8 : wait_for(pid); /* as if the shell could not be executed */
}

EXPORT int system(const char *command)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, intr, quit;
	sigset_t chld, mask;
	int status, saved;

	if (!command || !has_news())
		return REAL(system)(command);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigaction(SIGINT, &ignore, &intr);
	sigaction(SIGQUIT, &ignore, &quit);
	sigprocmask(SIG_BLOCK, &chld, &mask);
	status = system_spawn(command, &mask, &intr, &quit);
	saved = errno;
	sigaction(SIGINT, &intr, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	errno = saved;
	return status;
}

/* "r" or "w", and "e". Return: the end of the pipe that the parent keeps; -1. */
static int parse_mode(const char *mode, bool *ret_cloexec)
{
	int end = mode[0] == 'r' ? 0 : mode[0] == 'w' ? 1 : -1;

	*ret_cloexec = false;
	for (const char *m = mode + 1; end >= 0 && *m; m++) {
		if (*m == 'e')
			*ret_cloexec = true;
		else if (*m != 'b')
			end = -1;
	}
	return end;
}

/* The streams of earlier popens are not the child's: it would keep their commands from seeing the end of their input. */
static int close_earlier(posix_spawn_file_actions_t *actions, int as)
{
	int fds[EARLIER_MAX], n = 0, rc = 0;
	lock_mask mask = lock_take(&lock);

	for (struct child *c = children; c && n < EARLIER_MAX; c = c->next)
		fds[n++] = c->fd;
	lock_drop(&lock, mask);
	while (!rc && n-- > 0)
		if (fds[n] != as)
			rc = posix_spawn_file_actions_addclose(actions, fds[n]);
	return rc;
}

static int popen_spawn(const char *command, int theirs, int as, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc)
		return rc;
	rc = close_earlier(&actions, as);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, theirs, as);
	if (!rc)
		rc = spawn_shell(ret_pid, command, &actions, NULL);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	bool cloexec;
	int end, rc, pipe[2];
	struct child *c;
	lock_mask mask;

	if (!has_news())
		return REAL(popen)(command, mode);
	end = parse_mode(mode, &cloexec);
	if (end < 0) {
		errno = EINVAL;
		return NULL;
	}
	c = mem_alloc(sizeof(*c));
	rc = c ? (int)SYS(pipe2, pipe, O_CLOEXEC) : -ENOMEM;
	if (rc < 0) {
		mem_free(c);
		errno = -rc;
		return NULL;
	}
	rc = popen_spawn(command, pipe[!end], !end, &c->pid);
	(void)SYS(close, pipe[!end]);
	c->stream = rc ? NULL : fdopen(pipe[end], end ? "w" : "r");
	if (!c->stream) {
		(void)SYS(close, pipe[end]);
		mem_free(c);
		if (rc)
			errno = rc;
		return NULL;
	}
	if (!cloexec)
		(void)SYS(fcntl, pipe[end], F_SETFD, 0);
	c->fd = pipe[end];
	mask = lock_take(&lock);
	c->next = children;
	children = c;
	lock_drop(&lock, mask);
	return c->stream;
}

EXPORT int pclose(FILE *stream)
{
	struct child *found = NULL;
	lock_mask mask;
	pid_t pid;

	if (likely(!atomic_load_explicit(&children, memory_order_relaxed)))
		return REAL(pclose)(stream);
	mask = lock_take(&lock);
	for (struct child *_Atomic *at = &children; *at; at = &(*at)->next)
		if ((*at)->stream == stream) {
			found = *at;
			*at = found->next;
			break;
		}
	lock_drop(&lock, mask);
	if (!found)
		return REAL(pclose)(stream);
	pid = found->pid;
	mem_free(found);
	(void)fclose(stream);
	return wait_for(pid);
}
