/*
 * One thread, one poll over the control socket, its connections, a signalfd, and each session's connection to its
 * broker. Nothing is waited for anywhere else, so a session that starts slowly, drains for an hour, or misbehaves keeps
 * nobody waiting but who asked for it.
 *
 * A session's options are loaded here first, with the daemon's own in front: what is wrong with them is answered without
 * a process, and the mount points are known. The broker loads them once more, so that no secret is handed over.
 */
#include "listen.h"
#include "answer.h"
#include "base/log.h"
#include "base/util.h"
#include "config/assets.h"
#include "config/jtree.h"
#include "daemon.h"
#include "hosted.h"
#include "program.h"
#include "talk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <utlist.h>

#define SESSIONS_MAX 4096
#define HISTORY_MAX  256
#define TALKS_MAX    256
#define OPTIONS_MAX  1024

struct listen {
	const char *path;
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of the sessions' sockets */
	char library[PATH_MAX], broker[PATH_MAX];
	char **options; /* our own, for every session */
	int option_count;
	int fd, signal_fd;
	struct hosted *sessions; /* those that ended among them */
	size_t living, ended;
	struct talk *talks;
	size_t talk_count;
	int stops;
	unsigned failed;
};

/* ---- requests ---- */

static struct hosted *find(const struct listen *l, const char *id)
{
	struct hosted *h;

	DL_FOREACH (l->sessions, h)
		if (strcmp(h->id, id) == 0)
			return h;
	return NULL;
}

static void forget(struct listen *l, struct hosted *h)
{
	DL_DELETE(l->sessions, h);
	l->ended--;
	hosted_free(h);
}

static bool is_name(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n && !id[n] && n <= HOSTED_ID_MAX;
}

/* The daemon's options, then the session's; @text holds the latter. Return: an argv with room for its first word. */
static char **join_options(const struct listen *l, const struct jtree *j, int list, int *ret_count, struct err *err)
{
	char **all = calloc((size_t)l->option_count + OPTIONS_MAX + 2, sizeof(*all));
	int n = 1 + l->option_count;

	if (!all) {
		(void)err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	all[0] = (char *)"s3shimd";
	memcpy(all + 1, l->options, (size_t)l->option_count * sizeof(*all));
	for (int at = jtree_first(j, list); at >= 0; at = jtree_next(j, at)) {
		char *word = jtree_kind(j, at) == JTREE_STRING ? jtree_text(j, at) : NULL;
		if (word && n - l->option_count <= OPTIONS_MAX) {
			all[n++] = word;
			continue;
		}
		free(word);
		(void)err_set(err, EINVAL, "\"add\" wants a list of at most %d strings", OPTIONS_MAX);
		break;
	}
	*ret_count = n;
	return all;
}

static void free_options(const struct listen *l, char **all, int count)
{
	for (int i = 1 + l->option_count; all && i < count; i++)
		free(all[i]);
	free(all);
}

static int load_session(struct config *config, int argc, char **argv, struct err *err)
{
	struct config_args rest;
	int r = config_load(config, argc, argv, &rest, err);

	if (r < 0)
		return r;
	if (rest.argc)
		return err_set(err, EINVAL, "'%s': a session is made without a program", rest.argv[0]);
	if (config->help || config->version || config->listen_path || config->socket_path || config->bare_path ||
	    config->control_fd >= 0 || config->ready_fd >= 0)
		return err_set(err, EINVAL,
			       "a session takes no --help, --version, --listen, --socket, --bare, "
			       "--control-fd and --ready-fd");
	if (!config->mount_count && !config->asset_count)
		return err_set(err, EINVAL, "nothing is mounted; say --bucket NAME or --mount /dir=s3://bucket/prefix");
	return 0;
}

static int place(const struct listen *l, char *ret_socket, size_t size, char *ret_id, size_t id_size, struct err *err)
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_set(err, errno, "no random numbers: %s", strerror(errno));
	if ((size_t)snprintf(ret_socket, size, "%s/%016" PRIx64 ".sock", l->folder, random[0]) >= size)
		return err_set(err, ENAMETOOLONG, "'%s' is too long", l->folder);
	if (!ret_id[0])
		(void)snprintf(ret_id, id_size, "%016" PRIx64, random[1]);
	return 0;
}

