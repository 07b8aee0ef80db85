/**
 * fixture.h - load a configuration from words, environment and a file, for one test.
 *
 * Each Criterion test is a process of its own, so the environment is the test's alone.
 */
#ifndef S3SHIM_TESTS_UNIT_CONFIG_FIXTURE_H
#define S3SHIM_TESTS_UNIT_CONFIG_FIXTURE_H

#include "config/config.h"

extern struct config config;
extern struct config_args rest;
extern struct err err;

/** load() - config_load() of `s3run <words...>`, a NULL-terminated list, into the three above. */
int load_words(const char *const *words);
#define load(...) load_words((const char *const[]){ __VA_ARGS__, NULL })

/** json_file() - a file with @text; its path lives until the test's end. */
const char *json_file(const char *text);

/** cr_fails() - the load fails with exactly this sentence. */
#define cr_fails(sentence, ...) \
	do { \
		cr_assert_eq(load(__VA_ARGS__), -EINVAL); \
		cr_assert_str_eq(err_text(&err), sentence); \
	} while (0)

void fixture_begin(void);
void fixture_end(void);

#endif
