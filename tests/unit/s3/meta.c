#include "s3/s3.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(meta, set_replace_remove)
{
	static struct s3_meta meta;

	cr_assert_eq(s3_meta_set(&meta, "a", "1"), 0);
	cr_assert_eq(s3_meta_set(&meta, "b", ""), 0);
	cr_assert_eq(s3_meta_set(&meta, "a", "longer"), 0);
	cr_assert_str_eq(s3_meta_get(&meta, "a"), "longer");
	cr_assert_str_eq(s3_meta_get(&meta, "b"), "");
	cr_assert_eq(s3_meta_set(&meta, "a", NULL), 0);
	cr_assert_null(s3_meta_get(&meta, "a"));
	cr_assert_eq(meta.len, 3);
}

Test(meta, full_changes_nothing)
{
	static struct s3_meta meta;
	static char big[S3_META_MAX];

	memset(big, 'x', sizeof(big) - 1);
	s3_meta_set(&meta, "a", "1");
	cr_assert_eq(s3_meta_set(&meta, "a", big), -ENOSPC);
	cr_assert_str_eq(s3_meta_get(&meta, "a"), "1");
}

Test(meta, etags)
{
	cr_assert(s3_etag_equal("\"abc\"", "abc"));
	cr_assert(s3_etag_equal("W/\"abc\"", "\"abc\""));
	cr_assert_not(s3_etag_equal("\"abc\"", "\"abd\""));
	cr_assert_not(s3_etag_equal("", "\"abd\""));
}
