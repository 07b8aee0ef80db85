/**
 * stream.h - stdio on routed descriptors.
 *
 * libc reads and writes inside, so a stream is an ordinary one on a file that is complete (for writing: claimed)
 * before; an object that is larger than STREAM_COMPLETE_BYTES and only read is a fopencookie(3) stream, whose reads
 * come back to us. It uses the kernel's offset, and fileno() knows its descriptor. Such a stream is bytes only: wide
 * characters are not for it, and freopen() cannot turn it into another. A folder is one too: its reads fail with
 * EISDIR.
 */
#ifndef S3SHIM_SHIM_STREAM_H
#define S3SHIM_SHIM_STREAM_H

#include "base/util.h"

#include <stdbool.h>
#include <stdio.h>

#define STREAM_COMPLETE_BYTES MIB(64)

struct stream_mode {
	int flags;                   /* of open(2) */
	bool reads, writes, charset; /* charset: ",ccs=" */
};

/** stream_mode() - what fopen(3)'s mode says. Return: false if it is none. */
bool stream_mode(const char *mode, struct stream_mode *ret);

/** stream_new() - a stream on a routed or foreign @fd, which it owns from then on. NULL and errno: @fd is still open.
 */
FILE *stream_new(int fd, const char *mode);

/**
 * stream_put_over() - @f, which libc has on /dev/null, becomes a stream on @fd, which is closed
 * Return: 0 or -errno.
 */
int stream_put_over(FILE *f, int fd, const struct stream_mode *m);

/** stream_null_mode() - @mode for opening /dev/null: without `x`. NULL if it is longer than @size. */
const char *stream_null_mode(const char *mode, char *buf, size_t size);

/** stream_fd() - the descriptor of a cookie stream, -1 if @f is none. stream_forget() - it is about to be closed. */
int stream_fd(FILE *f);
void stream_forget(FILE *f);

#endif
