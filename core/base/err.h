/**
 * err.h - what went wrong, as a sentence for a person, beside the errno for the program.
 *
 * A function that can fail in a way a person must read of takes a struct err *, last, owned by the caller. It returns
 * a negative errno and fills the sentence; on its way up each caller may put its context in front:
 *
 *     s3run: opening s3://b/k: HEAD: 403 AccessDenied (request 4442587FB7D0A2F9)
 *
 * A NULL err is accepted everywhere and keeps nothing. Not for the shim, which says nothing to anybody.
 */
#ifndef S3SHIM_BASE_ERR_H
#define S3SHIM_BASE_ERR_H

#define ERR_TEXT_MAX 1024

struct err {
	int errnum;              /* positive errno of the failure; 0: nothing failed */
	char text[ERR_TEXT_MAX]; /* no newline, no secret; truncated at its end if too long */
};

/** ERR_INIT - a struct err that holds nothing. */
#define ERR_INIT \
	{ \
		0, \
		{ \
			0 \
		} \
	}

/**
 * err_set() - say what failed
 * @errnum: positive errno.
 * Return: -errnum, so that a function can end with `return err_set(err, ENOENT, "...")`.
 */
int err_set(struct err *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/**
 * err_wrap() - put context in front: "<context>: <what was said before>"
 * Return: -err->errnum (or -EIO if nothing was set), for `return err_wrap(err, "opening '%s'", path)`.
 */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** err_text() - the sentence, or strerror() of the errno where none was given; never NULL. */
const char *err_text(const struct err *err);

#endif
