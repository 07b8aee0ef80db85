/*
 * s3ctl: look at brokers that run (status) and at what they left behind (recover).
 *
 * Exit status: 0; 1 where what was asked for could not be had; 2 where the question was not understood.
 */
#include "base/err.h"
#include "base/util.h"
#include "broker/staging.h"
#include "client.h"
#include "config/config.h"
#include "config/jtree.h"
#include "config/option.h"
#include "object/recover.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct request {
	const char *command, *socket, *cache_dir;
	bool json;
	size_t shown;
};

static int usage(FILE *to, int status)
{
	fprintf(to, "usage: s3ctl status [--socket PATH] [--json]      sessions, open files, uploads, last errors\n"
		    "       s3ctl recover [--cache-dir FOLDER] [--json] files whose upload failed or was cut off\n"
		    "       s3ctl --help | --version\n");
	return status;
}

/* A JSON string; bytes below 0x20 are escaped, others are passed on. */
static void put_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned)*text);
		else
			printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	}
	putchar('"');
}

static void put_name(const char *name)
{
	for (; *name; name++)
		putchar(*name == '_' ? ' ' : *name);
}

/* Names of files come from programs: no control character reaches the terminal. */
static void put_plain(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			printf("\\x%02x", (unsigned char)*text);
		else
			putchar(*text);
	}
}

static bool is_leaf(const struct jtree *j, int node)
{
	return jtree_kind(j, node) != JTREE_OBJECT && jtree_kind(j, node) != JTREE_ARRAY;
}

static void print_leaf(const struct jtree *j, int node)
{
	cleanup_free char *text = jtree_text(j, node);

	put_plain(text ? text : "?");
}

/* Any JSON as indented lines, `name: value`; what is empty is left out. */
static void print_tree(const struct jtree *j, int node, int indent)
{
	bool object = jtree_kind(j, node) == JTREE_OBJECT;

	for (int at = jtree_first(j, node); at >= 0; at = jtree_next(j, at)) {
		int value = object ? jtree_value(j, at) : at;
		if (!is_leaf(j, value) && jtree_first(j, value) < 0)
			continue;
		printf("%*s", indent, "");
		if (object) {
			cleanup_free char *name = jtree_text(j, at);
			put_name(name ? name : "?");
			printf(is_leaf(j, value) ? ": " : ":");
		} else {
			printf("-%s", is_leaf(j, value) ? " " : "");
		}
		if (is_leaf(j, value))
			print_leaf(j, value);
		printf("\n");
		if (!is_leaf(j, value))
			print_tree(j, value, indent + 2);
	}
}

static void print_status(struct request *q, const char *path, const char *text, size_t len)
{
	struct jtree j;
	struct err err = ERR_INIT;

	if (q->json) {
		printf("%s{\"socket\": ", q->shown++ ? ", " : "");
		put_string(path);
		printf(", \"status\": %.*s}", (int)len, text);
		return;
	}
	printf("%s%s\n", q->shown++ ? "\n" : "", path);
	if (jtree_parse(&j, "status", text, len, &err) < 0) {
		printf("  %s\n", err_text(&err));
		return;
	}
	print_tree(&j, 0, 2);
	jtree_deinit(&j);
}

static int ask(struct request *q, const char *path, struct err *err)
{
	struct wire_status_req request = { 0 };
	struct client_reply reply;
	struct client *c = malloc(sizeof(*c));
	int r;

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	r = client_connect(c, path, err);
	if (r == 0) {
		r = client_call(c, WIRE_STATUS, &request, &reply, err);
		if (r == 0 && reply.status < 0)
			r = err_set(err, -reply.status, "the broker at '%s': %s", path, strerror(-reply.status));
		if (r == 0)
			print_status(q, path, reply.tail, reply.tail_len);
		client_deinit(c);
	}
	free(c);
	return r;
}

