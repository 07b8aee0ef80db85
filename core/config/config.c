/*
 * Loading goes in three steps: gather what flags, environment and file say, as text with its place (struct setting, of
 * which a lower level never replaces a higher one); convert; then make the mounts. So every sentence can name the
 * option as the user wrote it, and the file is read after the flag that names it.
 */
#include "config/config.h"
#include "config/assets.h"
#include "base/log.h"
#include "base/util.h"
#include "config/mapping.h"
#include "config/memory.h"
#include "config/mount.h"
#include "config/option.h"

#include <stdio.h>
#include <string.h>

#define MOUNTS_MAX MOUNT_COUNT_MAX

/* A --mount or S3SHIM_MOUNT as it was written; borrowed from argv or the environment. */
struct mount_text {
	const char *text, *where;
	enum setting_level level;
};

struct load {
	struct config *config;
	struct setting session[OPT_MAX];
	struct mount_text mounts[MOUNTS_MAX];
	size_t mount_count;
	struct mapping file;
	bool has_file, shown; /* shown: nobody is served by it: config_load_file(), listen_path */
};

static void load_deinit(struct load *l)
{
	for (int i = 0; i < OPT_MAX; i++)
		setting_deinit(&l->session[i]);
	if (l->has_file)
		mapping_close(&l->file);
}

static int put(struct load *l, int opt, enum setting_level level, const char *text, const char *where, struct err *err)
{
	if (option_rows[opt].type == OPTION_TYPE_MOUNT) {
		if (l->mount_count == MOUNTS_MAX)
			return err_set(err, EINVAL, "%s: more than %d mounts", where, MOUNTS_MAX);
		l->mounts[l->mount_count++] = (struct mount_text){ text, where, level };
		return 0;
	}
	if (setting_put(&l->session[opt], level, text, where) < 0)
		return err_set(err, ENOMEM, "%s: out of memory", where);
	return 0;
}

static int unknown_flag(const char *word, size_t len, struct err *err)
{
	char name[64], near[64];
	const char *found;

	(void)snprintf(name, sizeof(name), "%.*s", (int)len, word);
	found = option_nearest_flag(name + strspn(name, "-"), near, sizeof(near));
	if (found)
		return err_set(err, EINVAL, "unknown option '%.*s'; did you mean '--%s'?", (int)len, word, found);
	return err_set(err, EINVAL, "unknown option '%.*s'; see --help", (int)len, word);
}

/* One flag at argv[*at], which moves to its last word. */
static int take_flag(struct load *l, int argc, char **argv, int *at, struct err *err)
{
	const char *word = argv[*at], *equals = strchr(word, '='), *value = equals ? equals + 1 : NULL;
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const char *flag_where;
	char where[64];
	int opt = -1;

	if (strcmp(word, "-h") == 0)
		opt = OPT_help;
	else if (strncmp(word, "--", 2) == 0)
		opt = option_by_flag(word + 2, len - 2);
	if (opt < 0)
		return unknown_flag(word, len, err);
	if (!value && option_is_bool(option_rows[opt].type))
		value = option_flag_alone(option_rows[opt].type);
	else if (value && option_is_bool(option_rows[opt].type) && option_rows[opt].type != OPTION_TYPE_BOOL)
		return err_set(err, EINVAL, "%.*s takes no value", (int)len, word);
	if (!value) {
		if (*at + 1 >= argc)
			return err_set(err, EINVAL, "%s needs a value: %s", word, option_rows[opt].unit);
		value = argv[++*at];
	}
	(void)snprintf(where, sizeof(where), "%.*s", (int)len, word);
	flag_where = option_rows[opt].type == OPTION_TYPE_MOUNT ? "--mount" : where;
	return put(l, opt, SETTING_FLAG, value, flag_where, err);
}

static int take_flags(struct load *l, int argc, char **argv, struct config_args *ret_rest, struct err *err)
{
	int at = 1;

	for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
		int r;
		if (strcmp(argv[at], "--") == 0) {
			at++;
			break;
		}
		r = take_flag(l, argc, argv, &at, err);
		if (r < 0)
			return r;
	}
	if (at > argc)
		at = argc;
	*ret_rest = (struct config_args){ argc - at, argv + at };
	return 0;
}

static int take_env(struct load *l, int opt, struct err *err)
{
	const char *names = option_rows[opt].env;

	while (names && *names) {
		char name[64];
		const char *value;
		size_t n = strcspn(names, " ");
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, names);
		value = getenv(name);
		if (value && *value)
			return put(l, opt, SETTING_ENV, value, opt == OPT_mounts ? "S3SHIM_MOUNT" : name, err);
		names += n;
		names += strspn(names, " ");
	}
	return 0;
}

