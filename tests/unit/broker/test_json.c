/* JSON text: escapes, bounds. */
#include "broker/json.h"

#include <criterion/criterion.h>
#include <string.h>

static char buf[256];

static const char *quoted(const char *s)
{
	struct json j;

	json_init(&j, buf, sizeof(buf));
	json_string(&j, s, strlen(s));
	cr_assert_not(j.full);
	return buf;
}

Test(json, escapes)
{
	cr_assert_str_eq(quoted("plain"), "\"plain\"");
	cr_assert_str_eq(quoted("a\"b\\c\n\x7f"), "\"a\\\"b\\\\c\\u000a\\u007f\"");
}

Test(json, utf8_passes_and_other_bytes_are_replaced)
{
	cr_assert_str_eq(quoted("ä€😀"), "\"ä€😀\"");
	cr_assert_str_eq(quoted("\xff"), "\"\\ufffd\"");
	cr_assert_str_eq(quoted("\xc0\xaf"), "\"\\ufffd\\ufffd\"");
	cr_assert_str_eq(quoted("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
	cr_assert_str_eq(quoted("\xe2\x82"), "\"\\ufffd\\ufffd\"");
}

Test(json, what_does_not_fit_is_left_out)
{
	char small[8];
	struct json j;

	json_init(&j, small, sizeof(small));
	json_put(&j, "%s", "1234567");
	cr_assert_not(j.full);
	json_put(&j, "8");
	cr_assert(j.full);
	cr_assert_str_eq(small, "1234567");
	cr_assert(json_rollback(&j, 3));
	cr_assert_str_eq(small, "123");
	cr_assert_not(json_rollback(&j, 1));
}
