/**
 * jtree.h - a JSON text (RFC 8259) as a tree of tokens, each with its place in the file. jsmn finds the tokens; what it
 * leaves unchecked (separators, words, names given twice, what follows the value) is checked here.
 *
 * Owner: whoever declared it; jtree_deinit() wipes the text, which may hold secrets. Threads: none.
 */
#ifndef S3SHIM_CONFIG_JTREE_H
#define S3SHIM_CONFIG_JTREE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define JTREE_BYTES_MAX (16u << 20)

enum jtree_kind { JTREE_OBJECT, JTREE_ARRAY, JTREE_STRING, JTREE_NUMBER, JTREE_BOOL, JTREE_NULL };

struct jtree {
	char *name; /* for messages */
	char *text;
	size_t len;
	void *tokens;
	int count;
	mode_t mode; /* of the file; 0 with jtree_parse() */
};

/** jtree_load() - read a file; jtree_parse() - copy @text. Return: 0; -errno with a sentence "name:line:column: ...".
 */
int jtree_load(struct jtree *ret, const char *path, struct err *err);
int jtree_parse(struct jtree *ret, const char *name, const char *text, size_t len, struct err *err);
void jtree_deinit(struct jtree *j);

/* Nodes are numbers; 0 is the root, -1 none. */
enum jtree_kind jtree_kind(const struct jtree *j, int node);
const char *jtree_kind_name(enum jtree_kind kind); /* "an object", "a string", ... */

/** jtree_first(), jtree_next() - children of an array, or the keys of an object; -1 at the end. */
int jtree_first(const struct jtree *j, int node);
int jtree_next(const struct jtree *j, int node);
/** jtree_value() - the value of a key. */
int jtree_value(const struct jtree *j, int key);
/** jtree_get() - the value of the member @key of an object; -1 if there is none or @node is none. */
int jtree_get(const struct jtree *j, int node, const char *key);

/** jtree_text() - malloc'd: a string unescaped, a number or word as it stands. NULL: out of memory, a NUL or
 * half a surrogate pair inside. */
char *jtree_text(const struct jtree *j, int node);

/** jtree_error() - err_set() with "name:line:column: " in front. */
int jtree_error(const struct jtree *j, int node, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** jtree_place() - "name:line:column" of @node. */
void jtree_place(const struct jtree *j, int node, char *buf, size_t size);

#endif
