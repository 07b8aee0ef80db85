#include "s3/answer.h"
#include "s3/when.h"

#include "base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_number(const char **at, uint64_t *ret)
{
	char *end;

	if (**at < '0' || **at > '9')
		return -EINVAL;
	errno = 0;
	unsigned long long n = strtoull(*at, &end, 10);
	if (errno)
		return -EINVAL;
	*at = end;
	*ret = n;
	return 0;
}

int answer_parse_range(const char *value, struct answer *ret)
{
	uint64_t first = 0, last = 0, total = 0;
	bool has_range = false, has_total = false;

	if (strncasecmp(value, "bytes", 5) != 0)
		return -EINVAL;
	value += 5;
	value += strspn(value, " =");
	if (*value == '*') {
		value++;
	} else {
		if (parse_number(&value, &first) < 0 || *value++ != '-' || parse_number(&value, &last) < 0 ||
		    last < first)
			return -EINVAL;
		has_range = true;
	}
	if (*value++ != '/')
		return -EINVAL;
	if (*value == '*') {
		value++;
	} else {
		if (parse_number(&value, &total) < 0)
			return -EINVAL;
		has_total = true;
	}
	if (*value || (has_range && has_total && last >= total))
		return -EINVAL;
	ret->has_range = has_range;
	ret->range_first = first;
	ret->range_last = last;
	ret->has_total = has_total;
	ret->total = total;
	return 0;
}

static void keep(char *to, size_t room, const char *value)
{
	if (strlen(value) < room)
		strcpy(to, value);
}

static void meta_header(struct answer *answer, const char *name, const char *value)
{
	/* what does not fit is left out whole: half a value would be worse */
	s3_meta_set(&answer->info.meta, name, value);
}

static void checksum_header(struct answer *answer, const char *name, const char *value)
{
	enum checksum kind = checksum_parse_name(name);

	if (strcmp(name, "type") == 0)
		answer->composite |= strcasecmp(value, "COMPOSITE") == 0;
	if (strcmp(name, "sha256") == 0 && !strchr(value, '-'))
		keep(answer->sha256, sizeof(answer->sha256), value);
	if (kind == CHECKSUM_NONE)
		return;
	answer->composite |= strchr(value, '-') != NULL;
	snprintf(answer->info.checksum, sizeof(answer->info.checksum), "%s:%s", checksum_name(kind), value);
}

static void number_header(const char *value, int64_t unit, int64_t *ret)
{
	uint64_t n;

	if (parse_number(&value, &n) == 0 && !*value && n < 1000000)
		*ret = (int64_t)n * unit;
}

void answer_header(struct answer *answer, const char *name, const char *value)
{
	struct s3_info *info = &answer->info;
	const struct {
		const char *name;
		char *to;
		size_t room;
	} texts[] = {
		{ "etag", info->etag, sizeof(info->etag) },
		{ "content-type", info->content_type, sizeof(info->content_type) },
		{ "x-amz-version-id", info->version_id, sizeof(info->version_id) },
		{ "x-amz-storage-class", info->storage_class, sizeof(info->storage_class) },
		{ "x-amz-bucket-region", answer->region, sizeof(answer->region) },
		{ "x-amz-request-id", answer->request_id, sizeof(answer->request_id) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (strcmp(name, texts[i].name) == 0) {
			keep(texts[i].to, texts[i].room, value);
			return;
		}
	}
	if (strncmp(name, "x-amz-meta-", 11) == 0)
		meta_header(answer, name + 11, value);
	else if (strncmp(name, "x-amz-checksum-", 15) == 0)
		checksum_header(answer, name + 15, value);
	else if (strcmp(name, "content-length") == 0)
		answer->has_length = parse_number(&value, &answer->length) == 0 && !*value;
	else if (strcmp(name, "content-range") == 0)
		answer->bad_range = answer_parse_range(value, answer) < 0;
	else if (strcmp(name, "last-modified") == 0)
		when_parse_http(value, &info->mtime_ns);
	else if (strcmp(name, "date") == 0)
		when_parse_http(value, &answer->date_ns);
	else if (strcmp(name, "retry-after") == 0 && !answer->retry_after_ms)
		number_header(value, 1000, &answer->retry_after_ms);
	else if (strcmp(name, "x-amz-retry-after") == 0)
		number_header(value, 1, &answer->retry_after_ms);
}

static int check_range(struct answer *answer, const struct answer_want *want, uint64_t *ret_len, struct err *err)
{
	uint64_t last;

	if (answer->bad_range || !answer->has_range || !answer->has_total)
		return err_set(err, EIO, "the answer does not say which range it is");
	last = want->end ? min_u64(want->end, answer->total) - 1 : answer->total - 1;
	if (answer->range_first != want->off || answer->range_last != last)
		return err_set(err, EIO, "asked for bytes %lu-%lu, the answer is of %lu-%lu", (unsigned long)want->off,
			       (unsigned long)last, (unsigned long)answer->range_first,
			       (unsigned long)answer->range_last);
	*ret_len = last - want->off + 1;
	answer->info.size = answer->total;
	return 0;
}

/* The whole object came: fine where that is what the range covers. */
static int check_whole(struct answer *answer, const struct answer_want *want, uint64_t *ret_len, struct err *err)
{
	if (want->ranged && (want->off || (want->end && (!answer->has_length || answer->length > want->end))))
		return err_set(err, EIO, "the store ignores ranges");
	*ret_len = answer->has_length ? answer->length : UINT64_MAX;
	answer->info.size = answer->length;
	return 0;
}

int answer_check_get(struct answer *answer, int http_status, const struct answer_want *want, uint64_t *ret_len,
		     struct err *err)
{
	uint64_t len = 0;

	if (want->etag && !s3_etag_equal(want->etag, answer->info.etag))
		return err_set(err, ESTALE, "somebody else changed the object (its ETag is %s, not %s)",
			       answer->info.etag, want->etag);
	int r = http_status == 206 ? check_range(answer, want, &len, err) : check_whole(answer, want, &len, err);
	if (r < 0)
		return r;
	if (answer->has_length && answer->length != len)
		return err_set(err, EIO, "Content-Length %lu does not fit the range of %lu bytes",
			       (unsigned long)answer->length, (unsigned long)len);
	*ret_len = len;
	return 0;
}

enum checksum answer_checksum(const struct answer *answer, const char **ret_value)
{
	const char *colon = strchr(answer->info.checksum, ':');
	char name[32];

	if (!colon || answer->composite)
		return CHECKSUM_NONE;
	snprintf(name, sizeof(name), "%.*s", (int)(colon - answer->info.checksum), answer->info.checksum);
	*ret_value = colon + 1;
	return checksum_parse_name(name);
}
