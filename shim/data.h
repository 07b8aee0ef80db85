/**
 * data.h - bytes of routed descriptors, read and written with grants, claims and the offset's lock (present.h).
 *
 * All return bytes or -errno, as the kernel does: on an object a read is short at its end only. A failure behind bytes
 * that were moved is reported by the next call. @d is borrowed.
 */
#ifndef S3SHIM_SHIM_DATA_H
#define S3SHIM_SHIM_DATA_H

#include "shim/fdtab.h"

#include <sys/uio.h>

#define DATA_OFFSET (-1) /* @pos: the description's own offset, which moves */

/** data_read(), data_write() - @flags: RWF_* of preadv2(2). */
long data_read(int fd, struct desc *d, const struct iovec *iov, int count, int64_t pos, int flags);
long data_write(int fd, struct desc *d, const struct iovec *iov, int count, int64_t pos, int flags);

/** data_seek() - lseek(2) that shows no holes and waits for reads under way at the shared offset. */
long data_seek(int fd, struct desc *d, int64_t off, int whence);

#endif
