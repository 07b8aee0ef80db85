#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -errnum;
	err->errnum = errnum;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -errnum;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char context[ERR_TEXT_MAX], before[ERR_TEXT_MAX];
	va_list ap;

	if (!err)
		return -EIO;
	if (!err->errnum)
		err->errnum = EIO;
	va_start(ap, fmt);
	(void)vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	(void)snprintf(before, sizeof(before), "%s", err_text(err));
	/* Truncation is the contract: the beginning says where, the end is the least. */
	if (snprintf(err->text, sizeof(err->text), "%s: %s", context, before) < 0)
		err->text[0] = '\0';
	return -err->errnum;
}

const char *err_text(const struct err *err)
{
	if (!err || !err->errnum)
		return "no error";
	return err->text[0] ? err->text : strerror(err->errnum);
}
