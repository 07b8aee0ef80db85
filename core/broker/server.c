#include "broker/server.h"

#include "base/counters.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "broker/conn.h"
#include "broker/files.h"
#include "broker/limits.h"
#include "broker/session.h"
#include "object/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <utlist.h>

/*
 * A connection is in `active` from server_adopt() until its thread calls server_ended(), then in `ended` until a thread
 * of ours joins it. Threads start with the lock held, so that one which ends at once finds its own number written.
 *
 * Idle exit: a program may connect between the decision and the end. So the path is removed first, whoever comes then
 * starts a new broker; then the queue is emptied, and who was in it is served to its end ("retired").
 */
struct server {
	struct broker *broker;
	int wake; /* eventfd: something below changed */
	atomic_bool stop;
	int listen_fd;
	int reserve_fd; /* given up for a moment to be able to accept, and turn away, when descriptors are out */
	bool retired;
	struct sockaddr_un path;
	dev_t path_dev; /* of the socket's file: one that somebody else put there is not removed */
	ino_t path_ino;
	int64_t idle_since_ns; /* 0: busy */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct conn *active, *ended;
	size_t count; /* of active and ended */
	bool closing, control_ended;
};

int server_new(struct broker *b, struct server **ret, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	s->broker = b;
	s->listen_fd = -1;
	s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake < 0) {
		int saved = errno;
		cleanup_close_p(&s->reserve_fd);
		free(s);
		return err_set(err, saved, "eventfd: %s", strerror(saved));
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	*ret = s;
	return 0;
}

struct server *server_free(struct server *s)
{
	if (!s)
		return NULL;
	server_close(s);
	cleanup_close_p(&s->reserve_fd);
	cleanup_close_p(&s->wake);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

static bool somebody_answers(const struct sockaddr_un *path)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 || connect(fd, (const struct sockaddr *)path, sizeof(*path)) == 0 || errno != ECONNREFUSED;
}

static int bind_path(int fd, const struct sockaddr_un *path)
{
	if (bind(fd, (const struct sockaddr *)path, sizeof(*path)) == 0)
		return 0;
	if (errno != EADDRINUSE || somebody_answers(path))
		return -errno;
	(void)unlink(path->sun_path);
	return bind(fd, (const struct sockaddr *)path, sizeof(*path)) == 0 ? 0 : -errno;
}

int server_listen(struct server *s, const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, ENAMETOOLONG, "socket '%s': longer than %zu bytes", path,
			       sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path));
	if (fd < 0)
		return err_set(err, errno, "socket '%s': %s", path, strerror(errno));
	/* before bind(2), which takes the mode from the socket: umask(2) would be everybody's */
	if (fchmod(fd, s->broker->allow_other ? 0666 : 0600) < 0)
		return err_set(err, errno, "socket '%s': %s", path, strerror(errno));
	r = bind_path(fd, &addr);
	if (r == 0 && (listen(fd, SOMAXCONN) < 0 || stat(path, &st) < 0))
		r = -errno;
	if (r < 0)
		return err_set(err, -r, "socket '%s': %s", path,
			       r == -EADDRINUSE ? "another broker listens there" : strerror(-r));
	s->path = addr;
	s->path_dev = st.st_dev;
	s->path_ino = st.st_ino;
	s->listen_fd = steal_fd(&fd);
	return 0;
}

static void wake(struct server *s)
{
	(void)eventfd_write(s->wake, 1);
}

int server_adopt(struct server *s, int fd, const struct peer *peer, bool greeted, bool control)
{
	struct conn *c;
	int r;

	r = conn_new(s->broker, fd, peer, greeted, control, &c);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	if (s->closing || s->count >= LIMIT_CONNECTIONS ||
	    (!control && limits_descriptors_short(fd, LIMIT_KEPT_FOR_FEW, watch_count(s->broker->watch))))
		r = -EMFILE;
	else
		r = conn_start(c);
	if (r == 0) {
		DL_APPEND(s->active, c);
		s->count++;
	}
	pthread_mutex_unlock(&s->lock);
	if (r < 0) {
		log_flood(LOG_WARN, "broker", "process %ld: connection refused: %s", (long)c->peer.pid, strerror(-r));
		conn_free(c);
		return r;
	}
	counter_add(COUNTER_connections, 1);
	return 0;
}

