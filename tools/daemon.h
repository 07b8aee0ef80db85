/**
 * daemon.h - what s3shimd does to its process before it is a broker: signals, limits, descriptors, the log, the lock.
 *
 * Called once at the start, before other threads. Functions return 0 or a negative errno; sentences as in err.h.
 */
#ifndef S3SHIM_TOOLS_DAEMON_H
#define S3SHIM_TOOLS_DAEMON_H

#include "base/err.h"

#include <stdbool.h>

/** daemon_signals() - ignore what a terminal, a lease or a limit sends; hold SIGTERM and SIGINT back until asked for.
 */
void daemon_signals(void);

/** daemon_close_inherited() - every descriptor but 0, 1, 2 and the two (-1: none). */
void daemon_close_inherited(int keep, int keep_too);

/** daemon_stdio() - 0, 1 and 2 on /dev/null; @keep_stderr: where 2 is open, it stays. */
void daemon_stdio(bool keep_stderr);

/**
 * daemon_limits() - raise soft limits on descriptors and file size to the hard ones
 * Return: 0; -EFBIG where a hard limit on file size would cut uploads short. A seccomp filter is only logged:
 * containers have one, and what it forbids shows where it is needed.
 */
int daemon_limits(struct err *err);

/** daemon_open_log() - for appending; one that grew past 16 MiB is kept as <path>.old. Return: a descriptor. */
int daemon_open_log(const char *path);

/** daemon_lock() - <path>.lock. Return: a descriptor that holds it; -EWOULDBLOCK: another broker does. */
int daemon_lock(const char *path, struct err *err);

/** daemon_answers() - does a broker listen at @path? */
bool daemon_answers(const char *path);

/** daemon_ready() - write a byte to @fd, which somebody waits for, and close it. -1: nobody does. */
void daemon_ready(int fd);

/** daemon_answer_failure() - answer the HELLO that waits on @fd with the sentence. */
void daemon_answer_failure(int fd, const struct err *err);

#endif
