/*
 * s3run: start a broker, wait until it is ready, run the program with the library preloaded, have every upload
 * finished, return the program's status.
 *
 *   find program and parts ─► s3shimd ─► HELLO ─► program ─► DRAIN ─► status
 *        125, 126, 127          └──── 125 ────┘     its own    74 where it succeeded and an upload did not
 *                                 65 to 78: assets
 */
#include "asset_report.h"
#include "base/err.h"
#include "base/clock.h"
#include "base/util.h"
#include "config/config.h"
#include "config/jtree.h"
#include "isolate.h"
#include "program.h"
#include "start.h"
#include "supervise.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define BROKER_END_MS 5000
#define EXIT_IO       74 /* EX_IOERR of sysexits.h */

struct run {
	struct config config;
	struct program program;
	struct supervise sup;
	char library[PATH_MAX], broker[PATH_MAX], socket[PATH_MAX];
	char folder[PATH_MAX]; /* made for the socket alone; "": none */
	int64_t begin_ns;
	double program_seconds;
	bool failed; /* an upload, or the broker: told on stderr */
};

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
	char text[2 * ERR_TEXT_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "s3run: %s\n", text);
}

static double seconds_since(int64_t begin_ns)
{
	return (double)(clock_now_ns() - begin_ns) / 1e9;
}

static void as_child(const void *arg)
{
	supervise_child(arg);
}

static int spawn_broker(struct run *run, int argc, char **argv, struct err *err)
{
	struct start how = { run->broker, run->socket, argv + 1, argc - 1, as_child, &run->sup };
	int control, r = start_broker(&how, &run->sup.broker, &control, err);

	if (r == 0)
		client_init(&run->sup.client, control);
	return r;
}

/* Closing the control connection ends the session; its process is waited for, but not for ever. */
static void wait_broker(struct run *run)
{
	struct client_reply reply;

	client_deinit(&run->sup.client);
	while (run->sup.broker && supervise_wait(&run->sup, BROKER_END_MS, &reply) != SUPERVISE_TIMEOUT)
		;
}

static void remove_socket(struct run *run)
{
	(void)unlink(run->socket);
	if (run->folder[0])
		(void)rmdir(run->folder);
}

static void end_broker(struct run *run)
{
	wait_broker(run);
	remove_socket(run);
}

static int broker_lost_at_start(struct run *run, struct err *err)
{
	char how[256];

	wait_broker(run);
	supervise_broker_end(&run->sup, how, sizeof(how));
	return err_set(err, EIO, "the broker '%s' %s before it was ready; its log may say why", run->broker, how);
}

/* Until HELLO is answered. Signals that end us here find nothing that is worth keeping. */
static int wait_ready(struct run *run, struct err *err)
{
	struct client_reply reply;
	int r = client_hello(&run->sup.client, err);

	while (r == 0) {
		switch (supervise_wait(&run->sup, -1, &reply)) {
		case SUPERVISE_REPLY:
			if (reply.status == 0)
				return 0;
			return err_set(err, -reply.status, "%s", reply.tail_len ? reply.tail : strerror(-reply.status));
		case SUPERVISE_STOP:
			if (run->sup.broker)
				kill(run->sup.broker, SIGKILL);
			remove_socket(run);
			supervise_die(run->sup.last_stop);
		case SUPERVISE_BROKER_LOST:
			return broker_lost_at_start(run, err);
		default:
			break;
		}
	}
	return broker_lost_at_start(run, err);
}

static void exec_program(struct run *run, int report)
{
	struct err err = ERR_INIT;
	int r;

	supervise_child(&run->sup);
	if (run->config.isolate)
		isolate_environment(&run->config);
	r = program_environment(&run->config, run->library, run->socket, &err);
	if (r == 0)
		r = program_exec(&run->program);
	(void)!write(report, &r, sizeof(r));
	_exit(PROGRAM_NOT_EXECUTABLE);
}

/* Return: 0, or the status to exit with and a sentence. */
static int start_program(struct run *run, struct err *err)
{
	int report[2], failure = 0;

	if (pipe2(report, O_CLOEXEC) < 0) {
		(void)err_set(err, errno, "pipe: %s", strerror(errno));
		return PROGRAM_OWN_FAILURE;
	}
	run->sup.forward = true;
	run->sup.program = fork();
	if (run->sup.program == 0)
		exec_program(run, report[1]);
	close(report[1]);
	if (run->sup.program < 0) {
		(void)err_set(err, errno, "fork: %s", strerror(errno));
		failure = -errno;
	} else if (read(report[0], &failure, sizeof(failure)) != sizeof(failure)) {
		failure = 0;
	}
	close(report[0]);
	if (!failure)
		return 0;
	run->sup.forward = false;
	if (run->sup.program < 0)
		return PROGRAM_OWN_FAILURE;
	waitpid(run->sup.program, &run->sup.program_status, 0);
	run->sup.program = 0;
	(void)err_set(err, -failure, "'%s': %s", run->program.argv[0], strerror(-failure));
	return failure == -ENOENT ? PROGRAM_NOT_FOUND : PROGRAM_NOT_EXECUTABLE;
}

