#include "s3/answer.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(answer, content_range)
{
	struct answer answer = { .has_length = false };

	cr_assert_eq(answer_parse_range("bytes 5-9/100", &answer), 0);
	cr_assert(answer.has_range && answer.has_total);
	cr_assert_eq(answer.range_first, 5);
	cr_assert_eq(answer.range_last, 9);
	cr_assert_eq(answer.total, 100);
	cr_assert_eq(answer_parse_range("bytes */0", &answer), 0);
	cr_assert_not(answer.has_range);
	cr_assert_eq(answer.total, 0);
}

Test(answer, bad_content_ranges)
{
	static const char *const bad[] = { "",
					   "bytes",
					   "bytes 9-5/100",
					   "bytes 5-100/100",
					   "bytes -5/10",
					   "bytes 1-2/3x",
					   "items 1-2/3",
					   "bytes 1-2",
					   "bytes 99999999999999999999-2/3" };
	struct answer answer = { .has_length = false };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(answer_parse_range(bad[i], &answer), -EINVAL, "'%s'", bad[i]);
}

static int check(const char *range, const char *length, int status, uint64_t off, uint64_t end, uint64_t *len)
{
	struct answer answer = { .has_length = false };
	const struct answer_want want = { .ranged = off || end, .off = off, .end = end };

	if (range)
		answer_header(&answer, "content-range", range);
	if (length)
		answer_header(&answer, "content-length", length);
	return answer_check_get(&answer, status, &want, len, NULL);
}

Test(answer, accepts_the_range_that_was_asked)
{
	uint64_t len = 0;

	cr_assert_eq(check("bytes 10-19/100", "10", 206, 10, 20, &len), 0);
	cr_assert_eq(len, 10);
	cr_assert_eq(check("bytes 90-99/100", "10", 206, 90, 5000, &len), 0, "clipped at the end");
	cr_assert_eq(check("bytes 10-99/100", "90", 206, 10, 0, &len), 0, "open");
	cr_assert_eq(len, 90);
	cr_assert_eq(check(NULL, "7", 200, 0, 0, &len), 0);
	cr_assert_eq(len, 7);
	cr_assert_eq(check(NULL, "7", 200, 0, 65536, &len), 0, "a small object, whole");
}

Test(answer, refuses_another_range)
{
	uint64_t len;

	cr_assert_eq(check("bytes 10-18/100", "9", 206, 10, 20, &len), -EIO, "short");
	cr_assert_eq(check("bytes 11-19/100", "9", 206, 10, 20, &len), -EIO, "shifted");
	cr_assert_eq(check("bytes 10-19/100", "11", 206, 10, 20, &len), -EIO, "length differs");
	cr_assert_eq(check(NULL, "10", 206, 10, 20, &len), -EIO, "does not say");
	cr_assert_eq(check(NULL, "100", 200, 10, 20, &len), -EIO, "ignored");
	cr_assert_eq(check(NULL, "100", 200, 0, 20, &len), -EIO, "more than asked");
}

Test(answer, another_etag_is_stale)
{
	struct answer answer = { .has_length = false };
	const struct answer_want want = { .etag = "\"a\"" };
	uint64_t len;

	answer_header(&answer, "etag", "\"b\"");
	answer_header(&answer, "content-length", "1");
	cr_assert_eq(answer_check_get(&answer, 200, &want, &len, NULL), -ESTALE);
}

Test(answer, headers)
{
	struct answer answer = { .has_length = false };
	const char *value;

	answer_header(&answer, "last-modified", "Wed, 12 Oct 2009 17:50:30 GMT");
	answer_header(&answer, "x-amz-meta-file-mtime", "123ns");
	answer_header(&answer, "x-amz-checksum-crc64nvme", "AAAAAAAAAAA=");
	answer_header(&answer, "x-amz-retry-after", "1500");
	cr_assert_eq(answer.info.mtime_ns, 1255369830000000000);
	cr_assert_str_eq(s3_meta_get(&answer.info.meta, "file-mtime"), "123ns");
	cr_assert_eq(answer.retry_after_ms, 1500);
	cr_assert_eq(answer_checksum(&answer, &value), CHECKSUM_CRC64NVME);
	cr_assert_str_eq(value, "AAAAAAAAAAA=");
}

Test(answer, checksums_of_parts_are_none_of_the_object)
{
	struct answer answer = { .has_length = false };
	const char *value;

	answer_header(&answer, "x-amz-checksum-crc32", "y/Q5Jg==-3");
	cr_assert_eq(answer_checksum(&answer, &value), CHECKSUM_NONE);
}
