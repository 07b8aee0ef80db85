#include "s3/retry.h"

#include <sys/random.h>

#define BASE_TRANSIENT_MS 500
#define BASE_THROTTLE_MS  1000

void retry_bucket_init(struct retry_bucket *bucket)
{
	bucket->tokens = RETRY_TOKENS;
}

bool retry_take(struct retry_bucket *bucket, int cost)
{
	int tokens = bucket->tokens;

	do {
		if (tokens < cost)
			return false;
	} while (!atomic_compare_exchange_weak(&bucket->tokens, &tokens, tokens - cost));
	return true;
}

void retry_put(struct retry_bucket *bucket, int tokens)
{
	int now = bucket->tokens, then;

	do {
		then = now + tokens > RETRY_TOKENS ? RETRY_TOKENS : now + tokens;
	} while (!atomic_compare_exchange_weak(&bucket->tokens, &now, then));
}

int64_t retry_delay_ms(enum errors_class class, unsigned retry, uint32_t random, int64_t after_ms)
{
	int64_t limit = class == ERRORS_THROTTLE ? BASE_THROTTLE_MS : BASE_TRANSIENT_MS;

	for (; retry > 1 && limit < RETRY_CAP_MS; retry--)
		limit *= 2;
	if (limit > RETRY_CAP_MS)
		limit = RETRY_CAP_MS;
	int64_t delay = (int64_t)((uint64_t)limit * random >> 32);
	if (after_ms > RETRY_CAP_MS)
		after_ms = RETRY_CAP_MS;
	return delay < after_ms ? after_ms : delay;
}

uint32_t retry_random(void)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return UINT32_MAX / 2;
	return random;
}
