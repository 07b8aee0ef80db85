/*
 * Multipart uploads that were begun and neither completed nor aborted: they cost what they hold and show nowhere else. A
 * store does not tell who began one, so ours are those that sessions with the same cache folder have noted (s3/notes.h);
 * --all takes every one below the mounts.
 */
#include "base/util.h"
#include "broker/clients.h"
#include "broker/staging.h"
#include "config/config.h"
#include "config/option.h"
#include "ctl.h"
#include "s3/notes.h"
#include "s3/s3.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define AGE_DEFAULT "24h"

struct sweep {
	struct ctl *q;
	const struct config *config;
	struct s3_client *client;
	const char *bucket, *prefix; /* prefix: with its slash, or "" */
	int64_t before_ns;
	size_t others; /* of nobody that is noted here */
};

/* The folder of notes that knows the upload; false: none does. */
static bool find_note(const struct sweep *s, const struct notes_upload *upload, char *dir, size_t size)
{
	char base[PATH_MAX];

	if (s->config->cache_dir)
		return staging_notes(s->config->cache_dir, dir, size) && notes_has(dir, upload);
	for (unsigned i = 0; i < STAGING_CANDIDATES; i++)
		if (staging_candidate(i, base, sizeof(base)) && staging_notes(base, dir, size) &&
		    notes_has(dir, upload))
			return true;
	return false;
}

static void put_upload(struct sweep *s, const struct s3_entry *e, bool ours, const char *done)
{
	char when[32];
	time_t seconds = (time_t)(e->mtime_ns / 1000000000);
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
	if (s->q->json) {
		printf("%s{\"bucket\": ", s->q->shown++ ? ", " : "");
		ctl_put_string(s->bucket);
		printf(", \"key\": ");
		ctl_put_string(e->key);
		printf(", \"upload_id\": ");
		ctl_put_string(e->etag);
		printf(", \"begun\": \"%s\", \"ours\": %s, \"aborted\": %s}", when, ours ? "true" : "false",
		       *done ? "true" : "false");
		return;
	}
	s->q->shown++;
	printf("%s s3://%s/", when, s->bucket);
	ctl_put_plain(e->key);
	printf(" %s%s\n", e->etag, done);
}

static int abort_upload(const struct sweep *s, const struct s3_entry *e, struct err *err)
{
	cleanup_free struct s3_call *call = malloc(sizeof(*call));
	int r;

	if (!call)
		return err_set(err, ENOMEM, "out of memory");
	s3_call_init(call, S3_ABORT_MULTIPART_UPLOAD, s->bucket, e->key);
	call->upload_id_in = e->etag;
	r = s3_run(s->client, call);
	return r < 0 ? err_set(err, -r, "%s", err_text(&call->err)) : 0;
}

static int sweep_one(struct sweep *s, const struct s3_entry *e, struct err *err)
{
	const struct notes_upload upload = { s3_client_place(s->client), s->bucket, e->key, e->etag };
	char dir[PATH_MAX];
	bool ours = find_note(s, &upload, dir, sizeof(dir));
	int r;

	if (e->mtime_ns > s->before_ns)
		return 0;
	if (!ours && !s->q->all) {
		s->others++;
		return 0;
	}
	if (!s->q->abort) {
		put_upload(s, e, ours, "");
		return 0;
	}
	r = abort_upload(s, e, err);
	if (r < 0)
		return r;
	if (ours)
		notes_remove(dir, &upload);
	put_upload(s, e, ours, " aborted");
	return 0;
}

static int sweep_bucket(struct sweep *s, struct err *err)
{
	cleanup_free struct s3_call *call = malloc(sizeof(*call));
	cleanup_free char *token = NULL;
	int r = 0;

	if (!call)
		return err_set(err, ENOMEM, "out of memory");
	do {
		s3_call_init(call, S3_LIST_MULTIPART_UPLOADS, s->bucket, NULL);
		call->prefix = *s->prefix ? s->prefix : NULL;
		call->token = token;
		r = s3_run(s->client, call);
		if (r < 0)
			return err_set(err, -r, "%s", err_text(&call->err));
		for (size_t i = 0; r == 0 && i < call->page.count; i++)
			r = sweep_one(s, &call->page.entries[i], err);
		free(token);
		token = call->page.next_token ? strdup(call->page.next_token) : NULL;
		s3_page_deinit(&call->page);
	} while (r == 0 && token);
	return r;
}

static int sweep_every_bucket(struct sweep *s, struct err *err)
{
	cleanup_free struct s3_call *call = malloc(sizeof(*call));
	int r;

	if (!call)
		return err_set(err, ENOMEM, "out of memory");
	s3_call_init(call, S3_LIST_BUCKETS, NULL, NULL);
	r = s3_run(s->client, call);
	if (r < 0)
		return err_set(err, -r, "%s", err_text(&call->err));
	for (size_t i = 0; r == 0 && i < call->page.count; i++) {
		s->bucket = call->page.entries[i].key;
		r = sweep_bucket(s, err);
	}
	s3_page_deinit(&call->page);
	return r;
}

static int sweep_mount(struct sweep *s, struct clients *clients, const struct mount_config *m, struct err *err)
{
	cleanup_free char *prefix = NULL;
	int r = clients_get(clients, s->config, m, &s->client, err);

	if (r < 0)
		return err_wrap(err, "mount '%s'", m->mount);
	if (asprintf(&prefix, "%s%s", m->prefix, *m->prefix ? "/" : "") < 0)
		return err_set(err, ENOMEM, "out of memory");
	s->prefix = prefix;
	s->bucket = m->bucket;
	return m->bucket ? sweep_bucket(s, err) : sweep_every_bucket(s, err);
}

static int sweep(struct ctl *q, const struct config *config, int64_t age_ms, struct err *err)
{
	struct sweep s = { .q = q, .config = config };
	struct clients *clients;
	struct timespec now;
	int r = clients_new(NULL, NULL, NULL, &clients) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;

	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &now);
	s.before_ns = now.tv_sec * 1000000000LL + now.tv_nsec - age_ms * 1000000;
	printf("%s", q->json ? "[" : "");
	for (size_t i = 0; r == 0 && i < config->mount_count; i++)
		if (config->mounts[i].type == MOUNT_S3)
			r = sweep_mount(&s, clients, &config->mounts[i], err);
	printf("%s", q->json ? "]\n" : "");
	clients_free(clients);
	if (r == 0 && !q->json && !q->shown)
		printf("nothing is left behind\n");
	if (r == 0 && s.others) {
		struct err note = ERR_INIT;
		(void)err_set(&note, ENOENT,
			      "%zu more uploads were begun by others, or with another cache folder: --all takes "
			      "them too",
			      s.others);
		ctl_complain(&note);
	}
	return r;
}

int ctl_sweep(struct ctl *q, struct err *err)
{
	struct config config;
	struct config_args rest;
	int age_ms, r;

	if (!option_parse_duration(q->older_than ? q->older_than : AGE_DEFAULT, &age_ms))
		return err_set(err, EINVAL, "--older-than '%s' is not %s", q->older_than,
			       option_shape(OPTION_TYPE_DURATION));
	r = config_load(&config, q->rest_count, q->rest, &rest, err);
	if (r == 0 && rest.argc)
		r = err_set(err, EINVAL, "'%s': sweep takes options alone", rest.argv[0]);
	if (r == 0)
		r = sweep(q, &config, age_ms, err);
	config_deinit(&config);
	return r;
}
