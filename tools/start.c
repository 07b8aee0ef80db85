#include "start.h"
#include "base/util.h"
#include "program.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CONTROL_FD_MIN 10
#define OWN_WORDS      6 /* the program, two options with a value, the end */

static void exec_broker(const struct start *how, int control)
{
	char number[16];
	char **args = calloc((size_t)how->option_count + OWN_WORDS, sizeof(*args));
	size_t n = 0;

	if (!args)
		_exit(PROGRAM_OWN_FAILURE);
	(void)snprintf(number, sizeof(number), "%d", control);
	args[n++] = (char *)how->broker;
	args[n++] = (char *)"--socket";
	args[n++] = (char *)how->socket;
	args[n++] = (char *)"--control-fd";
	args[n++] = number;
	memcpy(args + n, how->options, (size_t)how->option_count * sizeof(*args));
	program_unpreload();
	fcntl(control, F_SETFD, 0);
	execv(how->broker, args);
	_exit(PROGRAM_NOT_FOUND);
}

int start_broker(const struct start *how, pid_t *ret_pid, int *ret_control, struct err *err)
{
	cleanup_close int ours = -1, theirs = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair: %s", strerror(errno));
	ours = pair[0];
	/* Where we were started without stdio, these are 0 to 2, which s3shimd gives to /dev/null. */
	theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, CONTROL_FD_MIN);
	close(pair[1]);
	if (theirs < 0)
		return err_set(err, errno, "fcntl: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		if (how->in_child)
			how->in_child(how->arg);
		exec_broker(how, theirs);
	}
	if (pid < 0)
		return err_set(err, errno, "fork: %s", strerror(errno));
	*ret_pid = pid;
	*ret_control = steal_fd(&ours);
	return 0;
}
