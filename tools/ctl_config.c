/* What a configuration file gives each of its users; secrets are never shown. */
#include "base/util.h"
#include "config/config.h"
#include "config/mapping.h"
#include "config/option.h"
#include "ctl.h"

#include <stdio.h>
#include <string.h>

struct check {
	struct ctl *q;
	const char *path;
	bool top; /* the file mounts something for everybody, mapping or not */
	int failed;
};

static void put_name(const struct check *k, int indent, const char *name)
{
	if (k->q->json) {
		printf("%s", k->q->shown++ ? ", " : "");
		ctl_put_string(name);
		printf(": ");
		return;
	}
	printf("%*s", indent, "");
	ctl_put_plain(name);
	printf(": ");
}

static void put_text(const struct check *k, const char *name, const char *text)
{
	put_name(k, 4, name);
	if (k->q->json)
		ctl_put_string(text);
	else
		ctl_put_plain(text);
	if (!k->q->json)
		printf("\n");
}

static void put_option(const struct check *k, int opt, const struct mount_config *m)
{
	const struct option_row *row = &option_rows[opt];
	cleanup_free char *name = strndup(row->key, strcspn(row->key, " "));
	const void *field = (const char *)m + row->offset;
	char text[1024];

	if (!name || !option_show(opt, field, text, sizeof(text)))
		return;
	if (!option_is_bool(row->type)) {
		put_text(k, name, text[0] ? text : *(char *const *)field);
		return;
	}
	put_name(k, 4, name);
	printf("%s%s", text, k->q->json ? "" : "\n");
}

static void put_mount(struct check *k, const struct mount_config *m)
{
	if (k->q->json) {
		put_name(k, 2, m->mount);
		printf("{");
	} else {
		printf("  %s:\n", m->mount);
	}
	k->q->shown = 0;
	put_text(k, "type", m->type == MOUNT_FILE ? "File" : "S3");
	if (m->type == MOUNT_FILE)
		put_text(k, "path", m->path);
	for (int i = 0; i < OPT_MAX; i++)
		if (option_rows[i].group == OPTION_GROUP_MOUNT &&
		    (m->type == MOUNT_S3 || i == OPT_read_only || i == OPT_verbs))
			put_option(k, i, m);
	if (k->q->json)
		printf("}");
	k->q->shown = 1;
}

static int show_user(void *arg, const char *user)
{
	struct check *k = arg;
	struct config config;
	struct err err = ERR_INIT;
	int r = config_load_file(&config, k->path, user, &err);

	if (r < 0) {
		err_wrap(&err, "user '%s'", user);
		ctl_complain(&err);
		k->failed++;
	} else {
		if (k->q->json)
			put_name(k, 0, user);
		else
			printf("%s%s%s%s:\n", k->q->shown++ ? "\n" : "", *user ? "user '" : "everybody", user,
			       *user ? "'" : "");
		printf("%s", k->q->json ? "{" : "");
		k->q->shown = 0;
		for (size_t i = 0; i < config.mount_count; i++)
			put_mount(k, &config.mounts[i]);
		printf("%s", k->q->json ? "}" : "");
		k->q->shown = 1;
	}
	config_deinit(&config);
	return 0;
}

static int has_everybody(void *arg, const char *user)
{
	return *user ? 0 : ((void)arg, 1);
}

/* What holds for all is looked at once, so that its errors are said once. */
static int check_file(struct check *k, struct err *err)
{
	struct config config;
	int r = config_load_file(&config, k->path, NULL, err);

	if (r == 0 && config.warning) {
		struct err warning = ERR_INIT;
		(void)err_set(&warning, EPERM, "warning: %s", config.warning);
		ctl_complain(&warning);
	}
	k->top = r == 0 && config.mount_count;
	config_deinit(&config);
	return r;
}

int ctl_config(struct ctl *q, struct err *err)
{
	struct check k = { .q = q, .path = q->words[1] };
	struct mapping m;
	int r;

	if (strcmp(q->words[0], "check") != 0)
		return err_set(err, EINVAL, "config '%s': only 'config check FILE' is known", q->words[0]);
	r = check_file(&k, err);
	if (r == 0)
		r = mapping_open(&m, k.path, err);
	if (r < 0)
		return r;
	printf("%s", q->json ? "{" : "");
	r = mapping_users(&m, has_everybody, NULL) || !k.top ? 0 : show_user(&k, "");
	if (r == 0)
		r = mapping_users(&m, show_user, &k);
	printf("%s", q->json ? "}\n" : "");
	mapping_close(&m);
	if (r == 0 && k.failed)
		return err_set(err, EINVAL, "%d of the users could begin no session", k.failed);
	return r < 0 ? err_set(err, -r, "%s", strerror(-r)) : 0;
}
