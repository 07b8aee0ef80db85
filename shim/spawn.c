/*
 * A child without an exit signal is not seen by wait(), but exec gives it one again (Linux, de_thread()): so there are
 * two. The first, without a signal, makes the second, which becomes the daemon, and ends; it is reaped here by its pid,
 * with __WCLONE. Both have memory of their own and stop their parent until they are done with it (CLONE_VFORK), and run
 * nothing of libc: arguments and environment are built before. What the daemon inherits it closes itself, all but the
 * pipe; its signal dispositions and mask are reset here, because exec keeps ignored and blocked ones.
 */
#include "shim/spawn.h"
#include "base/wire.h"
#include "shim/env.h"
#include "shim/lock.h"
#include "shim/mem.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define READY_MS 10000
#define SIGNALS  64

/* Text with a bound: `full` once something did not fit. */
struct text {
	char *at;
	size_t len, size;
	bool full;
};

static void put(struct text *t, const char *s)
{
	size_t n = strlen(s);

	if (t->full || t->len + n >= t->size) {
		t->full = true;
		return;
	}
	memcpy(t->at + t->len, s, n + 1);
	t->len += n;
}

static void put_number(struct text *t, uint64_t n, unsigned base, unsigned digits)
{
	char s[24];
	size_t at = sizeof(s) - 1;

	s[at] = '\0';
	do
		s[--at] = "0123456789abcdef"[n % base];
	while (at && ((n /= base) || sizeof(s) - 1 - at < digits));
	put(t, s + at);
}

static bool begins(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* A sum of hashes does not depend on the order of the entries. */
static uint64_t settings_hash(void)
{
	uint64_t sum = (uint64_t)SYS(getuid);

	for (char **e = env_list(); *e; e++) {
		uint64_t h = 0xcbf29ce484222325u;
		if (!(begins(*e, "S3SHIM_") || begins(*e, "AWS_")) || begins(*e, WIRE_ENV_STATE "="))
			continue;
		for (const char *c = *e; *c; c++)
			h = (h ^ (unsigned char)*c) * 0x100000001b3u;
		sum += h * 0x9e3779b97f4a7c15u;
	}
	return sum;
}

int spawn_socket_path(char *buf, size_t size)
{
	struct text t = { .at = buf, .size = size };
	const char *runtime = env_get("XDG_RUNTIME_DIR");

	if (runtime && runtime[0] == '/') {
		put(&t, runtime);
		put(&t, "/s3shim");
	} else {
		put(&t, "/tmp/s3shim-");
		put_number(&t, (uint64_t)SYS(getuid), 10, 1);
	}
	put(&t, "/bare-");
	put_number(&t, settings_hash(), 16, 16);
	put(&t, ".sock");
	return t.full ? -ENAMETOOLONG : 0;
}

/* The folder above the socket: made if it is missing, believed only if it is ours alone. */
static int own_folder(const char *socket)
{
	char dir[256];
	struct stat st;
	size_t n = strlen(socket);
	long fd, rc;

	while (n && socket[n] != '/')
		n--;
	if (!n || n >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, socket, n);
	dir[n] = '\0';
	(void)SYS(mkdirat, AT_FDCWD, dir, 0700);
	fd = SYS(openat, AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return (int)fd;
	rc = SYS(fstat, fd, &st);
	(void)SYS(close, fd);
	if (rc < 0)
		return (int)rc;
	return st.st_uid == (uid_t)SYS(getuid) && !(st.st_mode & 077) ? 0 : -EACCES;
}

/* s3shimd beside the library, or where an installation has it relative to lib/ or lib/<triplet>/. */
static int find_daemon(char *buf, size_t size)
{
	static const char *const places[] = { "s3shimd", "../bin/s3shimd", "../sbin/s3shimd", "../../bin/s3shimd",
					      "../../sbin/s3shimd" };
	const char *lib = bind_library_path();
	size_t dir = strlen(lib);

	while (dir && lib[dir - 1] != '/')
		dir--;
	if (!dir)
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct text t = { .at = buf, .size = size };
		if (dir >= size)
			return -ENAMETOOLONG;
		memcpy(buf, lib, dir);
		t.len = dir;
		put(&t, places[i]);
		if (!t.full && SYS(faccessat, AT_FDCWD, buf, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/* The environment without the preload and the state. */
static char **daemon_environ(void)
{
	char **from = env_list(), **to;
	size_t n = 0, k = 0;

	while (from[n])
		n++;
	to = mem_alloc((n + 1) * sizeof(*to));
	for (size_t i = 0; to && i < n; i++)
		if (!begins(from[i], "LD_PRELOAD=") && !begins(from[i], WIRE_ENV_STATE "="))
			to[k++] = from[i];
	if (to)
		to[k] = NULL;
	return to;
}

static void reset_signals(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} deflt = { 0 };
	uint64_t none = 0;

	for (int i = 1; i <= SIGNALS; i++)
		(void)SYS(rt_sigaction, i, &deflt, NULL, sizeof(none));
	(void)SYS(rt_sigprocmask, 2 /* SIG_SETMASK */, &none, NULL, sizeof(none));
}

static bool wait_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec left = { .tv_sec = READY_MS / 1000 }; /* the kernel counts it down over interruptions */
	char byte;
	long rc;

	do
		rc = SYS(ppoll, &p, 1, &left, NULL, 0);
	while (rc == -EINTR);
	return rc > 0 && SYS(read, fd, &byte, 1) == 1;
}

/* Return: 0; -errno: it could not even be cloned. */
static int start(const char *path, char *const *argv, char *const *envp, int ready)
{
	lock_mask mask = signals_block();
	long pid = SYS(clone, CLONE_VFORK, 0, NULL, NULL, 0);
	int status;

	if (pid == 0) {
		if (SYS(clone, CLONE_VFORK, 0, NULL, NULL, 0) == 0) {
			(void)SYS(fcntl, ready, F_SETFD, 0);
			reset_signals();
			(void)SYS(execve, path, argv, envp);
		}
		(void)SYS(exit_group, 0);
	}
	signals_restore(mask);
	while (pid > 0 && SYS(wait4, pid, &status, __WCLONE, NULL) == -EINTR)
		;
	return pid < 0 ? (int)pid : 0;
}

int spawn_broker(const char *socket)
{
	char path[WIRE_PATH_MAX], number[24];
	struct text t = { .at = number, .size = sizeof(number) };
	char *argv[] = { path, "--bare", (char *)(uintptr_t)socket, "--ready-fd", number, NULL }, **envp;
	int pipe[2], rc = own_folder(socket);

	if (!rc)
		rc = find_daemon(path, sizeof(path));
	if (rc < 0)
		return rc;
	envp = daemon_environ();
	if (!envp)
		return -ENOMEM;
	rc = (int)SYS(pipe2, pipe, O_CLOEXEC);
	if (rc < 0) {
		mem_free(envp);
		return rc;
	}
	put_number(&t, (uint64_t)pipe[1], 10, 1);
	rc = start(path, argv, envp, pipe[1]);
	(void)SYS(close, pipe[1]);
	if (!rc && !wait_ready(pipe[0]))
		rc = -ETIMEDOUT;
	(void)SYS(close, pipe[0]);
	mem_free(envp);
	return rc;
}
