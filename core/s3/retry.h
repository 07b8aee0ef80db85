/**
 * retry.h - when to try again, as the standard mode of the AWS SDKs does.
 *
 * Source of facts: AWS SDKs and Tools Reference Guide, "Retry behavior". Full jitter: a random part of base * 2^n, at
 * most 20 s. Every retry takes tokens out of a bucket of 500 that all calls of a client share, so that a store in
 * trouble is not hit by all of them at once; success puts them back. Any thread, lock-free.
 */
#ifndef S3SHIM_S3_RETRY_H
#define S3SHIM_S3_RETRY_H

#include "s3/errors.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RETRY_TOKENS       500
#define RETRY_COST         5
#define RETRY_COST_TIMEOUT 10
#define RETRY_CAP_MS       20000

struct retry_bucket {
	_Atomic int tokens;
};

void retry_bucket_init(struct retry_bucket *bucket);

/** retry_take() - tokens for one retry. Return: false if there are too few: do not retry. */
bool retry_take(struct retry_bucket *bucket, int cost);
/** retry_put() - after success: what the last retry took, or 1 where none was needed. */
void retry_put(struct retry_bucket *bucket, int tokens);

/**
 * retry_delay_ms() - how long to wait
 * @retry: 1 for the first. @random: 32 random bits. @after_ms: what the server asked for (x-amz-retry-after,
 * Retry-After), 0: nothing; it is a lower bound, itself bounded by the cap.
 */
int64_t retry_delay_ms(enum errors_class class, unsigned retry, uint32_t random, int64_t after_ms);

/** retry_random() - 32 bits. */
uint32_t retry_random(void);

#endif
