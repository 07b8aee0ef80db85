/**
 * log.h - the log of broker and tools: one line an event, for a person who looks for the reason of an EIO.
 *
 *     2026-11-21T11:35:52.123Z warn s3: retrying GET 's3://b/k': 503 SlowDown (attempt 2)
 *
 * Lower case, the object in quotes, `..., ignoring` where it is tolerated. Library code below broker logs at debug
 * only, except for what degrades the service (a condition that a server lacks). No secret is ever passed in. Control
 * characters in what is logged are escaped as \xNN, so that a key cannot forge a line. Any thread may log; a line is
 * one write(2). Not for the shim.
 */
#ifndef S3SHIM_BASE_LOG_H
#define S3SHIM_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/** log_open_fd() - log to @fd from now on (borrowed; -1: nowhere), dropping what is below @min. */
void log_open_fd(int fd, enum log_level min);

/** log_level_parse() - "debug", "info", "warn", "error". Return: the level, or -EINVAL. */
int log_level_parse(const char *name);

/** log_enabled() - would a line of @level be written? For work that only a log line needs. */
int log_enabled(enum log_level level);

/** log_line() - write one line; use the macros below. errno is preserved. */
void log_line(enum log_level level, const char *area, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/**
 * log_flood() - what a program can make happen as often as it likes: of all such lines LOG_FLOOD_MAX a second are written,
 * and how many were not
 */
#define LOG_FLOOD_MAX 100
void log_flood(enum log_level level, const char *area, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** log_recent_errors() - the last warnings and errors, oldest first, newline separated, for `s3ctl status`. */
size_t log_recent_errors(char *buf, size_t size);

#define log_debug(area, ...) log_line(LOG_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...)  log_line(LOG_INFO, area, __VA_ARGS__)
#define log_warn(area, ...)  log_line(LOG_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_line(LOG_ERROR, area, __VA_ARGS__)

#endif
