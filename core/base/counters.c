#include "base/counters.h"
#include "base/util.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define OPERATIONS_MAX 40

static _Atomic uint64_t values[COUNTER_MAX];

static const char *const names[] = {
#define C(name, unit, sentence) #name,
#include "base/counters.def"
#undef C
};

/* Operations are few and known by pointer or text; a slot's name is set once and never changes. */
static struct {
	_Atomic(const char *) name;
	_Atomic uint64_t count;
} operations[OPERATIONS_MAX];

void counter_add(enum counter c, uint64_t n)
{
	atomic_fetch_add_explicit(&values[c], n, memory_order_relaxed);
}

uint64_t counter_get(enum counter c)
{
	return atomic_load_explicit(&values[c], memory_order_relaxed);
}

void counter_request(const char *operation)
{
	for (size_t i = 0; i < OPERATIONS_MAX; i++) {
		const char *name = operations[i].name;
		if (!name && atomic_compare_exchange_strong(&operations[i].name, &name, operation))
			name = operation;
		if (name == operation || strcmp(name, operation) == 0) {
			operations[i].count++;
			return;
		}
	}
}

int counters_json(char *buf, size_t size)
{
	uint64_t total = 0;
	size_t n = 0;

#define PUT(...) \
	do { \
		int r_ = snprintf(buf + n, size - n, __VA_ARGS__); \
		if (r_ < 0 || (size_t)r_ >= size - n) \
			return -ENOBUFS; \
		n += (size_t)r_; \
	} while (0)

	PUT("{\"requests\": {");
	for (size_t i = 0; i < OPERATIONS_MAX && operations[i].name; i++) {
		PUT("\"%s\": %lu, ", operations[i].name, (unsigned long)operations[i].count);
		total += operations[i].count;
	}
	PUT("\"total\": %lu}", (unsigned long)total);
	for (size_t i = 0; i < COUNTER_MAX; i++)
		PUT(", \"%s\": %lu", names[i], (unsigned long)values[i]);
	PUT("}");
#undef PUT
	return (int)n;
}
