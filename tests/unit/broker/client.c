#include "client.h"

#include "base/util.h"
#include "config/config.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define PATIENCE_MS 20000

#define MUST(x) \
	do { \
		if (!(x)) { \
			perror(#x); \
			abort(); \
		} \
	} while (0)

static char mounts[2][16] = { "/work", "/other" };

/* Both ends of every connection are this process's. */
static void raise_limit(void)
{
	struct rlimit l;

	MUST(getrlimit(RLIMIT_NOFILE, &l) == 0);
	l.rlim_cur = l.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &l) == 0);
}

void session_begin(struct session *s)
{
	struct mount_config m[2] = { 0 };
	struct config c = { .mounts = m, .mount_count = 2, .memory_bytes = MIB(64) };
	struct err err = ERR_INIT;

	*s = (struct session){ 0 };
	raise_limit();
	for (int i = 0; i < 2; i++) {
		strcpy(s->folder[i], "/tmp/s3shim-test-XXXXXX");
		MUST(mkdtemp(s->folder[i]));
		m[i].mount = mounts[i];
		m[i].type = MOUNT_FILE;
		m[i].path = s->folder[i];
	}
	if (broker_new(&c, &s->broker, &err) < 0) {
		fprintf(stderr, "%s\n", err_text(&err));
		abort();
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void session_end(struct session *s)
{
	if (s->running) {
		broker_stop(s->broker);
		session_join(s);
	}
	s->broker = broker_free(s->broker);
	for (int i = 0; i < 2; i++)
		MUST(nftw(s->folder[i], remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

struct run {
	struct session *session;
	int idle_ms;
};

static void *run_main(void *arg)
{
	struct run r = *(struct run *)arg;

	free(arg);
	r.session->result = broker_run(r.session->broker, r.idle_ms, NULL);
	return NULL;
}

void session_run(struct session *s, int idle_ms)
{
	struct run *r = malloc(sizeof(*r));

	MUST(r);
	*r = (struct run){ s, idle_ms };
	s->running = true;
	MUST(pthread_create(&s->runner, NULL, run_main, r) == 0);
}

int session_join(struct session *s)
{
	pthread_join(s->runner, NULL);
	s->running = false;
	return s->result;
}

void session_path(const struct session *s, int mount, const char *name, char *buf, size_t size)
{
	MUST((size_t)snprintf(buf, size, "%s/%s", s->folder[mount], name) < size);
}

int client_connect(struct session *s, bool control)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	MUST(broker_adopt(s->broker, pair[0], control, NULL) == 0);
	return pair[1];
}

int client_greeted(struct session *s)
{
	int fd = client_connect(s, false);
	struct wire_hello_req q = { .version = WIRE_VERSION };
	struct wire_hello_rep a;

	MUST(client_call(fd, WIRE_HELLO, &q, &a, NULL, NULL, NULL) == 0);
	return fd;
}

void client_send(int fd, enum wire_type type, const void *req, const char *from, const char *to)
{
	_Alignas(8) char frame[WIRE_REQUEST_MAX];
	const char *strings[] = { from, to };
	long n = wire_put_request(frame, sizeof(frame), type, 42, req, strings);

	MUST(n > 0);
	/* A connection that was cut off shows when the reply is read. */
	(void)!send(fd, frame, (size_t)n, MSG_NOSIGNAL);
}

static bool receive_all(int fd, void *buf, size_t size, int *passed)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;

	for (size_t have = 0; have < size;) {
		struct iovec iov = { (char *)buf + have, size - have };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control)
		};
		struct pollfd p = { fd, POLLIN, 0 };
		struct cmsghdr *c;
		ssize_t n;

		MUST(poll(&p, 1, PATIENCE_MS) == 1);
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return false;
		c = CMSG_FIRSTHDR(&msg);
		if (c && c->cmsg_type == SCM_RIGHTS)
			memcpy(passed, CMSG_DATA(c), sizeof(int));
		have += (size_t)n;
	}
	return true;
}

int client_receive(int fd, enum wire_type type, void *rep, struct answer *a)
{
	size_t fixed = wire_messages[type].rep_size, tail_len;
	struct wire_header h;
	char tail[WIRE_REPLY_MAX];
	int passed = -1;

	if (!receive_all(fd, &h, sizeof(h), &passed))
		return -ECONNRESET;
	MUST(h.type == type && h.id == 42 && h.has_fd == (passed >= 0));
	MUST(h.size >= sizeof(h) + fixed && h.size <= WIRE_REPLY_MAX);
	tail_len = h.size - sizeof(h) - fixed;
	if (!receive_all(fd, rep, fixed, &passed) || !receive_all(fd, tail, tail_len, &passed))
		return -ECONNRESET;
	if (a) {
		a->fd = passed;
		a->tail_len = tail_len;
		memcpy(a->tail, tail, tail_len);
		a->tail[tail_len] = '\0';
	} else {
		cleanup_close_p(&passed);
	}
	return h.status;
}

int client_call(int fd, enum wire_type type, const void *req, void *rep, struct answer *a, const char *from,
		const char *to)
{
	client_send(fd, type, req, from, to);
	return client_receive(fd, type, rep, a);
}

bool client_ended(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char c;

	return poll(&p, 1, PATIENCE_MS) == 1 && recv(fd, &c, 1, 0) <= 0;
}

int client_open(int fd, const char *path, uint32_t flags, uint32_t mode, struct wire_open_rep *rep)
{
	struct wire_open_req q = { .mount = 0, .flags = flags, .mode = mode };
	struct answer *a = malloc(sizeof(*a));
	int r;

	MUST(a);
	r = client_call(fd, WIRE_OPEN, &q, rep, a, path, NULL);
	if (r == 0)
		r = a->fd;
	free(a);
	return r;
}
