#include "config/option.h"
#include "base/log.h"
#include "base/util.h"
#include "config/config.h"
#include "config/policy.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 128

const struct option_row option_rows[OPT_MAX] = {
#define ROW(group_, type_of, key, env, flag, field, type, fallback, unit, help) \
	[OPT_##field] = { key,      env,  flag, OPTION_GROUP_##group_, offsetof(type_of, field), OPTION_TYPE_##type, \
			  fallback, unit, help },
#define OPTION(...)        ROW(SESSION, struct config, __VA_ARGS__)
#define MOUNT_OPTION(...)  ROW(MOUNT, struct mount_config, __VA_ARGS__)
#define RUN_OPTION(...)    ROW(RUN, struct config, __VA_ARGS__)
#define DAEMON_OPTION(...) ROW(DAEMON, struct config, __VA_ARGS__)
#include "config/options.def"
#undef OPTION
#undef MOUNT_OPTION
#undef RUN_OPTION
#undef DAEMON_OPTION
};

void option_wipe_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

int setting_put(struct setting *s, enum setting_level level, const char *text, const char *where)
{
	char *text_copy, *where_copy;

	if (level < s->level)
		return 0;
	text_copy = strdup(text);
	where_copy = strdup(where);
	if (!text_copy || !where_copy) {
		option_wipe_free(text_copy);
		free(where_copy);
		return -ENOMEM;
	}
	setting_deinit(s);
	*s = (struct setting){ level, text_copy, where_copy };
	return 0;
}

void setting_deinit(struct setting *s)
{
	option_wipe_free(s->text);
	free(s->where);
	*s = (struct setting){ 0 };
}

/* Is @name (of @len bytes) one of the blank-separated @names? */
static bool among(const char *names, const char *name, size_t len)
{
	while (names && *names) {
		size_t n = strcspn(names, " ");
		if (n == len && memcmp(names, name, len) == 0)
			return true;
		names += n;
		names += strspn(names, " ");
	}
	return false;
}

int option_by_flag(const char *name, size_t len)
{
	for (int i = 0; i < OPT_MAX; i++)
		if (among(option_rows[i].flag, name, len))
			return i;
	return -1;
}

int option_by_key(const char *name)
{
	for (int i = 0; i < OPT_MAX; i++)
		if (among(option_rows[i].key, name, strlen(name)))
			return i;
	return -1;
}

bool option_is_bool(enum option_type type)
{
	return type == OPTION_TYPE_BOOL || type == OPTION_TYPE_BOOL_NO || type == OPTION_TYPE_BOOL_NOT;
}

const char *option_flag_alone(enum option_type type)
{
	return type == OPTION_TYPE_BOOL ? "true" : "false";
}

/* Values. Each returns false where @text is none. */

static bool parse_number(const char **at, uint64_t *ret)
{
	const char *p = *at;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	*at = p;
	*ret = n;
	return true;
}

static bool parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	uint64_t n;
	const char *unit;

	if (!parse_number(&text, &n))
		return false;
	unit = *text ? strchr(units, *text == 'k' ? 'K' : *text) : NULL;
	if (unit) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);
		if (n > UINT64_MAX >> shift)
			return false;
		n <<= shift;
		text++;
		if (strcmp(text, "iB") == 0)
			text += 2;
	}
	if (*text == 'B' && !text[1])
		text++;
	if (*text)
		return false;
	*ret = n;
	return true;
}

bool option_parse_duration(const char *text, int *ret_ms)
{
	static const struct {
		const char *unit;
		unsigned ms;
	} units[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	uint64_t n;

	if (!parse_number(&text, &n))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(text, units[i].unit) == 0) {
			if (n > INT_MAX / units[i].ms)
				return false;
			*ret_ms = (int)(n * units[i].ms);
			return true;
		}
	return false;
}

static bool parse_bounded(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t n;

	if (!parse_number(&text, &n) || *text || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

static bool parse_bool(const char *text, bool *ret)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i]) == 0) {
			*ret = i & 1;
			return true;
		}
	return false;
}

char *option_path_absolute(const char *path)
{
	cleanup_free char *cwd = NULL;
	char *joined = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&joined, "%s/%s", cwd, path) < 0)
		return NULL;
	return joined;
}

