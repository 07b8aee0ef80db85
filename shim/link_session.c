/*
 * A lost broker. What is known of files belongs to one session; a connection to another broker is refused, except in
 * bare mode, where a call by path may join a new one. Then every description so far is orphaned: its file is 0, its
 * slot one that never promises anything.
 */
#include "shim/link_session.h"
#include "shim/env.h"
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/lock.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/spawn.h"

#include <string.h>
#include <sys/mman.h>

#define STARTS       5
#define RETRY_NS     50000000
#define SOCKET_BYTES 108 /* sun_path */
#define LOST_SLOT    (WIRE_NO_SLOT - 1)

enum mode { MODE_UNKNOWN, MODE_NONE, MODE_MANAGED, MODE_BARE };

static struct {
	struct lock lock;
	_Atomic uint32_t mode;
	char socket[SOCKET_BYTES];
} config;

static struct {
	struct lock lock;    /* joining; reading needs none */
	_Atomic uint64_t id; /* 0: none yet */
	struct wire_slot *_Atomic arena;
	_Atomic uint64_t slots;
} session;

/* For descriptions whose broker is gone: nothing is present, no generation that was granted is the current one. */
static const struct wire_slot lost_slot = { .gen = UINT64_MAX, .base_end = UINT64_MAX };

/* ---- where the broker is ---- */

static void configure(void)
{
	const char *socket = env_get(WIRE_ENV_SOCKET);
	uint32_t mode = MODE_NONE;
	lock_mask mask = lock_take(&config.lock);

	if (config.mode == MODE_UNKNOWN) {
		if (socket) {
			if (strlen(socket) < sizeof(config.socket)) {
				memcpy(config.socket, socket, strlen(socket) + 1);
				mode = MODE_MANAGED;
			}
		} else if (route_bare()) {
			if (spawn_socket_path(config.socket, sizeof(config.socket)) == 0)
				mode = MODE_BARE;
		}
		atomic_store_explicit(&config.mode, mode, memory_order_release);
	}
	lock_drop(&config.lock, mask);
}

void link_init(void)
{
	if (config.mode == MODE_UNKNOWN)
		configure();
}

/* ---- one more connection ---- */

static int orphan(int fd, struct desc *d, void *arg)
{
	(void)fd;
	(void)arg;
	d->file = 0;
	d->slot = LOST_SLOT;
	d->grant.end = d->claim.end = 0;
	return 0;
}

/* The session of a broker that has just said HELLO: the first, the same, or, by JOIN_ANY, a new one. */
static int session_join(const struct wire_hello_rep *rep, int arena_fd, enum join join)
{
	lock_mask mask = lock_take(&session.lock);
	uint64_t known = session.id;
	bool orphans = false;
	int rc = 0;
	long map;

	if (known != rep->session) {
		if (known && (join != JOIN_ANY || config.mode != MODE_BARE)) {
			rc = -EIO;
		} else {
			map = arena_fd < 0 ? 0 : SYS(mmap, NULL, rep->arena_bytes, PROT_READ, MAP_SHARED, arena_fd, 0);
			if (map < 0) {
				rc = (int)map;
			} else {
				/* An arena that is replaced stays mapped: another thread may be looking into it. */
				session.slots = map ? rep->arena_bytes / sizeof(struct wire_slot) : 0;
				atomic_store_explicit(&session.arena, (struct wire_slot *)map, memory_order_release);
				session.id = rep->session;
				orphans = known != 0;
			}
		}
	}
	lock_drop(&session.lock, mask);
	if (orphans)
		fdtab_each(orphan, NULL);
	return rc;
}

static int greet(struct conn *c, enum join join)
{
	struct wire_hello_req req = { .version = WIRE_VERSION, .pid = (uint32_t)SYS(getpid) };
	struct wire_hello_rep rep;
	struct link_extra x = { .fd = -1 };
	int status = -EIO;

	if (conn_exchange(c, WIRE_HELLO, &req, &rep, &x, &status) != CONN_ANSWERED)
		return -EIO;
	if (!status && (rep.version != WIRE_VERSION || !rep.session))
		status = -EPROTO;
	if (!status)
		status = session_join(&rep, x.fd, join);
	if (x.fd >= 0)
		(void)SYS(close, x.fd);
	return status;
}

int session_greet(struct conn *c)
{
	return greet(c, JOIN_SAME);
}

bool session_managed(void)
{
	link_init();
	return config.mode == MODE_MANAGED;
}

static bool may_start(enum join join)
{
	return join == JOIN_ANY || (join == JOIN_SAME && !session.id);
}

int session_connect(struct conn *c, enum join join)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	int fd, rc;

	link_init();
	if (config.mode == MODE_NONE)
		return -ENXIO;
	fd = conn_connect(config.socket);
	for (int i = 0; i < STARTS && fd < 0 && config.mode == MODE_BARE && may_start(join); i++) {
		rc = spawn_broker(config.socket);
		fd = conn_connect(config.socket);
		if (fd < 0 && rc != -ETIMEDOUT)
			return rc ? rc : fd;
		if (fd < 0)
			(void)SYS(nanosleep, &pause, NULL);
	}
	if (fd < 0)
		return fd;
	rc = conn_set(c, fd);
	if (!rc)
		rc = greet(c, join);
	if (rc) {
		conn_close(c);
		return rc;
	}
	return 0;
}

bool session_known(void)
{
	return session.id != 0;
}

const struct wire_slot *link_slot(uint32_t index)
{
	struct wire_slot *arena = atomic_load_explicit(&session.arena, memory_order_acquire);

	if (index == WIRE_NO_SLOT)
		return NULL;
	return arena && index < session.slots ? &arena[index] : &lost_slot;
}