/* Every socket of the user's sessions. One that nobody serves any more is passed over. */
static int ask_all(struct request *q, struct err *err)
{
	char dir[PATH_MAX - NAME_MAX - 2], path[PATH_MAX];
	struct dirent *e;
	DIR *d;

	if (config_session_dir(dir, sizeof(dir), err) < 0)
		return -err->errnum;
	d = opendir(dir);
	if (!d)
		return err_set(err, errno, "folder '%s': %s", dir, strerror(errno));
	while ((e = readdir(d))) {
		struct err ignored = ERR_INIT;
		size_t n = strlen(e->d_name);
		if (n < 6 || strcmp(e->d_name + n - 5, ".sock") != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (ask(q, path, &ignored) < 0 && ignored.errnum != ECONNREFUSED)
			fprintf(stderr, "s3ctl: %s\n", err_text(&ignored));
	}
	closedir(d);
	if (!q->shown && !q->json)
		printf("no sessions in '%s'\n", dir);
	return 0;
}

static int status(struct request *q, struct err *err)
{
	int r;

	if (q->json)
		printf("[");
	r = q->socket ? ask(q, q->socket, err) : ask_all(q, err);
	if (q->json)
		printf("]\n");
	return r;
}

static void print_entry(void *arg, const struct recover_entry *e)
{
	struct request *q = arg;
	char when[32];
	time_t seconds = (time_t)(e->mtime_ns / 1000000000);
	struct tm tm;

	if (!q->json) {
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
		printf("%s", q->shown++ ? "\n" : "");
		put_plain(e->path);
		printf("\n  object: s3://%s/", e->bucket);
		put_plain(e->key);
		printf(" at ");
		put_plain(e->endpoint);
		printf("\n  size: %" PRIu64 " bytes, written %s\n  %s%s\n  reason: ", e->size, when,
		       *e->base_etag ? "replaces the version " : "a new object", e->base_etag);
		put_plain(e->reason);
		printf("\n");
		return;
	}
	printf("%s{\"path\": ", q->shown++ ? ", " : "");
	put_string(e->path);
	printf(", \"bucket\": ");
	put_string(e->bucket);
	printf(", \"key\": ");
	put_string(e->key);
	printf(", \"endpoint\": ");
	put_string(e->endpoint);
	printf(", \"base_etag\": ");
	put_string(e->base_etag);
	printf(", \"reason\": ");
	put_string(e->reason);
	printf(", \"size\": %" PRIu64 ", \"mtime_ns\": %" PRId64 "}", e->size, e->mtime_ns);
}

/* All folders that a broker may have chosen, where none is named; those that are not there hold nothing. */
static int recover(struct request *q, struct err *err)
{
	const char *named = q->cache_dir ? q->cache_dir : getenv("S3SHIM_CACHE_DIR");
	char folder[PATH_MAX];
	int r = 0;

	if (q->json)
		printf("[");
	if (named && *named)
		r = recover_list(named, print_entry, q, err);
	for (unsigned i = 0; !(named && *named) && i < STAGING_CANDIDATES && r >= 0; i++)
		if (staging_candidate(i, folder, sizeof(folder)) && access(folder, F_OK) == 0)
			r = recover_list(folder, print_entry, q, err);
	if (q->json)
		printf("]\n");
	else if (r >= 0 && !q->shown)
		printf("nothing to recover\n");
	return r < 0 ? r : 0;
}

static int bad_word(const char *word)
{
	static const char *const known[] = { "status",      "recover", "--socket",  "--json",
					     "--cache-dir", "--help",  "--version", NULL };
	const char *near = option_nearest(word, known);

	fprintf(stderr, "s3ctl: unknown %s '%s'%s%s%s\n", word[0] == '-' ? "option" : "command", word,
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return usage(stderr, EXIT_USAGE);
}

/* `--name VALUE` or `--name=VALUE` at argv[*at]. Return: false if it is another option. */
static bool take_value(char **argv, int argc, int *at, const char *name, const char **ret)
{
	size_t n = strlen(name);

	if (strncmp(argv[*at], name, n) != 0)
		return false;
	if (argv[*at][n] == '=')
		*ret = argv[*at] + n + 1;
	else if (!argv[*at][n] && *at + 1 < argc)
		*ret = argv[++*at];
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct request q = { 0 };
	struct err err = ERR_INIT;
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage(stdout, 0);
		if (strcmp(argv[i], "--version") == 0) {
			printf("s3ctl %s\n", S3SHIM_VERSION);
			return 0;
		}
		if (strcmp(argv[i], "--json") == 0)
			q.json = true;
		else if (argv[i][0] != '-' && !q.command)
			q.command = argv[i];
		else if (!take_value(argv, argc, &i, "--socket", &q.socket) &&
			 !take_value(argv, argc, &i, "--cache-dir", &q.cache_dir))
			return bad_word(argv[i]);
	}
	if (!q.command)
		return usage(stderr, EXIT_USAGE);
	if (strcmp(q.command, "status") == 0)
		r = status(&q, &err);
	else if (strcmp(q.command, "recover") == 0)
		r = recover(&q, &err);
	else
		return bad_word(q.command);
	if (r < 0)
		fprintf(stderr, "s3ctl: %s\n", err_text(&err));
	return r < 0 ? EXIT_FAILED : 0;
}
