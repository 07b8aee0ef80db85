/**
 * fake_s3.h - s3.h implemented by a bucket in memory, for tests of what stands on it: conditions, ranges, multipart
 * uploads, failures on demand, and a count of every request. One thread a call, as the real one calls back from other
 * threads.
 */
#ifndef S3SHIM_TESTS_FAKE_S3_H
#define S3SHIM_TESTS_FAKE_S3_H

#include "s3/s3.h"

struct fake {
	unsigned delay_us;       /* before a call is answered */
	unsigned chunk_delay_us; /* between pieces of a body */
	size_t chunk;            /* bytes of a piece; default 24,000 */
	bool bare_etags;         /* If-Match is compared without quotes, as Ceph 16 does */
	bool no_conditions;      /* conditions are answered with 501 */
	/* fail calls of this operation: with fail_status and fail_http, so many times; -1: for ever */
	enum s3_op fail_op;
	int fail_times, fail_status, fail_http;
	bool lose_answer; /* the failing call is done all the same */
};
extern struct fake fake;

void fake_reset(void); /* no objects, no counts, defaults */
struct s3_client *fake_client(void);
void fake_put(const char *key, const void *data, size_t len);
void fake_delete(const char *key);
/** fake_is() - does the object hold exactly these bytes? */
bool fake_is(const char *key, const void *data, size_t len);
bool fake_has(const char *key);
bool fake_info(const char *key, struct s3_info *ret);
unsigned fake_count(enum s3_op op); /* calls since fake_reset() or fake_forget_counts() */
unsigned fake_total(void);
void fake_forget_counts(void);
unsigned fake_peak(void);         /* the most calls that ran at once */
uint64_t fake_sent_bytes(void);   /* bodies of PUT and UploadPart */
uint64_t fake_got_bytes(void);    /* bodies of GET */
unsigned fake_uploads_open(void); /* multipart uploads neither completed nor aborted */

#endif