void server_ended(struct server *s, struct conn *c)
{
	pthread_mutex_lock(&s->lock);
	DL_DELETE(s->active, c);
	DL_APPEND(s->ended, c);
	if (c->control)
		s->control_ended = true;
	wake(s);
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void reap(struct server *s)
{
	struct conn *c;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		c = s->ended;
		if (c) {
			DL_DELETE(s->ended, c);
			s->count--;
		}
		pthread_mutex_unlock(&s->lock);
		if (!c)
			return;
		pthread_join(c->thread, NULL);
		conn_free(c);
	}
}

/* Descriptors are out: what cannot be served is taken and closed, or poll(2) would report it for ever. */
static bool turn_away(struct server *s)
{
	int fd;

	if (s->reserve_fd < 0)
		return false;
	close(s->reserve_fd);
	fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_flood(LOG_WARN, "broker", "out of descriptors, a connection was turned away");
	return fd >= 0;
}

/* Beside the socket's mode, which whoever carries it into a sandbox may have changed. */
static bool may_enter(const struct server *s, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (s->broker->allow_other)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == s->broker->uid || peer.uid == 0)
		return true;
	log_warn("broker", "process %ld of user %u is refused: the session is not for other users", (long)peer.pid,
		 (unsigned)peer.uid);
	return false;
}

/* Not all that come: in a flood those that ended would never be freed. */
static void accept_some(struct server *s)
{
	for (unsigned i = 0; i < LIMIT_ACCEPTED_AT_ONCE; i++) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0 && !may_enter(s, fd))
			close(fd);
		else if (fd >= 0)
			(void)server_adopt(s, fd, NULL, false, false);
		else if ((errno == EMFILE || errno == ENFILE) && turn_away(s))
			continue;
		else if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void remove_path(struct server *s)
{
	struct stat st;

	if (s->path.sun_path[0] && stat(s->path.sun_path, &st) == 0 && st.st_dev == s->path_dev &&
	    st.st_ino == s->path_ino)
		(void)unlink(s->path.sun_path);
	s->path.sun_path[0] = '\0';
}

static void close_listener(struct server *s)
{
	remove_path(s);
	cleanup_close_p(&s->listen_fd);
	s->listen_fd = -1;
}

/* Return: ms until the session will have been idle for long enough, 0 if it has, -1 while there is no knowing. */
static int idle_left_ms(struct server *s, int idle_ms)
{
	int64_t left;

	if (idle_ms <= 0)
		return -1;
	if (server_count(s)) {
		s->idle_since_ns = 0;
		return -1;
	}
	if (files_count(s->broker->files)) { /* nobody tells when the last one goes: look again */
		s->idle_since_ns = 0;
		return idle_ms < 1000 ? idle_ms : 1000;
	}
	if (!s->idle_since_ns)
		s->idle_since_ns = clock_now_ns();
	left = idle_ms - (clock_now_ns() - s->idle_since_ns) / 1000000;
	return s->retired || left <= 0 ? 0 : (int)left;
}

static bool is_over(struct server *s)
{
	bool r;

	pthread_mutex_lock(&s->lock);
	r = s->control_ended;
	pthread_mutex_unlock(&s->lock);
	return r || s->stop;
}

int server_run(struct server *s, int idle_ms, struct err *err)
{
	while (!is_over(s)) {
		struct pollfd fds[] = { { s->wake, POLLIN, 0 }, { s->listen_fd, POLLIN, 0 } };
		int timeout_ms = idle_left_ms(s, idle_ms);
		eventfd_t value;

		if (timeout_ms == 0 && s->retired)
			break;
		if (timeout_ms == 0) {
			s->retired = true;
			remove_path(s);
			accept_some(s);
			continue;
		}
		if (poll(fds, ARRAY_SIZE(fds), timeout_ms) < 0 && errno != EINTR)
			return err_set(err, errno, "poll: %s", strerror(errno));
		(void)eventfd_read(s->wake, &value);
		reap(s);
		if (s->listen_fd >= 0)
			accept_some(s);
	}
	return 0;
}

void server_stop(struct server *s)
{
	int saved = errno;

	s->stop = true;
	wake(s);
	errno = saved;
}

void server_close(struct server *s)
{
	struct conn *c;

	close_listener(s);
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	DL_FOREACH (s->active, c) {
		conn_hang_up(c);
	}
	while (s->active)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	reap(s);
}

size_t server_count(struct server *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->count;
	pthread_mutex_unlock(&s->lock);
	return n;
}
