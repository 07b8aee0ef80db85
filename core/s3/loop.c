#include "s3/loop.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS 64

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct loop *loop = arg;
	struct epoll_event ev = { .data.fd = fd };

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	ev.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	/* a number that was closed and given out again has left the set by itself */
	if (epoll_ctl(loop->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) < 0) {
		int other = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

		if (epoll_ctl(loop->epoll, other, fd, &ev) < 0)
			return -1;
	}
	(void)curl_multi_assign(loop->multi, fd, loop);
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct loop *loop = arg;

	(void)multi;
	loop->timer_ns = ms < 0 ? 0 : clock_now_ns() + (int64_t)ms * 1000000;
	return 0;
}

int loop_init(struct loop *loop, CURLM *multi)
{
	struct epoll_event ev = { .events = EPOLLIN };

	*loop = (struct loop){ .multi = multi, .epoll = epoll_create1(EPOLL_CLOEXEC), .wake = -1 };
	if (loop->epoll < 0)
		return -errno;
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev.data.fd = loop->wake;
	if (loop->wake < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &ev) < 0) {
		int saved = errno;

		loop_deinit(loop);
		return -saved;
	}
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop);
	return 0;
}

void loop_deinit(struct loop *loop)
{
	if (loop->multi) {
		curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, NULL);
		curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, NULL);
	}
	if (loop->wake >= 0)
		close(loop->wake);
	if (loop->epoll >= 0)
		close(loop->epoll);
	loop->epoll = loop->wake = -1;
}

static int wait_ms(const struct loop *loop, int64_t until_ns)
{
	int64_t now = clock_now_ns();

	if (loop->timer_ns && loop->timer_ns < until_ns)
		until_ns = loop->timer_ns;
	if (until_ns <= now)
		return 0;
	return until_ns - now > 60000000000 ? 60000 : (int)((until_ns - now + 999999) / 1000000);
}

void loop_run(struct loop *loop, int64_t until_ns)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(loop->epoll, events, EVENTS, wait_ms(loop, until_ns));
	int running;

	for (int i = 0; i < n; i++) {
		uint32_t e = events[i].events;
		eventfd_t value;

		if (events[i].data.fd == loop->wake)
			(void)eventfd_read(loop->wake, &value);
		else
			curl_multi_socket_action(loop->multi, events[i].data.fd,
						 (e & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
						     (e & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
						     (e & EPOLLERR ? CURL_CSELECT_ERR : 0),
						 &running);
	}
	if (loop->timer_ns && loop->timer_ns <= clock_now_ns()) {
		loop->timer_ns = 0;
		curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
}

void loop_wake(struct loop *loop)
{
	(void)eventfd_write(loop->wake, 1);
}
