/**
 * bucket.h - the bucket in memory of the object layer's tests, with what a volume asks beyond it: listings, deletions,
 * copies that carry metadata, buckets.
 */
#ifndef S3SHIM_TESTS_BUCKET_H
#define S3SHIM_TESTS_BUCKET_H

#include "../object/fake_s3.h"

/** bucket_put() - with user metadata: name, value, ..., NULL. */
void bucket_put(const char *key, const char *body, ...) __attribute__((sentinel));
/** bucket_meta() - the value of one; "" if there is none. Valid until the next call. */
const char *bucket_meta(const char *key, const char *name);
/** bucket_most() - the largest number of calls that were under way at once since it was asked last. */
unsigned bucket_most(void);
/** bucket_page() - names of one page of a listing; default 1,000. */
extern unsigned bucket_page;

#endif
