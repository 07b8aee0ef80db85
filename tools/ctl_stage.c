/*
 * s3ctl stage: assets as files below a root, for programs that cannot be preloaded. All are checked, then all are
 * fetched beside their names, and only when every one is there do they get them: a failure leaves nothing behind but
 * folders. Each name changes in one step (rename(2)).
 */
#include "asset_report.h"
#include "assets/fetch.h"
#include "assets/place.h"
#include "assets/report.h"
#include "base/err.h"
#include "base/util.h"
#include "broker/assets.h"
#include "broker/clients.h"
#include "broker/shared.h"
#include "broker/staging.h"
#include "cache/cache.h"
#include "config/assets.h"
#include "ctl.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define USAGE "usage: s3ctl stage FILE --root FOLDER [--report FILE] [OPTIONS OF s3run]\n"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct stage {
	struct config config;
	struct asset_check *checks;
	struct place *places;
	struct cache *cache; /* NULL: none */
	size_t count;
	int root;
};

static void not_placed(struct asset_check *check, const struct err *err)
{
	check->class = ASSET_configuration;
	snprintf(check->sentence, sizeof(check->sentence), "%s", err_text(err));
}

static bool place_all(struct stage *s)
{
	bool ok = true;

	for (size_t i = 0; i < s->count; i++) {
		struct err err = ERR_INIT;
		if (place_begin(&s->places[i], s->root, s->checks[i].asset->target, &err) < 0) {
			not_placed(&s->checks[i], &err);
			ok = false;
		} else {
			ok &= asset_fetch(&s->checks[i], s->cache, s->places[i].fd) == 0;
		}
	}
	for (size_t i = 0; ok && i < s->count; i++) {
		struct err err = ERR_INIT;
		if (place_commit(&s->places[i], s->checks[i].asset->read_only ? 0444 : 0644, &err) < 0) {
			not_placed(&s->checks[i], &err);
			ok = false;
		}
	}
	return ok;
}

/* Return: the status to exit with. */
static int tell(const struct stage *s)
{
	cleanup_buf struct buf text = BUF_INIT;
	int status = report_status(s->checks, s->count);

	if (s->config.report_path) {
		report_json(s->checks, s->count, 0, "", &text);
		return asset_report_write(&s->config, buf_str(&text), text.len) ? status : EXIT_FAILED;
	}
	for (size_t i = 0; i < s->count; i++) {
		buf_clear(&text);
		report_line(&s->checks[i], i, &text);
		if (s->checks[i].class != ASSET_OK)
			fprintf(stderr, "s3ctl: %s\n", buf_str(&text));
	}
	return status;
}

/* That of s3run with the same options. */
static int open_cache(struct stage *s, struct err *err)
{
	struct staging staging = STAGING_INIT;
	int r = 0;

	if (s->config.cloud_cache_bytes && !s->config.cloud_cache_file)
		r = staging_open(&staging, s->config.cache_dir, NULL, err);
	if (r == 0)
		r = shared_open(&s->config, &staging, &s->cache, err);
	staging_close(&staging);
	return r;
}

static int stage_all(struct stage *s, struct err *err)
{
	struct clients *clients = NULL;
	int r;

	s->count = s->config.asset_count;
	s->checks = calloc(s->count + 1, sizeof(*s->checks));
	s->places = calloc(s->count + 1, sizeof(*s->places));
	if (!s->checks || !s->places || clients_new(NULL, NULL, NULL, &clients) < 0)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < s->count; i++) {
		s->places[i] = (struct place)PLACE_INIT;
		preflight_init(&s->checks[i], &s->config.assets[i]);
	}
	assets_find_clients(clients, &s->config, s->checks, s->count);
	r = preflight(s->checks, s->count, &s->config);
	if (r == 0)
		(void)place_all(s);
	for (size_t i = 0; i < s->count; i++)
		place_deinit(&s->places[i]);
	clients_free(clients);
	return r < 0 ? err_set(err, -r, "out of memory") : tell(s);
}

/* FILE is the first word or the last; --root is ours, all else s3run's. Return: how many there are, 0: that is no use. */
static int take_words(int argc, char **argv, char **args, const char **ret_root)
{
	int file = argc > 2 && argv[2][0] != '-' ? 2 : argc - 1, n = 0;

	*ret_root = NULL;
	if (argc < 4 || argv[file][0] == '-')
		return 0;
	args[n++] = argv[0];
	args[n++] = (char *)"--assets";
	args[n++] = argv[file];
	for (int i = 2; i < argc; i++) {
		if (i == file)
			continue;
		if (strncmp(argv[i], "--root=", 7) == 0)
			*ret_root = argv[i] + 7;
		else if (strcmp(argv[i], "--root") == 0 && i + 1 < argc && i + 1 != file)
			*ret_root = argv[++i];
		else
			args[n++] = argv[i];
	}
	args[n] = NULL;
	return *ret_root ? n : 0;
}

int ctl_stage(int argc, char **argv)
{
	cleanup_free char **args = calloc((size_t)argc + 2, sizeof(*args));
	struct stage s = { .root = -1 };
	struct config_args rest;
	struct err err = ERR_INIT;
	const char *root;
	int count = args ? take_words(argc, argv, args, &root) : 0, r;

	if (!count) {
		fprintf(stderr, USAGE);
		return EXIT_USAGE;
	}
	r = config_load(&s.config, count, args, &rest, &err);
	if (r == 0 && rest.argc)
		r = err_set(&err, EINVAL, "'%s': stage takes one file", rest.argv[0]);
	if (r == 0) {
		s.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (s.root < 0)
			r = err_set(&err, errno, "root '%s': %s", root, strerror(errno));
	}
	if (r == 0)
		r = open_cache(&s, &err);
	if (r < 0)
		r = asset_report_fail(&s.config, &err);
	else if ((r = stage_all(&s, &err)) < 0)
		r = EXIT_FAILED;
	if (err.errnum)
		ctl_complain(&err);
	if (s.root >= 0)
		close(s.root);
	free(s.checks);
	free(s.places);
	cache_close(s.cache);
	config_deinit(&s.config);
	return r;
}
