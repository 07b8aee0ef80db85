/*
 * Commands about processes. Each process that may ever be has a socket from the beginning, at CHANNEL_FIRST and its
 * number; who makes a child gives the child's away, so that the other end sees its process end.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* NUMBER: the parent answers with the child's process id, the child on its own channel. */
static void do_fork(char **w)
{
	int n = (int)number(w[0]);
	pid_t pid = fork();

	if (pid < 0) {
		answer(-1);
	} else if (pid > 0) {
		close(CHANNEL_FIRST + n);
		answer(pid);
	} else {
		close(CHANNEL_FIRST + self);
		self = n;
		answer(0);
	}
}

/* This program again; it answers with the descriptors that came along. */
static void do_exec(char **w)
{
	char me[16], channel[CHANNELS][16], *argv[4 + CHANNELS] = { worker_argv[0], worker_argv[1], me };
	int n = 3;

	(void)w;
	snprintf(me, sizeof(me), "%d", self);
	for (int i = 0; i < CHANNELS; i++) {
		snprintf(channel[i], sizeof(channel[i]), "%d", CHANNEL_FIRST + i);
		argv[n++] = channel[i];
	}
	argv[n] = NULL;
	execv("/proc/self/exe", argv);
	answer(-1);
}

static void do_exit(char **w)
{
	exit((int)number(w[0]));
}

static void do_die(char **w)
{
	(void)w;
	raise(SIGKILL);
}

/* Everything that comes from @fd, and how process @pid ended. */
static void answer_output(int fd, pid_t pid)
{
	size_t len = 0;
	int status = 0;
	ssize_t n;

	while (len < 4096 && (n = read(fd, buffer + len, 4096 - len)) > 0)
		len += (size_t)n;
	close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	buffer[len] = 0;
	text_begin("ok ");
	text_add_name((char *)buffer);
	text_add(WIFSIGNALED(status) ? " signal %d" : " status %d",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	text_answer();
}

static void quiet(void)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, 2);
	close(null);
}

/* PROGRAM FD: it reads FD as its standard input; what it prints is the answer. */
static void do_feed(char **w)
{
	int p[2], fd = (int)number(w[1]);
	pid_t pid;

	if (fcntl(fd, F_GETFD) < 0 || pipe2(p, O_CLOEXEC) < 0) {
		answer(-1);
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (dup2(p[1], 1) < 0 || dup2(fd, 0) < 0)
			_exit(99);
		quiet();
		execl(w[0], w[0], (char *)NULL);
		_exit(98);
	}
	close(p[1]);
	answer_output(p[0], pid);
}

/* The same by posix_spawn, which opens PATH itself. */
static void do_spawn(char **w)
{
	char *argv[] = { w[0], NULL };
	posix_spawn_file_actions_t a;
	int p[2], e;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0) {
		answer(-1);
		return;
	}
	posix_spawn_file_actions_init(&a);
	posix_spawn_file_actions_addopen(&a, 0, path(w[1]), O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&a, p[1], 1);
	posix_spawn_file_actions_addopen(&a, 2, "/dev/null", O_WRONLY, 0);
	e = posix_spawn(&pid, w[0], &a, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&a);
	close(p[1]);
	if (e) {
		close(p[0]);
		errno = e;
		answer(-1);
		return;
	}
	answer_output(p[0], pid);
}

/* A program that is a file of the tree: its output, or exec's errno. */
static void do_program(char **w)
{
	int p[2], e;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0) {
		answer(-1);
		return;
	}
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		quiet();
		execl(path(w[0]), "program", (char *)NULL);
		e = errno;
		dprintf(1, "exec: %s", strerrorname_np(e));
		_exit(98);
	}
	close(p[1]);
	answer_output(p[0], pid);
}

/* A shell's line; `@` in it is not replaced, $ROOT is. */
static void do_shell(char **w)
{
	char line[4096];
	FILE *f;
	size_t n;
	int status;

	setenv("ROOT", root, 1);
	snprintf(line, sizeof(line), "exec 2>/dev/null; %s", w[0]);
	f = popen(line, "re");
	if (!f) {
		answer(-1);
		return;
	}
	n = fread(buffer, 1, 4096, f);
	buffer[n] = 0;
	status = pclose(f);
	text_begin("ok ");
	text_add_name((char *)buffer);
	text_add(" status %d", WEXITSTATUS(status));
	text_answer();
}

/* FD SOCKET: to whoever receives from the socket's other end. */
static void do_give(char **w)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec v = { "x", 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = (int)number(w[0]);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	answer(sendmsg((int)number(w[1]), &m, MSG_DONTWAIT));
}

static void do_take(char **w)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	char byte;
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg((int)number(w[0]), &m, MSG_DONTWAIT);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int fd = -1;

	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	answer(fd);
}

const struct command commands_process[] = {
	{ "fork", 1, do_fork },       { "exec", 0, do_exec },   { "exit", 1, do_exit },
	{ "die", 0, do_die },         { "feed", 2, do_feed },   { "spawn", 2, do_spawn },
	{ "program", 1, do_program }, { "shell", 1, do_shell }, { "give", 2, do_give },
	{ "take", 1, do_take },       { NULL, 0, NULL },
};
