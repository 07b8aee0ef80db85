#include "broker/json.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void json_init(struct json *j, char *buf, size_t size)
{
	*j = (struct json){ .buf = buf, .size = size };
	buf[0] = '\0';
}

void json_put(struct json *j, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(j->buf + j->len, j->size - j->len, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < j->size - j->len) {
		j->len += (size_t)n;
		return;
	}
	j->buf[j->len] = '\0';
	j->full = true;
}

void json_string(struct json *j, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;

	json_put(j, "\"");
	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = utf8_len(p + i, len - i);
		if (!n)
			json_put(j, "\\ufffd");
		else if (n == 1 && (p[i] < 0x20 || p[i] == 0x7f))
			json_put(j, "\\u%04x", p[i]);
		else if (p[i] == '"' || p[i] == '\\')
			json_put(j, "\\%c", p[i]);
		else
			json_put(j, "%.*s", (int)n, s + i);
	}
	json_put(j, "\"");
}

bool json_rollback(struct json *j, size_t mark)
{
	if (!j->full)
		return false;
	j->len = mark;
	j->buf[mark] = '\0';
	j->full = false;
	return true;
}
