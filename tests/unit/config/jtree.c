#include "config/jtree.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct err err;

static int parse(const char *text)
{
	struct jtree j;
	int r = jtree_parse(&j, "f", text, strlen(text), &err);

	if (r == 0)
		jtree_deinit(&j);
	return r;
}

Test(jtree, takes_what_is_json)
{
	static const char *const good[] = { "{}", "[]", " {\"a\": [1, -2.5e+3, true, false, null, \"x\"]} \n", "\"x\"",
					    "{\"a\": {\"b\": {}}}" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		cr_assert_eq(parse(good[i]), 0, "%s: %s", good[i], err_text(&err));
}

Test(jtree, refuses_what_is_not)
{
	static const char *const bad[] = { "",
					   "{",
					   "{\"a\" 1}",
					   "{\"a\": 1 \"b\": 2}",
					   "[1 2]",
					   "{\"a\": tru}",
					   "{a: 1}",
					   "{} {}",
					   "[1,]",
					   "{\"a\": 1,}",
					   "{\"a\"}",
					   "{\"a\": 01}",
					   "{1: 2}",
					   "[\"a\": 1]",
					   "{\"a\": \"\\x\"}",
					   "{,}",
					   "[1,,2]",
					   "[,1]",
					   "{\"a\": 1,, \"b\": 2}",
					   "{, \"a\": 1}",
					   "{\"a\":, 1}",
					   "[1, 2" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(parse(bad[i]), -EINVAL, "%s", bad[i]);
}

Test(jtree, says_where)
{
	cr_assert_eq(parse("{\n  \"a\": 1\n  \"b\": 2 }"), -EINVAL);
	cr_assert_str_eq(err_text(&err), "f:3:3: expected ',' or the end of the list");
}

Test(jtree, unescapes)
{
	struct jtree j;
	char *text;
	static const char in[] = "\"a\\n\\u00e9\\ud83d\\ude00\\/\"";

	cr_assert_eq(jtree_parse(&j, "f", in, strlen(in), &err), 0);
	text = jtree_text(&j, 0);
	cr_assert_str_eq(text, "a\n\xc3\xa9\xf0\x9f\x98\x80/");
	free(text);
	jtree_deinit(&j);
}

Test(jtree, refuses_a_nul_in_a_text)
{
	struct jtree j;
	static const char in[] = "\"a\\u0000b\"";

	cr_assert_eq(jtree_parse(&j, "f", in, strlen(in), &err), 0);
	cr_assert_null(jtree_text(&j, 0));
	jtree_deinit(&j);
}

Test(jtree, refuses_half_a_surrogate_pair)
{
	static const char *const bad[] = { "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83dx\"", "\"\\ud83d\\u0041\"" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct jtree j;
		cr_assert_eq(jtree_parse(&j, "f", bad[i], strlen(bad[i]), &err), 0);
		cr_assert_null(jtree_text(&j, 0), "%s", bad[i]);
		jtree_deinit(&j);
	}
}

Test(jtree, refuses_a_name_given_twice)
{
	cr_assert_eq(parse("{\"a\": {\"b\": 1,\n\"c\": 2, \"b\": 3}}"), -EINVAL);
	cr_assert_str_eq(err_text(&err), "f:2:9: 'b' is given twice");
	cr_assert_eq(parse("{\"a\": {\"b\": 1}, \"b\": 1}"), 0);
}

Test(jtree, a_name_with_escapes_is_found)
{
	static const char text[] = "{\"bucketN\\u0061me\": 1, \"x\\\\y\": 2}";
	struct jtree j;

	cr_assert_eq(jtree_parse(&j, "f", text, strlen(text), &err), 0);
	cr_assert_geq(jtree_get(&j, 0, "bucketName"), 0);
	cr_assert_geq(jtree_get(&j, 0, "x\\y"), 0);
	cr_assert_eq(jtree_get(&j, 0, "x\\\\y"), -1);
	jtree_deinit(&j);
}

Test(jtree, walks)
{
	struct jtree j;
	static const char in[] = "{\"a\": [1, [2, 3], 4], \"b\": {\"c\": 5}}";
	int list, n = 0;

	cr_assert_eq(jtree_parse(&j, "f", in, strlen(in), &err), 0);
	list = jtree_get(&j, 0, "a");
	for (int i = jtree_first(&j, list); i >= 0; i = jtree_next(&j, i))
		n++;
	cr_assert_eq(n, 3);
	cr_assert_geq(jtree_get(&j, jtree_get(&j, 0, "b"), "c"), 0);
	cr_assert_eq(jtree_get(&j, 0, "c"), -1);
	jtree_deinit(&j);
}
