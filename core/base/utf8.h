/**
 * utf8.h - what is UTF-8 (RFC 3629, section 4)? Stateless.
 */
#ifndef S3SHIM_BASE_UTF8_H
#define S3SHIM_BASE_UTF8_H

#include <stddef.h>

/** utf8_len() - of the sequence at @s, of which @left bytes are there; 0 if it is none. */
size_t utf8_len(const unsigned char *s, size_t left);

#endif
