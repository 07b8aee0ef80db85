#include "s3/retry.h"

#include <criterion/criterion.h>

Test(retry, full_jitter_is_between_nothing_and_the_step)
{
	cr_assert_eq(retry_delay_ms(ERRORS_TRANSIENT, 1, 0, 0), 0);
	for (unsigned n = 1; n < 10; n++) {
		int64_t most = retry_delay_ms(ERRORS_THROTTLE, n, UINT32_MAX, 0);
		int64_t step = n <= 5 ? 1000ll << (n - 1) : RETRY_CAP_MS;
		cr_assert_leq(most, step);
		cr_assert_geq(most, step - 1);
	}
}

Test(retry, capped)
{
	cr_assert_leq(retry_delay_ms(ERRORS_THROTTLE, 1000, UINT32_MAX, 0), RETRY_CAP_MS);
}

Test(retry, the_servers_wish_is_a_lower_bound_within_the_cap)
{
	cr_assert_eq(retry_delay_ms(ERRORS_TRANSIENT, 1, 0, 1234), 1234);
	cr_assert_eq(retry_delay_ms(ERRORS_TRANSIENT, 1, 0, 1000000), RETRY_CAP_MS);
}

Test(retry, bucket_runs_dry)
{
	struct retry_bucket bucket;
	int taken = 0;

	retry_bucket_init(&bucket);
	while (retry_take(&bucket, RETRY_COST))
		taken++;
	cr_assert_eq(taken, RETRY_TOKENS / RETRY_COST);
	retry_put(&bucket, RETRY_COST);
	cr_assert(retry_take(&bucket, RETRY_COST));
	cr_assert_not(retry_take(&bucket, RETRY_COST));
}

Test(retry, bucket_does_not_overflow)
{
	struct retry_bucket bucket;

	retry_bucket_init(&bucket);
	retry_put(&bucket, 100);
	cr_assert_eq(bucket.tokens, RETRY_TOKENS);
}
