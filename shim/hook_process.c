/*
 * New processes and their ends. A forked child finds out by itself (fork_check()); what is done here is only what has
 * to be done before: a connection for the child; and after: the parent's descriptions are shared from now on.
 *
 * exit() is libc's: handlers of atexit still write, coreutils close stdout in one; the destructor comes after them.
 * What ends a process without running destructors closes routed writers here.
 */
#include "shim/cwd.h"
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/state.h"
#include "shim/vfork.h"

#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>

__thread int vfork_depth;

/* Called by the stub in stubs.S. */
void vfork_prepare(void);
long vfork_resume(long rc);

/* libc's own value is kept where a call succeeds: errno is what it was. */
void vfork_prepare(void)
{
	link_spare();
}

long vfork_resume(long rc)
{
	cwd_vfork_done();
	fdtab_vfork_done();
	state_vfork_done();
	link_spare_done();
	if (rc > 0)
		fdtab_mark_shared();
	return ret_errno(rc);
}

/* Descriptions are marked as shared before: another thread may be reading one when the child does already. */
static void before_fork(void)
{
	fdtab_mark_shared();
	link_spare();
}

static pid_t after_fork(pid_t pid)
{
	if (pid == 0)
		fork_check();
	else
		link_spare_done();
	return pid;
}

EXPORT pid_t fork(void)
{
	if (!route_active())
		return REAL(fork)();
	before_fork();
	return after_fork(REAL(fork)());
}

/* Since glibc 2.34; a program that has the symbol from us only gets what it is: a fork without handlers. */
EXPORT pid_t _Fork(void)
{
	pid_t pid;

	if (route_active())
		before_fork();
	pid = HAVE(_Fork) ? REAL(_Fork)() : (pid_t)ret_errno(SYS(clone, SIGCHLD, 0, NULL, NULL, 0));
	return route_active() ? after_fork(pid) : pid;
}

/* libc has put something else on the standard descriptors, without a hook. */
static void forget_standard(void)
{
	for (int fd = 0; fd <= 2; fd++)
		fdtab_forget(fd);
}

/* The parent ends inside libc. */
EXPORT int daemon(int nochdir, int noclose)
{
	int rc;

	if (!route_active())
		return REAL(daemon)(nochdir, noclose);
	link_spare();
	rc = REAL(daemon)(nochdir, noclose);
	fork_check();
	if (rc == 0 && !nochdir)
		cwd_leave();
	if (rc == 0 && !noclose)
		forget_standard();
	return rc;
}

EXPORT pid_t forkpty(int *master, char *name, const struct termios *term, const struct winsize *size)
{
	pid_t pid;

	if (!route_active())
		return REAL(forkpty)(master, name, term, size);
	before_fork();
	pid = after_fork(REAL(forkpty)(master, name, term, size));
	if (pid == 0)
		forget_standard();
	return pid;
}

/* Behind a filter there may be no socket() any more, for this program or for those that follow. */
EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_SECCOMP && a[0] == SECCOMP_MODE_FILTER && route_active())
		link_keep();
	return REAL(prctl)(option, a[0], a[1], a[2], a[3]);
}

EXPORT void exit(int status)
{
	REAL(exit)(status);
	__builtin_unreachable();
}

static void end(void)
{
	if (route_active() && !vfork_child())
		fdtab_close_writers();
}

EXPORT void _exit(int status)
{
	end();
	REAL(_exit)(status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	end();
	REAL(_Exit)(status);
	__builtin_unreachable();
}

EXPORT void quick_exit(int status)
{
	end();
	REAL(quick_exit)(status);
	__builtin_unreachable();
}
