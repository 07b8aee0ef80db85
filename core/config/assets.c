#include "config/assets.h"
#include "config/mount.h"
#include "config/policy.h"

#include "base/util.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SCHEME "s3://"

static const struct {
	const char *name, *words;
	int status;
} classes[ASSET_CLASSES] = {
	[ASSET_OK] = { "ok", "ok", 0 },
#define A(class, status, words) [ASSET_##class] = { #class, words, status },
#include "config/asset_classes.def"
#undef A
};

const char *asset_class_name(enum asset_class class)
{
	return classes[class].name;
}

const char *asset_class_words(enum asset_class class)
{
	return classes[class].words;
}

int asset_class_status(enum asset_class class)
{
	return classes[class].status;
}

/* URIs */

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

static int decode(char *text, struct err *err)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		int high = hex(p[1]), low = high < 0 ? -1 : hex(p[2]);
		if (low < 0)
			return err_set(err, EINVAL, "after '%%' two hex digits are wanted");
		*to++ = (char)(16 * high + low);
		if (!to[-1])
			return err_set(err, EINVAL, "%%00 is in no key");
		p += 2;
	}
	*to = '\0';
	return 0;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 32 || *text == 127)
			return true;
	return false;
}

static int check_key(const char *key, struct err *err)
{
	if (!*key)
		return err_set(err, EINVAL, "it names no key");
	if (has_control(key))
		return err_set(err, EINVAL, "the key has a control character");
	if (strlen(key) > 1024)
		return err_set(err, EINVAL, "the key is longer than 1024 bytes");
	for (const char *p = key;; p++) {
		size_t len = strcspn(p, "/");
		if (!len || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return err_set(err, EINVAL, "the key has a part that is empty, '.' or '..'");
		p += len;
		if (!*p)
			return 0;
	}
}

static int check_bucket(const char *bucket, struct err *err)
{
	size_t len = strlen(bucket);

	if (!len)
		return err_set(err, EINVAL, "it names no bucket");
	if (strchr(bucket, '@') || strchr(bucket, ':'))
		return err_set(err, EINVAL, "user info and ports do not belong there");
	if (len < 3 || len > 63 || strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != len ||
	    !isalnum((unsigned char)bucket[0]))
		return err_set(err, EINVAL, "its bucket is no bucket's name");
	return 0;
}

int assets_parse_uri(const char *uri, char **ret_bucket, char **ret_key, struct err *err)
{
	cleanup_free char *bucket = NULL, *key = NULL;
	size_t len;
	int r;

	if (strncmp(uri, SCHEME, strlen(SCHEME)) != 0)
		return err_set(err, EINVAL, "only s3://bucket/key and local paths are known");
	uri += strlen(SCHEME);
	if (strpbrk(uri, "?#"))
		return err_set(err, EINVAL, "a query or fragment does not belong there; in a key write %%3F and %%23");
	len = strcspn(uri, "/");
	bucket = strndup(uri, len);
	key = strdup(uri[len] ? uri + len + 1 : "");
	if (!bucket || !key)
		return err_set(err, ENOMEM, "out of memory");
	r = check_bucket(bucket, err);
	if (r == 0)
		r = decode(key, err);
	if (r == 0)
		r = check_key(key, err);
	if (r < 0)
		return r;
	*ret_bucket = steal_ptr(&bucket);
	*ret_key = steal_ptr(&key);
	return 0;
}

/* allow-lists */

/* Is @entry, of @len bytes, all of the first components of @text? */
static bool begins_with(const char *text, const char *entry, size_t len)
{
	while (len && entry[len - 1] == '/')
		len--;
	return strncmp(text, entry, len) == 0 && (text[len] == '/' || !text[len]);
}

static bool in_list(const char *list, bool (*fits)(const char *entry, size_t len, const char *bucket, const char *key),
		    const char *bucket, const char *key)
{
	while (*list) {
		list += strspn(list, ", \t");
		size_t len = strcspn(list, ",");
		size_t trimmed = len;
		while (trimmed && isspace((unsigned char)list[trimmed - 1]))
			trimmed--;
		if (trimmed && fits(list, trimmed, bucket, key))
			return true;
		list += len;
	}
	return false;
}

static bool fits_bucket(const char *entry, size_t len, const char *bucket, const char *key)
{
	(void)key;
	return strlen(bucket) == len && strncmp(entry, bucket, len) == 0;
}

static bool fits_prefix(const char *entry, size_t len, const char *bucket, const char *key)
{
	size_t n = strlen(bucket);

	if (begins_with(key, entry, len))
		return true;
	return len > n && strncmp(entry, bucket, n) == 0 && entry[n] == '/' &&
	       begins_with(key, entry + n + 1, len - n - 1);
}

bool assets_allowed(const char *bucket, const char *key, const char *buckets, const char *prefixes)
{
	return (!buckets || in_list(buckets, fits_bucket, bucket, key)) &&
	       (!prefixes || in_list(prefixes, fits_prefix, bucket, key));
}

/* one asset */

static int problem(struct asset_config *a, enum asset_class class, const char *sentence)
{
	if (a->class == ASSET_OK) {
		a->class = class;
		snprintf(a->problem, sizeof(a->problem), "%s", sentence);
	}
	return 0;
}

static int take_source(const struct config *config, struct asset_config *a)
{
	struct err why = ERR_INIT;

	if (!a->source || !*a->source)
		return problem(a, ASSET_malformed, "it has no source");
	if (!strstr(a->source, "://")) {
		if (has_control(a->source))
			return problem(a, ASSET_malformed, "the path has a control character");
		a->path = option_path_absolute(a->source);
		return a->path ? 0 : -ENOMEM;
	}
	int r = assets_parse_uri(a->source, &a->bucket, &a->key, &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return problem(a, ASSET_malformed, err_text(&why));
	if (!assets_allowed(a->bucket, a->key, config->asset_buckets, config->asset_prefixes))
		return problem(a, ASSET_not_allowed,
			       "ASSET_S3_ALLOWED_BUCKETS or ASSET_S3_ALLOWED_PREFIXES does not "
			       "name it");
	return 0;
}

/* By what the session permits; assets are named, so nothing has to be said for them by default. */
static int check_policy(const struct mount_config *m, struct asset_config *a, struct err *err)
{
	struct policy *policy;
	int r = mount_policy(m, false, &policy, err);

	if (r < 0)
		return r;
	if (!(policy_verbs(policy) & POLICY_READ) ||
	    (a->bucket && policy_place(policy, a->bucket, a->key) != POLICY_INSIDE))
		(void)problem(a, ASSET_not_allowed, "the session's policy does not permit it");
	policy_free(policy);
	return 0;
}

static int add_mount(struct config *config, struct asset_config *a, const struct setting *session, struct err *err)
{
	__attribute__((cleanup(mount_deinit))) struct mount_config m = { .type = MOUNT_ASSET };
	struct err why = ERR_INIT;

	if (!a->target || !*a->target)
		return problem(a, ASSET_malformed, "it has no target");
	if (has_control(a->target) || mount_point(a->target, "target", &m.mount, &why) < 0)
		return problem(a, ASSET_malformed, why.errnum ? err_text(&why) : "the target has a control character");
	if (a->class != ASSET_OK)
		return 0;
	int r = mount_fill(&m, NULL, session, err);
	m.read_only = a->read_only;
	if (r == 0)
		r = check_policy(&m, a, err);
	if (r < 0 || a->class != ASSET_OK)
		return r;
	if (a->bucket && !(m.bucket = strdup(a->bucket)))
		r = err_set(err, ENOMEM, "out of memory");
	if (r < 0)
		return r;
	if (config->mount_count == MOUNT_COUNT_MAX)
		return err_set(err, EINVAL, "more than %d mounts and assets", MOUNT_COUNT_MAX);
	if (mount_add(config, &m, "target", &why) < 0)
		return problem(a, ASSET_malformed, err_text(&why));
	a->mount = config->mount_count - 1;
	return 0;
}

static int take_member(const struct jtree *j, int key, struct asset_config *a, struct err *err)
{
	cleanup_free char *name = jtree_text(j, key);
	int value = jtree_value(j, key);
	char **to = NULL;

	if (!name)
		return err_set(err, ENOMEM, "out of memory");
	if (strcmp(name, "read_only") == 0) {
		cleanup_free char *word = jtree_text(j, value);
		if (jtree_kind(j, value) != JTREE_BOOL || !word)
			return jtree_error(j, value, err, "'read_only' must be true or false, not %s",
					   jtree_kind_name(jtree_kind(j, value)));
		a->read_only = *word == 't';
		return 0;
	}
	to = strcmp(name, "source") == 0       ? &a->source
	     : strcmp(name, "target") == 0     ? &a->target
	     : strcmp(name, "version_id") == 0 ? &a->version_id
					       : NULL;
	if (!to)
		return jtree_error(j, key, err,
				   "unknown key '%s' in an asset: it has source, target, read_only, version_id", name);
	if (*to)
		return jtree_error(j, key, err, "'%s' is given twice", name);
	if (jtree_kind(j, value) != JTREE_STRING)
		return jtree_error(j, value, err, "'%s' must be a string, not %s", name,
				   jtree_kind_name(jtree_kind(j, value)));
	*to = jtree_text(j, value);
	if (!*to) { /* a NUL inside */
		*to = strdup("");
		problem(a, ASSET_malformed, "it holds a character that no text can");
	}
	return *to ? 0 : err_set(err, ENOMEM, "out of memory");
}

static int take_asset(struct config *config, const struct jtree *j, int node, const struct setting *session,
		      struct err *err)
{
	struct asset_config *grown = reallocarray(config->assets, config->asset_count + 1, sizeof(*grown));
	struct asset_config *a;
	int r = 0;

	if (!grown)
		return err_set(err, ENOMEM, "out of memory");
	config->assets = grown;
	a = &grown[config->asset_count++];
	*a = (struct asset_config){ .read_only = true };
	if (jtree_kind(j, node) != JTREE_OBJECT)
		return jtree_error(j, node, err, "an asset is an object, not %s", jtree_kind_name(jtree_kind(j, node)));
	for (int key = jtree_first(j, node); r == 0 && key >= 0; key = jtree_next(j, key))
		r = take_member(j, key, a, err);
	if (r == 0 && take_source(config, a) < 0)
		r = err_set(err, ENOMEM, "out of memory");
	return r < 0 ? r : add_mount(config, a, session, err);
}

static int take_list(struct config *config, const struct jtree *j, int list, const struct setting *session,
		     struct err *err)
{
	int r = 0;

	if (jtree_kind(j, list) != JTREE_ARRAY)
		return jtree_error(j, list, err, "'assets' must be an array, not %s",
				   jtree_kind_name(jtree_kind(j, list)));
	for (int node = jtree_first(j, list); r == 0 && node >= 0; node = jtree_next(j, node))
		r = take_asset(config, j, node, session, err);
	return r;
}

int assets_load(struct config *config, const struct jtree *file, const struct setting *session, struct err *err)
{
	struct jtree j;
	int list, r;

	if (!config->assets_path) {
		list = file ? jtree_get(file, 0, "assets") : -1;
		return list < 0 ? 0 : take_list(config, file, list, session, err);
	}
	r = jtree_load(&j, config->assets_path, err);
	if (r < 0)
		return r;
	list = jtree_kind(&j, 0) == JTREE_OBJECT ? jtree_get(&j, 0, "assets") : 0;
	r = list < 0 ? jtree_error(&j, 0, err, "there is no \"assets\"") : take_list(config, &j, list, session, err);
	jtree_deinit(&j);
	return r;
}

void assets_deinit(struct config *config)
{
	for (size_t i = 0; i < config->asset_count; i++) {
		struct asset_config *a = &config->assets[i];
		char *const texts[] = { a->source, a->target, a->version_id, a->bucket, a->key, a->path };
		for (size_t t = 0; t < ARRAY_SIZE(texts); t++)
			free(texts[t]);
	}
	free(config->assets);
	config->assets = NULL;
	config->asset_count = 0;
}

void assets_report_path(const char *socket_path, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s.assets", socket_path);
}
