/* struct err: a sentence with its context in front. */
#include "base/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(err, set_returns_the_negative_errno)
{
	struct err e = ERR_INIT;

	cr_assert_eq(err_set(&e, ENOENT, "no %s", "bucket"), -ENOENT);
	cr_assert_eq(e.errnum, ENOENT);
	cr_assert_str_eq(err_text(&e), "no bucket");
}

Test(err, wrap_puts_context_in_front)
{
	struct err e = ERR_INIT;

	err_set(&e, EACCES, "403 AccessDenied");
	cr_assert_eq(err_wrap(&e, "HEAD"), -EACCES);
	cr_assert_eq(err_wrap(&e, "opening '%s'", "s3://b/k"), -EACCES);
	cr_assert_str_eq(err_text(&e), "opening 's3://b/k': HEAD: 403 AccessDenied");
}

Test(err, wrap_of_nothing_is_an_io_error)
{
	struct err e = ERR_INIT;

	cr_assert_eq(err_wrap(&e, "reading"), -EIO);
	cr_assert_eq(e.errnum, EIO);
	cr_assert_eq(strncmp(err_text(&e), "reading: ", 9), 0);
}

Test(err, a_long_sentence_loses_its_end)
{
	char longer[2 * ERR_TEXT_MAX];
	struct err e = ERR_INIT;

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	err_set(&e, EIO, "%s", longer);
	cr_assert_eq(strlen(err_text(&e)), ERR_TEXT_MAX - 1);
	err_wrap(&e, "context");
	cr_assert_eq(strlen(err_text(&e)), ERR_TEXT_MAX - 1);
	cr_assert_eq(strncmp(err_text(&e), "context: xxx", 12), 0);
}

Test(err, null_is_accepted)
{
	cr_assert_eq(err_set(NULL, EPERM, "nobody reads this"), -EPERM);
	cr_assert_eq(err_wrap(NULL, "nor this"), -EIO);
	cr_assert_str_eq(err_text(NULL), "no error");
}

Test(err, without_a_sentence_the_errno_speaks)
{
	struct err e = { .errnum = ENOSPC };

	cr_assert_str_eq(err_text(&e), strerror(ENOSPC));
}