const char *option_shape(enum option_type type)
{
	switch (type) {
	case OPTION_TYPE_PORT:
		return "a port, 1 to 65535";
	case OPTION_TYPE_SCHEME:
		return "'http' or 'https'";
	case OPTION_TYPE_CHECKSUM:
		return "'crc64nvme', 'crc32' or 'whenRequired'";
	case OPTION_TYPE_VERBS:
		return "a list of 'read', 'write', 'list', 'delete', or 'none'";
	case OPTION_TYPE_LIST:
		return "a list of names separated by commas";
	case OPTION_TYPE_BOOL:
	case OPTION_TYPE_BOOL_NO:
	case OPTION_TYPE_BOOL_NOT:
		return "'true' or 'false'";
	case OPTION_TYPE_ATTRIBUTES:
		return "'posix' or 'list'";
	case OPTION_TYPE_COMMIT:
		return "'close' or 'background'";
	case OPTION_TYPE_FSYNC:
		return "'commit' or 'staging'";
	case OPTION_TYPE_EXCL:
		return "'close' or 'open'";
	case OPTION_TYPE_AUDIT_FULL:
		return "'stop' or 'drop'";
	case OPTION_TYPE_SIZE:
		return "a size such as 64M or 1GiB";
	case OPTION_TYPE_DURATION:
		return "a time such as 500ms or 30s";
	case OPTION_TYPE_COUNT:
		return "a number from 1 to 1024";
	case OPTION_TYPE_QUOTA:
		return "a size such as 64M or 1GiB, not 0";
	case OPTION_TYPE_QUOTA_COUNT:
		return "a number above 0";
	case OPTION_TYPE_FD:
		return "the number of a descriptor";
	case OPTION_TYPE_LEVEL:
		return "'debug', 'info', 'warn' or 'error'";
	default:
		return "a text that is not empty";
	}
}

static int store_text(char **field, char *text)
{
	if (!text)
		return -ENOMEM;
	option_wipe_free(*field);
	*field = text;
	return 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static int store_choice(const char *text, const char *no, const char *yes, bool *field)
{
	*field = strcmp(text, yes) == 0;
	return *field || strcmp(text, no) == 0 ? 0 : -EINVAL;
}

/* Return: 0, -ENOMEM, -EINVAL where @text is no value of @type. */
static int store(enum option_type type, const char *text, void *field)
{
	static const char *const schemes[] = { "http", "https", NULL };
	static const char *const checksums[] = { "crc64nvme", "crc32", "whenRequired", NULL };
	uint64_t n;
	bool flag;
	int level;

	switch (type) {
	case OPTION_TYPE_MOUNT:
		return 0;
	case OPTION_TYPE_STRING:
	case OPTION_TYPE_SECRET:
		return *text ? store_text(field, strdup(text)) : -EINVAL;
	case OPTION_TYPE_LOG_PATH:
		if (strcmp(text, "-") == 0)
			return store_text(field, strdup(text));
		__attribute__((fallthrough));
	case OPTION_TYPE_PATH:
		return *text ? store_text(field, option_path_absolute(text)) : -EINVAL;
	case OPTION_TYPE_PORT:
		return parse_bounded(text, 1, 65535, &n) ? store_text(field, strdup(text)) : -EINVAL;
	case OPTION_TYPE_SCHEME:
		return is_one_of(text, schemes) ? store_text(field, strdup(text)) : -EINVAL;
	case OPTION_TYPE_CHECKSUM:
		return is_one_of(text, checksums) ? store_text(field, strdup(text)) : -EINVAL;
	case OPTION_TYPE_VERBS:
		return policy_check_verbs(text) ? store_text(field, strdup(text)) : -EINVAL;
	case OPTION_TYPE_LIST:
		return policy_check_list(text) ? store_text(field, strdup(text)) : -EINVAL;
	case OPTION_TYPE_BOOL:
	case OPTION_TYPE_BOOL_NO:
	case OPTION_TYPE_BOOL_NOT:
		if (!parse_bool(text, &flag))
			return -EINVAL;
		*(bool *)field = flag != (type == OPTION_TYPE_BOOL_NOT);
		return 0;
	case OPTION_TYPE_ATTRIBUTES:
		return store_choice(text, "posix", "list", field);
	case OPTION_TYPE_COMMIT:
		return store_choice(text, "close", "background", field);
	case OPTION_TYPE_FSYNC:
		return store_choice(text, "commit", "staging", field);
	case OPTION_TYPE_EXCL:
		return store_choice(text, "close", "open", field);
	case OPTION_TYPE_AUDIT_FULL:
		return store_choice(text, "drop", "stop", field);
	case OPTION_TYPE_SIZE:
		return parse_size(text, field) ? 0 : -EINVAL;
	case OPTION_TYPE_DURATION:
		return option_parse_duration(text, field) ? 0 : -EINVAL;
	case OPTION_TYPE_COUNT:
		if (!parse_bounded(text, 1, 1024, &n))
			return -EINVAL;
		*(unsigned *)field = (unsigned)n;
		return 0;
	case OPTION_TYPE_QUOTA:
		return parse_size(text, field) && *(uint64_t *)field ? 0 : -EINVAL;
	case OPTION_TYPE_QUOTA_COUNT:
		if (!parse_bounded(text, 1, INT64_MAX, &n))
			return -EINVAL;
		*(uint64_t *)field = n;
		return 0;
	case OPTION_TYPE_FD:
		if (!parse_bounded(text, 0, INT_MAX, &n))
			return -EINVAL;
		*(int *)field = (int)n;
		return 0;
	case OPTION_TYPE_LEVEL:
		level = log_level_parse(text);
		if (level < 0)
			return -EINVAL;
		*(int *)field = level;
		return 0;
	}
	return -EINVAL;
}

int option_store(int opt, const struct setting *s, void *base, struct err *err)
{
	const struct option_row *row = &option_rows[opt];
	int r = store(row->type, s->text, (char *)base + row->offset);

	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "%s: out of memory", s->where);
	if (r < 0)
		return err_set(err, EINVAL, "%s '%s' is not %s", s->where,
			       row->type == OPTION_TYPE_SECRET ? "***" : s->text, option_shape(row->type));
	return 0;
}

