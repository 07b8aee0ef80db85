/* User metadata and ETags: values of s3.h that need no client. */
#include "s3/s3.h"

#include <errno.h>
#include <string.h>

/* The pair that starts at @at: its length, both NULs included. */
static size_t pair_len(const char *at)
{
	size_t name = strlen(at) + 1;

	return name + strlen(at + name) + 1;
}

const char *s3_meta_get(const struct s3_meta *meta, const char *name)
{
	for (size_t at = 0; at < meta->len; at += pair_len(meta->data + at))
		if (strcmp(meta->data + at, name) == 0)
			return meta->data + at + strlen(name) + 1;
	return NULL;
}

int s3_meta_set(struct s3_meta *meta, const char *name, const char *value)
{
	size_t name_len = strlen(name) + 1, value_len = value ? strlen(value) + 1 : 0, old = 0, at = 0;

	for (; at < meta->len; at += pair_len(meta->data + at)) {
		if (strcmp(meta->data + at, name) == 0) {
			old = pair_len(meta->data + at);
			break;
		}
	}
	if (value && meta->len - old + name_len + value_len > sizeof(meta->data))
		return -ENOSPC;
	memmove(meta->data + at, meta->data + at + old, meta->len - at - old);
	meta->len -= old;
	if (!value)
		return 0;
	memcpy(meta->data + meta->len, name, name_len);
	memcpy(meta->data + meta->len + name_len, value, value_len);
	meta->len += name_len + value_len;
	return 0;
}

static const char *bare(const char *etag, size_t *ret_len)
{
	size_t len;

	if (etag[0] == 'W' && etag[1] == '/')
		etag += 2;
	len = strlen(etag);
	if (len >= 2 && etag[0] == '"' && etag[len - 1] == '"') {
		etag++;
		len -= 2;
	}
	*ret_len = len;
	return etag;
}

bool s3_etag_equal(const char *a, const char *b)
{
	size_t len_a, len_b;

	a = bare(a, &len_a);
	b = bare(b, &len_b);
	return len_a == len_b && memcmp(a, b, len_a) == 0;
}
