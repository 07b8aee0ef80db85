#include "config/mapping.h"
#include "base/util.h"
#include "config/mount.h"
#include "config/secret.h"

#include <stdio.h>
#include <string.h>

#define PLACE_MAX 600

/* Of which entry, for whom. */
struct context {
	const struct mapping *m;
	const struct jtree *j; /* m's */
	const struct setting *session;
	struct config *config;
	bool chosen; /* of the session's user: becomes mounts. Others are only looked at */
};

static void own_deinit(struct setting (*own)[OPT_MAX])
{
	for (int i = 0; i < OPT_MAX; i++)
		setting_deinit(&(*own)[i]);
}

static bool kind_fits(enum option_type type, enum jtree_kind kind)
{
	switch (type) {
	case OPTION_TYPE_SECRET:
		return kind == JTREE_STRING || kind == JTREE_OBJECT;
	case OPTION_TYPE_BOOL:
	case OPTION_TYPE_BOOL_NO:
	case OPTION_TYPE_BOOL_NOT:
		return kind == JTREE_BOOL;
	case OPTION_TYPE_SIZE:
	case OPTION_TYPE_QUOTA:
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_PORT:
		return kind == JTREE_NUMBER || kind == JTREE_STRING;
	case OPTION_TYPE_COUNT:
	case OPTION_TYPE_QUOTA_COUNT:
		return kind == JTREE_NUMBER;
	case OPTION_TYPE_VERBS:
	case OPTION_TYPE_LIST:
		return kind == JTREE_STRING || kind == JTREE_ARRAY;
	default:
		return kind == JTREE_STRING;
	}
}

static const char *kind_wanted(enum option_type type)
{
	if (type == OPTION_TYPE_SECRET)
		return "a string, {\"file\": \"path\"} or {\"env\": \"NAME\"}";
	if (kind_fits(type, JTREE_BOOL))
		return "true or false";
	if (type == OPTION_TYPE_COUNT || type == OPTION_TYPE_QUOTA_COUNT)
		return "a number";
	if (kind_fits(type, JTREE_ARRAY))
		return "a string or an array of strings";
	return kind_fits(type, JTREE_NUMBER) ? "a string or a number" : "a string";
}

static int warn_loose(struct config *config, const char *file, struct err *err)
{
	char *text = NULL;

	if (config->warning)
		return 0;
	if (asprintf(&text, "'%s' holds a secret and can be read by everybody; chmod 600 it", file) < 0)
		return err_set(err, ENOMEM, "out of memory");
	config->warning = text;
	return 0;
}

static int remember_env(struct config *config, const char *name, struct err *err)
{
	char **grown = reallocarray(config->secret_env, config->secret_env_count + 1, sizeof(*grown));
	char *copy = strdup(name);

	if (grown)
		config->secret_env = grown;
	if (!grown || !copy) {
		free(copy);
		return err_set(err, ENOMEM, "out of memory");
	}
	config->secret_env[config->secret_env_count++] = copy;
	return 0;
}

static int take_secret(const struct context *c, const char *name, int value, char **ret, struct err *err)
{
	__attribute__((cleanup(secret_deinit))) struct secret secret = { 0 };
	enum secret_fetch fetch = !c->chosen ? SECRET_SHAPE : c->m->shown ? SECRET_FILES : SECRET_ALL;
	int r = secret_read(c->j, value, name, c->m->folder, fetch, &secret, err);

	if (r == 0 && secret.loose)
		r = warn_loose(c->config, secret.loose, err);
	if (r == 0 && secret.env)
		r = remember_env(c->config, secret.env, err);
	if (r == 0)
		*ret = steal_ptr(&secret.text);
	return r;
}

/* An array as the list that it stands for: commas within a name are escaped. */
static int take_array(const struct context *c, const char *name, int array, char **ret, struct err *err)
{
	size_t room = 1, len = 0;
	char *list = calloc(1, 5);

	for (int node = jtree_first(c->j, array); list && node >= 0; node = jtree_next(c->j, node)) {
		cleanup_free char *text = jtree_kind(c->j, node) == JTREE_STRING ? jtree_text(c->j, node) : NULL;
		char *grown;

		if (!text || !*text || strchr(text, '\n')) {
			free(list);
			return jtree_error(c->j, node, err, "'%s' is an array of strings that are not empty", name);
		}
		room += 2 * strlen(text) + 1;
		grown = realloc(list, room);
		if (!grown)
			free(list);
		list = grown;
		if (list && len)
			list[len++] = ',';
		for (const char *p = text; list && *p; p++) {
			if (strchr(",\\ \t", *p))
				list[len++] = '\\';
			list[len++] = *p;
		}
		if (list)
			list[len] = '\0';
	}
	if (!list)
		return err_set(err, ENOMEM, "out of memory");
	if (!len)
		strcpy(list, "none");
	*ret = list;
	return 0;
}

