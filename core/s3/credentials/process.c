#include "s3/credentials/process.h"
#include "base/clock.h"

#include "base/util.h"
#include "config/jtree.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define SECONDS    60
#define SLICE_MS   100
#define REAP_MS    2
#define OUTPUT_MAX 65536

extern char **environ;

/* Its own group, so that all it starts can be ended; signals as a new program expects them; output to @to alone. */
static int start(const char *command, int to, pid_t *ret)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, to, 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	int r = -posix_spawn(ret, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* All it prints; -ETIMEDOUT, -ECANCELED, -EFBIG. */
static ssize_t collect(const struct provider_ask *ask, int from, int64_t end_ns, char *to, size_t room)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = from, .events = POLLIN };
		if (ask->stop && *ask->stop)
			return -ECANCELED;
		if (clock_now_ns() >= end_ns)
			return -ETIMEDOUT;
		if (poll(&p, 1, SLICE_MS) <= 0)
			continue;
		ssize_t n = read(from, to + len, room - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return (ssize_t)len;
		len += n > 0 ? (size_t)n : 0;
		if (len == room)
			return -EFBIG;
	}
}

/* It may go on after it has closed its output, but not for ever. */
static int reap(const struct provider_ask *ask, pid_t child, int64_t end_ns, bool kill_now)
{
	int status = 0;

	for (;;) {
		bool end = kill_now || clock_now_ns() >= end_ns || (ask->stop && *ask->stop);
		if (end)
			kill(-child, SIGKILL);
		pid_t r = waitpid(child, &status, end ? 0 : WNOHANG);
		if (r == child || (r < 0 && errno != EINTR))
			return status;
		if (r == 0)
			usleep(REAP_MS * 1000);
	}
}

static int parse(const char *text, size_t len, struct s3_keys *ret, struct err *err)
{
	struct jtree j;

	if (jtree_parse(&j, "keys", text, len, NULL) < 0 || jtree_kind(&j, 0) != JTREE_OBJECT)
		return err_set(err, EBADMSG, "it printed no JSON object");
	int version = jtree_get(&j, 0, "Version");
	cleanup_free char *number = version >= 0 ? jtree_text(&j, version) : NULL;
	bool known = number && strcmp(number, "1") == 0;
	jtree_deinit(&j);
	if (!known)
		return err_set(err, EBADMSG, "it printed keys of another \"Version\" than 1");
	return provider_json(text, len, "SessionToken", ret, err);
}

static int run(const struct provider_ask *ask, const char *command, char *output, struct s3_keys *ret, struct err *err)
{
	int pair[2];
	pid_t child;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe: %s", strerror(errno));
	int r = start(command, pair[1], &child);
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
		return err_set(err, -r, "/bin/sh: %s", strerror(-r));
	}
	int64_t end_ns = clock_now_ns() + (int64_t)SECONDS * 1000000000;
	ssize_t n = collect(ask, pair[0], end_ns, output, OUTPUT_MAX);
	close(pair[0]);
	int status = reap(ask, child, end_ns, n < 0);
	if (n < 0)
		return err_set(err, (int)-n, "%s", n == -EFBIG ? "it prints too much" : strerror((int)-n));
	if (WIFSIGNALED(status))
		return err_set(err, EACCES, "it was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(err, EACCES, "it ended with status %d", WEXITSTATUS(status));
	return parse(output, (size_t)n, ret, err);
}

int process_keys(const struct provider_ask *ask, const char *command, struct s3_keys *ret, struct err *err)
{
	char *output = malloc(OUTPUT_MAX);

	if (!output)
		return err_set(err, ENOMEM, "out of memory");
	int r = run(ask, command, output, ret, err);
	explicit_bzero(output, OUTPUT_MAX);
	free(output);
	return r < 0 ? err_wrap(err, "credential_process") : r;
}
