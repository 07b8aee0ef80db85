/* What brokers say of themselves. */
#include "base/util.h"
#include "client.h"
#include "config/config.h"
#include "config/jtree.h"
#include "ctl.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static void put_name(const char *name)
{
	for (; *name; name++)
		putchar(*name == '_' ? ' ' : *name);
}

static bool is_leaf(const struct jtree *j, int node)
{
	return jtree_kind(j, node) != JTREE_OBJECT && jtree_kind(j, node) != JTREE_ARRAY;
}

static void print_leaf(const struct jtree *j, int node)
{
	cleanup_free char *text = jtree_text(j, node);

	ctl_put_plain(text ? text : "?");
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

static void print_status(struct ctl *q, const char *path, const char *text, size_t len)
{
	struct jtree j;
	struct err err = ERR_INIT;

	if (q->json) {
		printf("%s{\"socket\": ", q->shown++ ? ", " : "");
		ctl_put_string(path);
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

static int ask(struct ctl *q, const char *path, struct err *err)
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
static int ask_all(struct ctl *q, struct err *err)
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

int ctl_status(struct ctl *q, struct err *err)
{
	int r;

	if (q->json)
		printf("[");
	r = q->socket ? ask(q, q->socket, err) : ask_all(q, err);
	if (q->json)
		printf("]\n");
	return r;
}
