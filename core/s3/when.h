/**
 * when.h - the three ways in which S3 writes a time.
 *
 * HTTP dates (RFC 9110, 5.6.7, the IMF form) in headers, ISO 8601 in XML, the basic form in signatures. Times are
 * nanoseconds since the epoch, always whole seconds: a HEAD cannot say more than its second, so a listing shall not.
 */
#ifndef S3SHIM_S3_WHEN_H
#define S3SHIM_S3_WHEN_H

#include <stdint.h>

#define WHEN_BASIC_SIZE 17 /* 20130524T000000Z and a NUL */

/** Return: 0; -EINVAL if @text is no such date. */
int when_parse_http(const char *text, int64_t *ret_ns);
int when_parse_iso(const char *text, int64_t *ret_ns);

/** when_basic() - 20130524T000000Z of @seconds since the epoch. */
void when_basic(int64_t seconds, char ret[WHEN_BASIC_SIZE]);

#endif
