#include "config/assets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void assert_key(const char *uri, const char *bucket, const char *key)
{
	char *got_bucket = NULL, *got_key = NULL;
	struct err err = ERR_INIT;

	cr_assert_eq(assets_parse_uri(uri, &got_bucket, &got_key, &err), 0, "%s: %s", uri, err_text(&err));
	cr_assert_str_eq(got_bucket, bucket);
	cr_assert_str_eq(got_key, key);
	free(got_bucket);
	free(got_key);
}

Test(assets, uris)
{
	assert_key("s3://bkt/k", "bkt", "k");
	assert_key("s3://my.bucket-1/a/b c.csv", "my.bucket-1", "a/b c.csv");
	assert_key("s3://bkt/%41%2Fb%c3%bc", "bkt", "A/b\xc3\xbc");
	assert_key("s3://bkt/a..b/...", "bkt", "a..b/...");
}

Test(assets, malformed_uris)
{
	static const char *const uris[] = { "",
					    "k",
					    "s3:/bkt/k",
					    "s3://",
					    "s3://bkt",
					    "s3://bkt/",
					    "s3:///k",
					    "s3://bkt/../k",
					    "s3://bkt/a/./b",
					    "s3://bkt/a//b",
					    "s3://bkt/a/",
					    "s3://bkt/%",
					    "s3://bkt/%4",
					    "s3://bkt/%zz",
					    "s3://bkt/%00",
					    "s3://bkt/a\nb",
					    "s3://bkt/%2e%2e/b",
					    "s3://bkt/k?v=1",
					    "s3://bkt/k#f",
					    "s3://u:p@bkt/k",
					    "s3://bkt:80/k",
					    "s3://BKT/k",
					    "s3://b/k",
					    "S3://bkt/k" };
	char *bucket = NULL, *key = NULL;

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++)
		cr_assert_eq(assets_parse_uri(uris[i], &bucket, &key, NULL), -EINVAL, "%s", uris[i]);
	cr_assert_null(bucket);
}

Test(assets, no_list_allows_everything)
{
	cr_assert(assets_allowed("bkt", "a/b", NULL, NULL));
}

Test(assets, buckets_are_whole_names)
{
	cr_assert(assets_allowed("bkt", "k", "x, bkt ,y", NULL));
	cr_assert_not(assets_allowed("bkt", "k", "bk,bkt2", NULL));
	cr_assert_not(assets_allowed("bkt", "k", ",", NULL));
}

Test(assets, prefixes_are_whole_components)
{
	cr_assert(assets_allowed("bkt", "data/x", NULL, "data"));
	cr_assert(assets_allowed("bkt", "data/x", NULL, "data/"));
	cr_assert(assets_allowed("bkt", "data/x", NULL, "other,bkt/data"));
	cr_assert(assets_allowed("bkt", "data/x", NULL, "bkt/data/x"));
	cr_assert_not(assets_allowed("bkt", "database/x", NULL, "data"));
	cr_assert_not(assets_allowed("bkt", "data/x", NULL, "data/x/y"));
	cr_assert_not(assets_allowed("other", "data/x", NULL, "bkt/data"));
}

Test(assets, both_lists_count)
{
	cr_assert_not(assets_allowed("bkt", "data/x", "other", "data"));
	cr_assert_not(assets_allowed("bkt", "data/x", "bkt", "other"));
}
