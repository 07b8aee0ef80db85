#include "config/policy.h"

#include "base/util.h"

#include <stdio.h>
#include <string.h>

struct entry {
	char *bucket; /* NULL: of every bucket */
	char *prefix; /* without slashes at its ends; of a list of buckets "" */
};

/* One list: some entry of it must fit. */
struct rule {
	struct entry *entries;
	size_t count;
};

struct policy {
	unsigned verbs;
	struct rule *rules; /* all of them must fit */
	size_t count;
};

static const struct {
	const char *name;
	unsigned verb;
} verb_names[] = { { "read", POLICY_READ },
		   { "write", POLICY_WRITE },
		   { "list", POLICY_LIST },
		   { "delete", POLICY_DELETE },
		   { "none", 0 } };

/* The next name of the line at @*at, unescaped, blanks at its ends dropped. malloc'd; NULL: the line's end, no memory. */
static char *next_name(const char **at)
{
	char *name, *end, *kept;

	*at += strspn(*at, ", \t");
	if (!**at || **at == '\n')
		return NULL;
	name = end = kept = malloc(strlen(*at) + 1);
	if (!name)
		return NULL;
	for (; **at && **at != ',' && **at != '\n'; (*at)++) {
		bool escaped = **at == '\\' && (*at)[1] && (*at)[1] != '\n';

		*at += escaped;
		*end++ = **at;
		kept = escaped ? end : kept;
	}
	while (end > kept && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return name;
}

static bool verb_of(const char *name, unsigned *verbs)
{
	for (size_t i = 0; i < ARRAY_SIZE(verb_names); i++)
		if (strcmp(name, verb_names[i].name) == 0) {
			*verbs |= verb_names[i].verb;
			return true;
		}
	return false;
}

/* Those of one line; false where a name is none. */
static bool line_verbs(const char **at, unsigned *ret)
{
	bool known = true, any = false;
	char *name;

	*ret = 0;
	while ((name = next_name(at))) {
		known &= verb_of(name, ret);
		any = true;
		free(name);
	}
	return known && any;
}

static bool all_verbs(const char *text, unsigned *ret)
{
	unsigned verbs = POLICY_ALL, line;

	for (const char *at = text;; at++) {
		if (!line_verbs(&at, &line))
			return false;
		verbs &= line;
		if (!*at)
			break;
	}
	*ret = verbs;
	return true;
}

bool policy_check_verbs(const char *text)
{
	unsigned verbs;

	return all_verbs(text, &verbs);
}

bool policy_check_list(const char *text)
{
	for (const char *p = text; *p; p++)
		if (((unsigned char)*p < 32 && *p != '\n') || *p == 127)
			return false;
	return *text;
}

char *policy_join(const char *text, const char *more)
{
	char *joined;

	return asprintf(&joined, "%s\n%s", text, more) < 0 ? NULL : joined;
}

/* Is a component of @path empty, `.` or `..`? "" has none. */
static bool has_dots(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (!len || (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.'))
			return true;
		path += len;
		if (!*path)
			break;
		if (!*++path)
			return true;
	}
	return false;
}

static void trim_slashes(char *text)
{
	size_t skip = strspn(text, "/"), len = strlen(text + skip);

	memmove(text, text + skip, len + 1);
	while (len && text[len - 1] == '/')
		text[--len] = '\0';
}

/* @name becomes the entry's. */
static int fill_entry(struct entry *e, char *name, bool buckets, struct err *err)
{
	char *rest = name;

	*e = (struct entry){ 0 };
	if (buckets) {
		e->bucket = name;
		e->prefix = strdup("");
		if (strchr(name, '/') || !*name)
			return err_set(err, EINVAL, "'%s' is no bucket's name", name);
		return e->prefix ? 0 : err_set(err, ENOMEM, "out of memory");
	}
	if (strncmp(name, "s3://", 5) == 0) {
		size_t len = strcspn(name + 5, "/");

		rest = name + 5 + len;
		e->bucket = strndup(name + 5, len);
		if (!e->bucket || !*e->bucket) {
			free(name);
			return err_set(err, e->bucket ? EINVAL : ENOMEM, "a prefix names no bucket");
		}
	}
	e->prefix = strdup(rest);
	free(name);
	if (!e->prefix)
		return err_set(err, ENOMEM, "out of memory");
	trim_slashes(e->prefix);
	if (has_dots(e->prefix))
		return err_set(err, EINVAL, "prefix '%s' has a part that is empty, '.' or '..'", e->prefix);
	if (!*e->prefix && !e->bucket)
		return err_set(err, EINVAL, "a prefix is empty: to permit all, say none");
	return 0;
}

static int add_line(struct policy *p, const char **at, bool buckets, struct err *err)
{
	struct rule *rules = reallocarray(p->rules, p->count + 1, sizeof(*rules)), *rule;
	char *name;

	if (!rules)
		return err_set(err, ENOMEM, "out of memory");
	p->rules = rules;
	rule = &rules[p->count++];
	*rule = (struct rule){ 0 };
	while ((name = next_name(at))) {
		struct entry *grown;

		if (strcmp(name, "none") == 0) {
			free(name);
			continue;
		}
		grown = reallocarray(rule->entries, rule->count + 1, sizeof(*grown));
		if (!grown) {
			free(name);
			return err_set(err, ENOMEM, "out of memory");
		}
		rule->entries = grown;
		int r = fill_entry(&grown[rule->count++], name, buckets, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_lists(struct policy *p, const char *text, bool buckets, struct err *err)
{
	int r = 0;

	for (const char *at = text; at && r == 0; at = *at ? at + 1 : NULL)
		r = add_line(p, &at, buckets, err);
	return r;
}

int policy_new(const struct policy_text *text, struct policy **ret, struct err *err)
{
	struct policy *p = calloc(1, sizeof(*p));
	bool no_bucket = text->default_deny && text->all_buckets && !text->buckets && !text->prefixes;
	int r;

	if (!p)
		return err_set(err, ENOMEM, "out of memory");
	p->verbs = text->default_deny && !text->verbs ? 0 : POLICY_ALL;
	if (text->verbs && !all_verbs(text->verbs, &p->verbs)) {
		policy_free(p);
		return err_set(err, EINVAL, "'%s': verbs are read, write, list, delete, none", text->verbs);
	}
	r = add_lists(p, no_bucket ? "none" : text->buckets, true, err);
	if (r == 0)
		r = add_lists(p, text->prefixes, false, err);
	if (r < 0) {
		policy_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct policy *policy_free(struct policy *p)
{
	for (size_t i = 0; p && i < p->count; i++) {
		for (size_t e = 0; e < p->rules[i].count; e++) {
			free(p->rules[i].entries[e].bucket);
			free(p->rules[i].entries[e].prefix);
		}
		free(p->rules[i].entries);
	}
	if (p)
		free(p->rules);
	free(p);
	return NULL;
}

unsigned policy_verbs(const struct policy *p)
{
	return p ? p->verbs : POLICY_ALL;
}

/* Is @outer, of @len bytes, all of the first components of @inner? */
static bool within(const char *outer, size_t len, const char *inner)
{
	return !len || (strncmp(inner, outer, len) == 0 && (inner[len] == '/' || !inner[len]));
}

static enum policy_place entry_place(const struct entry *e, const char *bucket, const char *key, size_t len)
{
	if (e->bucket && strcmp(e->bucket, bucket) != 0)
		return POLICY_OUTSIDE;
	if (within(e->prefix, strlen(e->prefix), key))
		return POLICY_INSIDE;
	return within(key, len, e->prefix) ? POLICY_ABOVE : POLICY_OUTSIDE;
}

static enum policy_place rule_place(const struct rule *rule, const char *bucket, const char *key, size_t len)
{
	enum policy_place best = POLICY_OUTSIDE;

	for (size_t i = 0; i < rule->count; i++) {
		enum policy_place here = entry_place(&rule->entries[i], bucket, key, len);

		best = here > best ? here : best;
	}
	return best;
}

enum policy_place policy_place(const struct policy *p, const char *bucket, const char *key)
{
	enum policy_place worst = POLICY_INSIDE;
	cleanup_free char *clean = NULL;
	size_t len = strlen(key);

	if (!p || !p->count)
		return POLICY_INSIDE;
	clean = strdup(key);
	if (!clean)
		return POLICY_OUTSIDE;
	if (len && clean[len - 1] == '/')
		clean[--len] = '\0';
	if (has_dots(clean) || (!len && *key))
		return POLICY_OUTSIDE;
	for (size_t i = 0; i < p->count; i++) {
		enum policy_place here = rule_place(&p->rules[i], bucket, clean, len);

		worst = here < worst ? here : worst;
	}
	return worst;
}

enum policy_place policy_place_of_all(const struct policy *p)
{
	return p && p->count ? POLICY_ABOVE : POLICY_INSIDE;
}

int policy_children(const struct policy *p, const char *bucket, const char *key,
		    int (*each)(void *arg, const char *name, size_t len), void *arg)
{
	size_t len = strlen(key);
	char path[2048];
	int r = 0;

	for (size_t i = 0; p && i < p->count; i++) {
		const struct rule *rule = &p->rules[i];

		for (size_t e = 0; e < rule->count && r == 0; e++) {
			const char *rest = rule->entries[e].prefix + len + (len > 0);

			if (entry_place(&rule->entries[e], bucket, key, len) != POLICY_ABOVE)
				continue;
			(void)snprintf(path, sizeof(path), "%s%s%.*s", key, len ? "/" : "", (int)strcspn(rest, "/"),
				       rest);
			if (policy_place(p, bucket, path) != POLICY_OUTSIDE)
				r = each(arg, rest, strcspn(rest, "/"));
		}
	}
	return r;
}
