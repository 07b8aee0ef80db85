/*
 * What is done with a signal:
 *
 *   from the terminal               nothing: the program has it too
 *   by kill(s3run)                  TERM HUP INT QUIT USR1 USR2 ALRM CONT TSTP: forwarded while the program runs
 *   the program stopped by          s3run stops too, and continues the program when it is continued itself
 *     TSTP, TTIN, TTOU
 *
 * A program stopped by SIGSTOP is left so: who sent it will continue it, and could not continue s3run.
 */
#include "supervise.h"
#include "base/clock.h"
#include "base/util.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

static const int handled[] = { SIGTERM, SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2,  SIGALRM,
			       SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD, SIGWINCH, SIGPIPE };

int supervise_init(struct supervise *s, struct err *err)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t set;

	memset(s, 0, offsetof(struct supervise, client));
	client_init(&s->client, -1);
	s->lost = (struct err)ERR_INIT;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
		sigaddset(&set, handled[i]);
	/* With SIGCHLD ignored, as some services start their children, nothing could be waited for. */
	sigaction(SIGCHLD, &plain, &s->old_chld);
	sigprocmask(SIG_BLOCK, &set, &s->old_mask);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? err_set(err, errno, "signalfd: %s", strerror(errno)) : 0;
}

void supervise_child(const struct supervise *s)
{
	sigaction(SIGCHLD, &s->old_chld, NULL);
	sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
}

static void reap(struct supervise *s, bool *ret_program_ended)
{
	int status;

	if (s->broker && waitpid(s->broker, &status, WNOHANG) == s->broker) {
		s->broker_status = status;
		s->broker_ended = true;
		s->broker = 0;
	}
	while (s->program && waitpid(s->program, &status, WNOHANG | WUNTRACED) == s->program) {
		if (WIFSTOPPED(status)) {
			int sig = WSTOPSIG(status);
			if (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
				raise(SIGSTOP); /* the SIGCONT that ends it waits in the signalfd, to be forwarded */
			continue;
		}
		s->program_status = status;
		s->program = 0;
		s->forward = false;
		*ret_program_ended = true;
	}
}

/* Return: true if the signal asks s3run itself to end. */
static bool take_signal(struct supervise *s, const struct signalfd_siginfo *info, bool *ret_program_ended)
{
	int sig = (int)info->ssi_signo;
	bool ends = sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT;
	struct sigaction action;

	if (sig == SIGCHLD) {
		reap(s, ret_program_ended);
		return false;
	}
	if (sig == SIGPIPE || sig == SIGWINCH)
		return false;
	if (sig == SIGTERM || (ends && !s->forward)) {
		s->stops++;
		s->last_stop = sig;
	}
	if (s->forward) {
		if (info->ssi_code != SI_KERNEL && s->program)
			kill(s->program, sig);
		return false;
	}
	return ends && sigaction(sig, NULL, &action) == 0 && action.sa_handler != SIG_IGN;
}

static bool take_signals(struct supervise *s, bool *ret_program_ended)
{
	struct signalfd_siginfo info;
	bool stop = false;

	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
		stop |= take_signal(s, &info, ret_program_ended);
	return stop;
}

static int left_ms(int64_t end)
{
	int64_t now = clock_now_ms();

	return now < end ? (int)(end - now) : 0;
}

enum supervise_event supervise_wait(struct supervise *s, int timeout_ms, struct client_reply *ret_reply)
{
	int64_t end = clock_now_ms() + timeout_ms;

	for (;;) {
		struct pollfd p[2] = { { .fd = s->signal_fd, .events = POLLIN },
				       { .fd = s->client.fd, .events = POLLIN } };
		bool program_ended = false;
		int left = timeout_ms < 0 ? -1 : left_ms(end);

		if (poll(p, ARRAY_SIZE(p), left) == 0)
			return SUPERVISE_TIMEOUT;
		if (p[0].revents && take_signals(s, &program_ended))
			return SUPERVISE_STOP;
		if (program_ended)
			return SUPERVISE_PROGRAM_ENDED;
		if (s->client.fd >= 0 && p[1].revents) {
			int r = client_receive(&s->client, ret_reply, &s->lost);
			if (r == 0)
				return SUPERVISE_REPLY;
			if (r < 0)
				return SUPERVISE_BROKER_LOST;
		}
		if (s->client.fd < 0 && s->broker_ended && timeout_ms >= 0)
			return SUPERVISE_BROKER_LOST;
	}
}

void supervise_broker_end(const struct supervise *s, char *buf, size_t size)
{
	if (!s->broker_ended)
		(void)snprintf(buf, size, "has cut the connection");
	else if (WIFSIGNALED(s->broker_status))
		(void)snprintf(buf, size, "was killed by signal %d (%s)", WTERMSIG(s->broker_status),
			       strsignal(WTERMSIG(s->broker_status)));
	else
		(void)snprintf(buf, size, "has ended with status %d", WEXITSTATUS(s->broker_status));
}

void supervise_die(int sig)
{
	struct rlimit none = { 0, 0 };
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	sigaction(sig, &plain, NULL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + sig);
}
