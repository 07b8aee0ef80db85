/**
 * fuzz.h - what the targets share: a target is one file with LLVMFuzzerTestOneInput(), which looks at more than crashes:
 * what must hold of every input is a CHECK().
 *
 * Inputs are taken apart by a cursor: small numbers first, then texts that end at a newline, so that seeds can be
 * written by hand. One thread.
 */
#ifndef S3SHIM_TESTS_FUZZ_H
#define S3SHIM_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** CHECK() - end with the condition, its place and the input, as a sanitizer does. */
#define CHECK(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_failed(const char *condition, const char *file, int line);

struct fuzz {
	const uint8_t *at, *end;
};

uint8_t fuzz_byte(struct fuzz *f); /* 0 behind the end */
/** fuzz_text() - up to the next newline, NUL or the end, in a block of its own, so that a read beyond shows; fuzz_free(). */
char *fuzz_text(struct fuzz *f);
/** fuzz_rest() - all that is left, likewise, with a NUL behind. */
char *fuzz_rest(struct fuzz *f, size_t *ret_len);
/** fuzz_free() - what fuzz_text() gave since the last input. */
void fuzz_free(void);

/** fuzz_folder() - a private folder of this process, removed at its end. */
const char *fuzz_folder(void);
/** fuzz_file() - a file of that name in it, with this content, mode 0600. Return: its path, until the next call. */
const char *fuzz_file(const char *name, const void *data, size_t len);

#endif
