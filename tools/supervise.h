/**
 * supervise.h - s3run's two children, its signals and its connection to the broker, waited for in one place.
 *
 * All signals that matter are blocked and come through a signalfd, so nothing is interrupted and nothing is missed. The
 * program stays in s3run's process group: what the terminal sends reaches it by itself (the kernel says so in si_code),
 * what others send to s3run alone is forwarded. One thread.
 */
#ifndef S3SHIM_TOOLS_SUPERVISE_H
#define S3SHIM_TOOLS_SUPERVISE_H

#include "base/err.h"
#include "client.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct supervise {
	int signal_fd;
	sigset_t old_mask; /* what the program shall start with */
	struct sigaction old_chld;
	pid_t program, broker;             /* 0: not started, or reaped */
	int program_status, broker_status; /* as waitpid(2) says, once reaped */
	bool broker_ended;
	bool forward;         /* the program runs */
	int stops;            /* SIGTERM, and while nothing is forwarded SIGINT, SIGHUP and SIGQUIT too */
	int last_stop;        /* the last of these */
	struct client client; /* of the control connection */
	struct err lost;      /* errnum set: the connection failed, and why */
};

/** supervise_init() - block signals, make the signalfd. */
int supervise_init(struct supervise *s, struct err *err);

/** supervise_child() - in a fork's child: signals as s3run found them. */
void supervise_child(const struct supervise *s);

/** A reply that supervise_wait() took from the control connection; see client.h. */
enum supervise_event {
	SUPERVISE_REPLY,
	SUPERVISE_PROGRAM_ENDED,
	SUPERVISE_BROKER_LOST, /* it ended, or the connection did; reported until s->client.fd is -1 */
	SUPERVISE_STOP,        /* a signal that asks to end, while no program runs */
	SUPERVISE_TIMEOUT,
};

/** supervise_wait() - the next event; @timeout_ms -1: for ever. Signals are forwarded, stops and continues mirrored. */
enum supervise_event supervise_wait(struct supervise *s, int timeout_ms, struct client_reply *ret_reply);

/** supervise_broker_end() - how the broker ended, for a sentence: "was killed by signal 9". */
void supervise_broker_end(const struct supervise *s, char *buf, size_t size);

/** supervise_die() - end by @sig, without a core file; _exit(128 + sig) where that cannot be. */
void supervise_die(int sig) __attribute__((noreturn));

#endif
