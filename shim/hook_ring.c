/*
 * Rings of the kernel. Native AIO (libaio's io_submit and the system call): the bytes are there and the claims made
 * before the kernel gets the requests. io_uring reads and writes without any hook, on rings that are set up before the
 * files are opened; liburing makes its system calls inline, so its entries are refused where there is a mount point, as
 * syscall(SYS_io_uring_setup) is, and programs fall back to calls. All return -errno, as those libraries do.
 */
#include "shim/fdtab.h"
#include "shim/ring.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/unhooked.h"

#include <linux/aio_abi.h>
#include <sys/uio.h>

static uint64_t length_of(const struct iocb *cb)
{
	const struct iovec *iov = (const struct iovec *)(uintptr_t)cb->aio_buf;
	uint64_t sum = 0;

	if (cb->aio_lio_opcode != IOCB_CMD_PREADV && cb->aio_lio_opcode != IOCB_CMD_PWRITEV)
		return cb->aio_nbytes;
	for (uint64_t i = 0; i < cb->aio_nbytes && i < 1024; i++)
		sum += iov[i].iov_len;
	return sum;
}

static int prepare(const struct iocb *cb)
{
	int op = cb->aio_lio_opcode, rc = 0;
	bool reads = op == IOCB_CMD_PREAD || op == IOCB_CMD_PREADV;
	bool writes = op == IOCB_CMD_PWRITE || op == IOCB_CMD_PWRITEV;
	struct desc *d = reads || writes ? fdtab_ours((int)cb->aio_fildes) : NULL;

	if (d)
		rc = unhooked_range(d, writes, cb->aio_offset, length_of(cb));
	desc_put(d);
	return rc;
}

long ring_submit(unsigned long context, long count, struct iocb **list)
{
	for (long i = 0; list && i < count; i++) {
		int rc = list[i] ? prepare(list[i]) : 0;
		/* As the kernel does it: those before the bad one are submitted. */
		if (rc && i)
			return SYS(io_submit, context, i, list);
		if (rc)
			return rc;
	}
	return SYS(io_submit, context, count, list);
}

EXPORT int io_submit(struct io_context *context, long count, struct iocb **list)
{
	return (int)ring_submit((unsigned long)context, count, list);
}

#define REFUSED(name, params, args) \
	EXPORT int name params \
	{ \
		return route_active() || !HAVE(name) ? -ENOSYS : REAL(name) args; \
	}
REFUSED(io_uring_setup, (unsigned entries, struct io_uring_params *p), (entries, p))
REFUSED(io_uring_queue_init, (unsigned entries, struct io_uring *ring, unsigned flags), (entries, ring, flags))
REFUSED(io_uring_queue_init_params, (unsigned entries, struct io_uring *ring, struct io_uring_params *p),
	(entries, ring, p))
REFUSED(io_uring_queue_init_mem,
	(unsigned entries, struct io_uring *ring, struct io_uring_params *p, void *buf, size_t n),
	(entries, ring, p, buf, n))
