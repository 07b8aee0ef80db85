/**
 * json.h - a JSON text (RFC 8259) as a tree of tokens, each with its place in the file. jsmn finds the tokens; what it
 * leaves unchecked (separators, words, what follows the value) is checked here.
 *
 * Owner: whoever declared it; json_deinit() wipes the text, which may hold secrets. Threads: none.
 */
#ifndef S3SHIM_CONFIG_JSON_H
#define S3SHIM_CONFIG_JSON_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define JSON_BYTES_MAX (16u << 20)

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOL, JSON_NULL };

struct json {
	char *name; /* for messages */
	char *text;
	size_t len;
	void *tokens;
	int count;
};

/** json_load() - read a file; json_parse() - copy @text. Return: 0; -errno with a sentence "name:line:column: ...". */
int json_load(struct json *ret, const char *path, struct err *err);
int json_parse(struct json *ret, const char *name, const char *text, size_t len, struct err *err);
void json_deinit(struct json *j);

/* Nodes are numbers; 0 is the root, -1 none. */
enum json_kind json_kind(const struct json *j, int node);
const char *json_kind_name(enum json_kind kind); /* "an object", "a string", ... */

/** json_first(), json_next() - children of an array, or the keys of an object; -1 at the end. */
int json_first(const struct json *j, int node);
int json_next(const struct json *j, int node);
/** json_value() - the value of a key. */
int json_value(const struct json *j, int key);
/** json_get() - the value of the member @key of an object; -1 if there is none or @node is none. */
int json_get(const struct json *j, int node, const char *key);

/** json_text() - malloc'd: a string unescaped, a number or word as it stands. NULL: out of memory, a NUL inside. */
char *json_text(const struct json *j, int node);

/** json_error() - err_set() with "name:line:column: " in front. */
int json_error(const struct json *j, int node, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** json_place() - "name:line:column" of @node. */
void json_place(const struct json *j, int node, char *buf, size_t size);

#endif
