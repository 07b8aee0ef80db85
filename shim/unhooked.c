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

/* A failure has nobody to be told to here; the program's own call on the descriptor will meet it again. */
void unhooked_standard(int fd, struct desc *d)
{
	if (fd <= 2)
		(void)unhooked_use(d, fd == 0, true);
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