static void run_program(struct run *run)
{
	struct client_reply reply;
	int64_t begin_ns = clock_now_ns();

	while (run->sup.program)
		if (supervise_wait(&run->sup, -1, &reply) == SUPERVISE_BROKER_LOST)
			client_deinit(&run->sup.client); /* the program sees EIO; told when it has ended */
	run->program_seconds = seconds_since(begin_ns);
}

/*
 * A broker that SIGTERM reached too (a service manager ends all processes at once) finishes its uploads by itself and
 * says by status 0 that it could. It may do so after the program's end only: what is written after its own end is lost.
 */
static void say_lost(struct run *run, bool after_program)
{
	char how[256];

	if (after_program && run->sup.broker_ended && run->sup.broker_status == 0)
		return;
	supervise_broker_end(&run->sup, how, sizeof(how));
	say("the broker %s before every upload was confirmed; what was written is kept: see 's3ctl recover'", how);
	run->failed = true;
}

static void say_failures(const struct client_reply *reply)
{
	struct jtree j;
	int list;

	if (jtree_parse(&j, "broker", reply->tail, reply->tail_len, NULL) < 0)
		return;
	list = jtree_get(&j, 0, "failures");
	for (int f = list < 0 ? -1 : jtree_first(&j, list); f >= 0; f = jtree_next(&j, f)) {
		int name_node = jtree_get(&j, f, "name"), sentence_node = jtree_get(&j, f, "sentence");
		cleanup_free char *name = name_node < 0 ? NULL : jtree_text(&j, name_node);
		cleanup_free char *sentence = sentence_node < 0 ? NULL : jtree_text(&j, sentence_node);
		say("%s was not uploaded: %s", name ? name : "a file", sentence ? sentence : "no reason is known");
	}
	jtree_deinit(&j);
}

/* What ended before the program did: quotas, the audit log. */
static void say_ended(const struct client_reply *reply)
{
	struct jtree j;
	int list;

	if (jtree_parse(&j, "broker", reply->tail, reply->tail_len, NULL) < 0)
		return;
	list = jtree_get(&j, 0, "ended");
	for (int at = list < 0 ? -1 : jtree_first(&j, list); at >= 0; at = jtree_next(&j, at)) {
		cleanup_free char *sentence = jtree_text(&j, at);
		say("%s", sentence ? sentence : "a quota has ended, or the audit log is full");
	}
	jtree_deinit(&j);
}

/* The report as it came, with what only we know behind its opening brace. */
static void write_stats(struct run *run, const struct client_reply *reply)
{
	const char *path = run->config.stats_path;
	int fd = STDERR_FILENO;

	if (!path)
		return;
	if (strcmp(path, "-") != 0)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		say("statistics '%s': %s", path, strerror(errno));
		return;
	}
	dprintf(fd, "{\"run_seconds\": %.3f, \"program_seconds\": %.3f, %s\n", seconds_since(run->begin_ns),
		run->program_seconds, reply->tail[0] == '{' ? reply->tail + 1 : "\"incomplete\": true}");
	if (fd != STDERR_FILENO)
		close(fd);
}

static void take_report(struct run *run, const struct client_reply *reply)
{
	const struct wire_drain_rep *drained = reply->fixed;

	if (reply->status < 0) {
		say("the broker could not finish: %s", reply->tail_len ? reply->tail : strerror(-reply->status));
		run->failed = true;
		return;
	}
	say_ended(reply);
	if (drained->failed) {
		run->failed = true;
		say_failures(reply);
	}
	write_stats(run, reply);
}

/* A second request to stop: what is left stays in the cache folder. SIGKILL, since it must not begin anything new. */
static void give_up(struct run *run)
{
	say("uploads were given up on a second signal; what was written is kept: see 's3ctl recover'");
	run->failed = true;
	if (run->sup.broker)
		kill(run->sup.broker, SIGKILL);
}

static void drain(struct run *run)
{
	struct wire_drain_req request = { .shutdown = 1 };
	struct client_reply reply;

	if (run->sup.client.fd < 0 || client_send(&run->sup.client, WIRE_DRAIN, &request, NULL) < 0) {
		bool had = run->sup.client.fd >= 0;
		wait_broker(run);
		say_lost(run, had);
		return;
	}
	for (;;) {
		switch (supervise_wait(&run->sup, -1, &reply)) {
		case SUPERVISE_REPLY:
			take_report(run, &reply);
			return;
		case SUPERVISE_STOP:
			if (run->sup.stops >= 2) {
				give_up(run);
				return;
			}
			say("uploads are being finished; a second signal gives them up");
			break;
		case SUPERVISE_BROKER_LOST:
			wait_broker(run);
			say_lost(run, true);
			return;
		default:
			break;
		}
	}
}

