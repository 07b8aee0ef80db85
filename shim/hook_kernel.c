/* Where the kernel or the loader reads or writes a file's data by itself: the bytes are there before it does. */
#include "shim/copy.h"
#include "shim/fd_open.h"
#include "shim/loader.h"
#include "shim/maps.h"
#include "shim/present.h"
#include "shim/shim.h"
#include "shim/unhooked.h"

#include <string.h>

/* ---- mmap ---- */

/* A shared mapping of a writable description may become writable by mprotect() at any time. */
static int prepare_map(struct desc *d, size_t len, int flags, off_t off, bool *ret_writes)
{
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	int rc;

	*ret_writes = shared && d->kind == WIRE_KIND_OBJECT && (d->flags & O_ACCMODE) == O_RDWR;
	if (d->kind == WIRE_KIND_DIR)
		return -ENODEV;
	if (!len || off < 0)
		return 0; /* the kernel's to refuse */
	rc = present_pin(d, (uint64_t)off, len);
	if (!rc && *ret_writes)
		rc = present_claim(d, (uint64_t)off, len);
	return rc == -ENOSPC ? -ENOMEM : rc;
}

static void *map_routed(struct desc *d, void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	bool writes = false, complete = d->kind != WIRE_KIND_OBJECT || present_complete(d);
	long rc = fdtab_verify(fd, d) ? prepare_map(d, len, flags, off, &writes) : 0;

	if (!rc)
		rc = SYS(mmap, addr, len, prot, flags, fd, off);
	if (rc < 0 && rc > -4096) {
		errno = (int)-rc;
		return MAP_FAILED;
	}
	if (writes || !complete)
		maps_add((void *)rc, len, d->file, (uint64_t)off, writes);
	return (void *)rc;
}

static inline void *map_common(void *addr, size_t len, int prot, int flags, int fd, off_t off, __typeof__(&mmap) real)
{
	struct desc *d = flags & MAP_ANONYMOUS || !fdtab_routed(fd) ? NULL : fdtab_get(fd);
	void *at;

	if (likely(!d)) {
		at = real(addr, len, prot, flags, fd, off);
		if (at != MAP_FAILED)
			maps_gone(at, len);
		return at;
	}
	at = map_routed(d, addr, len, prot, flags, fd, off);
	desc_put(d);
	return at;
}

EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	return map_common(addr, len, prot, flags, fd, off, REAL(mmap));
}

EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t off)
{
	return map_common(addr, len, prot, flags, fd, off, REAL(mmap64));
}

EXPORT void *mremap(void *old, size_t old_len, size_t len, int flags, ...)
{
	void *to = NULL, *at;
	va_list ap;
	int rc = len > old_len ? maps_grow(old, len) : 0;

	va_start(ap, flags);
	if (flags & MREMAP_FIXED)
		to = va_arg(ap, void *);
	va_end(ap);
	if (rc) {
		errno = -rc;
		return MAP_FAILED;
	}
	at = REAL(mremap)(old, old_len, len, flags, to);
	if (at != MAP_FAILED)
		maps_moved(old, old_len, at, len);
	return at;
}

/* ---- copies inside the kernel ---- */

static inline bool neither_routed(int a, int b)
{
	return !fdtab_routed(a) && !fdtab_routed(b);
}

static long send_file(int out, int in, off_t *off, size_t n)
{
	long flags;

	if (likely(neither_routed(in, out)))
		return COPY_KERNEL;
	flags = SYS(fcntl, out, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	return copy_files(in, off, out, NULL, n);
}

EXPORT ssize_t sendfile(int out, int in, off_t *off, size_t n)
{
	long rc = send_file(out, in, off, n);

	return likely(rc == COPY_KERNEL) ? REAL(sendfile)(out, in, off, n) : ret_errno(rc);
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *off, size_t n)
{
	long rc = send_file(out, in, off, n);

	return likely(rc == COPY_KERNEL) ? REAL(sendfile64)(out, in, off, n) : ret_errno(rc);
}

EXPORT ssize_t copy_file_range(int in, off64_t *in_off, int out, off64_t *out_off, size_t n, unsigned flags)
{
	long rc = likely(neither_routed(in, out)) || flags ? COPY_KERNEL : copy_files(in, in_off, out, out_off, n);

	if (likely(rc == COPY_KERNEL))
		rc = SYS(copy_file_range, in, in_off, out, out_off, n, flags);
	if (rc == -EXDEV && !neither_routed(in, out))
		rc = copy_across(in, in_off, out, out_off, n);
	return ret_errno(rc);
}

EXPORT ssize_t splice(int in, off64_t *in_off, int out, off64_t *out_off, size_t n, unsigned flags)
{
	int rc = likely(neither_routed(in, out)) ? 0 : copy_prepare_splice(in, in_off, out, out_off, &n);

	return likely(!rc) ? REAL(splice)(in, in_off, out, out_off, n, flags) : ret_errno(rc);
}

/* Pipes and memory alone; what a pipe holds of a file was pinned by splice. */
EXPORT ssize_t tee(int in, int out, size_t n, unsigned flags)
{
	return REAL(tee)(in, out, n, flags);
}

EXPORT ssize_t vmsplice(int fd, const struct iovec *iov, size_t count, unsigned flags)
{
	return REAL(vmsplice)(fd, iov, count, flags);
}

/* ---- descriptors that are sent away ---- */

static int prepare_sent(const struct cmsghdr *c)
{
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	const unsigned char *data = CMSG_DATA(c);
	int rc = 0, fd;

	for (size_t i = 0; i < count && !rc; i++) {
		struct desc *d;
		memcpy(&fd, data + i * sizeof(int), sizeof(fd));
		d = fdtab_routed(fd) ? fdtab_get(fd) : NULL;
		if (d && fdtab_verify(fd, d)) {
			atomic_store(&d->shared, 1);
			rc = unhooked_use(d, true, true);
		}
		desc_put(d);
	}
	return rc;
}

static int prepare_message(const struct msghdr *msg)
{
	int rc = 0;

	if (unlikely(msg && msg->msg_controllen >= CMSG_LEN(sizeof(int)) && msg->msg_control))
		for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c && !rc;
		     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c))
			if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len >= CMSG_LEN(0))
				rc = prepare_sent(c);
	return rc;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	int rc = prepare_message(msg);

	return likely(!rc) ? REAL(sendmsg)(fd, msg, flags) : ret_errno(rc);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *list, unsigned count, int flags)
{
	int rc = 0;

	for (unsigned i = 0; list && i < count && !rc; i++)
		rc = prepare_message(&list[i].msg_hdr);
	return likely(!rc) ? REAL(sendmmsg)(fd, list, count, flags) : (int)ret_errno(rc);
}

/* ---- the loader ---- */

/*
 * libc takes the caller's run path and name space from the return address: what is not ours is jumped to, never called
 * (a sibling call, with all of its arguments in registers and nothing of this frame alive).
 */
#define JUMPS __attribute__((optimize("O2"), noinline))

EXPORT JUMPS void *dlopen(const char *name, int flags)
{
	if (unlikely(loader_is_routed(name)))
		return loader_open(name, flags, NULL);
	if (unlikely(loader_by_path(name)))
		return loader_search(name, flags);
	unhooked_loading();
	return REAL(dlopen)(name, loader_flags(flags));
}

EXPORT JUMPS void *dlmopen(Lmid_t space, const char *name, int flags)
{
	if (unlikely(loader_is_routed(name)))
		return loader_open(name, flags, &space);
	return REAL(dlmopen)(space, name, loader_flags(flags));
}
