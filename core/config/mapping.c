#include "config/mapping.h"
#include "base/util.h"
#include "config/mount.h"

#include <stdio.h>
#include <string.h>

#define PLACE_MAX 600

/* What an entry needs besides itself. */
struct context {
	const struct jtree *j;
	const char *user, *default_mount;
	const struct setting *session;
};

static void own_deinit(struct setting (*own)[OPT_MAX])
{
	for (int i = 0; i < OPT_MAX; i++)
		setting_deinit(&(*own)[i]);
}

static bool kind_fits(enum option_type type, enum jtree_kind kind)
{
	switch (type) {
	case OPTION_TYPE_BOOL:
	case OPTION_TYPE_BOOL_NO:
	case OPTION_TYPE_BOOL_NOT:
		return kind == JTREE_BOOL;
	case OPTION_TYPE_SIZE:
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_PORT:
		return kind == JTREE_NUMBER || kind == JTREE_STRING;
	case OPTION_TYPE_COUNT:
		return kind == JTREE_NUMBER;
	default:
		return kind == JTREE_STRING;
	}
}

static const char *kind_wanted(enum option_type type)
{
	if (kind_fits(type, JTREE_BOOL))
		return "true or false";
	if (type == OPTION_TYPE_COUNT)
		return "a number";
	return kind_fits(type, JTREE_NUMBER) ? "a string or a number" : "a string";
}

static int take(const struct jtree *j, int opt, const char *name, int value, struct setting *to, struct err *err)
{
	const struct option_row *row = &option_rows[opt];
	enum jtree_kind kind = jtree_kind(j, value);
	char where[PLACE_MAX], place[PLACE_MAX - 64];
	char *text;
	int r;

	if (!kind_fits(row->type, kind))
		return jtree_error(j, value, err, "'%s' must be %s, not %s", name, kind_wanted(row->type),
				   jtree_kind_name(kind));
	if (to->level == SETTING_FILE)
		return jtree_error(j, value, err, "'%s' is given twice", name);
	text = jtree_text(j, value);
	if (!text)
		return jtree_error(j, value, err, "'%s' holds a character that no text can", name);
	jtree_place(j, value, place, sizeof(place));
	(void)snprintf(where, sizeof(where), "%s: '%s'", place, name);
	r = setting_put(to, SETTING_FILE, text, where);
	option_wipe_free(text);
	return r < 0 ? err_set(err, ENOMEM, "%s: out of memory", where) : 0;
}

