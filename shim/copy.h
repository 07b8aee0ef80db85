/**
 * copy.h - sendfile, copy_file_range and splice, where the kernel would read what has not arrived or write what nobody
 * claimed.
 */
#ifndef S3SHIM_SHIM_COPY_H
#define S3SHIM_SHIM_COPY_H

#include <stddef.h>
#include <sys/types.h>

/** The kernel may do it by itself. */
#define COPY_KERNEL (-4096)

/**
 * copy_files() - up to @len bytes from @in to @out; an offset that is NULL is the description's own
 * Return: bytes; -errno; COPY_KERNEL.
 */
long copy_files(int in, off_t *in_off, int out, off_t *out_off, size_t len);

/** copy_clone() - @to, an empty object, becomes the object @from by a copy on the server. Return: its size; -errno. */
long copy_clone(int from, int to);

/**
 * copy_prepare_splice() - a file end of splice(2): pinned or claimed
 * Return: 0 and *len, which may have become smaller (a short count is legal); -errno.
 */
int copy_prepare_splice(int in, const off_t *in_off, int out, const off_t *out_off, size_t *len);

/**
 * copy_across() - the kernel said EXDEV: two objects of one mount, of which one is in memory and one in a folder, are
 * on one file system all the same. Return: as copy_files(); -EXDEV if they are not such.
 */
long copy_across(int in, off_t *in_off, int out, off_t *out_off, size_t len);

#endif
