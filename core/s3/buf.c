#include "s3/buf.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct buf *buf, size_t more)
{
	size_t need = buf->len + more + 1;

	if (buf->failed)
		return false;
	if (need <= buf->room)
		return true;
	size_t room = need + need / 2 + 64;
	char *data = realloc(buf->data, room);
	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->room = room;
	return true;
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
	if (!reserve(buf, len))
		return;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		buf->failed = true;
		return;
	}
	if (!reserve(buf, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)n;
}

void buf_json(struct buf *buf, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	buf_puts(buf, "\"");
	for (size_t left = strlen(text), n; left; p += n, left -= n) {
		size_t len = utf8_len(p, left);

		n = len ? len : 1;
		if (!len)
			buf_puts(buf, "\\ufffd");
		else if (n == 1 && (*p < 0x20 || *p == 0x7f))
			buf_printf(buf, "\\u%04x", *p);
		else if (*p == '"' || *p == '\\')
			buf_printf(buf, "\\%c", *p);
		else if (n == 2 && *p == 0xc2 && p[1] < 0xa0)
			buf_printf(buf, "\\u%04x", p[1]);
		else if (n == 3 && memcmp(p, "\xe2\x80", 2) == 0 && (p[2] | 1) == 0xa9)
			buf_printf(buf, "\\u20%02x", p[2] - 0x80);
		else
			buf_add(buf, p, n);
	}
	buf_puts(buf, "\"");
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->data)
		buf->data[0] = '\0';
}

void buf_deinit(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf)BUF_INIT;
}

const char *buf_str(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}