int mapping_settings(const struct jtree *j, struct setting *session, struct err *err)
{
	if (jtree_kind(j, 0) != JTREE_OBJECT)
		return jtree_error(j, 0, err, "the file must hold an object, { ... }, not %s",
				   jtree_kind_name(jtree_kind(j, 0)));
	for (int key = jtree_first(j, 0); key >= 0; key = jtree_next(j, key)) {
		cleanup_free char *name = jtree_text(j, key);
		const char *near;
		int opt, r;
		if (!name)
			return jtree_error(j, key, err, "not a name");
		if (strcmp(name, "sandboxMapping") == 0)
			continue;
		opt = option_by_key(name);
		if (opt < 0) {
			near = option_nearest_key(name, false);
			return jtree_error(j, key, err, "unknown key '%s'%s%s%s", name, near ? "; did you mean '" : "",
					   near ? near : "", near ? "'?" : "");
		}
		r = take(j, opt, name, jtree_value(j, key), &session[opt], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int unknown_in_s3(const struct jtree *j, int key, const char *name, struct err *err)
{
	const char *near = option_nearest_key(name, true);

	if (strcmp(name, "roleArn") == 0)
		return jtree_error(
		    j, key, err,
		    "'roleArn': this version assumes no roles; give keys of the role, or a profile that has "
		    "them");
	return jtree_error(j, key, err, "unknown key '%s' in an S3 sandbox%s%s%s", name, near ? "; did you mean '" : "",
			   near ? near : "", near ? "'?" : "");
}

static int s3_settings(const struct jtree *j, int entry, struct setting *own, struct err *err)
{
	for (int key = jtree_first(j, entry); key >= 0; key = jtree_next(j, key)) {
		cleanup_free char *name = jtree_text(j, key);
		int opt, r;
		if (!name)
			return jtree_error(j, key, err, "not a name");
		if (strcmp(name, "type") == 0)
			continue;
		opt = option_by_key(name);
		if (opt < 0 || option_rows[opt].group != OPTION_GROUP_MOUNT)
			return unknown_in_s3(j, key, name, err);
		r = take(j, opt, name, jtree_value(j, key), &own[opt], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int s3_entry(const struct context *c, int entry, struct mount_config *m, struct err *err)
{
	__attribute__((cleanup(own_deinit))) struct setting own[OPT_MAX] = { 0 };
	int r = s3_settings(c->j, entry, own, err);

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
	static const char *const known[] = { "type", "path", "readOnly", NULL };
	static const char *const windows[] = { "userName", "password", "shareName" };
	const char *near = option_nearest(name, known);

	for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
		if (strcmp(name, windows[i]) == 0)
			return jtree_error(
			    j, key, err,
			    "'%s' is for Windows shares, which this system does not have; mount the share and "
			    "give its folder as 'path'",
			    name);
	return jtree_error(j, key, err, "unknown key '%s' in a File sandbox%s%s%s", name,
			   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int file_path(const struct context *c, int node, bool chosen, struct mount_config *m, struct err *err)
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
	return chosen ? mount_expand(text, c->user, where, &m->path, err) : 0;
}

static int file_entry(const struct context *c, int entry, bool chosen, struct mount_config *m, struct err *err)
{
	__attribute__((cleanup(own_deinit))) struct setting own[OPT_MAX] = { 0 };
	int path = -1;

	m->type = MOUNT_FILE;
	for (int key = jtree_first(c->j, entry); key >= 0; key = jtree_next(c->j, key)) {
		cleanup_free char *name = jtree_text(c->j, key);
		int r = 0;
		if (!name)
			return jtree_error(c->j, key, err, "not a name");
		if (strcmp(name, "path") == 0)
			path = jtree_value(c->j, key);
		else if (strcmp(name, "readOnly") == 0)
			r = take(c->j, OPT_read_only, name, jtree_value(c->j, key), &own[OPT_read_only], err);
		else if (strcmp(name, "type") != 0)
			r = file_unknown(c->j, key, name, err);
		if (r < 0)
			return r;
	}
	if (path < 0)
		return jtree_error(c->j, entry, err, "a File sandbox needs 'path'");
	{
		int r = file_path(c, path, chosen, m, err);
		return r < 0 ? r : mount_fill(m, own, c->session, err);
	}
}

/* One virtual path of one user into @m. */
static int entry_parse(const struct context *c, int key, bool chosen, struct mount_config *m, struct err *err)
{
	cleanup_free char *point = jtree_text(c->j, key), *type = NULL;
	int entry = jtree_value(c->j, key), type_node, r;
	char where[PLACE_MAX];

	if (!point)
		return jtree_error(c->j, key, err, "not a virtual path");
	jtree_place(c->j, key, where, sizeof(where));
	r = mount_point(*point ? point : c->default_mount, where, &m->mount, err);
	if (r < 0)
		return r;
	if (jtree_kind(c->j, entry) == JTREE_STRING) {
		r = file_path(c, entry, chosen, m, err);
		return r < 0 ? r : mount_fill(m, NULL, c->session, err);
	}
	if (jtree_kind(c->j, entry) != JTREE_OBJECT)
		return jtree_error(c->j, entry, err, "a sandbox is an object, or a string with a folder, not %s",
				   jtree_kind_name(jtree_kind(c->j, entry)));
	type_node = jtree_get(c->j, entry, "type");
	if (type_node < 0)
		return jtree_error(c->j, entry, err, "a sandbox needs 'type': \"S3\" or \"File\"");
	type = jtree_kind(c->j, type_node) == JTREE_STRING ? jtree_text(c->j, type_node) : NULL;
	if (type && strcmp(type, "S3") == 0)
		return s3_entry(c, entry, m, err);
	if (type && strcmp(type, "File") == 0)
		return file_entry(c, entry, chosen, m, err);
	return jtree_error(c->j, type_node, err, "'type' must be \"S3\" or \"File\"");
}

static bool has_mount(const struct config *config, size_t first, size_t count, const char *mount)
{
	for (size_t i = first; i < count; i++)
		if (strcmp(config->mounts[i].mount, mount) == 0)
			return true;
	return false;
}

/* All virtual paths of one user; those that @config got before (from a closer user) win. */
static int user_entries(const struct context *c, int paths, bool chosen, struct config *config, struct err *err)
{
	size_t before = config->mount_count;

	if (jtree_kind(c->j, paths) != JTREE_OBJECT)
		return jtree_error(c->j, paths, err,
				   "a user's entry maps virtual paths to sandboxes: an object, not %s",
				   jtree_kind_name(jtree_kind(c->j, paths)));
	for (int key = jtree_first(c->j, paths); key >= 0; key = jtree_next(c->j, key)) {
		__attribute__((cleanup(mount_deinit))) struct mount_config m = { 0 };
		char where[PLACE_MAX];
		int r = entry_parse(c, key, chosen, &m, err);
		if (r < 0)
			return r;
		if (!chosen || has_mount(config, 0, before, m.mount))
			continue;
		jtree_place(c->j, key, where, sizeof(where));
		r = mount_add(config, &m, where, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int mapping_mounts(const struct jtree *j, const char *user, const char *default_mount, const struct setting *session,
		   struct config *config, struct err *err)
{
	const struct context c = { j, user, default_mount, session };
	int mapping = jtree_get(j, 0, "sandboxMapping");

	if (mapping < 0)
		return 0;
	if (jtree_kind(j, mapping) != JTREE_OBJECT)
		return jtree_error(j, mapping, err, "'sandboxMapping' maps users to virtual paths: an object, not %s",
				   jtree_kind_name(jtree_kind(j, mapping)));
	/* The user's own first, then everybody's; the others are only checked. */
	for (int pass = 0; pass < 3; pass++)
		for (int key = jtree_first(j, mapping); key >= 0; key = jtree_next(j, key)) {
			cleanup_free char *name = jtree_text(j, key);
			bool own = name && user && *user && strcmp(name, user) == 0, all = name && !*name;
			int r;
			if (pass != (own ? 0 : all ? 1 : 2))
				continue;
			r = user_entries(&c, jtree_value(j, key), pass < 2, config, err);
			if (r < 0)
				return r;
		}
	return 0;
}