/* The text of @value; relative paths are of the file's folder, so that it means the same wherever a session begins. */
static int take_text(const struct context *c, enum option_type type, const char *name, int value, char **ret,
		     struct err *err)
{
	bool path = type == OPTION_TYPE_PATH || type == OPTION_TYPE_LOG_PATH;
	cleanup_free char *text = NULL;
	char *joined;

	if (type == OPTION_TYPE_SECRET)
		return take_secret(c, name, value, ret, err);
	if (jtree_kind(c->j, value) == JTREE_ARRAY)
		return take_array(c, name, value, ret, err);
	text = jtree_text(c->j, value);
	if (!text)
		return jtree_error(c->j, value, err, "'%s' holds a character that no text can", name);
	if (!path || !*text || *text == '/' || (type == OPTION_TYPE_LOG_PATH && strcmp(text, "-") == 0)) {
		*ret = steal_ptr(&text);
		return 0;
	}
	if (asprintf(&joined, "%s/%s", c->m->folder, text) < 0)
		return err_set(err, ENOMEM, "out of memory");
	*ret = joined;
	return 0;
}

static int take(const struct context *c, int opt, const char *name, int value, struct setting *to, struct err *err)
{
	const struct option_row *row = &option_rows[opt];
	enum jtree_kind kind = jtree_kind(c->j, value);
	char where[PLACE_MAX], place[PLACE_MAX - 64];
	struct setting s = { SETTING_FILE, NULL, where };
	int r;

	if (!kind_fits(row->type, kind))
		return jtree_error(c->j, value, err, "'%s' must be %s, not %s", name, kind_wanted(row->type),
				   jtree_kind_name(kind));
	if (to->level == SETTING_FILE)
		return jtree_error(c->j, value, err, "'%s' is given twice, by another name of it", name);
	r = take_text(c, row->type, name, value, &s.text, err);
	if (r < 0)
		return r;
	jtree_place(c->j, value, place, sizeof(place));
	(void)snprintf(where, sizeof(where), "%s: '%s'", place, name);
	r = option_check(opt, &s, err);
	if (r == 0 && setting_put(to, SETTING_FILE, s.text, where) < 0)
		r = err_set(err, ENOMEM, "%s: out of memory", where);
	option_wipe_free(s.text);
	return r;
}

static int unknown_key(const struct jtree *j, int key, const char *name, const char *in, const char *near,
		       struct err *err)
{
	return jtree_error(j, key, err, "unknown key '%s'%s%s%s%s", name, in, near ? "; did you mean '" : "",
			   near ? near : "", near ? "'?" : "");
}

int mapping_open(struct mapping *ret, const char *path, struct err *err)
{
	struct mapping m = { 0 };
	char *slash;
	int r;

	m.folder = option_path_absolute(path);
	if (!m.folder)
		return err_set(err, errno, "configuration file '%s': %s", path, strerror(errno));
	slash = strrchr(m.folder, '/');
	*slash = '\0'; /* "" is the root: a name below it begins with the '/' that is put between */
	r = jtree_load(&m.j, path, err);
	if (r < 0)
		free(m.folder);
	else
		*ret = m;
	return r;
}

void mapping_close(struct mapping *m)
{
	jtree_deinit(&m->j);
	free(m->folder);
	*m = (struct mapping){ 0 };
}

