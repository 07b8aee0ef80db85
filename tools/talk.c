#include "talk.h"
#include "base/log.h"
#include "base/util.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == geteuid() || peer.uid == 0)
		return true;
	log_warn("s3shimd", "process %ld of user %u is refused at the control socket", (long)peer.pid,
		 (unsigned)peer.uid);
	return false;
}

struct talk *talk_accept(int listen_fd)
{
	cleanup_close int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct talk *t = fd >= 0 && is_ours(fd) ? calloc(1, sizeof(*t)) : NULL;

	if (t)
		t->fd = steal_fd(&fd);
	return t;
}

struct talk *talk_free(struct talk *t)
{
	close(t->fd);
	free(t->out);
	free(t);
	return NULL;
}

/* What a peer that has said all sends no more is not asked for: the end of a stream would be reported for ever. */
short talk_events(const struct talk *t)
{
	return (short)((t->ended ? 0 : POLLIN) | (t->out_len > t->out_sent ? POLLOUT : 0));
}

static void receive(struct talk *t)
{
	ssize_t n;

	if (t->in_len == sizeof(t->in)) { /* no line is that long, and nobody asks so much at once */
		t->gone = true;
		return;
	}
	n = recv(t->fd, t->in + t->in_len, sizeof(t->in) - t->in_len, MSG_DONTWAIT);
	if (n > 0)
		t->in_len += (size_t)n;
	else if (n == 0)
		t->ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		t->gone = true;
}

static void flush(struct talk *t)
{
	while (t->out_sent < t->out_len) {
		ssize_t n = send(t->fd, t->out + t->out_sent, t->out_len - t->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			t->gone |= errno != EAGAIN;
			return;
		}
		t->out_sent += (size_t)n;
	}
	t->out_len = t->out_sent = 0;
}

void talk_ready(struct talk *t, short revents)
{
	if (revents & POLLIN && !t->ended)
		receive(t);
	if (revents & POLLOUT)
		flush(t);
	if (revents & (POLLERR | POLLNVAL) || (revents & POLLHUP && !(revents & POLLIN)))
		t->gone = true;
	if (t->ended && !t->session && t->out_sent == t->out_len && !memchr(t->in, '\n', t->in_len))
		t->gone = true;
}

char *talk_line(struct talk *t)
{
	char *end = memchr(t->in, '\n', t->in_len), *line;
	size_t len;

	if (!end)
		return NULL;
	len = (size_t)(end - t->in);
	line = strndup(t->in, len);
	t->in_len -= len + 1;
	memmove(t->in, end + 1, t->in_len);
	if (!line)
		t->gone = true;
	return line;
}

void talk_say(struct talk *t, const char *text, size_t len)
{
	char *out = realloc(t->out, t->out_len + len + 1);

	if (!out) {
		t->gone = true;
		return;
	}
	t->out = out;
	memcpy(out + t->out_len, text, len);
	out[t->out_len + len] = '\n';
	t->out_len += len + 1;
	flush(t);
}
