#include "fake_broker.h"
#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

_Atomic uint64_t fake_session = 77;
_Atomic int fake_connects, fake_links;

static _Atomic int next_number;
static int listener = -1, arena = -1, null = -1, peers[256];
static char path[108];

static void answer(int s, const struct wire_header *to, int status, const void *fixed, size_t size, int fd)
{
	struct wire_header h = *to;
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)fixed, size } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	h.status = status;
	h.size = (uint32_t)(sizeof(h) + size);
	h.has_fd = fd >= 0;
	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS,
				       .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	(void)!sendmsg(s, &m, MSG_NOSIGNAL);
}

static void *serve(void *arg);

static void serve_new(int s)
{
	pthread_t t;

	pthread_create(&t, NULL, serve, (void *)(intptr_t)s);
	pthread_detach(t);
}

static void do_link(int s, const struct wire_header *h)
{
	struct wire_link_rep rep = { 0 };
	int pair[2];

	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	fake_links++;
	answer(s, h, 0, &rep, sizeof(rep), pair[1]);
	close(pair[1]);
	serve_new(pair[0]);
}

static int do_stat(int s, int number, const struct wire_request *r, const struct wire_header *h)
{
	struct wire_stat_rep rep = { .attr = { .size = (uint64_t)number, .mode = 0100644 } };
	const char *what = r->string[0];
	int fd = -1, status = 0;

	if (strcmp(what, "slow") == 0)
		usleep(200000);
	if (strcmp(what, "die") == 0)
		return -1;
	if (strcmp(what, "stale") == 0) {
		struct wire_header old = *h;
		struct wire_stat_rep wrong = { .attr = { .size = 666 } };
		old.id--;
		answer(s, &old, 0, &wrong, sizeof(wrong), null);
	}
	if (strcmp(what, "fd") == 0)
		fd = null;
	if (strcmp(what, "missing") == 0)
		status = -ENOENT;
	answer(s, h, status, &rep, status ? 0 : sizeof(rep), fd);
	return 0;
}

static void *serve(void *arg)
{
	int s = (int)(intptr_t)arg, number = ++next_number;
	_Alignas(8) static __thread char frame[WIRE_REQUEST_MAX];
	struct wire_request r;
	struct wire_header h;

	peers[number % 256] = s;
	while (recv(s, frame, sizeof(h), MSG_WAITALL) == sizeof(h)) {
		memcpy(&h, frame, sizeof(h));
		if (h.size > sizeof(h) &&
		    recv(s, frame + sizeof(h), h.size - sizeof(h), MSG_WAITALL) != (ssize_t)(h.size - sizeof(h)))
			break;
		if (wire_check_request(frame, h.size, &r))
			break;
		if (h.type == WIRE_HELLO) {
			struct wire_hello_rep rep = { .session = fake_session,
						      .arena_bytes = WIRE_ARENA_BYTES,
						      .version = WIRE_VERSION,
						      .mounts = 1 };
			answer(s, &h, 0, &rep, sizeof(rep), arena);
		} else if (h.type == WIRE_LINK) {
			do_link(s, &h);
		} else if (h.type == WIRE_STAT) {
			if (do_stat(s, number, &r, &h))
				break;
		} else {
			answer(s, &h, -ENOSYS, NULL, 0, -1);
		}
	}
	peers[number % 256] = 0;
	close(s);
	return NULL;
}

static void *accept_all(void *arg)
{
	int s;

	(void)arg;
	while ((s = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		fake_connects++;
		serve_new(s);
	}
	return NULL;
}

void fake_start(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	pthread_t t;

	if (arena < 0) {
		null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		arena = memfd_create("arena", MFD_CLOEXEC);
		(void)!ftruncate(arena, WIRE_ARENA_BYTES);
		snprintf(path, sizeof(path), "/tmp/fake-broker-%d.sock", getpid());
		setenv(WIRE_ENV_SOCKET, path, 1);
		setenv(WIRE_ENV_ROUTES, "/mnt-of-test", 1);
	}
	strcpy(a.sun_path, path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)!bind(listener, (struct sockaddr *)&a, sizeof(a));
	(void)!listen(listener, 32);
	pthread_create(&t, NULL, accept_all, NULL);
	pthread_detach(t);
}

void fake_stop(void)
{
	unlink(path);
	shutdown(listener, SHUT_RDWR);
	for (int i = 0; i < 256; i++)
		if (peers[i])
			shutdown(peers[i], SHUT_RDWR);
	usleep(50000);
}
