/**
 * unhooked.h - descriptors that libc reads and writes inside, where no hook sees it: streams.
 *
 * Who reads so gets an object that is complete and pinned before; who writes so has claimed whatever it may hit.
 */
#ifndef S3SHIM_SHIM_UNHOOKED_H
#define S3SHIM_SHIM_UNHOOKED_H

#include "shim/fdtab.h"

/** unhooked_use() - @d will be read (if @reads) and written (if @writes) by libc or by another process. 0 or -errno. */
int unhooked_use(struct desc *d, bool reads, bool writes);

/**
 * unhooked_range() - the same of [off, off + len) alone: pinned, or (@writes) claimed
 * A negative @off, no bytes and a descriptor that cannot write are the kernel's to answer. 0 or -errno.
 */
int unhooked_range(struct desc *d, bool writes, int64_t off, uint64_t len);

/** unhooked_standard() - @fd has become @d: if it is 0, 1 or 2, the streams that libc made at start will use it. */
void unhooked_standard(int fd, struct desc *d);

/** unhooked_loading() - a library is to be loaded: it may read the stream of descriptor 0. */
void unhooked_loading(void);

/** unhooked_inherited() - the same for what exec left on 0, 1 and 2. Once, after state_load(). */
void unhooked_inherited(void);

#endif
