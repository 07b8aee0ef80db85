/*
 * s3shimd: the broker's process. It prepares itself (no dump, no inherited descriptors, limits, signals), makes a
 * broker of the configuration, and runs it. Ways to be started:
 *
 *   --control-fd N --socket PATH   by s3run: the session ends with the control connection. HELLO is answered on it when
 *                                  the session is ready, or with the sentence of what went wrong.
 *   --bare PATH [--ready-fd N]     by the shim, which says nothing to anybody: one of those that race holds the lock of
 *                                  PATH.lock and serves, the others leave; ends by itself when idle. Failures are in
 *                                  the log alone.
 *   --socket PATH [--ready-fd N]   by a harness: until SIGTERM.
 *   --listen PATH [--ready-fd N]   by a harness: no broker, but the daemon that starts one for each session (listen.h).
 */
#include "base/err.h"
#include "base/log.h"
#include "base/util.h"
#include "base/wire.h"
#include "broker/broker.h"
#include "config/config.h"
#include "daemon.h"
#include "listen.h"

#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define BARE_IDLE_MS 10000
#define BARE_WAIT_US 10000

enum { EXIT_IO = 74, EXIT_OWN = 125 };

static struct broker *running; /* for the handler; set before signals are unblocked */

static void on_stop(int signal)
{
	(void)signal;
	broker_stop(running);
}

static void handle_stops(struct broker *b)
{
	struct sigaction action = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
	sigset_t stops;

	running = b;
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &stops, NULL);
}

/* What the session is called in the name of its log. */
static void log_name(const struct config *config, char *buf, size_t size)
{
	const char *base = config->bare_path ? strrchr(config->bare_path, '/') : NULL;
	size_t n;

	base = base ? base + 1 : config->bare_path ? config->bare_path : "s3run";
	n = strlen(base);
	if (n > 5 && strcmp(base + n - 5, ".sock") == 0)
		n -= 5;
	(void)snprintf(buf, size, "%.*s", (int)n, base);
}

/* A log that cannot be written is a reason not to start only where the user named it. */
static int open_log(const struct config *config, bool keep_stderr, struct err *err)
{
	char name[NAME_MAX], path[PATH_MAX];
	int r = 0, fd;

	if (config->log_path && strcmp(config->log_path, "-") == 0) {
		log_open_fd(keep_stderr ? STDERR_FILENO : -1, (enum log_level)config->log_level);
		return 0;
	}
	log_name(config, name, sizeof(name));
	if (config->log_path)
		(void)snprintf(path, sizeof(path), "%s", config->log_path);
	else
		r = config_log_default(name, path, sizeof(path), NULL);
	fd = r < 0 ? r : daemon_open_log(path);
	if (fd < 0 && config->log_path)
		return err_set(err, -fd, "log '%s': %s", path, strerror(-fd));
	log_open_fd(fd, (enum log_level)config->log_level);
	return 0;
}

/* Serve until the end. Return: how many uploads failed, negative errno. */
static int serve(struct config *config, const char *socket_path, struct err *err)
{
	int idle_ms = config->idle_ms >= 0 ? config->idle_ms : config->bare_path ? BARE_IDLE_MS : 0, control, r;
	struct broker *b;

	r = broker_new(config, &b, err);
	if (r < 0)
		return r;
	handle_stops(b);
	if (socket_path)
		r = broker_listen(b, socket_path, err);
	if (r == 0 && config->control_fd >= 0) {
		control = config->control_fd;
		config->control_fd = -1; /* the broker's from now on, whatever comes of it */
		r = broker_adopt(b, control, true, err);
	}
	if (r == 0) {
		log_info("s3shimd", "session of pid %d at '%s' is ready", (int)getpid(),
			 socket_path ? socket_path : "");
		daemon_ready(config->ready_fd);
		r = broker_run(b, idle_ms, err);
		log_info("s3shimd", "session of pid %d has ended", (int)getpid());
	}
	if (socket_path)
		(void)unlink(socket_path);
	broker_free(b);
	return r;
}

/*
 * The lock is held until the process ends: a broker that is ending finishes what it has before another one begins. Who
 * finds it taken waits until that broker answers, which is as good as answering, or is gone.
 */
static int serve_bare(struct config *config, struct err *err)
{
	int lock, r;

	while ((lock = daemon_lock(config->bare_path, err)) == -EWOULDBLOCK) {
		if (daemon_answers(config->bare_path)) {
			daemon_ready(config->ready_fd);
			return 0;
		}
		usleep(BARE_WAIT_US);
	}
	if (lock < 0)
		return lock;
	(void)unlink(config->bare_path);
	r = serve(config, config->bare_path, err);
	close(lock);
	return r;
}

static int run(struct config *config, int argc, char **argv, int loaded, struct err *err)
{
	bool keep_stderr = !config->bare_path && config->control_fd < 0;
	int r;

	daemon_stdio(keep_stderr || (config->log_path && strcmp(config->log_path, "-") == 0 && !config->bare_path));
	r = open_log(config, !config->bare_path, err);
	if (r < 0 || loaded < 0)
		return r < 0 ? r : loaded;
	if (config->warning)
		log_warn("config", "%s", config->warning);
	r = daemon_limits(err);
	if (r < 0)
		return r;
	if (config->listen_path)
		return listen_run(config, argc, argv, err);
	if (!config->socket_path && !config->bare_path && config->control_fd < 0)
		return err_set(err, EINVAL,
			       "nobody could reach this broker: give --socket PATH or --listen PATH, or start it by "
			       "s3run");
	if (config->bare_path)
		return serve_bare(config, err);
	return serve(config, config->socket_path, err);
}

static void help(void)
{
	dprintf(STDOUT_FILENO,
		"usage: s3shimd [options]\n\n"
		"The broker between programs and S3; s3run starts it. Options are those of s3run and:\n\n");
	config_help(STDOUT_FILENO, true);
}

int main(int argc, char **argv)
{
	struct config config;
	struct config_args rest;
	struct err err = ERR_INIT;
	int r;

	prctl(PR_SET_DUMPABLE, 0);
	daemon_signals();
	umask(0);
	r = config_load(&config, argc, argv, &rest, &err);
	if (r == 0 && config.help) {
		help();
		return 0;
	}
	if (r == 0 && config.version) {
		printf("s3shimd %s\n", S3SHIM_VERSION);
		return 0;
	}
	if (r == 0 && rest.argc)
		r = err_set(&err, EINVAL, "'%s': s3shimd runs no program; s3run does", rest.argv[0]);
	if (!config.listen_path) /* that one ends by ^C like any program */
		(void)setsid();
	daemon_close_inherited(config.control_fd, config.ready_fd);
	r = run(&config, argc - rest.argc, argv, r, &err);
	if (r < 0) {
		log_error("s3shimd", "%s", err_text(&err));
		if (config.control_fd >= 0)
			daemon_answer_failure(config.control_fd, &err);
		else if (!config.bare_path)
			dprintf(STDERR_FILENO, "s3shimd: %s\n", err_text(&err));
	}
	config_deinit(&config);
	return r < 0 ? EXIT_OWN : r > 0 ? EXIT_IO : 0;
}
