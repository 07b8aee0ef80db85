#include "s3/uri.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

void uri_encode(struct buf *to, const char *text, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";

	for (const char *run = text; *text || run != text;) {
		unsigned char c = (unsigned char)*text;
		if (c && (is_unreserved(c) || (keep_slash && c == '/'))) {
			text++;
			continue;
		}
		buf_add(to, run, (size_t)(text - run));
		if (!c)
			return;
		buf_add(to, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
		run = ++text;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int uri_decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '%') {
			int hi = hex_digit(text[1]), lo = hi < 0 ? -1 : hex_digit(text[2]);
			if (lo < 0 || (hi | lo) == 0)
				return -EINVAL;
			*to++ = (char)(hi << 4 | lo);
			text += 2;
		} else {
			*to++ = *text == '+' ? ' ' : *text;
		}
	}
	*to = '\0';
	return 0;
}

/* The host and port of @host, dropping a port that the scheme implies. */
static int check_host(char *host, bool https)
{
	char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");

	if (!end || end == host || (host[0] == '[' && end == host + 1))
		return -EINVAL;
	for (char *p = host; p < end; p++) {
		*p = (char)tolower((unsigned char)*p);
		if (!isalnum((unsigned char)*p) && !strchr(host[0] == '[' ? "[:.%" : "-._", *p))
			return -EINVAL;
	}
	if (*end == ']')
		end++;
	if (!*end)
		return 0;
	char *rest;
	long port = *end == ':' && isdigit((unsigned char)end[1]) ? strtol(end + 1, &rest, 10) : -1;
	if (port < 1 || port > 65535 || *rest)
		return -EINVAL;
	if (port == (https ? 443 : 80))
		*end = '\0';
	return 0;
}

/* It is sent and signed as it stands. */
static bool check_prefix(const char *prefix)
{
	for (; *prefix; prefix++)
		if (*prefix <= ' ' || *prefix > '~' || strchr("?#%", *prefix))
			return false;
	return true;
}

int uri_parse_endpoint(const char *text, const char *scheme, struct uri_endpoint *ret, struct err *err)
{
	struct uri_endpoint ep = { .https = true };
	const char *host = text;

	if (scheme && *scheme) {
		if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
			return err_set(err, EINVAL, "scheme '%s' is neither http nor https", scheme);
		ep.https = strcmp(scheme, "https") == 0;
	}
	if (strncasecmp(text, "http://", 7) == 0) {
		ep.https = false;
		host += 7;
	} else if (strncasecmp(text, "https://", 8) == 0) {
		ep.https = true;
		host += 8;
	}
	size_t host_len = strcspn(host, "/?#"), path_len = strlen(host + host_len);
	while (path_len && host[host_len + path_len - 1] == '/')
		path_len--;
	if (host_len >= sizeof(ep.host) || path_len >= sizeof(ep.prefix) || memchr(host, '@', host_len) ||
	    !check_prefix(host + host_len))
		return err_set(err, EINVAL, "endpoint '%s': want host[:port] or http[s]://host[:port]", text);
	memcpy(ep.host, host, host_len);
	memcpy(ep.prefix, host + host_len, path_len);
	if (check_host(ep.host, ep.https) < 0)
		return err_set(err, EINVAL, "endpoint '%s': want host[:port] or http[s]://host[:port]", text);
	*ret = ep;
	return 0;
}

bool uri_bucket_is_dns(const char *bucket)
{
	size_t len = strlen(bucket);

	if (len < 3 || len > 63 || bucket[0] == '-' || bucket[len - 1] == '-')
		return false;
	for (; *bucket; bucket++)
		if (!(*bucket >= 'a' && *bucket <= 'z') && !(*bucket >= '0' && *bucket <= '9') && *bucket != '-')
			return false;
	return true;
}
