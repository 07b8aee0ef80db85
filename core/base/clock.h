/**
 * clock.h - the monotonic clock: for deadlines, back-off and time to live; never for the times of files.
 *
 * Any thread. The clock cannot fail on Linux.
 */
#ifndef S3SHIM_BASE_CLOCK_H
#define S3SHIM_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t clock_now_ms(void)
{
	return clock_now_ns() / 1000000;
}

/** clock_in_ms() - that long from now, as pthread_cond_timedwait(3) wants it for a condition of clock_cond_init(). */
static inline struct timespec clock_in_ms(int64_t ms)
{
	int64_t then = clock_now_ns() + ms * 1000000;

	return (struct timespec){ .tv_sec = (time_t)(then / 1000000000), .tv_nsec = (long)(then % 1000000000) };
}

/** clock_cond_init() - a condition whose timed waits use this clock. */
static inline void clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

#endif
