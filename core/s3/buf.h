/**
 * buf.h - text that grows: URLs, header values, XML, answers.
 *
 * Owner: whoever declared it, ends with buf_deinit(). Out of memory is remembered (.failed) and checked once at the
 * end, by buf_ok(). Always NUL-terminated; may hold any bytes. Threads: none of its own.
 */
#ifndef S3SHIM_S3_BUF_H
#define S3SHIM_S3_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while empty */
	size_t len, room;
	bool failed;
};

#define BUF_INIT \
	{ \
		NULL, 0, 0, false \
	}

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** buf_json() - @text as a JSON string; what is no UTF-8 is U+FFFD, control characters and all that ends a line are escaped. */
void buf_json(struct buf *buf, const char *text);
void buf_clear(struct buf *buf); /* empty, keeps its memory */
void buf_deinit(struct buf *buf);

/** buf_str() - the text, "" while empty; borrowed until the next change. */
const char *buf_str(const struct buf *buf);

static inline bool buf_ok(const struct buf *buf)
{
	return !buf->failed;
}

#define cleanup_buf __attribute__((cleanup(buf_deinit)))

#endif
