#include "base/path.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *base, *path, *expected;
} joined[] = {
	{ "/a", "b", "/a/b" },
	{ "/a", "/b", "/b" },
	{ "/", "b", "/b" },
	{ "/a/b", "..", "/a" },
	{ "/a", "../..", "/" },
	{ "/a", "../../c", "/c" },
	{ "/a", "./b//c/.", "/a/b/c" },
	{ "/a", "", "/a" },
	{ "/a", "b/", "/a/b" },
	{ "/a", "...", "/a/..." },
	{ "/a", "..b/.c", "/a/..b/.c" },
	{ "/a", "b/../c/../..", "/" },
};

Test(path, normalise)
{
	char out[64];

	for (size_t i = 0; i < sizeof(joined) / sizeof(joined[0]); i++) {
		long n = path_normalise(joined[i].base, joined[i].path, out, sizeof(out));

		cr_assert_str_eq(out, joined[i].expected, "%s + %s: %s", joined[i].base, joined[i].path, out);
		cr_assert_eq(n, (long)strlen(joined[i].expected));
	}
}

Test(path, normalise_says_when_it_does_not_fit)
{
	char out[8];

	cr_assert_eq(path_normalise("/", "1234567", out, sizeof(out)), -ENAMETOOLONG);
	cr_assert_eq(path_normalise("/", "123456", out, sizeof(out)), 7);
}

Test(path, up_behind_name)
{
	const char *p = "../a/../b/..";

	cr_assert_eq(path_up_behind_name(p, p), p + 5);
	cr_assert_eq(path_up_behind_name(p, p + 6), p + 10);
	cr_assert_null(path_up_behind_name("../../a", "../../a"));
	cr_assert_null(path_up_behind_name("/../a/./b", "/../a/./b"));
	cr_assert_null(path_up_behind_name("/a/..b", "/a/..b"));
}
