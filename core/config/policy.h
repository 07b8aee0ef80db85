/**
 * policy.h - what a mount permits: verbs, buckets and prefixes, as data.
 *
 * A list is text, names separated by commas; a backslash takes the next character as it is (`a\,b` is one name). Two
 * lists, one in each line, hold both: what the session says and what the mount says besides (policy_join()).
 *
 *   verbs      read, write, list, delete; `none`; no text: all
 *   buckets    names; no text: all
 *   prefixes   `prefix`, in every bucket, or `s3://bucket/prefix`; no text: all
 *   `none` stands for an empty list in each; the prefix of that name is `none/`
 *
 * What is not named is not permitted. Prefixes are compared by whole components and byte by byte: `a/b` permits a/b and
 * what lies below it, not a/bc. A key with an empty, `.` or `..` component is outside of every policy that names prefixes
 * or buckets, since servers differ in what they take it for. Folders on the way to a prefix are there, show the way alone,
 * and cannot be changed (POLICY_ABOVE).
 *
 * Threads: constant once made.
 */
#ifndef S3SHIM_CONFIG_POLICY_H
#define S3SHIM_CONFIG_POLICY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum policy_verb {
	POLICY_READ = 1,
	POLICY_WRITE = 2,
	POLICY_LIST = 4,
	POLICY_DELETE = 8,
	POLICY_ALL = 15,
};

enum policy_place {
	POLICY_OUTSIDE,
	POLICY_ABOVE, /* a folder on the way to what is permitted */
	POLICY_INSIDE,
};

struct policy;

/** What a policy is made of; NULL: nothing was said. */
struct policy_text {
	const char *verbs, *buckets, *prefixes;
	bool default_deny; /* verbs that were not said are none; so are buckets where @all_buckets */
	bool all_buckets;  /* the mount shows every bucket */
};

/** policy_new() - Return: 0; -EINVAL with a sentence; -ENOMEM. */
int policy_new(const struct policy_text *text, struct policy **ret, struct err *err);
struct policy *policy_free(struct policy *p); /* returns NULL */

/** policy_check_verbs(), policy_check_list() - is @text such a list (or more, in a line each)? */
bool policy_check_verbs(const char *text);
bool policy_check_list(const char *text);

/** policy_join() - both lists: @more in a line below @text. malloc'd; NULL: out of memory. */
char *policy_join(const char *text, const char *more);

/* A policy that is NULL permits everything. */
unsigned policy_verbs(const struct policy *p);
/** policy_place() - of @key, "" for the bucket's top; a slash at its end is ignored. */
enum policy_place policy_place(const struct policy *p, const char *bucket, const char *key);
/** policy_place_of_all() - of the folder that holds every bucket. */
enum policy_place policy_place_of_all(const struct policy *p);

/**
 * policy_children() - the names in folder @key, which is POLICY_ABOVE, that lead to what is permitted
 * @each: returns 0, or a negative errno, which ends it. A name may come more than once.
 */
int policy_children(const struct policy *p, const char *bucket, const char *key,
		    int (*each)(void *arg, const char *name, size_t len), void *arg);

#endif