static bool is_text(enum option_type type)
{
	return type <= OPTION_TYPE_LIST;
}

int option_check(int opt, const struct setting *s, struct err *err)
{
	union {
		struct config session;
		struct mount_config mount;
	} scratch;
	int r;

	memset(&scratch, 0, sizeof(scratch));
	r = option_store(opt, s, &scratch, err);
	if (r == 0 && is_text(option_rows[opt].type))
		option_wipe_free(*(char **)(void *)((char *)&scratch + option_rows[opt].offset));
	return r;
}

bool option_show(int opt, const void *field, char *buf, size_t size)
{
	enum option_type type = option_rows[opt].type;
	const char *text;

	buf[0] = '\0';
	if (option_is_bool(type)) {
		bool set = *(const bool *)field;
		(void)snprintf(buf, size, "%s", set != (type == OPTION_TYPE_BOOL_NOT) ? "true" : "false");
		return set;
	}
	if (type == OPTION_TYPE_ATTRIBUTES) {
		(void)snprintf(buf, size, "list");
		return *(const bool *)field;
	}
	if (!is_text(type))
		return false;
	text = *(char *const *)field;
	if (text && type == OPTION_TYPE_SECRET)
		(void)snprintf(buf, size, "***");
	else if (text && strchr(text, '\n'))
		(void)snprintf(buf, size, "%.*s and %s", (int)strcspn(text, "\n"), text, strchr(text, '\n') + 1);
	return text && *text;
}

/* Levenshtein's distance, one row of the matrix; case counts nothing, long names are never near. */
static size_t distance(const char *a, const char *b)
{
	size_t row[65], n = strlen(b);

	if (n > 64 || strlen(a) > 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; *a; i++, a++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j], best = diagonal + ((*a | 32) != (b[j - 1] | 32));
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[n];
}

const char *option_nearest(const char *name, const char *const *names)
{
	const char *best = NULL;
	size_t best_distance = strlen(name) / 3 + 2;

	for (; *names; names++) {
		size_t d = distance(name, *names);
		if (d < best_distance) {
			best_distance = d;
			best = *names;
		}
	}
	return best;
}

struct names {
	char words[NAMES_MAX][32];
	const char *list[NAMES_MAX + 1];
	size_t count;
};

static void add_names(struct names *to, const char *from)
{
	while (from && *from && to->count < NAMES_MAX) {
		size_t n = strcspn(from, " ");
		(void)snprintf(to->words[to->count], sizeof(to->words[0]), "%.*s", (int)n, from);
		to->list[to->count] = to->words[to->count];
		to->list[++to->count] = NULL;
		from += n;
		from += strspn(from, " ");
	}
}

static const char *nearest_of(const char *name, const struct names *names, char *buf, size_t size)
{
	const char *found = option_nearest(name, names->list);

	if (!found)
		return NULL;
	(void)snprintf(buf, size, "%s", found);
	return buf;
}

const char *option_nearest_flag(const char *name, char *buf, size_t size)
{
	struct names names = { .count = 0 };

	for (int i = 0; i < OPT_MAX; i++)
		add_names(&names, option_rows[i].flag);
	return nearest_of(name, &names, buf, size);
}

const char *option_nearest_key(const char *name, bool mount, char *buf, size_t size)
{
	struct names names = { .count = 0 };

	for (int i = 0; i < OPT_MAX; i++)
		if (!mount || option_rows[i].group == OPTION_GROUP_MOUNT)
			add_names(&names, option_rows[i].key);
	add_names(&names, mount ? "type" : "sandboxMapping");
	return nearest_of(name, &names, buf, size);
}
