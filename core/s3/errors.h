/**
 * errors.h - what an S3 error means: errno, whether to try again, a sentence. Generated from errors.def. Stateless.
 */
#ifndef S3SHIM_S3_ERRORS_H
#define S3SHIM_S3_ERRORS_H

#include "s3/buf.h"

enum errors_class {
	ERRORS_FATAL,     /* the same again would fail again */
	ERRORS_TRANSIENT, /* try again soon */
	ERRORS_THROTTLE,  /* try again later */
	ERRORS_REGION,    /* learn the bucket's region, then try again once */
	ERRORS_KEYS,      /* ask the source of the keys for others, then try again once */
	ERRORS_SKEW,      /* learn the store's clock, then try again once */
};

struct errors_row {
	const char *code;        /* "" for a status by itself */
	int http_status, errnum; /* errnum positive */
	enum errors_class class;
	const char *sentence; /* with {who} and {region} */
};

/**
 * errors_find() - by @code if the table has it, else by @http_status, else by its hundreds; never NULL
 * @code: NULL or "" where the answer had no body.
 */
const struct errors_row *errors_find(const char *code, int http_status);

/** errors_sentence() - append the row's sentence with the placeholders filled in; @key: "" where unsigned. */
void errors_sentence(const struct errors_row *row, const char *key, const char *region, struct buf *to);

#endif
