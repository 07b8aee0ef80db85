#include "s3/uri.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static void assert_encoded(const char *text, bool keep_slash, const char *expected)
{
	struct buf buf = BUF_INIT;

	uri_encode(&buf, text, keep_slash);
	cr_assert_str_eq(buf_str(&buf), expected);
	buf_deinit(&buf);
}

Test(uri, encodes_for_signature)
{
	assert_encoded("a b+c%d&e=f~g!*'()", false, "a%20b%2Bc%25d%26e%3Df~g%21%2A%27%28%29");
	assert_encoded("\xc3\xbc\x01\x7f", false, "%C3%BC%01%7F");
	assert_encoded("", false, "");
}

Test(uri, keeps_slashes_of_paths_alone)
{
	assert_encoded("a//b/../c", true, "a//b/../c");
	assert_encoded("a/b", false, "a%2Fb");
}

Test(uri, decodes_listings)
{
	char text[] = "a+b%2Fc%C3%BC%0a";

	cr_assert_eq(uri_decode(text), 0);
	cr_assert_str_eq(text, "a b/c\xc3\xbc\n");
}

Test(uri, refuses_bad_escapes)
{
	static const char *const bad[] = { "%", "%4", "%zz", "a%00b", "%2" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[16];
		strcpy(text, bad[i]);
		cr_assert_eq(uri_decode(text), -EINVAL, "'%s'", bad[i]);
	}
}

Test(uri, endpoints)
{
	static const struct {
		const char *text, *scheme;
		bool https;
		const char *host, *prefix;
	} good[] = {
		{ "s3.example.com", NULL, true, "s3.example.com", "" },
		{ "s3.example.com", "http", false, "s3.example.com", "" },
		{ "S3.Example.com:443", NULL, true, "s3.example.com", "" },
		{ "http://127.0.0.1:9000/", "https", false, "127.0.0.1:9000", "" },
		{ "http://h:80/a/b/", NULL, false, "h", "/a/b" },
		{ "https://[::1]:9000", NULL, true, "[::1]:9000", "" },
	};
	struct uri_endpoint ep;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(uri_parse_endpoint(good[i].text, good[i].scheme, &ep, NULL), 0, "%s", good[i].text);
		cr_assert_eq(ep.https, good[i].https);
		cr_assert_str_eq(ep.host, good[i].host);
		cr_assert_str_eq(ep.prefix, good[i].prefix);
	}
}

Test(uri, refuses_bad_endpoints)
{
	static const char *const bad[] = { "",       "http://",   "user:pw@host", "host:0",    "host:99999",
					   "host:x", "host/?q=1", "a b",          "h\r\nX: y", "[::1",
					   "[]",     "host:80x",  "h/a\rb",       "h/\xc3\xa4" };
	struct uri_endpoint ep;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(uri_parse_endpoint(bad[i], NULL, &ep, NULL), -EINVAL, "'%s'", bad[i]);
	cr_assert_eq(uri_parse_endpoint("host", "ftp", &ep, NULL), -EINVAL);
}

Test(uri, buckets_that_are_host_labels)
{
	cr_assert(uri_bucket_is_dns("my-bucket-1"));
	cr_assert_not(uri_bucket_is_dns("my.bucket"));
	cr_assert_not(uri_bucket_is_dns("My"));
	cr_assert_not(uri_bucket_is_dns("under_score"));
}
