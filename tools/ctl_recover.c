/* What brokers left behind: listed, shown, written back to its bucket, dropped. */
#include "base/util.h"
#include "broker/clients.h"
#include "broker/staging.h"
#include "config/config.h"
#include "ctl.h"
#include "object/arena.h"
#include "object/watch.h"
#include "object/writeback.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * Each entry is dealt with while recover_list() holds its session's folder, so that two of us never write one back at
 * once. A write back has a store of objects of its own, staged in a session folder like a broker's, and so outlives a
 * kill as any upload does: the entry is dropped only after the object was confirmed.
 */
enum action { LIST, SHOW, CAT, WRITE, DROP };

struct recovery {
	struct ctl *q;
	enum action action;
	const char *which, *cache_dir; /* which: a path or s3://bucket/key as listed, or "all" */
	char **options;                /* for config_load(), with room for two more */
	int option_count, failed;
};

static bool wanted(const struct recovery *k, const struct recover_entry *e)
{
	char name[2048];

	if (k->action == LIST || strcmp(k->which, "all") == 0)
		return true;
	(void)snprintf(name, sizeof(name), "s3://%s/%s", e->bucket, e->key);
	return strcmp(k->which, e->path) == 0 || strcmp(k->which, name) == 0;
}

static void print_json(const struct recovery *k, const struct recover_entry *e)
{
	printf("%s{\"path\": ", k->q->shown ? ", " : "");
	ctl_put_string(e->path);
	printf(", \"bucket\": ");
	ctl_put_string(e->bucket);
	printf(", \"key\": ");
	ctl_put_string(e->key);
	printf(", \"endpoint\": ");
	ctl_put_string(e->endpoint);
	printf(", \"base_etag\": ");
	ctl_put_string(e->base_etag);
	printf(", \"reason\": ");
	ctl_put_string(e->reason);
	printf(", \"partial\": %s, \"size\": %" PRIu64 ", \"mtime_ns\": %" PRId64 "}", e->partial ? "true" : "false",
	       e->size, e->mtime_ns);
}

static void print_text(const struct recovery *k, const struct recover_entry *e)
{
	time_t seconds = (time_t)(e->mtime_ns / 1000000000);
	struct tm tm;
	char when[32];

	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
	printf("%s", k->q->shown ? "\n" : "");
	ctl_put_plain(e->path);
	printf("\n  object: s3://%s/", e->bucket);
	ctl_put_plain(e->key);
	if (*e->endpoint)
		printf(" at ");
	ctl_put_plain(e->endpoint);
	printf("\n  size: %" PRIu64 " bytes, written %s\n  %s%s%s\n  reason: ", e->size, when,
	       *e->base_etag ? "replaces the version " : "a new object", e->base_etag,
	       e->partial ? ", of which it needs bytes that are not here" : "");
	ctl_put_plain(e->reason);
	printf("\n");
}

