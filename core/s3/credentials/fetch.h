/**
 * fetch.h - one small HTTP exchange that a provider waits for.
 *
 * Apart from the transfer threads of http.h: those wait for keys, so keys must not wait for them. Blocks, any thread.
 * The answer may hold secrets: it lies in one buffer, wiped by fetch_answer_deinit().
 */
#ifndef S3SHIM_S3_CREDENTIALS_FETCH_H
#define S3SHIM_S3_CREDENTIALS_FETCH_H

#include "s3/credentials/provider.h"

#define FETCH_BODY_MAX    65536
#define FETCH_HEADERS_MAX 12

struct fetch {
	const char *method, *url;
	const char *headers[FETCH_HEADERS_MAX]; /* "name: value"; NULL at the end */
	const char *body;                       /* POST; else NULL */
	int connect_ms, total_ms;
	bool direct; /* a service on this machine's own link: no proxy */
};

struct fetch_answer {
	int status;
	char *body; /* NUL-terminated */
	size_t len;
};

/**
 * fetch_run() - certificates and proxy as ask->config says; redirects are not followed
 * Return: 0 and an answer of any status; -ECONNREFUSED nobody to connect to; -ETIMEDOUT; -ECANCELED; -EIO; each with
 * a sentence "'<host>': ...".
 */
int fetch_run(const struct provider_ask *ask, const struct fetch *fetch, struct fetch_answer *ret, struct err *err);
void fetch_answer_deinit(struct fetch_answer *answer);

/** fetch_retry() - fetch_run(), up to 3 times where it timed out, broke, or was answered 429 or 5xx. */
int fetch_retry(const struct provider_ask *ask, const struct fetch *fetch, struct fetch_answer *ret, struct err *err);

#endif
