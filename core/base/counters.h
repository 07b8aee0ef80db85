/**
 * counters.h - what a session counts. counters.def declares each counter with its sentence.
 *
 * One set per broker process for now; lock-free, any thread. Requests are counted by operation name as the S3 API
 * spells it (GetObject, ListObjectsV2, ...).
 */
#ifndef S3SHIM_BASE_COUNTERS_H
#define S3SHIM_BASE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

enum counter {
#define C(name, unit, sentence) COUNTER_##name,
#include "base/counters.def"
#undef C
	COUNTER_MAX
};

/** counter_add() - use as counter_add(COUNTER_bytes_down, n). */
void counter_add(enum counter c, uint64_t n);
uint64_t counter_get(enum counter c);

/** counter_request() - count a request of S3 operation @operation (a string that lives for ever). */
void counter_request(const char *operation);

/**
 * counters_json() - {"requests": {"GetObject": 1, ..., "total": 1}, "bytes_down": ..., ...} into @buf
 * Return: bytes written without the NUL, always less than @size; -ENOBUFS if it does not fit.
 */
int counters_json(char *buf, size_t size);

#endif
