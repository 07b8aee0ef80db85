/*
 * Asynchronous I/O of libc: its helper threads read and write inside, past every hook. So the bytes are there, and the
 * claims made, before libc gets the request; the waiting is at the submission, everything else is libc's.
 */
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/shim.h"
#include "shim/unhooked.h"

_Static_assert(sizeof(struct aiocb) == sizeof(struct aiocb64), "one aiocb for both");

static int prepare(const struct aiocb *cb, int opcode)
{
	struct desc *d = cb ? fdtab_ours(cb->aio_fildes) : NULL;
	int rc = 0;

	if (!d)
		return 0;
	if (d->kind == WIRE_KIND_DIR)
		rc = opcode == LIO_READ ? -EISDIR : -EBADF;
	else if (opcode == LIO_READ || opcode == LIO_WRITE)
		rc = unhooked_range(d, opcode == LIO_WRITE, cb->aio_offset, cb->aio_nbytes);
	desc_put(d);
	return rc;
}

#define SUBMIT(name, type, opcode) \
	EXPORT int name(struct type *cb) \
	{ \
		int rc = prepare((const struct aiocb *)cb, opcode); \
		return rc ? (int)ret_errno(rc) : REAL(name)(cb); \
	}
SUBMIT(aio_read, aiocb, LIO_READ)
SUBMIT(aio_read64, aiocb64, LIO_READ)
SUBMIT(aio_write, aiocb, LIO_WRITE)
SUBMIT(aio_write64, aiocb64, LIO_WRITE)

static int prepare_list(struct aiocb *const *list, int count)
{
	int rc = 0;

	for (int i = 0; list && i < count && !rc; i++)
		rc = list[i] ? prepare(list[i], list[i]->aio_lio_opcode) : 0;
	return rc;
}

EXPORT int lio_listio(int mode, struct aiocb *const list[], int count, struct sigevent *done)
{
	int rc = prepare_list(list, count);

	return rc ? (int)ret_errno(rc) : REAL(lio_listio)(mode, list, count, done);
}

EXPORT int lio_listio64(int mode, struct aiocb64 *const list[], int count, struct sigevent *done)
{
	int rc = prepare_list((struct aiocb *const *)(const void *)list, count);

	return rc ? (int)ret_errno(rc) : REAL(lio_listio64)(mode, list, count, done);
}

/* aio_fsync() waits for its turn in libc's queue, which nobody here can see: what is in the file now is uploaded, what
 * is still queued goes with the next commit, at close. */
static int commit(const struct aiocb *cb)
{
	struct desc *d = cb ? fdtab_ours(cb->aio_fildes) : NULL;
	struct wire_sync_req req;
	struct wire_sync_rep rep;
	int rc = 0;

	if (!d)
		return 0;
	req.file = d->file;
	if (d->kind == WIRE_KIND_OBJECT && desc_writable(d))
		rc = link_call(WIRE_SYNC, &req, &rep, NULL);
	desc_put(d);
	return rc;
}

EXPORT int aio_fsync(int op, struct aiocb *cb)
{
	int rc = commit(cb);

	return rc ? (int)ret_errno(rc) : REAL(aio_fsync)(op, cb);
}

EXPORT int aio_fsync64(int op, struct aiocb64 *cb)
{
	int rc = commit((const struct aiocb *)cb);

	return rc ? (int)ret_errno(rc) : REAL(aio_fsync64)(op, cb);
}
