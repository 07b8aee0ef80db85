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
#include <sys/stat.h>
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

/* ---- a folder ---- */

const char *fake_root;

static struct wire_slot *slots;
static _Atomic uint64_t files;
static struct {
	char path[256];
	uint32_t flags;
	uint64_t dev, ino;
} opened[256];

static const char *inside(const char *rel)
{
	static __thread char full[4096];

	snprintf(full, sizeof(full), "%s/%s", fake_root, rel);
	return full;
}

static void do_open(int s, const struct wire_request *r, const struct wire_header *h)
{
	const struct wire_open_req *req = r->fixed;
	struct wire_open_rep rep = { .kind = WIRE_KIND_OBJECT };
	int fd = open(inside(r->string[0]), (int)req->flags | O_CLOEXEC, req->mode);
	struct stat st;

	if (fd < 0) {
		answer(s, h, -errno, NULL, 0, -1);
		return;
	}
	fstat(fd, &st);
	rep.file = ++files;
	rep.object = st.st_ino;
	rep.dev = st.st_dev;
	rep.ino = st.st_ino;
	snprintf(opened[rep.file % 256].path, 256, "%s/%s", getenv(WIRE_ENV_ROUTES), r->string[0]);
	opened[rep.file % 256].flags = req->flags;
	opened[rep.file % 256].dev = st.st_dev;
	opened[rep.file % 256].ino = st.st_ino;
	answer(s, h, 0, &rep, sizeof(rep), fd);
	close(fd);
}

static void do_attach(int s, const struct wire_request *r, const struct wire_header *h)
{
	uint64_t file = ((const struct wire_attach_req *)r->fixed)->file;
	struct {
		struct wire_attach_rep rep;
		char path[256];
	} answered = { .rep = { .kind = WIRE_KIND_OBJECT } };

	answered.rep.dev = opened[file % 256].dev;
	answered.rep.ino = opened[file % 256].ino;
	answered.rep.object = opened[file % 256].ino;
	answered.rep.flags = opened[file % 256].flags;
	memcpy(answered.path, opened[file % 256].path, 256);
	answer(s, h, 0, &answered, sizeof(answered.rep) + strlen(answered.path), -1);
}

static void stat_reply(int s, const struct stat *st, int rc, const struct wire_header *h)
{
	struct wire_stat_rep rep = {
		.attr = { .ino = st->st_ino, .size = (uint64_t)st->st_size, .mode = st->st_mode, .nlink = 1 }
	};

	answer(s, h, rc, &rep, rc ? 0 : sizeof(rep), -1);
}

/* Return: was it one of these? */
static int do_folder(int s, const struct wire_request *r, const struct wire_header *h)
{
	struct wire_closed_rep closed = { .last = 1 };
	struct stat st = { 0 };
	int rc;

	switch (r->type) {
	case WIRE_OPEN:
		do_open(s, r, h);
		return 1;
	case WIRE_ATTACH:
		do_attach(s, r, h);
		return 1;
	case WIRE_STAT:
		rc = stat(inside(r->string[0]), &st) ? -errno : 0;
		stat_reply(s, &st, rc, h);
		return 1;
	case WIRE_FSTAT:
		rc = stat(inside(strrchr(opened[*(const uint64_t *)r->fixed % 256].path, '/') + 1), &st) ? -errno : 0;
		stat_reply(s, &st, rc, h);
		return 1;
	case WIRE_OFFSET:
		answer(s, h, 0, &closed, sizeof(struct wire_offset_rep), -1);
		return 1;
	case WIRE_ACCESS:
		rc = access(inside(r->string[0]), (int)((const struct wire_access_req *)r->fixed)->mode) ? -errno : 0;
		answer(s, h, rc, &closed, rc ? 0 : sizeof(struct wire_access_rep), -1);
		return 1;
	case WIRE_CLOSED:
		answer(s, h, 0, &closed, sizeof(closed), -1);
		return 1;
	default:
		return 0;
	}
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
		} else if (fake_root && do_folder(s, &r, &h)) {
			continue;
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
		setenv(WIRE_ENV_SOCKET, path, 0);
		setenv(WIRE_ENV_ROUTES, "/mnt-of-test", 0);
		snprintf(path, sizeof(path), "%s", getenv(WIRE_ENV_SOCKET));
		slots = mmap(NULL, WIRE_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, arena, 0);
		slots[0].flags = WIRE_SLOT_COMPLETE | WIRE_SLOT_NO_CLAIM;
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
