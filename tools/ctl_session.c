/*
 * Sessions of the daemon (listen.h): made, looked at, ended. What is printed of a new one is what a program's
 * environment needs; keys never leave the daemon.
 */
#include "asset_report.h"
#include "base/util.h"
#include "config/config.h"
#include "config/jtree.h"
#include "config/option.h"
#include "ctl.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_IO = 74, EXIT_OWN = 125 };

#define ENV_DAEMON "S3SHIM_DAEMON"

struct session_ctl {
	const char *daemon, *id, *verb;
	bool json;
	char **options; /* for the session; PATHs made absolute: the daemon's folder is another one */
	int option_count;
};

static int usage(FILE *to, int status)
{
	fprintf(
	    to,
	    "usage: s3ctl session add [--daemon PATH] [--id NAME] [--json] [--idle-ms TIME] [OPTIONS OF s3run]\n"
	    "       s3ctl session list [--daemon PATH] [--json]\n"
	    "       s3ctl session end [--daemon PATH] ID\n\n"
	    "PATH is that of s3shimd --listen, else " ENV_DAEMON " in the environment.\n\n"
	    "  add   print what a program's environment needs to be in a new session, as lines of NAME=VALUE\n"
	    "  list  those that there are, and how others have ended\n"
	    "  end   finish every upload, end the session, print its statistics as JSON; 74 where an upload failed\n");
	return status;
}

static int complain(const char *sentence, int status)
{
	fflush(stdout);
	fprintf(stderr, "s3ctl: %s\n", sentence);
	return status;
}

/* ---- the command line ---- */

static bool is_path(int opt)
{
	return opt >= 0 && (option_rows[opt].type == OPTION_TYPE_PATH || option_rows[opt].type == OPTION_TYPE_LOG_PATH);
}

static char *absolute(const char *path)
{
	return strcmp(path, "-") == 0 ? strdup(path) : option_path_absolute(path);
}

/* One option of s3run's at argv[*at], which moves to its last word. What is wrong with it the daemon says. */
static int take_option(struct session_ctl *s, char **argv, int argc, int *at)
{
	const char *word = argv[*at], *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	int opt = strncmp(word, "--", 2) == 0 ? option_by_flag(word + 2, len - 2) : -1;
	char *value = NULL;

	if (is_path(opt) && equals) {
		cleanup_free char *path = absolute(equals + 1);
		if (!path || asprintf(&s->options[s->option_count], "%.*s=%s", (int)len, word, path) < 0)
			return -ENOMEM;
		s->option_count++;
		return 0;
	}
	if (!(s->options[s->option_count] = strdup(word)))
		return -ENOMEM;
	s->option_count++;
	if (equals || opt < 0 || option_is_bool(option_rows[opt].type) || *at + 1 >= argc)
		return 0;
	value = is_path(opt) ? absolute(argv[*at + 1]) : strdup(argv[*at + 1]);
	if (!value)
		return -ENOMEM;
	(*at)++;
	s->options[s->option_count++] = value;
	return 0;
}

/* ---- a request and its answer ---- */

static char *request(const struct session_ctl *s, size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	if (!f)
		return NULL;
	if (strcmp(s->verb, "add") == 0) {
		fprintf(f, "{\"add\": [");
		for (int i = 0; i < s->option_count; i++) {
			fprintf(f, i ? ", " : "");
			ctl_write_string(f, s->options[i]);
		}
		fprintf(f, "]");
		if (s->id) {
			fprintf(f, ", \"id\": ");
			ctl_write_string(f, s->id);
		}
		fprintf(f, "}\n");
	} else if (strcmp(s->verb, "end") == 0) {
		fprintf(f, "{\"end\": ");
		ctl_write_string(f, s->id);
		fprintf(f, "}\n");
	} else {
		fprintf(f, "{\"list\": true}\n");
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int connect_daemon(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ENAMETOOLONG, "the path of the socket '%s' is too long", path);
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, errno, "no daemon answers at '%s': %s; 's3shimd --listen' is one", path,
			       strerror(errno));
	return steal_fd(&fd);
}

/* Return: malloc'd, a whole line; NULL with a sentence. */
static char *ask(const struct session_ctl *s, struct err *err)
{
	cleanup_close int fd = connect_daemon(s->daemon, err);
	cleanup_free char *text = NULL, *line = NULL;
	size_t len = 0, room = 0;
	FILE *f;

	if (fd < 0)
		return NULL;
	text = request(s, &len);
	for (size_t sent = 0; text && sent < len;) {
		ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR) {
			(void)err_set(err, errno, "the daemon at '%s': %s", s->daemon, strerror(errno));
			return NULL;
		}
		sent += n < 0 ? 0 : (size_t)n;
	}
	f = text ? fdopen(fd, "r") : NULL;
	if (!f) {
		(void)err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	(void)steal_fd(&fd);
	if (getline(&line, &room, f) <= 0)
		(void)err_set(err, EIO, "the daemon at '%s' gave no answer; is it another user's, or did it end?",
			      s->daemon);
	fclose(f);
	return err->errnum ? NULL : steal_ptr(&line);
}

/* ---- what is printed ---- */

static char *member(const struct jtree *j, int node, const char *name)
{
	int at = jtree_get(j, node, name);

	return at < 0 ? NULL : jtree_text(j, at);
}

static int print_added(const struct session_ctl *s, const struct jtree *j, const char *line)
{
	int list = jtree_get(j, 0, "environment");
	cleanup_free char *id = member(j, 0, "session");

	if (s->json) {
		fputs(line, stdout);
		return 0;
	}
	for (int at = list < 0 ? -1 : jtree_first(j, list); at >= 0; at = jtree_next(j, at)) {
		cleanup_free char *name = jtree_text(j, at), *value = jtree_text(j, jtree_value(j, at));
		if (name && value)
			printf("%s=%s\n", name, value);
	}
	printf("S3SHIM_SESSION=%s\n", id ? id : "");
	return 0;
}

