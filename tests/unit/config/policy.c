#include "config/policy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct policy *make(const char *verbs, const char *buckets, const char *prefixes)
{
	const struct policy_text text = { .verbs = verbs, .buckets = buckets, .prefixes = prefixes };
	struct err err = ERR_INIT;
	struct policy *p = NULL;

	cr_assert_eq(policy_new(&text, &p, &err), 0, "%s", err_text(&err));
	return p;
}

static void refuse(const char *verbs, const char *buckets, const char *prefixes)
{
	const struct policy_text text = { .verbs = verbs, .buckets = buckets, .prefixes = prefixes };
	struct err err = ERR_INIT;
	struct policy *p = NULL;

	cr_assert_eq(policy_new(&text, &p, &err), -EINVAL);
	cr_assert(err_text(&err)[0]);
}

#define INSIDE(p, bucket, key)  cr_assert_eq(policy_place(p, bucket, key), POLICY_INSIDE, "%s", key)
#define ABOVE(p, bucket, key)   cr_assert_eq(policy_place(p, bucket, key), POLICY_ABOVE, "%s", key)
#define OUTSIDE(p, bucket, key) cr_assert_eq(policy_place(p, bucket, key), POLICY_OUTSIDE, "%s", key)

Test(policy, verbs)
{
	struct policy *p = make("read, list", NULL, NULL);

	cr_assert_eq(policy_verbs(p), POLICY_READ | POLICY_LIST);
	policy_free(p);
	p = make("none", NULL, NULL);
	cr_assert_eq(policy_verbs(p), 0);
	policy_free(p);
	cr_assert_eq(policy_verbs(NULL), POLICY_ALL);
	refuse("reed", NULL, NULL);
	refuse("", NULL, NULL);
}

Test(policy, two_lists_hold_both)
{
	char *verbs = policy_join("read,list,write", "read,delete"), *prefixes = policy_join("a", "a/b,c");
	struct policy *p = make(verbs, NULL, prefixes);

	cr_assert_eq(policy_verbs(p), POLICY_READ);
	INSIDE(p, "bkt", "a/b/c");
	ABOVE(p, "bkt", "a");
	OUTSIDE(p, "bkt", "a/x");
	OUTSIDE(p, "bkt", "c");
	policy_free(p);
	free(verbs);
	free(prefixes);
}

Test(policy, default_deny)
{
	struct policy_text text = { .default_deny = true };
	struct policy *p;

	cr_assert_eq(policy_new(&text, &p, NULL), 0);
	cr_assert_eq(policy_verbs(p), 0);
	INSIDE(p, "bkt", "k");
	policy_free(p);
	text.verbs = "read";
	text.all_buckets = true;
	cr_assert_eq(policy_new(&text, &p, NULL), 0);
	cr_assert_eq(policy_verbs(p), POLICY_READ);
	OUTSIDE(p, "bkt", "");
	policy_free(p);
	text.prefixes = "s3://bkt/a";
	cr_assert_eq(policy_new(&text, &p, NULL), 0);
	ABOVE(p, "bkt", "");
	INSIDE(p, "bkt", "a");
	OUTSIDE(p, "other", "");
	policy_free(p);
}

Test(policy, buckets)
{
	struct policy *p = make(NULL, "one,two", NULL);

	INSIDE(p, "one", "");
	INSIDE(p, "two", "k");
	OUTSIDE(p, "on", "k");
	OUTSIDE(p, "onetwo", "k");
	OUTSIDE(p, "", "");
	cr_assert_eq(policy_place_of_all(p), POLICY_ABOVE);
	cr_assert_eq(policy_place_of_all(NULL), POLICY_INSIDE);
	policy_free(p);
	p = make(NULL, "none", NULL);
	OUTSIDE(p, "one", "");
	policy_free(p);
	refuse(NULL, "a/b", NULL);
}

Test(policy, prefixes_by_whole_components)
{
	struct policy *p = make(NULL, NULL, "a/b/,s3://other/c");

	INSIDE(p, "bkt", "a/b");
	INSIDE(p, "bkt", "a/b/");
	INSIDE(p, "bkt", "a/b/c/d");
	OUTSIDE(p, "bkt", "a/bc");
	OUTSIDE(p, "bkt", "a/c");
	OUTSIDE(p, "bkt", "a/b\n");
	OUTSIDE(p, "bkt", "A/b");
	ABOVE(p, "bkt", "a");
	ABOVE(p, "bkt", "");
	OUTSIDE(p, "bkt", "c");
	INSIDE(p, "other", "c/x");
	policy_free(p);
}

Test(policy, dots_and_empty_parts_are_outside)
{
	static const char *const keys[] = { "a/../x", "a/..", "a/./x", "a//x", "/a",
					    "a//",    "../a", ".",     "/",    "a/b/../../x" };
	struct policy *p = make(NULL, NULL, "a");

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		OUTSIDE(p, "bkt", keys[i]);
	INSIDE(p, "bkt", "a/...");
	INSIDE(p, "bkt", "a/..b");
	policy_free(p);
	refuse(NULL, NULL, "a/../b");
	refuse(NULL, NULL, "/");
	refuse(NULL, NULL, "a//b");
}

Test(policy, bytes_are_compared_as_they_are)
{
	struct policy *p = make(NULL, NULL, "caf\xc3\xa9,a\\,b,%41,x\\ ");

	INSIDE(p, "bkt", "caf\xc3\xa9/x");
	OUTSIDE(p, "bkt", "cafe\xcc\x81/x"); /* the same to the eye */
	INSIDE(p, "bkt", "a,b");
	OUTSIDE(p, "bkt", "a");
	INSIDE(p, "bkt", "%41");
	OUTSIDE(p, "bkt", "A");
	INSIDE(p, "bkt", "x ");
	policy_free(p);
}

static int note(void *arg, const char *name, size_t len)
{
	strncat(arg, name, len);
	strcat(arg, " ");
	return 0;
}

Test(policy, children_show_the_way)
{
	char *prefixes = policy_join("a/b/c,a/d,e,s3://other/a/z", "a,q"), names[64] = "";
	struct policy *p = make(NULL, NULL, prefixes);

	policy_children(p, "bkt", "a", note, names);
	cr_assert_str_eq(names, "b d ");
	names[0] = '\0';
	policy_children(p, "bkt", "", note, names);
	cr_assert_str_eq(names, "a a a ");
	policy_free(p);
	free(prefixes);
}
