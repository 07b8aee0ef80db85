/*
 * The kernel's own copy would need its whole source pinned, so that an object larger than the cache could never be
 * sent. So where the source is not complete, or the target has claims due, bytes go through a buffer by data_read() and
 * data_write(): as many copies as a program without these calls makes. Everything else is the kernel's.
 *
 * A whole object into an empty one is the server's to copy, if it can: no byte comes here.
 *
 * splice has a pipe at one end, and the pipe's flags decide whether it blocks: that stays the kernel's call, on a
 * window that is pinned.
 */
#include "shim/copy.h"
#include "shim/data.h"
#include "shim/link.h"
#include "shim/mem.h"
#include "shim/present.h"
#include "shim/shim.h"
#include "shim/unhooked.h"

#define BUFFER_BYTES KIB(128)
#define SPLICE_BYTES MIB(1) /* what a pipe holds at most by default (pipe(7)) */

/* One end. */
struct end {
	int fd;
	struct desc *d; /* NULL: foreign */
	off_t *off;     /* NULL: the description's */
};

static struct end end_of(int fd, off_t *off)
{
	return (struct end){ .fd = fd, .d = fdtab_routed(fd) ? fdtab_get(fd) : NULL, .off = off };
}

static long get_at(const struct end *e, void *buf, size_t n, int64_t pos)
{
	struct iovec v = { .iov_base = buf, .iov_len = n };

	return e->d ? data_read(e->fd, e->d, &v, 1, pos, 0) : SYS(pread64, e->fd, buf, n, pos);
}

static long put_at(const struct end *e, void *buf, size_t n, int64_t pos)
{
	struct iovec v = { .iov_base = buf, .iov_len = n };

	if (e->d)
		return data_write(e->fd, e->d, &v, 1, pos, 0);
	return pos < 0 ? SYS(write, e->fd, buf, n) : SYS(pwrite64, e->fd, buf, n, pos);
}

/* From @pos of @in. Return: bytes that arrived, or the first failure. */
static long pump(const struct end *in, int64_t pos, const struct end *out, size_t len, void *buf)
{
	size_t done = 0;
	long n = 0;

	while (done < len) {
		long got = get_at(in, buf, min_u64(len - done, BUFFER_BYTES), pos + (int64_t)done);
		n = got <= 0 ? got : put_at(out, buf, (size_t)got, out->off ? *out->off + (off_t)done : DATA_OFFSET);
		if (n <= 0)
			break;
		done += (size_t)n;
		if (n < got)
			break;
	}
	return done ? (long)done : n;
}

static long pump_from_offset(const struct end *in, const struct end *out, size_t len, void *buf)
{
	long rc = in->d ? present_offset_lock(in->d) : 0, pos;

	if (rc)
		return rc;
	pos = SYS(lseek, in->fd, 0, SEEK_CUR);
	rc = pos < 0 ? -EINVAL : pump(in, pos, out, len, buf);
	if (rc > 0)
		(void)SYS(lseek, in->fd, pos + rc, SEEK_SET);
	if (in->d)
		present_offset_unlock(in->d);
	return rc;
}

static long by_hand(const struct end *in, const struct end *out, size_t len)
{
	void *buf = mem_alloc(BUFFER_BYTES);
	long rc;

	if (!buf)
		return -ENOMEM;
	rc = in->off ? pump(in, *in->off, out, len, buf) : pump_from_offset(in, out, len, buf);
	mem_free(buf);
	if (rc > 0 && in->off)
		*in->off += rc;
	if (rc > 0 && out->off)
		*out->off += rc;
	return rc;
}

static bool is_object(const struct end *e)
{
	return e->d && e->d->kind == WIRE_KIND_OBJECT && fdtab_verify(e->fd, e->d);
}

static int64_t position(const struct end *e)
{
	return e->off ? *e->off : SYS(lseek, e->fd, 0, SEEK_CUR);
}