static int print_list(const struct session_ctl *s, const struct jtree *j, const char *line)
{
	int list = jtree_get(j, 0, "sessions");

	if (s->json) {
		fputs(line, stdout);
		return 0;
	}
	for (int at = list < 0 ? -1 : jtree_first(j, list); at >= 0; at = jtree_next(j, at)) {
		cleanup_free char *id = member(j, at, "session"), *state = member(j, at, "state"),
				  *how = member(j, at, "how"), *socket = member(j, at, "socket"),
				  *seconds = member(j, at, "seconds");
		printf("%s %s %s s %s\n", id ? id : "?", state ? state : "?", seconds ? seconds : "?",
		       how && *how ? how
		       : socket    ? socket
				   : "");
	}
	return 0;
}

/* As s3run tells it. */
static void say_failures(const struct jtree *j)
{
	int list = jtree_get(j, jtree_get(j, 0, "statistics"), "failures");

	for (int f = list < 0 ? -1 : jtree_first(j, list); f >= 0; f = jtree_next(j, f)) {
		cleanup_free char *name = member(j, f, "name"), *sentence = member(j, f, "sentence");
		fprintf(stderr, "s3ctl: %s was not uploaded: %s\n", name ? name : "a file",
			sentence ? sentence : "no reason is known");
	}
}

static int print_ended(const struct jtree *j, const char *line)
{
	cleanup_free char *failed = member(j, 0, "failed"), *how = member(j, 0, "how");
	int statistics = jtree_get(j, 0, "statistics");

	fputs(line, stdout);
	fflush(stdout);
	if (failed && strcmp(failed, "0") == 0)
		return 0;
	say_failures(j);
	if (statistics < 0 || jtree_kind(j, statistics) != JTREE_OBJECT)
		fprintf(stderr,
			"s3ctl: %s before every upload was confirmed; what was written is kept: see 's3ctl recover'\n",
			how ? how : "the session ended");
	return EXIT_IO;
}

/* Assets that failed are told one by one, as s3run does. */
static int fail(const struct jtree *j, const char *sentence, const char *status)
{
	int assets = jtree_get(j, 0, "assets");

	if (assets < 0 || jtree_kind(j, assets) != JTREE_OBJECT || !asset_report_say(j, assets, false))
		(void)complain(sentence, 0);
	return status ? atoi(status) : EXIT_OWN;
}

static int print_answer(const struct session_ctl *s, const char *line, struct err *err)
{
	cleanup_free char *sentence = NULL, *status = NULL;
	struct jtree j;
	int r;

	if (jtree_parse(&j, "the daemon's answer", line, strlen(line), err) < 0)
		return EXIT_OWN;
	sentence = member(&j, 0, "error");
	status = member(&j, 0, "status");
	if (sentence)
		r = fail(&j, sentence, status);
	else if (strcmp(s->verb, "add") == 0)
		r = print_added(s, &j, line);
	else if (strcmp(s->verb, "end") == 0)
		r = print_ended(&j, line);
	else
		r = print_list(s, &j, line);
	jtree_deinit(&j);
	return r;
}

static int run(struct session_ctl *s)
{
	struct err err = ERR_INIT;
	cleanup_free char *line = NULL;
	int r;

	if (!s->daemon || !*s->daemon)
		return complain("which daemon? say --daemon PATH, or set " ENV_DAEMON, EXIT_USAGE);
	line = ask(s, &err);
	r = line ? print_answer(s, line, &err) : EXIT_OWN;
	if (err.errnum)
		(void)complain(err_text(&err), r);
	return r;
}

static int take_words(struct session_ctl *s, int argc, char **argv)
{
	bool add = strcmp(s->verb, "add") == 0, list = strcmp(s->verb, "list") == 0;

	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return -ECANCELED;
		if (strcmp(argv[i], "--json") == 0)
			s->json = true;
		else if (ctl_take_value(argv, argc, &i, "--daemon", &s->daemon) ||
			 (add && ctl_take_value(argv, argc, &i, "--id", &s->id)))
			continue;
		else if (!add && !list && argv[i][0] != '-' && !s->id)
			s->id = argv[i];
		else if (!add)
			return -EINVAL;
		else if (take_option(s, argv, argc, &i) < 0)
			return -ENOMEM;
	}
	return add || list || s->id ? 0 : -EINVAL;
}

int ctl_session(int argc, char **argv)
{
	struct session_ctl s = { .daemon = getenv(ENV_DAEMON), .verb = argc > 2 ? argv[2] : "" };
	int r;

	if (strcmp(s.verb, "--help") == 0 || strcmp(s.verb, "-h") == 0)
		return usage(stdout, 0);
	if (strcmp(s.verb, "add") != 0 && strcmp(s.verb, "list") != 0 && strcmp(s.verb, "end") != 0)
		return usage(stderr, EXIT_USAGE);
	s.options = calloc((size_t)argc + 1, sizeof(*s.options));
	r = s.options ? take_words(&s, argc, argv) : -ENOMEM;
	if (r == -ENOMEM)
		r = complain("out of memory", EXIT_FAILED);
	else if (r < 0)
		r = usage(r == -ECANCELED ? stdout : stderr, r == -ECANCELED ? 0 : EXIT_USAGE);
	else
		r = run(&s);
	for (int i = 0; i < s.option_count; i++)
		free(s.options[i]);
	free(s.options);
	if (fflush(stdout) != 0 && r == 0)
		r = complain(strerror(errno), EXIT_FAILED);
	return r;
}
