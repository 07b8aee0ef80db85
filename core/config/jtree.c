/*
 * jsmn in its strict mode still takes `{"a" 1}`, `[1 2]`, `trux` and text after the value, so a second pass looks at
 * what lies between the tokens. Tokens come in the order of the text, an object's as key, value, key, value; with
 * JSMN_PARENT_LINKS a key's parent is the object and a value's parent is its key.
 */
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#define JSMN_STATIC
#include <jsmn.h>

#include "config/jtree.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 64

static const jsmntok_t *token(const struct jtree *j, int node)
{
	return (const jsmntok_t *)j->tokens + node;
}

static void place_of(const struct jtree *j, size_t offset, char *buf, size_t size)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset && i < j->len; i++) {
		column++;
		if (j->text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	(void)snprintf(buf, size, "%s:%zu:%zu", j->name, line, column);
}

void jtree_place(const struct jtree *j, int node, char *buf, size_t size)
{
	const jsmntok_t *t = token(j, node);

	place_of(j, (size_t)(t->type == JSMN_STRING ? t->start - 1 : t->start), buf, size);
}

static int error_at(const struct jtree *j, size_t offset, struct err *err, const char *what)
{
	char place[512];

	place_of(j, offset, place, sizeof(place));
	return err_set(err, EINVAL, "%s: %s", place, what);
}

int jtree_error(const struct jtree *j, int node, struct err *err, const char *fmt, ...)
{
	char place[512], text[ERR_TEXT_MAX];
	va_list ap;

	jtree_place(j, node, place, sizeof(place));
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, EINVAL, "%s: %s", place, text);
}

static size_t skip_blank(const struct jtree *j, size_t at)
{
	while (at < j->len && strchr(" \t\r\n", j->text[at]) && j->text[at])
		at++;
	return at;
}

static bool is_primitive(const char *s, size_t n)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t i = 0, digits;

	for (size_t w = 0; w < ARRAY_SIZE(words); w++)
		if (n == strlen(words[w]) && memcmp(s, words[w], n) == 0)
			return true;
	if (i < n && s[i] == '-')
		i++;
	if (i + 1 < n && s[i] == '0' && s[i + 1] >= '0' && s[i + 1] <= '9')
		return false;
	for (digits = 0; i < n && s[i] >= '0' && s[i] <= '9'; i++)
		digits++;
	if (i < n && s[i] == '.' && digits)
		for (i++, digits = 0; i < n && s[i] >= '0' && s[i] <= '9'; i++)
			digits++;
	if (i < n && (s[i] == 'e' || s[i] == 'E') && digits) {
		i++;
		if (i < n && (s[i] == '+' || s[i] == '-'))
			i++;
		for (digits = 0; i < n && s[i] >= '0' && s[i] <= '9'; i++)
			digits++;
	}
	return digits && i == n;
}

/* Is there nothing but blanks between @pos and @node, whose text begins with its quote? jsmn takes `[1,,2]`. */
static bool follows(const struct jtree *j, size_t pos, int node)
{
	const jsmntok_t *t = token(j, node);

	return skip_blank(j, pos) == (size_t)t->start - (t->type == JSMN_STRING);
}

/* Checks one value that begins at token *@at, and what lies between its parts; *ret_end is the offset behind it. */
static int check(const struct jtree *j, int *at, int depth, size_t *ret_end, struct err *err)
{
	const jsmntok_t *t = token(j, *at);
	size_t pos = (size_t)t->start + 1;

	(*at)++;
	*ret_end = (size_t)t->end + (t->type == JSMN_STRING);
	if (t->type == JSMN_STRING)
		return 0;
	if (t->type == JSMN_PRIMITIVE)
		return is_primitive(j->text + t->start, (size_t)(t->end - t->start))
			   ? 0
			   : error_at(j, (size_t)t->start, err, "not a JSON value; texts stand in double quotes");
	if (depth > DEPTH_MAX)
		return error_at(j, (size_t)t->start, err, "nested too deeply");
	for (int i = 0; i < t->size; i++) {
		const jsmntok_t *key = NULL;
		int r;
		if (i) {
			pos = skip_blank(j, pos);
			if (j->text[pos] != ',')
				return error_at(j, pos, err, "expected ',' or the end of the list");
			pos++;
		}
		if (t->type == JSMN_OBJECT) {
			if (*at >= j->count || token(j, *at)->type != JSMN_STRING || token(j, *at)->size < 1 ||
			    !follows(j, pos, *at))
				return error_at(j, skip_blank(j, pos), err, "expected \"name\": value");
			pos = skip_blank(j, (size_t)token(j, *at)->end + 1);
			if (j->text[pos] != ':')
				return error_at(j, pos, err, "expected ':'");
			pos++;
			key = token(j, (*at)++);
		}
		if (!follows(j, pos, *at))
			return error_at(j, skip_blank(j, pos), err, "expected a value");
		r = check(j, at, depth + 1, &pos, err);
		if (r < 0)
			return r;
		if (key && key->size > 1) /* jsmn hangs what follows without a comma below the same key */
			return error_at(j, skip_blank(j, pos), err, "expected ',' or the end of the list");
	}
	if (skip_blank(j, pos) != (size_t)t->end - 1)
		return error_at(j, skip_blank(j, pos), err, "expected the end of the list");
	return 0;
}

