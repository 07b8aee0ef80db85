#include "broker/offset.h"

#include "base/util.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <utlist.h>

/*
 * Why no condition variable: who waits must also notice that its own program died, and the kernel tells that on the
 * socket alone. So a waiter polls two descriptors, its socket and an eventfd. Ownership is handed over under the mutex
 * by whoever leaves; the eventfd only wakes. A waiter whose peer is gone looks under the mutex which of the two came
 * first, and hands on what it got and cannot use.
 */
void offset_waiter_init(struct offset_waiter *me, int peer_fd)
{
	*me = (struct offset_waiter){ .peer_fd = peer_fd, .event_fd = -1 };
}

void offset_waiter_deinit(struct offset_waiter *me)
{
	cleanup_close_p(&me->event_fd);
	me->event_fd = -1;
}

void offset_init(struct offset_lock *lock)
{
	*lock = (struct offset_lock){ 0 };
	pthread_mutex_init(&lock->mutex, NULL);
}

void offset_deinit(struct offset_lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

static void hand_on_locked(struct offset_lock *lock)
{
	lock->owner = lock->queue;
	if (lock->owner) {
		DL_DELETE(lock->queue, lock->owner);
		(void)eventfd_write(lock->owner->event_fd, 1);
	}
}

/* Return: 0: had at once; -EINPROGRESS: queued; another negative errno. */
static int take_or_queue(struct offset_lock *lock, struct offset_waiter *me)
{
	int r = 0;

	pthread_mutex_lock(&lock->mutex);
	if (!lock->owner)
		lock->owner = me;
	else if (lock->owner == me)
		r = -EDEADLK;
	else if (me->event_fd < 0 && (me->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		r = -errno;
	else {
		DL_APPEND(lock->queue, me);
		r = -EINPROGRESS;
	}
	pthread_mutex_unlock(&lock->mutex);
	return r;
}

int offset_take(struct offset_lock *lock, struct offset_waiter *me)
{
	int r = take_or_queue(lock, me);

	while (r == -EINPROGRESS) {
		struct pollfd fds[] = { { me->peer_fd, POLLRDHUP, 0 }, { me->event_fd, POLLIN, 0 } };
		eventfd_t value;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		pthread_mutex_lock(&lock->mutex);
		if (lock->owner == me && !fds[0].revents)
			r = 0;
		else if (fds[0].revents) {
			if (lock->owner == me)
				hand_on_locked(lock);
			else
				DL_DELETE(lock->queue, me);
			r = -ECONNRESET;
		}
		pthread_mutex_unlock(&lock->mutex);
		(void)eventfd_read(me->event_fd, &value);
	}
	return r;
}

int offset_leave(struct offset_lock *lock, struct offset_waiter *me)
{
	int r = -EPERM;

	pthread_mutex_lock(&lock->mutex);
	if (lock->owner == me) {
		hand_on_locked(lock);
		r = 0;
	}
	pthread_mutex_unlock(&lock->mutex);
	return r;
}
