#include "s3/errors.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

static const struct errors_row rows[] = {
#define E(code, status, errnum, class, sentence) { code, status, errnum, ERRORS_##class, sentence },
#include "s3/errors.def"
#undef E
};

static const struct errors_row other_4xx = { "", 400, EIO, ERRORS_FATAL, "the store refuses the request" };
static const struct errors_row other_5xx = { "", 500, EIO, ERRORS_TRANSIENT, "the store failed" };
static const struct errors_row other = { "", 0, EIO, ERRORS_FATAL,
					 "the answer is none that S3 gives: check the endpoint" };

const struct errors_row *errors_find(const char *code, int http_status)
{
	for (size_t i = 0; code && *code && i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].code, code) == 0)
			return &rows[i];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!*rows[i].code && rows[i].http_status == http_status &&
		    !(http_status == 400 && code && *code)) /* its row is about an answer without a reason */
			return &rows[i];
	return http_status / 100 == 5 ? &other_5xx : http_status / 100 == 4 ? &other_4xx : &other;
}

void errors_sentence(const struct errors_row *row, const char *key, const char *region, struct buf *to)
{
	const char *at = row->sentence;

	for (const char *brace; (brace = strchr(at, '{'));) {
		buf_add(to, at, (size_t)(brace - at));
		if (strncmp(brace, "{who}", 5) == 0)
			buf_printf(to, *key ? "access key '%s'" : "an unsigned request%s", key);
		else
			buf_puts(to, region);
		at = strchr(brace, '}') + 1;
	}
	buf_puts(to, at);
}