static int tokenise(struct jtree *j, struct err *err)
{
	jsmn_parser parser;
	int n, at = 0, r;
	size_t end;

	jsmn_init(&parser);
	n = jsmn_parse(&parser, j->text, j->len, NULL, 0);
	if (n > 0) {
		j->tokens = calloc((size_t)n, sizeof(jsmntok_t));
		if (!j->tokens)
			return err_set(err, ENOMEM, "%s: out of memory", j->name);
		jsmn_init(&parser);
		n = jsmn_parse(&parser, j->text, j->len, j->tokens, (unsigned)n);
	}
	if (n == JSMN_ERROR_PART)
		return error_at(j, j->len, err, "the file ends too early: a bracket or quote is not closed");
	if (n == 0)
		return error_at(j, 0, err, "the file is empty");
	if (n < 0)
		return error_at(j, parser.pos, err, "not JSON");
	j->count = n;
	r = check(j, &at, 0, &end, err);
	if (r < 0)
		return r;
	if (skip_blank(j, end) != j->len)
		return error_at(j, skip_blank(j, end), err, "something follows the end");
	return 0;
}

struct member {
	char *name;
	int key;
};

static int by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->key - y->key;
}

/* RFC 8259 leaves open which of two equal names counts; here neither does. */
static int check_names(const struct jtree *j, int object, struct err *err)
{
	size_t count = 0, room = (size_t)token(j, object)->size;
	struct member *members = calloc(room ? room : 1, sizeof(*members));
	int r = members ? 0 : err_set(err, ENOMEM, "%s: out of memory", j->name);

	for (int key = jtree_first(j, object); r == 0 && key >= 0 && count < room; key = jtree_next(j, key)) {
		members[count] = (struct member){ jtree_text(j, key), key };
		if (members[count].name)
			count++;
		else
			r = jtree_error(j, key, err, "this name holds a character that no text can");
	}
	if (r == 0 && count > 1)
		qsort(members, count, sizeof(*members), by_name);
	for (size_t i = 1; r == 0 && i < count; i++)
		if (strcmp(members[i - 1].name, members[i].name) == 0)
			r = jtree_error(j, members[i].key, err, "'%s' is given twice", members[i].name);
	while (count)
		free(members[--count].name);
	free(members);
	return r;
}

static int check_objects(const struct jtree *j, struct err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < j->count; i++)
		if (token(j, i)->type == JSMN_OBJECT)
			r = check_names(j, i, err);
	return r;
}

int jtree_parse(struct jtree *ret, const char *name, const char *text, size_t len, struct err *err)
{
	struct jtree j = { 0 };
	int r;

	j.name = strdup(name);
	j.text = malloc(len + 1);
	if (!j.name || !j.text) {
		jtree_deinit(&j);
		return err_set(err, ENOMEM, "%s: out of memory", name);
	}
	memcpy(j.text, text, len);
	j.text[len] = '\0';
	j.len = len;
	r = tokenise(&j, err);
	if (r == 0)
		r = check_objects(&j, err);
	if (r < 0) {
		jtree_deinit(&j);
		return r;
	}
	*ret = j;
	return 0;
}