static int start_session(struct listen *l, int argc, char **argv, const char *name, struct hosted **ret,
			 int *ret_status, struct err *err)
{
	char socket[sizeof((*ret)->socket)], id[HOSTED_ID_MAX + 1] = "";
	struct config config;
	struct hosted_plan plan = { id, socket, l->broker, l->library, argv + 1, argc - 1, &config };
	int r = load_session(&config, argc, argv, err);

	if (r == 0 && name)
		(void)snprintf(id, sizeof(id), "%s", name);
	if (r == 0)
		r = place(l, socket, sizeof(socket), id, sizeof(id), err);
	if (r == 0 && config.library_path)
		plan.library = config.library_path;
	if (r == 0)
		r = hosted_new(&plan, ret, err);
	if (r < 0)
		*ret_status = config.assets_failed ? asset_class_status(ASSET_configuration) : PROGRAM_OWN_FAILURE;
	config_deinit(&config);
	return r;
}

static int check_add(const struct listen *l, const struct jtree *j, int list, const char *name, struct err *err)
{
	if (jtree_kind(j, list) != JTREE_ARRAY)
		return err_set(err, EINVAL, "\"add\" wants a list of at most %d strings", OPTIONS_MAX);
	if (name && !is_name(name))
		return err_set(err, EINVAL, "\"id\" '%s' is not 1 to %d letters, digits, '.', '_' and '-'", name,
			       HOSTED_ID_MAX);
	if (name && find(l, name))
		return err_set(err, EEXIST, "there is a session '%s' already", name);
	if (l->stops)
		return err_set(err, ESHUTDOWN, "the daemon is ending");
	if (l->living >= SESSIONS_MAX)
		return err_set(err, EAGAIN, "there are %d sessions already", SESSIONS_MAX);
	return 0;
}

static void take_add(struct listen *l, struct talk *t, const struct jtree *j, int list)
{
	int id_node = jtree_get(j, 0, "id"), count = 0, status = PROGRAM_OWN_FAILURE;
	cleanup_free char *name = id_node < 0 ? NULL : jtree_text(j, id_node);
	struct err err = ERR_INIT;
	struct hosted *h;
	char **argv = NULL;

	if (check_add(l, j, list, name, &err) == 0)
		argv = join_options(l, j, list, &count, &err);
	if (!err.errnum && start_session(l, count, argv, name, &h, &status, &err) == 0) {
		DL_APPEND(l->sessions, h);
		l->living++;
		t->session = h;
		t->wants_end = false;
		log_info("s3shimd", "session '%s' is started, process %ld", h->id, (long)h->pid);
	}
	if (err.errnum)
		answer_error(t, status, err_text(&err), NULL);
	free_options(l, argv, count);
}

static void take_end(struct listen *l, struct talk *t, const struct jtree *j, int value)
{
	cleanup_free char *id = jtree_text(j, value);
	struct hosted *h = id ? find(l, id) : NULL;
	char sentence[ERR_TEXT_MAX];

	if (!h) {
		(void)snprintf(sentence, sizeof(sentence), "there is no session '%s'", id ? id : "");
		answer_error(t, 1, sentence, NULL);
		return;
	}
	hosted_end(h, "it was ended when asked");
	t->session = h;
	t->wants_end = true;
}

static void take_line(struct listen *l, struct talk *t, const char *line)
{
	struct err err = ERR_INIT;
	struct jtree j;
	int value;

	if (jtree_parse(&j, "request", line, strlen(line), &err) < 0) {
		answer_error(t, PROGRAM_OWN_FAILURE, err_text(&err), NULL);
		return;
	}
	if ((value = jtree_get(&j, 0, "add")) >= 0)
		take_add(l, t, &j, value);
	else if ((value = jtree_get(&j, 0, "end")) >= 0)
		take_end(l, t, &j, value);
	else if (jtree_get(&j, 0, "list") >= 0)
		answer_list(t, l->sessions);
	else
		answer_error(t, PROGRAM_OWN_FAILURE, "a request is {\"add\": ...}, {\"list\": true} or {\"end\": ...}",
			     NULL);
	jtree_deinit(&j);
}

/* ---- what has happened ---- */

