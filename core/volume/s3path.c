#include "volume/s3path.h"

#include "base/util.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static bool is_utf8(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		unsigned more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
		unsigned lead = *p;
		uint32_t c = more == 0 ? lead : more == 1 ? lead & 0x1f : more == 2 ? lead & 0x0f : lead & 0x07;
		static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

		if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4)
			return false;
		p++;
		for (unsigned i = 0; i < more; i++, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*p & 0x3f);
		}
		if (c < least[more] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
			return false;
	}
	return true;
}

int s3path_root_init(struct s3path_root *root, const char *bucket, const char *prefix)
{
	char clean[WIRE_PATH_MAX];
	bool slash;
	int rc;

	bucket = bucket ? bucket : "";
	prefix = prefix ? prefix : "";
	if (strlen(bucket) >= sizeof(root->bucket))
		return -ENAMETOOLONG;
	rc = s3path_clean(prefix, clean, &slash);
	if (rc)
		return rc == -EXDEV ? -EINVAL : rc;
	if (strlen(clean) + 1 > S3_KEY_MAX)
		return -ENAMETOOLONG;
	if (!is_utf8(clean) || (!bucket[0] && clean[0]))
		return -EINVAL;
	memset(root, 0, sizeof(*root));
	memcpy(root->bucket, bucket, strlen(bucket) + 1);
	memcpy(root->prefix, clean, strlen(clean));
	if (clean[0])
		root->prefix[strlen(clean)] = '/';
	return 0;
}

int s3path_clean(const char *path, char *out, bool *ret_slash)
{
	size_t used = 0, outside = 0, len = strlen(path);

	if (len >= WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		bool up = n == 2 && p[0] == '.' && p[1] == '.';

		if (up && used > outside) {
			while (used > outside && out[used - 1] != '/')
				used--;
			used -= used > outside;
		} else if (n && !(n == 1 && p[0] == '.')) {
			if (used)
				out[used++] = '/';
			memcpy(out + used, p, n);
			used += n;
			if (up)
				outside = used;
		}
		p += n;
		p += strspn(p, "/");
	}
	out[used] = 0;
	*ret_slash = len && path[len - 1] == '/';
	return outside ? -EXDEV : 0;
}

static bool is_bucket(const char *name, size_t len)
{
	if (len < 3 || len >= S3PATH_BUCKET_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		      c == '.' || c == '_'))
			return false;
	}
	return true;
}

int s3path_key(const struct s3path_root *root, const char *clean, struct s3key *ret)
{
	size_t bucket_len = strlen(root->bucket), prefix_len = strlen(root->prefix), len;
	const char *bucket = root->bucket;

	for (const char *p = clean; *p; p += *p == '/') {
		len = strcspn(p, "/");
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		p += len;
	}
	if (!bucket[0]) {
		if (!clean[0]) {
			memset(ret, 0, sizeof(*ret));
			ret->place = S3PLACE_BUCKETS;
			return 0;
		}
		bucket = clean;
		bucket_len = strcspn(clean, "/");
		if (!is_bucket(bucket, bucket_len))
			return -ENOENT;
		clean += bucket_len + (clean[bucket_len] == '/');
	}
	len = strlen(clean);
	if (prefix_len + len + 1 > S3_KEY_MAX)
		return -ENAMETOOLONG;
	if (!is_utf8(clean))
		return -EILSEQ;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->bucket, bucket, bucket_len);
	if (len) {
		ret->place = S3PLACE_KEY;
		snprintf(ret->key, sizeof(ret->key), "%s%s", root->prefix, clean);
	} else {
		ret->place = S3PLACE_TOP;
		memcpy(ret->key, root->prefix, prefix_len ? prefix_len - 1 : 0);
	}
	return 0;
}

void s3path_dir_prefix(const struct s3key *k, char *out)
{
	snprintf(out, S3_KEY_MAX + 2, "%s%s", k->key, k->key[0] ? "/" : "");
}

void s3path_parent(const struct s3path_root *root, const struct s3key *k, struct s3key *ret)
{
	size_t top = strlen(root->prefix);
	char *slash;

	if (ret != k)
		*ret = *k;
	if (k->place != S3PLACE_KEY) {
		if (!root->bucket[0]) {
			memset(ret, 0, sizeof(*ret));
			ret->place = S3PLACE_BUCKETS;
		}
		return;
	}
	slash = strrchr(ret->key, '/');
	if (slash)
		*slash = 0;
	else
		ret->key[0] = 0;
	if (strlen(ret->key) + 1 <= top || !ret->key[0])
		ret->place = S3PLACE_TOP;
}

int s3path_child(const struct s3key *k, const char *name, struct s3key *ret)
{
	size_t len = strlen(k->key), n = strlen(name);

	if (k->place == S3PLACE_BUCKETS) {
		if (n >= sizeof(ret->bucket))
			return -ENAMETOOLONG;
		memset(ret, 0, sizeof(*ret));
		ret->place = S3PLACE_TOP;
		memcpy(ret->bucket, name, n);
		return 0;
	}
	if (len + 1 + n > S3_KEY_MAX)
		return -ENAMETOOLONG;
	if (ret != k)
		*ret = *k;
	ret->place = S3PLACE_KEY;
	snprintf(ret->key + len, sizeof(ret->key) - len, "%s%s", len ? "/" : "", name);
	return 0;
}

const char *s3path_name(const struct s3key *k)
{
	const char *slash = strrchr(k->key, '/');

	return slash ? slash + 1 : k->key;
}

bool s3path_same(const struct s3key *a, const struct s3key *b)
{
	return a->place == b->place && strcmp(a->bucket, b->bucket) == 0 && strcmp(a->key, b->key) == 0;
}

bool s3path_within(const struct s3key *outer, const struct s3key *inner)
{
	size_t len = strlen(outer->key);

	if (outer->place == S3PLACE_BUCKETS)
		return inner->place != S3PLACE_BUCKETS;
	if (strcmp(outer->bucket, inner->bucket) != 0 || inner->place != S3PLACE_KEY)
		return false;
	return !len || (strncmp(outer->key, inner->key, len) == 0 && inner->key[len] == '/');
}