int jtree_load(struct jtree *ret, const char *path, struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;
	size_t len = 0;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "configuration file '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > JTREE_BYTES_MAX)
		return err_set(err, EINVAL, "configuration file '%s' is not a file of at most 16 MiB", path);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return err_set(err, ENOMEM, "configuration file '%s': out of memory", path);
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	r = jtree_parse(ret, path, text, len, err);
	explicit_bzero(text, len);
	free(text);
	if (r == 0)
		ret->mode = st.st_mode;
	return r;
}

void jtree_deinit(struct jtree *j)
{
	if (j->text)
		explicit_bzero(j->text, j->len);
	free(j->text);
	free(j->name);
	free(j->tokens);
	*j = (struct jtree){ 0 };
}

enum jtree_kind jtree_kind(const struct jtree *j, int node)
{
	const jsmntok_t *t = token(j, node);

	if (t->type == JSMN_OBJECT)
		return JTREE_OBJECT;
	if (t->type == JSMN_ARRAY)
		return JTREE_ARRAY;
	if (t->type == JSMN_STRING)
		return JTREE_STRING;
	switch (j->text[t->start]) {
	case 't':
	case 'f':
		return JTREE_BOOL;
	case 'n':
		return JTREE_NULL;
	default:
		return JTREE_NUMBER;
	}
}

const char *jtree_kind_name(enum jtree_kind kind)
{
	static const char *const names[] = { "an object", "a list", "a string", "a number", "true or false", "null" };

	return names[kind];
}

int jtree_first(const struct jtree *j, int node)
{
	return token(j, node)->size ? node + 1 : -1;
}

int jtree_next(const struct jtree *j, int node)
{
	int parent = token(j, node)->parent;

	for (int i = node + 1; i < j->count && token(j, i)->start < token(j, parent)->end; i++)
		if (token(j, i)->parent == parent)
			return i;
	return -1;
}

int jtree_value(const struct jtree *j, int key)
{
	(void)j;
	return key + 1;
}

static bool is_named(const struct jtree *j, int key, const char *name)
{
	const jsmntok_t *t = token(j, key);
	size_t len = (size_t)(t->end - t->start);
	cleanup_free char *text = NULL;

	if (!memchr(j->text + t->start, '\\', len))
		return len == strlen(name) && memcmp(j->text + t->start, name, len) == 0;
	text = jtree_text(j, key);
	return text && strcmp(text, name) == 0;
}

int jtree_get(const struct jtree *j, int node, const char *key)
{
	if (node < 0 || jtree_kind(j, node) != JTREE_OBJECT)
		return -1;
	for (int k = jtree_first(j, node); k >= 0; k = jtree_next(j, k)) {
		if (is_named(j, k, key))
			return jtree_value(j, k);
	}
	return -1;
}

/* Four hex digits; jsmn has checked that they are. */
static uint32_t hex4(const char *s)
{
	char digits[5] = { s[0], s[1], s[2], s[3], 0 };

	return (uint32_t)strtoul(digits, NULL, 16);
}

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 63));
		*out++ = (char)(0x80 | (c & 63));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 63));
		*out++ = (char)(0x80 | (c >> 6 & 63));
		*out++ = (char)(0x80 | (c & 63));
	}
	return out;
}

char *jtree_text(const struct jtree *j, int node)
{
	static const char escapes[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const jsmntok_t *t = token(j, node);
	const char *in = j->text + t->start, *end = j->text + t->end;
	char *text = malloc((size_t)(end - in) + 1), *out = text;

	while (text && in < end) {
		uint32_t c;
		if (*in != '\\') {
			*out++ = *in++;
			continue;
		}
		if (in[1] != 'u') {
			*out++ = means[strchr(escapes, in[1]) - escapes];
			in += 2;
			continue;
		}
		c = hex4(in + 2);
		in += 6;
		if (c >= 0xd800 && c < 0xdc00 && end - in >= 6 && in[0] == '\\' && in[1] == 'u' &&
		    (hex4(in + 2) & 0xfc00) == 0xdc00) {
			c = 0x10000 + ((c - 0xd800) << 10) + (hex4(in + 2) & 0x3ff);
			in += 6;
		}
		if (!c || (c & 0xfffff800) == 0xd800) { /* half a pair is no character */
			free(text);
			return NULL;
		}
		out = put_utf8(out, c);
	}
	if (text)
		*out = '\0';
	return text;
}