/* Is what @t waits for there? Who asked for a session and went away has it ended: nobody else knows of it. */
static void settle(struct talk *t)
{
	struct hosted *h = t->session;

	if (!h)
		return;
	if (t->gone) {
		if (!t->wants_end)
			hosted_end(h, "it was ended, since who had asked for it was gone");
	} else if (t->wants_end) {
		if (h->state != HOSTED_ENDED)
			return;
		answer_ended(t, h);
	} else if (h->state == HOSTED_STARTING || (h->state == HOSTED_ENDING && !h->was_ready)) {
		return;
	} else if (h->was_ready) {
		answer_started(t, h);
	} else {
		answer_error(t, h->assets_status ? h->assets_status : PROGRAM_OWN_FAILURE, err_text(&h->err),
			     h->assets);
	}
	t->session = NULL;
}

static bool is_waited_for(const struct listen *l, const struct hosted *h)
{
	const struct talk *t;

	DL_FOREACH (l->talks, t)
		if (t->session == h)
			return true;
	return false;
}

/* Answers what can be answered, and takes what was asked behind it. */
static void settle_all(struct listen *l)
{
	struct talk *t, *next;

	DL_FOREACH_SAFE(l->talks, t, next)
	{
		char *line;
		settle(t);
		while (!t->session && !t->gone && (line = talk_line(t))) {
			take_line(l, t, line);
			free(line);
			settle(t);
		}
		if (t->ended && !t->session && t->out_sent == t->out_len)
			t->gone = true;
		if (t->gone) {
			settle(t);
			DL_DELETE(l->talks, t);
			l->talk_count--;
			talk_free(t);
		}
	}
}

/* A session that never was, and one whose end was told, are nobody's business any more. */
static void forget_ended(struct listen *l)
{
	struct hosted *h, *next;

	DL_FOREACH_SAFE(l->sessions, h, next)
	if (h->state == HOSTED_ENDED && !is_waited_for(l, h) && (h->told || !h->was_ready || l->ended > HISTORY_MAX))
		forget(l, h);
}

static void reap(struct listen *l)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct hosted *h;
		DL_FOREACH (l->sessions, h)
			if (h->pid == pid)
				break;
		if (!h)
			continue;
		hosted_reaped(h, status);
		l->living--;
		l->ended++;
		l->failed += h->failed;
	}
}

static void stop(struct listen *l)
{
	struct hosted *h;

	l->stops++;
	DL_FOREACH (l->sessions, h) {
		if (l->stops == 1)
			hosted_end(h, "it was ended with the daemon");
		else
			hosted_kill(h, "it was given up on a second signal");
	}
}

