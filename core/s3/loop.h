/**
 * loop.h - what a transfer thread waits in: the sockets and the timer of its curl multi handle, and a wake-up.
 *
 * By epoll and curl_multi_socket_action(): what is awake costs, not what is there. curl_multi_perform() goes through
 * every transfer for each answer (docs/PERFORMANCE.md). One thread, but for loop_wake().
 */
#ifndef S3SHIM_S3_LOOP_H
#define S3SHIM_S3_LOOP_H

#include <curl/curl.h>
#include <stdint.h>

struct loop {
	CURLM *multi; /* borrowed */
	int epoll, wake;
	int64_t timer_ns; /* clock_now_ns() at which curl wants to be called; 0: not at all */
};

/** loop_init() - hangs itself on @multi, which outlives it. Return: 0; -errno. */
int loop_init(struct loop *loop, CURLM *multi);
void loop_deinit(struct loop *loop);

/** loop_run() - have curl do what there is to do, after waiting for it until @until_ns at most. */
void loop_run(struct loop *loop, int64_t until_ns);

/** loop_wake() - have loop_run() return soon. Any thread. */
void loop_wake(struct loop *loop);

#endif