static int take_file(struct load *l, struct err *err)
{
	int r;

	if (!l->session[OPT_config_path].text)
		return 0;
	/* One that a program found by a path of its own folder would serve programs in other ones, too. */
	if (l->config->bare_path && l->session[OPT_config_path].text[0] != '/')
		return err_set(err, EINVAL, "%s '%s': a broker that the library starts wants an absolute path",
			       l->session[OPT_config_path].where, l->session[OPT_config_path].text);
	r = mapping_open(&l->file, l->session[OPT_config_path].text, err);
	if (r < 0)
		return r;
	l->has_file = true;
	l->file.shown = l->shown;
	return mapping_settings(&l->file, l->session, l->config, err);
}

/* Settings of one group, or with OPTION_GROUP_MOUNT of every group but the mounts', into struct config. */
static int store_group(struct load *l, enum option_group group, struct err *err)
{
	for (int i = 0; i < OPT_MAX; i++) {
		int r;
		if (option_rows[i].group != group || !l->session[i].text)
			continue;
		r = option_store(i, &l->session[i], l->config, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_defaults(struct load *l, struct err *err)
{
	for (int i = 0; i < OPT_MAX; i++) {
		const struct option_row *row = &option_rows[i];
		int r = row->fallback && row->type != OPTION_TYPE_MOUNT && !l->session[i].text
			    ? put(l, i, SETTING_DEFAULT, row->fallback, row->key ? row->key : row->flag, err)
			    : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_bounds(const struct load *l, struct err *err)
{
	const struct config *c = l->config;

	if (c->part_bytes < MIB(5) || c->part_bytes > GIB(5))
		return err_set(err, EINVAL, "%s '%s' is not between 5MiB and 5GiB, which S3 asks of a part",
			       l->session[OPT_part_bytes].where, l->session[OPT_part_bytes].text);
	if (c->readahead_bytes < BLOCK_BYTES)
		return err_set(err, EINVAL, "%s '%s' is less than 64KiB, the least that is fetched",
			       l->session[OPT_readahead_bytes].where, l->session[OPT_readahead_bytes].text);
	if (c->put_max_bytes > GIB(5))
		return err_set(err, EINVAL, "%s '%s' is more than 5GiB, the most that S3 takes in one PUT",
			       l->session[OPT_put_max_bytes].where, l->session[OPT_put_max_bytes].text);
	return 0;
}

static enum setting_level unnamed_level(const struct load *l)
{
	const struct setting *bucket = &l->session[OPT_bucket], *dir = &l->session[OPT_sandbox_dir];

	return dir->level > bucket->level ? dir->level : bucket->level;
}

/* The level whose mounts count: the first that says what to mount. A --mount without WHAT says where only. */
static enum setting_level mounts_level(const struct load *l)
{
	enum setting_level level = unnamed_level(l);

	for (size_t i = 0; i < l->mount_count; i++)
		if (l->mounts[i].level > level && strchr(l->mounts[i].text, '='))
			level = l->mounts[i].level;
	return level;
}

/* The mount of --bucket and --prefix at @point. */
static int session_mount(struct load *l, const char *point, const char *where, struct err *err)
{
	__attribute__((cleanup(mount_deinit))) struct mount_config m = { .type = MOUNT_S3 };
	const struct setting *bucket = &l->session[OPT_bucket], *prefix = &l->session[OPT_prefix];
	int r;

	r = mount_point(point, where, &m.mount, err);
	if (r == 0 && !bucket->text)
		return err_set(err, EINVAL, "no bucket: give --bucket NAME, S3SHIM_BUCKET or --mount %s=s3://NAME",
			       point);
	if (r == 0)
		r = mount_bucket(bucket->text, bucket->where, err);
	if (r == 0)
		r = mount_prefix(prefix->text ? prefix->text : "", prefix->text ? prefix->where : "", &m.prefix, err);
	if (r < 0)
		return r;
	m.bucket = strdup(bucket->text);
	if (!m.bucket)
		return err_set(err, ENOMEM, "out of memory");
	r = mount_fill(&m, NULL, l->session, err);
	return r < 0 ? r : mount_add(l->config, &m, where, err);
}

/* The mount of --sandbox-dir at @point. */
static int folder_mount(struct load *l, const char *point, const char *where, struct err *err)
{
	__attribute__((cleanup(mount_deinit))) struct mount_config m = { .type = MOUNT_FILE };
	const struct setting *dir = &l->session[OPT_sandbox_dir];
	int r = mount_point(point, where, &m.mount, err);

	if (r == 0)
		r = mount_expand(dir->text, l->config->user, !l->shown || l->config->user, dir->where, &m.path, err);
	if (r == 0)
		r = mount_fill(&m, NULL, l->session, err);
	return r < 0 ? r : mount_add(l->config, &m, where, err);
}

/* What nobody named by --mount POINT=WHAT: a bucket or a folder, whichever was said closer by. */
static int unnamed_mount(struct load *l, const char *point, const char *where, struct err *err)
{
	const struct setting *bucket = &l->session[OPT_bucket], *dir = &l->session[OPT_sandbox_dir];

	if (dir->level > SETTING_NONE && dir->level == bucket->level)
		return err_set(err, EINVAL, "%s '%s' and %s '%s': which of them should be at '%s'?", dir->where,
			       dir->text, bucket->where, bucket->text, point);
	return dir->level > bucket->level ? folder_mount(l, point, where, err) : session_mount(l, point, where, err);
}

static int spec_mount(struct load *l, const struct mount_text *t, struct err *err)
{
	__attribute__((cleanup(mount_deinit))) struct mount_config m = { 0 };
	int r = mount_spec(t->text, t->where, &m, err);

	if (r == 0)
		r = mount_fill(&m, NULL, l->session, err);
	return r < 0 ? r : mount_add(l->config, &m, t->where, err);
}

/* Those of --mount POINT=WHAT at @level; *ret_bare is the one without WHAT, whatever its level. */
static int named_mounts(struct load *l, enum setting_level level, const struct mount_text **ret_bare, struct err *err)
{
	const struct mount_text *bare = NULL;

	for (size_t i = 0; i < l->mount_count; i++) {
		const struct mount_text *t = &l->mounts[i];
		if (strchr(t->text, '=')) {
			int r = t->level == level ? spec_mount(l, t, err) : 0;
			if (r < 0)
				return r;
			continue;
		}
		if (bare && bare->level == t->level)
			return err_set(err, EINVAL,
				       "%s '%s': one mount can go without '='; write --mount %s=s3://bucket/prefix",
				       t->where, t->text, t->text);
		if (!bare)
			bare = t;
	}
	*ret_bare = bare;
	return 0;
}

static bool is_mounted(const struct config *config, const char *point)
{
	for (size_t i = 0; i < config->mount_count; i++)
		if (strcmp(config->mounts[i].mount, point) == 0)
			return true;
	return false;
}

/* A bucket or folder at the file's top is everybody's, so sandboxMapping's entry for the same place comes first. */
static int file_mounts(struct load *l, const char *point, const char *where, struct err *err)
{
	bool unnamed =
	    l->session[OPT_bucket].level == SETTING_FILE || l->session[OPT_sandbox_dir].level == SETTING_FILE;
	int r;

	l->file.user = l->config->user;
	l->file.default_mount = point;
	r = mapping_mounts(&l->file, l->session, l->config, err);
	if (r == 0 && unnamed && !is_mounted(l->config, point))
		r = unnamed_mount(l, point, where, err);
	if (r == 0 && !l->config->mount_count && !l->shown && jtree_get(&l->file.j, 0, "sandboxMapping") >= 0)
		return err_set(err, EINVAL, "%s: sandboxMapping has nothing for user '%s' and nothing for \"\"",
			       l->file.j.name, l->config->user ? l->config->user : "");
	return r;
}

static bool has_assets(const struct load *l)
{
	return l->config->assets_path || (l->has_file && jtree_get(&l->file.j, 0, "assets") >= 0);
}

/* The library knows of one mount point only, where it starts the broker by itself: that of index 0. */
static int keep_one(struct load *l, const char *point, struct err *err)
{
	struct config *c = l->config;

	for (size_t i = 0; i < c->mount_count; i++) {
		struct mount_config kept = c->mounts[i];
		if (strcmp(kept.mount, point) != 0)
			continue;
		c->mounts[i] = c->mounts[0];
		c->mounts[0] = kept;
		while (c->mount_count > 1)
			mount_deinit(&c->mounts[--c->mount_count]);
		return 0;
	}
	return err_set(
	    err, EINVAL,
	    "%s has nothing at '%s', the one mount point where the library starts the broker; say another by "
	    "S3SHIM_MOUNT, or use s3run",
	    l->file.j.name, point);
}

static int make_mounts(struct load *l, struct err *err)
{
	enum setting_level level = mounts_level(l);
	const struct mount_text *bare = NULL;
	cleanup_free char *point = NULL;
	const char *where;
	int r = named_mounts(l, level, &bare, err);

	where = bare ? bare->where : "--mount";
	if (r == 0)
		r = mount_point(bare ? bare->text : MOUNT_DEFAULT, where, &point, err);
	if (r == 0 && level <= SETTING_FILE && l->has_file)
		r = file_mounts(l, point, where, err);
	if (r == 0 && level <= SETTING_FILE && l->has_file && l->config->bare_path)
		r = keep_one(l, point, err);
	if (r < 0)
		return r;
	if (level <= SETTING_FILE && is_mounted(l->config, point))
		return 0;
	if (l->shown)
		return 0;
	if ((bare && bare->level >= level) || (unnamed_level(l) == level && level > SETTING_FILE) ||
	    (!l->config->mount_count && !has_assets(l)))
		return unnamed_mount(l, point, where, err);
	return 0;
}

/* Who bounds the cache by its older name means what is in memory, too. */
static uint64_t default_memory(const struct config *config)
{
	uint64_t n = memory_default();

	return config->cloud_cache_bytes ? min_u64(n, config->cloud_cache_bytes) : n;
}

/* Everything behind flags and environment. */
static int convert(struct load *l, struct err *err)
{
	int r = take_file(l, err);

	if (r < 0 && l->session[OPT_log_path].text) /* where to say so */
		(void)option_store(OPT_log_path, &l->session[OPT_log_path], l->config, NULL);
	if (r == 0)
		r = put_defaults(l, err);
	if (r == 0)
		r = store_group(l, OPTION_GROUP_SESSION, err);
	if (r == 0)
		r = store_group(l, OPTION_GROUP_RUN, err);
	if (r == 0 && !l->session[OPT_memory_bytes].text)
		l->config->memory_bytes = default_memory(l->config);
	if (r == 0)
		r = check_bounds(l, err);
	if (r == 0)
		r = make_mounts(l, err);
	if (r == 0) {
		r = assets_load(l->config, l->has_file ? &l->file.j : NULL, l->session, err);
		l->config->assets_failed = r < 0;
	}
	return r;
}

static int load(struct load *l, int argc, char **argv, struct config_args *ret_rest, struct err *err)
{
	struct config *c = l->config;
	int r = take_flags(l, argc, argv, ret_rest, err), daemon;

	/* First of all: whoever waits at the other end of these wants to read of what follows. */
	daemon = store_group(l, OPTION_GROUP_DAEMON, r < 0 ? NULL : err);
	if (r < 0 || daemon < 0)
		return r < 0 ? r : daemon;
	l->shown = c->listen_path != NULL;
	c->help = l->session[OPT_help].text;
	c->version = l->session[OPT_version].text;
	if (c->help || c->version)
		return 0;
	for (int i = 0; i < OPT_MAX; i++) {
		r = take_env(l, i, err);
		if (r < 0)
			return r;
	}
	return convert(l, err);
}

#define CONFIG_NOTHING \
	{ \
		.log_level = LOG_INFO, .idle_ms = -1, .control_fd = -1, .ready_fd = -1 \
	}

int config_load(struct config *ret, int argc, char **argv, struct config_args *ret_rest, struct err *err)
{
	struct load l = { .config = ret };
	int r;

	*ret = (struct config)CONFIG_NOTHING;
	*ret_rest = (struct config_args){ 0 };
	r = load(&l, argc, argv, ret_rest, err);
	load_deinit(&l);
	return r;
}

int config_load_file(struct config *ret, const char *path, const char *user, struct err *err)
{
	struct load l = { .config = ret, .shown = true };
	int r;

	*ret = (struct config)CONFIG_NOTHING;
	r = put(&l, OPT_config_path, SETTING_FLAG, path, "--config", err);
	if (r == 0 && user && *user)
		r = put(&l, OPT_user, SETTING_FLAG, user, "--user", err);
	if (r == 0)
		r = convert(&l, err);
	load_deinit(&l);
	return r;
}

void config_deinit(struct config *config)
{
	char **const texts[] = {
		&config->cache_dir,   &config->cloud_cache_file, &config->log_path,     &config->config_path,
		&config->user,        &config->stats_path,       &config->library_path, &config->broker_path,
		&config->socket_path, &config->bare_path,        &config->sandbox_dir,  &config->warning,
		&config->assets_path, &config->asset_buckets,    &config->audit_path,   &config->asset_prefixes,
		&config->report_path, &config->listen_path
	};

	assets_deinit(config);
	for (size_t i = 0; i < config->mount_count; i++)
		mount_deinit(&config->mounts[i]);
	free(config->mounts);
	for (size_t i = 0; i < config->secret_env_count; i++)
		free(config->secret_env[i]);
	free(config->secret_env);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*texts[i]);
	*config = (struct config){ .control_fd = -1, .ready_fd = -1 };
}

int config_routes(const struct config *config, char *buf, size_t size)
{
	size_t n = 0;

	if (!size)
		return -ENAMETOOLONG;
	buf[0] = '\0';
	for (size_t i = 0; i < config->mount_count; i++) {
		int r = snprintf(buf + n, size - n, "%s%s", i ? ":" : "", config->mounts[i].mount);
		if (r < 0 || (size_t)r >= size - n)
			return -ENAMETOOLONG;
		n += (size_t)r;
	}
	return 0;
}