static long ask_clone(const struct end *from, const struct end *to)
{
	struct wire_clone_req req = { .file = to->d->file, .source = from->d->file };
	struct wire_clone_rep rep;
	int rc = link_call(WIRE_CLONE, &req, &rep, NULL);

	return rc ? rc : (long)rep.size;
}

long copy_clone(int from, int to)
{
	struct end in = end_of(from, NULL), out = end_of(to, NULL);
	long rc = -EOPNOTSUPP;

	if (is_object(&in) && is_object(&out) && !(out.d->flags & O_APPEND))
		rc = ask_clone(&in, &out);
	desc_put(in.d);
	desc_put(out.d);
	return rc;
}

static void advance(const struct end *e, long size)
{
	if (e->off)
		*e->off = size;
	else
		(void)SYS(lseek, e->fd, size, SEEK_SET);
}

/* The whole of the one into nothing. Return: bytes; COPY_KERNEL: not so, or not on the server. */
static long whole(const struct end *from, const struct end *to, size_t len)
{
	struct stat in, out;
	long rc;

	if (!is_object(from) || !is_object(to) || to->d->flags & O_APPEND || !desc_writable(to->d) || position(from) ||
	    position(to) || SYS(fstat, from->fd, &in) || SYS(fstat, to->fd, &out) || out.st_size || !in.st_size ||
	    (uint64_t)in.st_size > len)
		return COPY_KERNEL;
	rc = ask_clone(from, to);
	if (rc <= 0)
		return COPY_KERNEL;
	advance(from, rc);
	advance(to, rc);
	return rc;
}

long copy_files(int in, off_t *in_off, int out, off_t *out_off, size_t len)
{
	struct end from = end_of(in, in_off), to = end_of(out, out_off);
	bool missing = from.d && !present_complete(from.d) && fdtab_verify(in, from.d);
	bool claims = to.d && !present_writes_free(to.d) && fdtab_verify(out, to.d);
	bool negative = (in_off && *in_off < 0) || (out_off && *out_off < 0); /* the kernel says what it thinks of it */
	long rc = COPY_KERNEL;

	if (from.d && from.d->kind == WIRE_KIND_DIR && fdtab_verify(in, from.d))
		rc = -EISDIR;
	else if (from.d && to.d && !negative)
		rc = whole(&from, &to, len);
	if (rc == COPY_KERNEL && (missing || claims) && !negative)
		rc = by_hand(&from, &to, min_u64(len, 0x7ffff000));
	desc_put(from.d);
	desc_put(to.d);
	return rc;
}

long copy_across(int in, off_t *in_off, int out, off_t *out_off, size_t len)
{
	struct end from = end_of(in, in_off), to = end_of(out, out_off);
	bool same = from.d && to.d && from.d->kind == WIRE_KIND_OBJECT && to.d->kind == WIRE_KIND_OBJECT &&
		    from.d->mount == to.d->mount && fdtab_verify(in, from.d) && fdtab_verify(out, to.d);
	long rc = same ? by_hand(&from, &to, min_u64(len, 0x7ffff000)) : -EXDEV;

	desc_put(from.d);
	desc_put(to.d);
	return rc;
}

static int prepare_end(int fd, const off_t *off, bool writes, size_t *len)
{
	struct desc *d = fdtab_routed(fd) ? fdtab_get(fd) : NULL;
	long pos, rc = 0;

	if (d && d->kind == WIRE_KIND_DIR && fdtab_verify(fd, d))
		rc = writes ? -EBADF : -EINVAL;
	else if (d && !(writes ? present_writes_free(d) : present_complete(d)) && fdtab_verify(fd, d)) {
		pos = off ? *off : SYS(lseek, fd, 0, SEEK_CUR);
		*len = min_u64(*len, SPLICE_BYTES);
		rc = unhooked_range(d, writes, pos, *len);
	}
	desc_put(d);
	return (int)rc;
}

int copy_prepare_splice(int in, const off_t *in_off, int out, const off_t *out_off, size_t *len)
{
	int rc = prepare_end(in, in_off, false, len);

	return rc ? rc : prepare_end(out, out_off, true, len);
}