int mapping_settings(const struct mapping *m, struct setting *session, struct config *config, struct err *err)
{
	const struct context c = { m, &m->j, session, config, true };
	const struct jtree *j = &m->j;

	if (jtree_kind(j, 0) != JTREE_OBJECT)
		return jtree_error(j, 0, err, "the file must hold an object, { ... }, not %s",
				   jtree_kind_name(jtree_kind(j, 0)));
	for (int key = jtree_first(j, 0); key >= 0; key = jtree_next(j, key)) {
		cleanup_free char *name = jtree_text(j, key);
		char near[64];
		int opt, r;
		if (!name)
			return err_set(err, ENOMEM, "out of memory");
		if (strcmp(name, "sandboxMapping") == 0 || strcmp(name, "assets") == 0)
			continue;
		opt = option_by_key(name);
		if (opt < 0)
			return unknown_key(j, key, name, "", option_nearest_key(name, false, near, sizeof(near)), err);
		r = take(&c, opt, name, jtree_value(j, key), &session[opt], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int unknown_in_s3(const struct jtree *j, int key, const char *name, struct err *err)
{
	char near[64];

	return unknown_key(j, key, name, " in an S3 sandbox", option_nearest_key(name, true, near, sizeof(near)), err);
}

static int s3_settings(const struct context *c, int entry, struct setting *own, struct err *err)
{
	const struct jtree *j = c->j;

	for (int key = jtree_first(j, entry); key >= 0; key = jtree_next(j, key)) {
		cleanup_free char *name = jtree_text(j, key);
		int opt, r;
		if (!name)
			return err_set(err, ENOMEM, "out of memory");
		if (strcmp(name, "type") == 0)
			continue;
		opt = option_by_key(name);
		if (opt < 0 || option_rows[opt].group != OPTION_GROUP_MOUNT)
			return unknown_in_s3(j, key, name, err);
		r = take(c, opt, name, jtree_value(j, key), &own[opt], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int s3_entry(const struct context *c, int entry, struct mount_config *m, struct err *err)
{
	__attribute__((cleanup(own_deinit))) struct setting own[OPT_MAX] = { 0 };
	int r = s3_settings(c, entry, own, err);

	if (r < 0)
		return r;
	if (!own[OPT_bucket].text)
		return jtree_error(c->j, entry, err, "an S3 sandbox needs 'bucketName'");
	r = mount_bucket(own[OPT_bucket].text, own[OPT_bucket].where, err);
	if (r < 0)
		return r;
	m->type = MOUNT_S3;
	m->bucket = strdup(own[OPT_bucket].text);
	if (!m->bucket)
		return err_set(err, ENOMEM, "out of memory");
	r = own[OPT_prefix].text ? mount_prefix(own[OPT_prefix].text, own[OPT_prefix].where, &m->prefix, err)
				 : mount_prefix("", "", &m->prefix, err);
	return r < 0 ? r : mount_fill(m, own, c->session, err);
}

static int file_unknown(const struct jtree *j, int key, const char *name, struct err *err)
{
	static const char *const known[] = { "type", "path", "readOnly", "verbs", NULL };
	static const char *const windows[] = { "userName", "password", "shareName" };
	const char *near = option_nearest(name, known);

	for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
		if (strcmp(name, windows[i]) == 0)
			return jtree_error(
			    j, key, err,
			    "'%s' is for Windows shares, which this system does not have; mount the share and "
			    "give its folder as 'path'",
			    name);
	return unknown_key(j, key, name, " in a File sandbox", near, err);
}

static int file_path(const struct context *c, int node, struct mount_config *m, struct err *err)
{
	cleanup_free char *text = NULL;
	char where[PLACE_MAX];

	if (jtree_kind(c->j, node) != JTREE_STRING)
		return jtree_error(c->j, node, err, "'path' must be a string, not %s",
				   jtree_kind_name(jtree_kind(c->j, node)));
	text = jtree_text(c->j, node);
	if (!text)
		return jtree_error(c->j, node, err, "'path' holds a character that no path can");
	jtree_place(c->j, node, where, sizeof(where));
	m->type = MOUNT_FILE;
	/* What a placeholder stands for is known for the session's own user only. */
	return mount_expand(text, c->chosen ? c->m->user : NULL, c->chosen && (!c->m->shown || c->m->user), where,
			    &m->path, err);
}

static int file_entry(const struct context *c, int entry, struct mount_config *m, struct err *err)
{
	__attribute__((cleanup(own_deinit))) struct setting own[OPT_MAX] = { 0 };
	int path = -1, r = 0;

	m->type = MOUNT_FILE;
	for (int key = jtree_first(c->j, entry); key >= 0; key = jtree_next(c->j, key)) {
		cleanup_free char *name = jtree_text(c->j, key);
		if (!name)
			return err_set(err, ENOMEM, "out of memory");
		if (strcmp(name, "path") == 0)
			path = jtree_value(c->j, key);
		else if (strcmp(name, "readOnly") == 0)
			r = take(c, OPT_read_only, name, jtree_value(c->j, key), &own[OPT_read_only], err);
		else if (strcmp(name, "verbs") == 0)
			r = take(c, OPT_verbs, name, jtree_value(c->j, key), &own[OPT_verbs], err);
		else if (strcmp(name, "type") != 0)
			r = file_unknown(c->j, key, name, err);
		if (r < 0)
			return r;
	}
	if (path < 0)
		return jtree_error(c->j, entry, err, "a File sandbox needs 'path'");
	r = file_path(c, path, m, err);
	return r < 0 ? r : mount_fill(m, own, c->session, err);
}

static int sandbox(const struct context *c, int entry, struct mount_config *m, struct err *err)
{
	cleanup_free char *type = NULL;
	int node, r;

	if (jtree_kind(c->j, entry) == JTREE_STRING) {
		r = file_path(c, entry, m, err);
		return r < 0 ? r : mount_fill(m, NULL, c->session, err);
	}
	if (jtree_kind(c->j, entry) != JTREE_OBJECT)
		return jtree_error(c->j, entry, err, "a sandbox is an object, or a string with a folder, not %s",
				   jtree_kind_name(jtree_kind(c->j, entry)));
	node = jtree_get(c->j, entry, "type");
	if (node < 0)
		return jtree_error(c->j, entry, err, "a sandbox needs 'type': \"S3\" or \"File\"");
	type = jtree_kind(c->j, node) == JTREE_STRING ? jtree_text(c->j, node) : NULL;
	if (type && strcmp(type, "S3") == 0)
		return s3_entry(c, entry, m, err);
	if (type && strcmp(type, "File") == 0)
		return file_entry(c, entry, m, err);
	return jtree_error(c->j, node, err, "'type' must be \"S3\" or \"File\"");
}

/* One virtual path of one user into @m. */
static int entry_parse(const struct context *c, int key, struct mount_config *m, struct err *err)
{
	cleanup_free char *point = jtree_text(c->j, key);
	char where[PLACE_MAX];
	int r;

	if (!point)
		return err_set(err, ENOMEM, "out of memory");
	jtree_place(c->j, key, where, sizeof(where));
	r = mount_point(*point ? point : c->m->default_mount, where, &m->mount, err);
	return r < 0 ? r : sandbox(c, jtree_value(c->j, key), m, err);
}

static bool has_mount(const struct config *config, size_t first, size_t count, const char *mount)
{
	for (size_t i = first; i < count; i++)
		if (strcmp(config->mounts[i].mount, mount) == 0)
			return true;
	return false;
}

/* All virtual paths of one user; those that the config got before (from a closer user) win. */
static int user_entries(const struct context *c, int paths, struct err *err)
{
	size_t before = c->config->mount_count;

	if (jtree_kind(c->j, paths) != JTREE_OBJECT)
		return jtree_error(c->j, paths, err,
				   "a user's entry maps virtual paths to sandboxes: an object, not %s",
				   jtree_kind_name(jtree_kind(c->j, paths)));
	for (int key = jtree_first(c->j, paths); key >= 0; key = jtree_next(c->j, key)) {
		__attribute__((cleanup(mount_deinit))) struct mount_config m = { 0 };
		char where[PLACE_MAX];
		int r = entry_parse(c, key, &m, err);
		if (r < 0)
			return r;
		if (!c->chosen || has_mount(c->config, 0, before, m.mount))
			continue;
		jtree_place(c->j, key, where, sizeof(where));
		r = mount_add(c->config, &m, where, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Which of the three passes an entry of @name belongs to: the user's own, everybody's, others'. */
static int pass_of(const struct mapping *m, const char *name)
{
	if (!*name)
		return 1;
	return m->user && strcmp(name, m->user) == 0 ? 0 : 2;
}

int mapping_mounts(const struct mapping *m, const struct setting *session, struct config *config, struct err *err)
{
	const struct jtree *j = &m->j;
	int mapping = jtree_get(j, 0, "sandboxMapping");

	if (mapping < 0)
		return 0;
	if (jtree_kind(j, mapping) != JTREE_OBJECT)
		return jtree_error(j, mapping, err, "'sandboxMapping' maps users to virtual paths: an object, not %s",
				   jtree_kind_name(jtree_kind(j, mapping)));
	for (int pass = 0; pass < 3; pass++)
		for (int key = jtree_first(j, mapping); key >= 0; key = jtree_next(j, key)) {
			const struct context c = { m, j, session, config, pass < 2 };
			cleanup_free char *name = jtree_text(j, key);
			int r;
			if (!name)
				return err_set(err, ENOMEM, "out of memory");
			if (pass != pass_of(m, name))
				continue;
			r = user_entries(&c, jtree_value(j, key), err);
			if (r < 0)
				return r;
		}
	return 0;
}

int mapping_users(const struct mapping *m, int (*each)(void *arg, const char *user), void *arg)
{
	int mapping = jtree_get(&m->j, 0, "sandboxMapping"), r = 0;

	if (mapping < 0 || jtree_kind(&m->j, mapping) != JTREE_OBJECT)
		return 0;
	for (int key = jtree_first(&m->j, mapping); r == 0 && key >= 0; key = jtree_next(&m->j, key)) {
		cleanup_free char *name = jtree_text(&m->j, key);
		r = name ? each(arg, name) : -ENOMEM;
	}
	return r;
}
