/**
 * uri.h - URIs as S3 signs and sends them.
 *
 * Percent encoding by the rule of Signature Version 4: everything but A-Z a-z 0-9 - . _ ~ is %XX in upper case; '/' is
 * kept in paths. What is signed is what is sent, nothing is normalised. Stateless.
 */
#ifndef S3SHIM_S3_URI_H
#define S3SHIM_S3_URI_H

#include "base/err.h"
#include "s3/buf.h"

#include <stdbool.h>

/** uri_encode() - append @text encoded; @keep_slash for paths. */
void uri_encode(struct buf *to, const char *text, bool keep_slash);

/** uri_decode() - in place, %XX and, as encoding-type=url has it, '+' for a blank. Return: 0; -EINVAL: bad escape, NUL.
 */
int uri_decode(char *text);

/** A server as given in an endpoint option. */
struct uri_endpoint {
	bool https;
	char host[256];   /* as it stands in Host: lower case, port only where it is not the scheme's own, IPv6 in
			     brackets */
	char prefix[128]; /* path before the bucket, "" or "/x" */
};

/**
 * uri_parse_endpoint() - "host", "host:port", "[v6]:port", "http://host:port/path"
 * @scheme: where the text has none: "http", "https" or NULL (https).
 * Return: 0; -EINVAL with a sentence (user info, query, bad port or characters).
 */
int uri_parse_endpoint(const char *text, const char *scheme, struct uri_endpoint *ret, struct err *err);

/** uri_bucket_is_dns() - can @bucket be the first label of a host name under TLS? (no dots, DNS characters) */
bool uri_bucket_is_dns(const char *bucket);

#endif
