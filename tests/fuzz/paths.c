/* Paths as text, and keys: nothing of a path leads out of the prefix that is mounted. */
#include "fuzz.h"

#include "base/path.h"
#include "config/assets.h"
#include "config/mount.h"
#include "volume/s3path.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* No component is empty, `.` or `..`. */
static bool is_normal(const char *path)
{
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
		if (*p == '/' && *++p == '\0')
			return false;
	}
	return true;
}

static void check_normalise(const char *base, const char *path)
{
	char once[WIRE_PATH_MAX], twice[WIRE_PATH_MAX];
	const char *up = path_up_behind_name(path, path);
	long len;

	CHECK(!up || (strncmp(up, "..", 2) == 0 && up > path));
	if (base[0] != '/')
		return;
	len = path_normalise(base, path, once, sizeof(once));
	if (len < 0)
		return;
	CHECK((size_t)len == strlen(once) && once[0] == '/' && is_normal(once + 1));
	CHECK(path_normalise("/", once, twice, sizeof(twice)) == len && strcmp(once, twice) == 0);
	CHECK(path_normalise(once, "", twice, sizeof(twice)) == len && strcmp(once, twice) == 0);
}

static void check_below(const struct s3path_root *root, const struct s3key *top, const struct s3key *k)
{
	struct s3key parent, again;
	char prefix[S3_KEY_MAX + 2];

	CHECK(strlen(k->key) <= S3_KEY_MAX && strlen(k->bucket) < sizeof(k->bucket));
	CHECK(s3path_same(k, top) || s3path_within(top, k));
	if (root->prefix[0] && k->place == S3PLACE_KEY)
		CHECK(strncmp(k->key, root->prefix, strlen(root->prefix)) == 0);
	s3path_dir_prefix(k, prefix);
	s3path_parent(root, k, &parent);
	if (k->place == S3PLACE_KEY) {
		CHECK(s3path_same(&parent, top) || s3path_within(top, &parent));
		CHECK(s3path_within(&parent, k) && !s3path_within(k, &parent));
		CHECK(s3path_child(&parent, s3path_name(k), &again) == 0 && s3path_same(&again, k));
	}
}

static void check_key(const char *bucket, const char *prefix, const char *path)
{
	struct s3path_root root;
	struct s3key top, k;
	char clean[WIRE_PATH_MAX];
	bool slash;

	if (s3path_root_init(&root, bucket, prefix) < 0 || s3path_key(&root, "", &top) < 0)
		return;
	if (s3path_clean(path, clean, &slash) < 0)
		return;
	CHECK(is_normal(clean));
	if (s3path_key(&root, clean, &k) == 0)
		check_below(&root, &top, &k);
}

static bool is_at_or_below(const char *key, const char *component)
{
	size_t len = strlen(component);

	return strncmp(key, component, len) == 0 && (!key[len] || key[len] == '/');
}

static void check_config(const char *text)
{
	struct mount_config m = { .mount = NULL };
	char *bucket, *key, *to;

	if (assets_parse_uri(text, &bucket, &key, NULL) == 0) {
		CHECK(bucket[0] && !strchr(bucket, '/') && key[0] && is_normal(key));
		CHECK(assets_allowed(bucket, key, NULL, NULL) && !assets_allowed(bucket, key, "", NULL));
		free(bucket);
		free(key);
	}
	if (mount_point(text, "t", &to, NULL) == 0) {
		CHECK(to[0] == '/' && is_normal(to + 1) && to[1] && !strchr(to, ':'));
		free(to);
	}
	if (mount_prefix(text, "t", &to, NULL) == 0) {
		CHECK(is_normal(to));
		free(to);
	}
	if (mount_expand(text, "DOMAIN\\al", true, "t", &to, NULL) == 0) {
		CHECK(to[0] == '/');
		free(to);
	}
	if (strchr(text, '='))
		(void)mount_spec(text, "t", &m, NULL);
	mount_deinit(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, data + size };
	char *bucket = fuzz_text(&f), *prefix = fuzz_text(&f), *path = fuzz_text(&f);

	check_normalise(prefix, path);
	check_normalise("/a/b", path);
	check_key(bucket, prefix, path);
	check_key("bucket", "a/b", path);
	check_key("", "", path);
	check_config(path);
	check_config(bucket);
	if (prefix[0] && !strpbrk(prefix, "/, \t\r\v\f") && strcmp(prefix, "bucket") != 0)
		CHECK(assets_allowed("bucket", path, NULL, prefix) == is_at_or_below(path, prefix));
	fuzz_free();
	return 0;
}
