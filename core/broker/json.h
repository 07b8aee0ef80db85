/**
 * json.h - JSON text into a buffer of fixed size, for what the broker tells tools.
 *
 * What does not fit sets `full` and is left out; the caller looks once, at the end. Threads: a buffer belongs to one.
 */
#ifndef S3SHIM_BROKER_JSON_H
#define S3SHIM_BROKER_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct json {
	char *buf;
	size_t size, len; /* len without the NUL that is always there */
	bool full;
};

void json_init(struct json *j, char *buf, size_t size);

/** json_put() - text that is JSON already. */
void json_put(struct json *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** json_string() - @len bytes of @s as a string with its quotes; bytes that are not valid UTF-8 become U+FFFD. */
void json_string(struct json *j, const char *s, size_t len);

/**
 * json_rollback() - if something did not fit since @mark (an earlier len), drop what was written since then
 * Return: true if it did; `full` is false again.
 */
bool json_rollback(struct json *j, size_t mark);

#endif