static int cat(const struct recover_entry *e, struct err *err)
{
	cleanup_close int fd = open(e->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char buf[65536];
	ssize_t n;

	if (e->partial)
		return err_set(err, ENODATA, "'%s' holds only what was changed of s3://%s/%s", e->path, e->bucket,
			       e->key);
	while ((n = fd < 0 ? -1 : read(fd, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return err_set(err, EIO, "writing to stdout: %s", strerror(errno));
	return n < 0 ? err_set(err, errno, "'%s': %s", e->path, strerror(errno)) : 0;
}

static int write_by(const struct recovery *k, const struct config *config, const struct recover_entry *e,
		    struct err *err)
{
	struct staging staging = STAGING_INIT;
	struct object_store_config c = { .memory_max = config->memory_bytes,
					 .put_max = config->put_max_bytes,
					 .part_bytes = config->part_bytes,
					 .parallel = config->parallel,
					 .deadline_ms = config->deadline_ms };
	struct clients *clients = NULL;
	struct s3_client *client;
	struct object_store *store = NULL;
	struct arena *arena = NULL;
	struct watch *watch = NULL;
	int r = clients_new(NULL, NULL, NULL, &clients);

	if (r < 0)
		return err_set(err, -r, "%s", strerror(-r));
	r = clients_get(clients, config, &config->mounts[0], &client, err);
	if (r == 0)
		r = watch_new(&watch, err);
	if (r == 0)
		r = staging_open(&staging, k->cache_dir, watch, err);
	c.staging_dir = staging.dir;
	if (r == 0)
		r = arena_new(&arena, err);
	c.arena = arena;
	c.watch = watch;
	if (r == 0)
		r = object_store_new(&c, &store, err);
	if (r == 0)
		r = writeback_run(store, client, e, k->q->force, err);
	object_store_free(store);
	watch_free(watch);
	arena_free(arena);
	if (staging.dir[0])
		staging_close(&staging);
	clients_free(clients);
	return r;
}

static int write_back(struct recovery *k, const struct recover_entry *e, struct err *err)
{
	struct config config;
	struct config_args rest;
	int r;

	k->options[k->option_count] = "--bucket";
	k->options[k->option_count + 1] = (char *)(uintptr_t)e->bucket;
	r = config_load(&config, k->option_count + 2, k->options, &rest, err);
	if (r == 0 && rest.argc)
		r = err_set(err, EINVAL, "unknown word '%s'", rest.argv[0]);
	if (r == 0)
		r = write_by(k, &config, e, err);
	config_deinit(&config);
	if (r == 0)
		r = recover_drop(e, err);
	if (r == 0) {
		printf("s3://%s/", e->bucket);
		ctl_put_plain(e->key);
		printf(": %" PRIu64 " bytes written back\n", e->size);
	}
	return r;
}

static void deal_with(void *arg, const struct recover_entry *e)
{
	struct recovery *k = arg;
	struct err err = ERR_INIT;
	int r = 0;

	if (!wanted(k, e))
		return;
	if (k->action == CAT)
		r = cat(e, &err);
	else if (k->action == WRITE)
		r = write_back(k, e, &err);
	else if (k->action == DROP)
		r = recover_drop(e, &err);
	else
		(k->q->json ? print_json : print_text)(k, e);
	k->q->shown++;
	if (r < 0) {
		k->failed++;
		ctl_complain(&err);
	}
}

/* All folders that a broker may have chosen, where none is named; those that are not there hold nothing. */
static int walk(struct recovery *k, struct err *err)
{
	char folder[PATH_MAX];
	int r = 0;

	if (k->cache_dir && *k->cache_dir)
		return recover_list(k->cache_dir, deal_with, k, err);
	k->cache_dir = NULL;
	for (unsigned i = 0; i < STAGING_CANDIDATES && r >= 0; i++)
		if (staging_candidate(i, folder, sizeof(folder)) && access(folder, F_OK) == 0)
			r = recover_list(folder, deal_with, k, err);
	return r;
}

static int take_words(struct recovery *k, struct err *err)
{
	static const char *const names[] = { "list", "show", "cat", "write", "drop" };
	const struct ctl *q = k->q;
	size_t i = 0;

	if (!q->word_count)
		return 0;
	while (i < ARRAY_SIZE(names) && strcmp(q->words[0], names[i]) != 0)
		i++;
	if (i == ARRAY_SIZE(names))
		return err_set(err, EINVAL, "recover '%s': known are list, show, cat, write and drop", q->words[0]);
	k->action = (enum action)i;
	if (k->action == LIST)
		return 0;
	if (q->word_count < 2)
		return err_set(err, EINVAL, "recover %s: of what? A path or s3://bucket/key as it is listed, or 'all'",
			       q->words[0]);
	k->which = q->words[1];
	k->options[k->option_count++] = q->words[0]; /* stands for the program's name */
	for (int at = 2; at < q->word_count; at++)
		k->options[k->option_count++] = q->words[at];
	return 0;
}

int ctl_recover(struct ctl *q, struct err *err)
{
	cleanup_free char **options = calloc((size_t)q->word_count + 4, sizeof(*options));
	struct recovery k = { .q = q,
			      .cache_dir = q->cache_dir ? q->cache_dir : getenv("S3SHIM_CACHE_DIR"),
			      .options = options };
	bool prints;
	int r = options ? take_words(&k, err) : err_set(err, ENOMEM, "out of memory");

	if (r < 0)
		return r;
	(void)signal(SIGIO, SIG_IGN); /* leases */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	prints = k.action == LIST || k.action == SHOW;
	printf("%s", q->json && prints ? "[" : "");
	r = walk(&k, err);
	printf("%s", q->json && prints ? "]\n" : "");
	if (r >= 0 && !q->shown && k.which && strcmp(k.which, "all") != 0)
		return err_set(err, ENOENT, "'%s' is not among what is to be recovered", k.which);
	if (r >= 0 && !q->shown && !q->json)
		printf("nothing to recover\n");
	if (r >= 0 && k.failed)
		return err_set(err, EIO, "%d of %zu could not be dealt with", k.failed, q->shown);
	return r < 0 ? r : 0;
}
