#include "shim/unhooked.h"
#include "shim/present.h"
#include "shim/shim.h"

/* Who only appends hits nothing of the base but its last block; who may write anywhere, or read, needs all of it. */
int unhooked_use(struct desc *d, bool reads, bool writes)
{
	bool can_read = (d->flags & O_ACCMODE) != O_WRONLY, appends = d->flags & O_APPEND;
	int rc = 0;

	if (d->kind != WIRE_KIND_OBJECT)
		return 0;
	if (reads && can_read)
		rc = present_pin(d, 0, 0);
	if (!rc && writes && desc_writable(d))
		rc = present_claim(d, appends ? present_base_end(d) : 0, UINT64_MAX);
	return rc;
}

int unhooked_range(struct desc *d, bool writes, int64_t off, uint64_t len)
{
	if (d->kind != WIRE_KIND_OBJECT || !len || off < 0)
		return 0;
	if (!writes)
		return present_pin(d, (uint64_t)off, len);
	if (!desc_writable(d))
		return 0;
	return d->flags & O_APPEND ? present_claim(d, present_base_end(d), UINT64_MAX)
				   : present_claim(d, (uint64_t)off, len);
}

/*
 * Nearly every program reads descriptor 0 by read(2), and must not wait for the whole of a large object; a few use the
 * stream that libc made of it at start. Who does knows it by name.
 */
static bool stdin_is_streamed(void)
{
	static const char *const wanted[] = {
		"stdin",           "_IO_2_1_stdin_", "getchar",        "getchar_unlocked", "gets",
		"scanf",           "vscanf",         "__isoc99_scanf", "__isoc99_vscanf",  "__isoc23_scanf",
		"__isoc23_vscanf", "getwchar",       "wscanf",         "vwscanf"
	};

	return bind_mentioned(wanted, ARRAY_SIZE(wanted));
}

/* A failure has nobody to be told to here; the program's own call on the descriptor will meet it again. */
void unhooked_standard(int fd, struct desc *d)
{
	bool reads = fd == 0 && d->kind == WIRE_KIND_OBJECT && !present_complete(d) && stdin_is_streamed();

	if (fd <= 2)
		(void)unhooked_use(d, reads, true);
}

void unhooked_loading(void)
{
	struct desc *d = fdtab_idle() || !fdtab_routed(0) ? NULL : fdtab_get(0);

	if (d && fdtab_verify(0, d))
		(void)unhooked_use(d, true, false);
	desc_put(d);
}

void unhooked_inherited(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct desc *d = fdtab_routed(fd) ? fdtab_get(fd) : NULL;
		if (d && fdtab_verify(fd, d))
			unhooked_standard(fd, d);
		desc_put(d);
	}
}