/* The user's own folder is closed to others. This one they can pass, but not look into; its name cannot be guessed. */
static int open_folder(struct run *run, struct err *err)
{
	char folder[] = "/tmp/s3shim-XXXXXX";

	if (!mkdtemp(folder) || chmod(folder, 0711) < 0)
		return err_set(err, errno, "folder '%s': %s", folder, strerror(errno));
	(void)snprintf(run->folder, sizeof(run->folder), "%s", folder);
	(void)snprintf(run->socket, sizeof(run->socket), "%s/run.sock", folder);
	return 0;
}

static int socket_path(struct run *run, struct err *err)
{
	char dir[PATH_MAX - 64];
	int r;

	if (run->config.socket_path) {
		(void)snprintf(run->socket, sizeof(run->socket), "%s", run->config.socket_path);
		return 0;
	}
	if (run->config.allow_other)
		return open_folder(run, err);
	r = config_session_dir(dir, sizeof(dir), err);
	if (r == 0)
		(void)snprintf(run->socket, sizeof(run->socket), "%s/run-%d.sock", dir, (int)getpid());
	return r;
}

static int check_options(const struct config *config, struct err *err)
{
	if (config->control_fd >= 0 || config->ready_fd >= 0 || config->bare_path || config->idle_ms >= 0 ||
	    config->listen_path)
		return err_set(err, EINVAL,
			       "--control-fd, --ready-fd, --bare, --listen and --idle-ms are s3shimd's, not s3run's");
	return 0;
}

/* All that can be found wrong before anything is started. Return: 0, or the status to exit with. */
static int prepare(struct run *run, char **argv, struct err *err)
{
	int r;

	if (check_options(&run->config, err) < 0 || program_parts(&run->config, run->library, run->broker, err) < 0)
		return PROGRAM_OWN_FAILURE;
	r = program_find(&run->program, argv, &run->config, run->library, err);
	if (r == 0 && socket_path(run, err) < 0)
		r = PROGRAM_OWN_FAILURE;
	return r;
}

static int run_all(struct run *run, int option_count, char **options, char **argv, struct err *err)
{
	int r = prepare(run, argv, err);

	if (r)
		return r;
	if (supervise_init(&run->sup, err) < 0 || spawn_broker(run, option_count, options, err) < 0 ||
	    wait_ready(run, err) < 0)
		r = PROGRAM_OWN_FAILURE;
	r = asset_report_take(&run->config, run->socket, r, err);
	if (r) {
		end_broker(run);
		return r;
	}
	r = start_program(run, err);
	if (r == 0) {
		run_program(run);
		drain(run);
	}
	end_broker(run);
	return r;
}

static int program_result(const struct run *run)
{
	int status = run->sup.program_status;

	if (WIFSIGNALED(status))
		supervise_die(WTERMSIG(status));
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : run->failed ? EXIT_IO : 0;
}

static void help(void)
{
	printf("usage: s3run [options] [--] [program [arguments]]\n\n"
	       "Run a program (default: $SHELL) that sees S3 buckets as folders.\n\n");
	fflush(stdout);
	config_help(STDOUT_FILENO, false);
	printf(
	    "\nExit status: the program's own; 125 s3run failed before the program started, 126 the program cannot be\n"
	    "executed or not be preloaded, 127 it is not there, 74 it succeeded and an upload did not. An asset that "
	    "cannot\n"
	    "be had: 65 malformed, 66 not found, 69 unreachable, 73 too large, 75 timed out or failing, 77 denied or "
	    "not\n"
	    "allowed, 78 its configuration.\n");
}

int main(int argc, char **argv)
{
	static struct run run;
	char *shell[2] = { getenv("SHELL"), NULL };
	struct config_args rest;
	struct err err = ERR_INIT;
	int r;

	prctl(PR_SET_DUMPABLE, 0);
	run.begin_ns = clock_now_ns();
	if (config_load(&run.config, argc, argv, &rest, &err) < 0) {
		r = run.config.assets_failed ? asset_report_fail(&run.config, &err) : PROGRAM_OWN_FAILURE;
		if (err.errnum)
			say("%s", err_text(&err));
		config_deinit(&run.config);
		return r;
	}
	if (run.config.help || run.config.version) {
		if (run.config.help)
			help();
		else
			printf("s3run %s\n", S3SHIM_VERSION);
		return 0;
	}
	if (!shell[0] || !*shell[0])
		shell[0] = (char *)"/bin/sh";
	r = run_all(&run, argc - rest.argc, argv, rest.argc ? rest.argv : shell, &err);
	if (r && err.errnum)
		say("%s", err_text(&err));
	config_deinit(&run.config);
	return r ? r : program_result(&run);
}
