/*
 * The constructor does what is better done before there are threads: the objects behind ours are listed, mount points
 * and the state that exec left are read. Hooks that ran before have done it by themselves. Where nothing is routed,
 * that is all: no memory, no descriptor, no message.
 */
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/state.h"
#include "shim/unhooked.h"

#include <stdio.h>

__attribute__((constructor)) static void shim_begin(void)
{
	(void)bind_library_path();
	state_preloaded();
	if (!route_active())
		return;
	fork_check(); /* before there can be a fork */
	state_load();
	unhooked_inherited();
}

static int any(int fd, struct desc *d, void *arg)
{
	(void)fd;
	(void)d;
	(void)arg;
	return 1;
}

/* After the handlers of atexit, before libc's own last flush: what streams hold must be in the files before they are
 * closed. */
__attribute__((destructor)) static void shim_end(void)
{
	if (!route_active() || !fdtab_each(any, NULL))
		return;
	(void)fflush(NULL);
	fdtab_close_writers();
}
