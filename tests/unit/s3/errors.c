#include "s3/errors.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(errors, by_code)
{
	cr_assert_eq(errors_find("NoSuchKey", 404)->errnum, ENOENT);
	cr_assert_eq(errors_find("AccessDenied", 403)->errnum, EACCES);
	cr_assert_eq(errors_find("InvalidObjectState", 403)->errnum, EIO);
	cr_assert_str_eq(errors_find("NeverHeardOf", 400)->sentence, "the store refuses the request");
	cr_assert_eq(errors_find("EntityTooLarge", 400)->errnum, EFBIG);
	cr_assert_eq(errors_find("KeyTooLongError", 400)->errnum, ENAMETOOLONG);
	cr_assert_eq(errors_find("QuotaExceeded", 403)->errnum, EDQUOT);
	cr_assert_eq(errors_find("PreconditionFailed", 412)->errnum, ESTALE);
}

Test(errors, classes)
{
	cr_assert_eq(errors_find("SlowDown", 503)->class, ERRORS_THROTTLE);
	cr_assert_eq(errors_find("InternalError", 500)->class, ERRORS_TRANSIENT);
	cr_assert_eq(errors_find("RequestTimeout", 400)->class, ERRORS_TRANSIENT);
	cr_assert_eq(errors_find("AuthorizationHeaderMalformed", 400)->class, ERRORS_REGION);
	cr_assert_eq(errors_find("RequestTimeTooSkewed", 403)->class, ERRORS_SKEW);
	cr_assert_eq(errors_find("AccessDenied", 403)->class, ERRORS_FATAL);
}

Test(errors, by_status_where_there_is_no_code)
{
	cr_assert_eq(errors_find(NULL, 404)->errnum, ENOENT);
	cr_assert_eq(errors_find("", 403)->errnum, EACCES);
	cr_assert_eq(errors_find("", 429)->class, ERRORS_THROTTLE);
	cr_assert_eq(errors_find("NeverHeardOf", 416)->errnum, ERANGE);
}

Test(errors, by_hundreds_where_nothing_is_known)
{
	cr_assert_eq(errors_find("", 418)->class, ERRORS_FATAL);
	cr_assert_eq(errors_find("", 599)->class, ERRORS_TRANSIENT);
	cr_assert_eq(errors_find("", 302)->errnum, EIO);
}

Test(errors, sentences_name_the_key)
{
	struct buf text = BUF_INIT;

	errors_sentence(errors_find("SignatureDoesNotMatch", 403), "AKIA1", "us-east-1", &text);
	cr_assert_str_eq(buf_str(&text),
			 "the secret key does not match access key 'AKIA1': check AWS_SECRET_ACCESS_KEY");
	buf_clear(&text);
	errors_sentence(errors_find("AccessDenied", 403), "", "us-east-1", &text);
	cr_assert_str_eq(buf_str(&text), "an unsigned request has no permission for this");
	buf_deinit(&text);
}