static void take_signals(struct listen *l)
{
	struct signalfd_siginfo info;

	while (read(l->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			stop(l);
	reap(l);
}

/* ---- the loop ---- */

/* The order of the array is that of the lists: signals, the socket, sessions, connections. */
static size_t gather(const struct listen *l, struct pollfd *fds, int *ret_timeout_ms)
{
	const struct hosted *h;
	const struct talk *t;
	size_t n = 0;

	*ret_timeout_ms = -1;
	fds[n++] = (struct pollfd){ l->signal_fd, POLLIN, 0 };
	fds[n++] = (struct pollfd){ l->talk_count < TALKS_MAX ? l->fd : -1, POLLIN, 0 };
	DL_FOREACH (l->sessions, h) {
		int due_ms = hosted_due_ms(h);
		fds[n++] = (struct pollfd){ h->client.fd, POLLIN, 0 };
		if (due_ms >= 0 && (*ret_timeout_ms < 0 || due_ms < *ret_timeout_ms))
			*ret_timeout_ms = due_ms;
	}
	DL_FOREACH (l->talks, t)
		fds[n++] = (struct pollfd){ t->fd, talk_events(t), 0 };
	return n;
}

static void scatter(struct listen *l, const struct pollfd *fds)
{
	const struct pollfd *at = fds + 2;
	struct hosted *h;
	struct talk *t;

	DL_FOREACH (l->sessions, h) {
		if (at->revents && h->client.fd >= 0)
			hosted_input(h);
		hosted_tick(h);
		at++;
	}
	DL_FOREACH (l->talks, t) {
		if (at->revents)
			talk_ready(t, at->revents);
		at++;
	}
	if (fds[0].revents)
		take_signals(l);
	if (fds[1].revents && (t = talk_accept(l->fd))) {
		DL_APPEND(l->talks, t);
		l->talk_count++;
	}
}

static int loop(struct listen *l, struct err *err)
{
	cleanup_free struct pollfd *fds = NULL;

	while (!l->stops || l->living) {
		size_t room = 2 + l->living + l->ended + l->talk_count;
		struct pollfd *more = realloc(fds, room * sizeof(*fds));
		int timeout_ms;
		size_t n;

		if (!more)
			return err_set(err, ENOMEM, "out of memory");
		fds = more;
		n = gather(l, fds, &timeout_ms);
		if (poll(fds, n, timeout_ms) < 0 && errno != EINTR)
			return err_set(err, errno, "poll: %s", strerror(errno));
		scatter(l, fds);
		settle_all(l);
		forget_ended(l);
	}
	return 0;
}

/* ---- begin and end ---- */

static int make_folder(struct listen *l, struct err *err)
{
	struct stat st;

	if ((size_t)snprintf(l->folder, sizeof(l->folder), "%s.d", l->path) >=
	    sizeof(l->folder) - strlen("/0123456789abcdef.sock"))
		return err_set(err, ENAMETOOLONG, "--listen '%s': too long for sockets in '%s.d'", l->path, l->path);
	/* Others may pass, for sessions with --allow-other, but not look; each socket has a mode of its own. */
	if (mkdir(l->folder, 0711) < 0 && errno != EEXIST)
		return err_set(err, errno, "folder '%s' cannot be made: %s", l->folder, strerror(errno));
	if (lstat(l->folder, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return err_set(err, EPERM,
			       "'%s' is in the way: it should be a folder of ours that nobody else may "
			       "write to",
			       l->folder);
	return 0;
}

static int make_socket(struct listen *l, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, l->path, strlen(l->path)); /* shorter than the folder, which was measured */
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(l->path); /* we hold its lock */
	if (l->fd < 0 || fchmod(l->fd, 0600) < 0 || bind(l->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(l->fd, SOMAXCONN) < 0)
		return err_set(err, errno, "socket '%s': %s", l->path, strerror(errno));
	return 0;
}

static int make_signals(struct listen *l, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signal_fd < 0 ? err_set(err, errno, "signalfd: %s", strerror(errno)) : 0;
}

/* Our command line without --listen, and without a "--" at its end. */
static int keep_options(struct listen *l, int argc, char **argv, struct err *err)
{
	l->options = calloc((size_t)argc + 1, sizeof(*l->options));
	if (!l->options)
		return err_set(err, ENOMEM, "out of memory");
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--listen") == 0 || strcmp(argv[i], "--ready-fd") == 0)
			i++;
		else if (strncmp(argv[i], "--listen=", 9) != 0 && strncmp(argv[i], "--ready-fd=", 11) != 0 &&
			 strcmp(argv[i], "--") != 0)
			l->options[l->option_count++] = argv[i];
	}
	return 0;
}

static int begin(struct listen *l, const struct config *config, int argc, char **argv, struct err *err)
{
	if (config->socket_path || config->bare_path || config->control_fd >= 0)
		return err_set(err, EINVAL, "--listen goes without --socket, --bare and --control-fd");
	if (keep_options(l, argc, argv, err) < 0 || program_parts(config, l->library, l->broker, err) < 0 ||
	    make_folder(l, err) < 0 || make_socket(l, err) < 0)
		return -err->errnum;
	return make_signals(l, err);
}

static void end(struct listen *l)
{
	struct hosted *h, *next;
	struct talk *t, *next_talk;

	DL_FOREACH_SAFE(l->talks, t, next_talk)
	talk_free(t);
	DL_FOREACH_SAFE(l->sessions, h, next)
	hosted_free(h);
	if (l->fd >= 0)
		(void)unlink(l->path);
	(void)rmdir(l->folder);
	cleanup_close_p(&l->fd);
	cleanup_close_p(&l->signal_fd);
	free(l->options);
}

int listen_run(const struct config *config, int argc, char **argv, struct err *err)
{
	struct listen l = { .path = config->listen_path, .fd = -1, .signal_fd = -1 };
	cleanup_close int lock = daemon_lock(l.path, err);
	int r = lock;

	if (r == -EWOULDBLOCK)
		return err_set(err, EADDRINUSE, "--listen '%s': another daemon listens there", l.path);
	if (r >= 0)
		r = begin(&l, config, argc, argv, err);
	if (r >= 0) {
		log_info("s3shimd", "process %ld listens at '%s'", (long)getpid(), l.path);
		daemon_ready(config->ready_fd);
		r = loop(&l, err);
		log_info("s3shimd", "no longer listening at '%s', %u failed uploads", l.path, l.failed);
	}
	if (lock >= 0)
		end(&l);
	return r < 0 ? r : (int)l.failed;
}
