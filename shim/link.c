/*
 * The pool. A connection is taken by one compare-and-swap of `busy`, by the first thread that finds it free; a signal
 * handler that interrupts a call finds that one busy and takes another. Where none is free:
 *
 *   - one that this very thread holds, from a frame that is gone (siglongjmp), is taken back;
 *   - whoever holds one fetches a further one over it (LINK) before giving it back, which needs no socket() and no
 * path, so a thread that waits does so a moment first, and connects by itself only then;
 *   - from the second thread on, who takes the last free one fetches the next before use.
 *
 * Fork. A word in a MADV_WIPEONFORK page is 0 in a child. The child closes its copies of the pool, and goes on with the
 * spare that its own thread fetched before fork(): a spare belongs to a thread, known by an address in its thread-local
 * storage, which the child's one thread has inherited; the parent closes its copy when fork returns. A vfork child
 * shares this memory, but not the descriptors: it uses its thread's spare alone, or one that it connected itself, which
 * the parent forgets without closing.
 *
 * Exec. Where new connections may be forbidden, the next program inherits one on which a LINK was sent and answered: that
 * answer, with a connection in it, can be taken once. So of several programs that inherit it (a parent without this
 * library may start some) one has a connection of its own, and the others do as if there were none.
 */
#include "shim/link.h"
#include "shim/fdtab.h"
#include "shim/link_conn.h"
#include "shim/link_session.h"
#include "shim/lock.h"
#include "shim/shim.h"
#include "shim/vfork.h"

#include <fcntl.h>
#include <signal.h>

#define POOL        16
#define SPARES      8
#define POSTED_MAX  32
#define FRAME_SLACK 512
#define PATIENCE_NS 5000000 /* for a connection over LINK, before connecting */

struct spare {
	const void *_Atomic thread; /* whose it is; NULL: the entry is free */
	bool foreign;               /* its descriptor is the vfork child's alone */
	struct conn conn;
};

/* clang-format off */
#define NO_CONN	 { .fd = -1 }
#define NO_SPARE { .conn = NO_CONN }
/* clang-format on */
static struct conn pool[POOL] = { NO_CONN, NO_CONN, NO_CONN, NO_CONN, NO_CONN, NO_CONN, NO_CONN, NO_CONN,
				  NO_CONN, NO_CONN, NO_CONN, NO_CONN, NO_CONN, NO_CONN, NO_CONN, NO_CONN };
static struct spare spares[SPARES] = { NO_SPARE, NO_SPARE, NO_SPARE, NO_SPARE, NO_SPARE, NO_SPARE, NO_SPARE, NO_SPARE };
static _Alignas(8) char pool_out[POOL][WIRE_REQUEST_MAX], spares_out[SPARES][WIRE_REQUEST_MAX];
static _Atomic uint32_t active HOT;               /* this process has, or had, a connection */
static _Atomic int lowest HOT = INT32_MAX;        /* of our descriptors' numbers, ever */
static _Atomic uint32_t returns, waiters, wanted; /* a futex; who sleeps on it; somebody found none free */
static _Atomic uint32_t handing;                  /* a connection goes along at exec */
static const void *_Atomic first_thread;
static _Atomic uint32_t many; /* a second thread has called */

static __thread char thread_mark;

static const void *this_thread(void)
{
	return &thread_mark;
}

/* ---- fork ---- */

static struct spare *spare_mine(void)
{
	for (int i = 0; i < SPARES; i++)
		if (atomic_load_explicit(&spares[i].thread, memory_order_acquire) == this_thread())
			return &spares[i];
	return NULL;
}

static void conn_reset(struct conn *c, int fd)
{
	atomic_store(&c->fd, fd);
	c->owner = NULL;
	c->epoch++;
	atomic_store(&c->busy, 0);
}

/* In a forked child: the parent's connections go, the spare stays. No lock is needed, there is one thread. */
void link_fork_child(void)
{
	struct spare *mine = spare_mine();

	for (int i = 0; i < POOL; i++) {
		if (pool[i].fd >= 0)
			conn_close(&pool[i]);
		conn_reset(&pool[i], -1);
	}
	if (mine && mine->conn.fd >= 0 && !mine->conn.busy && !mine->foreign && conn_intact(&mine->conn)) {
		pool[0].dev = mine->conn.dev;
		pool[0].ino = mine->conn.ino;
		pool[0].id = mine->conn.id;
		pool[0].posted = mine->conn.posted;
		conn_reset(&pool[0], mine->conn.fd);
		conn_forget(&mine->conn);
	}
	for (int i = 0; i < SPARES; i++) {
		if (spares[i].conn.fd >= 0 && spares[i].thread)
			conn_close(&spares[i].conn);
		conn_reset(&spares[i].conn, -1);
		spares[i].thread = NULL;
	}
	returns = waiters = wanted = many = 0;
	first_thread = NULL;
}

static void conn_known(const struct conn *c)
{
	int now = lowest;

	while (c->fd < now && !atomic_compare_exchange_weak(&lowest, &now, c->fd))
		;
	atomic_store(&active, 1);
}

/* Fill an empty @c, which is the caller's. */
static int fetch_by_path(struct conn *c, enum join join)
{
	int rc = session_connect(c, join);

	if (!rc)
		conn_known(c);
	return rc;
}

/* Fill an empty @to, which is the caller's, by LINK over @over, which is as well. */
static int fetch_by_link(struct conn *over, struct conn *to)
{
	struct wire_link_req req = { 0 };
	struct wire_link_rep rep;
	struct link_extra x = { .fd = -1 };
	int status = -EIO;

	if (conn_exchange(over, WIRE_LINK, &req, &rep, &x, &status) != CONN_ANSWERED) {
		conn_close(over);
		return -EIO;
	}
	if (!status && x.fd < 0)
		status = -EIO;
	if (!status)
		status = conn_set(to, x.fd);
	if (!status)
		conn_known(to);
	return status;
}

/*
 * The frame is recorded with some slack, so that a call from the very place that was jumped out of counts as above it;
 * a handler's frames are further down, beyond the kernel's signal frame.
 */
static bool claim(struct conn *c)
{
	uint32_t free = 0;

	if (!atomic_compare_exchange_strong_explicit(&c->busy, &free, 1, memory_order_acquire, memory_order_relaxed))
		return false;
	c->owner = this_thread();
	c->out = c >= pool && c < pool + POOL ? pool_out[c - pool]
					      : spares_out[container_of(c, struct spare, conn) - spares];
	c->frame = (uintptr_t)__builtin_frame_address(0) - FRAME_SLACK;
	return true;
}

static void unclaim(struct conn *c)
{
	c->owner = NULL;
	atomic_store_explicit(&c->busy, 0, memory_order_release);
	atomic_fetch_add(&returns, 1);
	if (atomic_load(&waiters))
		(void)SYS(futex, &returns, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* One more in the pool, over @c. */
static void widen(struct conn *c)
{
	for (int i = 0; i < POOL && c->fd >= 0; i++) {
		if (pool[i].fd >= 0 || !claim(&pool[i]))
			continue;
		if (pool[i].fd < 0)
			(void)fetch_by_link(c, &pool[i]);
		unclaim(&pool[i]);
		return;
	}
}

/* ---- take and give back ---- */

static struct conn *take_free(void)
{
	for (int i = 0; i < POOL; i++) {
		struct conn *c = &pool[i];
		if (c->fd < 0 || c->busy || !claim(c))
			continue;
		if (conn_intact(c))
			return c;
		conn_forget(c);
		unclaim(c);
	}
	return NULL;
}

/* A connection of this thread whose frame is gone: below the stack's top as it is now, or on a signal stack that was
 * left. */
static struct conn *take_back(void)
{
	stack_t alt = { 0 };
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	for (int i = 0; i < POOL; i++) {
		struct conn *c = &pool[i];
		uintptr_t frame = c->frame;
		bool left;
		if (!c->busy || c->owner != this_thread())
			continue;
		if (SYS(sigaltstack, NULL, &alt) < 0 || (alt.ss_flags & SS_ONSTACK))
			return NULL;
		left = !(alt.ss_flags & SS_DISABLE) && frame - (uintptr_t)alt.ss_sp < alt.ss_size;
		if (!left && frame > here)
			continue;
		c->epoch++;
		c->frame = here;
		if (conn_intact(c))
			return c;
		conn_forget(c);
		unclaim(c);
	}
	return NULL;
}

/* Does anybody but this thread hold one, so that waiting makes sense? */
static bool held_elsewhere(void)
{
	for (int i = 0; i < POOL; i++)
		if (pool[i].busy && pool[i].owner != this_thread())
			return true;
	return false;
}

static void wait_return(uint32_t count, const struct timespec *timeout)
{
	atomic_fetch_add(&waiters, 1);
	atomic_store(&wanted, 1);
	(void)SYS(futex, &returns, FUTEX_WAIT_PRIVATE, count, timeout, NULL, 0);
	atomic_fetch_sub(&waiters, 1);
}

static struct conn *take_new(enum join join, int *ret_rc)
{
	for (int i = 0; i < POOL; i++) {
		if (pool[i].fd >= 0 || !claim(&pool[i]))
			continue;
		if (pool[i].fd >= 0)
			return &pool[i];
		*ret_rc = fetch_by_path(&pool[i], join);
		if (!*ret_rc)
			return &pool[i];
		unclaim(&pool[i]);
		return NULL;
	}
	*ret_rc = -EAGAIN; /* all are in use */
	return NULL;
}

static struct conn *take_spare(enum join join, int *ret_rc)
{
	struct spare *s = spare_mine();
	const void *none = NULL;

	for (int i = 0; i < SPARES && !s; i++, none = NULL)
		if (atomic_compare_exchange_strong(&spares[i].thread, &none, this_thread())) {
			s = &spares[i];
			s->foreign = false;
			conn_reset(&s->conn, -1);
		}
	*ret_rc = -EIO;
	if (!s || !claim(&s->conn))
		return NULL;
	if (conn_intact(&s->conn))
		return &s->conn;
	s->foreign = true;
	*ret_rc = fetch_by_path(&s->conn, join);
	if (!*ret_rc)
		return &s->conn;
	unclaim(&s->conn);
	return NULL;
}

/* From the second thread on there is one more than are in use. */
static void keep_ahead(struct conn *c)
{
	if (!first_thread)
		first_thread = this_thread();
	if (first_thread != this_thread())
		many = 1;
	if (!many)
		return;
	for (int i = 0; i < POOL; i++)
		if (pool[i].fd >= 0 && !pool[i].busy)
			return;
	widen(c);
}

static struct conn *take(enum join join, int *ret_rc)
{
	const struct timespec patience = { .tv_nsec = PATIENCE_NS };
	bool patient = false;

	fork_check();
	if (unlikely(vfork_child()))
		return take_spare(join, ret_rc);
	for (;;) {
		uint32_t count = returns;
		struct conn *c = take_free();
		if (!c)
			c = take_back();
		if (c) {
			keep_ahead(c);
			if (c->fd >= 0)
				return c;
			unclaim(c);
			continue;
		}
		if (!patient && held_elsewhere()) {
			patient = true;
			wait_return(count, &patience);
			continue;
		}
		c = take_new(join, ret_rc);
		if (c)
			return c;
		if (!held_elsewhere()) {
			if (*ret_rc == -EAGAIN)
				*ret_rc = -EIO;
			return NULL;
		}
		wait_return(count, NULL);
	}
}

static void give_back(struct conn *c)
{
	if (unlikely(wanted) && !vfork_child()) {
		wanted = 0;
		widen(c);
	}
	unclaim(c);
}

/* ---- the interface ---- */

/* With a broker lost once, its absence is an I/O error; before that there is just none. */
static int absent(int rc)
{
	return session_known() ? -EIO : rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE ? rc : -ENXIO;
}

static int call(enum wire_type type, enum join join, const void *req, void *rep, struct link_extra *x)
{
	int rc = -EIO, status = -EIO;

	for (int i = 0; i < POOL + 1; i++) {
		struct conn *c = take(join, &rc);
		enum conn_end end;
		if (!c)
			return absent(rc);
		end = conn_exchange(c, type, req, rep, x, &status);
		if (end != CONN_ANSWERED)
			conn_close(c);
		give_back(c);
		if (end == CONN_ANSWERED)
			return status;
		if (end == CONN_LOST)
			return -EIO;
	}
	return -EIO;
}

int link_call(enum wire_type type, const void *req, void *rep, struct link_extra *x)
{
	return call(type, wire_messages[type].strings > 0 ? JOIN_ANY : JOIN_SAME, req, rep, x);
}

void link_tell(enum wire_type type, const void *req, const char *string)
{
	struct link_extra x = { .string = { string }, .fd = -1 };

	(void)call(type, JOIN_RUNNING, req, NULL, &x);
}

void link_post(enum wire_type type, const void *req)
{
	struct conn *c;
	int rc;

	c = take(JOIN_SAME, &rc);
	if (!c)
		return;
	if (c->posted >= POSTED_MAX) {
		int status;
		if (conn_exchange(c, type, req, NULL, NULL, &status) != CONN_ANSWERED)
			conn_close(c);
	} else if (conn_post(c, type, req) != CONN_ANSWERED) {
		conn_close(c);
	}
	give_back(c);
}

bool link_owns(int fd)
{
	return unlikely(fd >= atomic_load_explicit(&lowest, memory_order_relaxed)) && link_next_owned(fd) == fd;
}

static void lower(const struct conn *c, int from, int *best)
{
	int fd = c->fd;

	if (fd >= from && (*best < 0 || fd < *best) && conn_intact(c))
		*best = fd;
}

int link_next_owned(int fd)
{
	int best = -1;

	if (!active)
		return -1;
	for (int i = 0; i < POOL; i++)
		lower(&pool[i], fd, &best);
	for (int i = 0; i < SPARES; i++)
		if (spares[i].thread)
			lower(&spares[i].conn, fd, &best);
	return best;
}

static void spare_done(void)
{
	struct spare *s = spare_mine();

	if (!s)
		return;
	if (s->foreign)
		conn_forget(&s->conn);
	else if (s->conn.fd >= 0)
		conn_close(&s->conn);
	conn_reset(&s->conn, -1);
	atomic_store_explicit(&s->thread, NULL, memory_order_release);
}

void link_spare(void)
{
	const void *none = NULL;
	struct conn *c;
	int rc;

	if (!active)
		return;
	fork_check();
	if (vfork_child())
		return;
	spare_done();
	c = take(JOIN_SAME, &rc);
	if (!c)
		return;
	for (int i = 0; i < SPARES; i++, none = NULL)
		if (atomic_compare_exchange_strong(&spares[i].thread, &none, this_thread())) {
			spares[i].foreign = false;
			conn_reset(&spares[i].conn, -1);
			if (claim(&spares[i].conn)) {
				(void)fetch_by_link(c, &spares[i].conn);
				unclaim(&spares[i].conn);
			}
			break;
		}
	give_back(c);
}

void link_keep(void)
{
	struct conn *c;
	int rc;

	if (vfork_child() || !session_managed())
		return;
	c = take(JOIN_RUNNING, &rc);
	if (!c)
		return;
	atomic_store(&handing, 1);
	give_back(c);
}

static char *put_hex(char *at, uint64_t n)
{
	int shift = 60;

	while (shift && !(n >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[n >> shift & 15];
	return at;
}

static void put_link(char *at, const struct conn *c)
{
	for (const char *p = WIRE_ENV_LINK "="; *p; p++)
		*at++ = *p;
	at = put_hex(at, (uint64_t)c->fd);
	*at++ = ':';
	at = put_hex(at, c->dev);
	*at++ = ':';
	at = put_hex(at, c->ino);
	*at = '\0';
}

int link_hand_over(char *buf)
{
	_Alignas(8) char out[sizeof(struct wire_header) + sizeof(struct wire_link_req)];
	struct wire_link_req req = { 0 };
	struct conn heir = { .fd = -1, .out = out }, *c;
	int rc;

	if (likely(!handing) || !(c = take(JOIN_RUNNING, &rc)))
		return -1;
	rc = fetch_by_link(c, &heir);
	give_back(c);
	if (rc)
		return -1;
	if (conn_post(&heir, WIRE_LINK, &req) != CONN_ANSWERED || SYS(fcntl, heir.fd, F_SETFD, 0) < 0) {
		conn_close(&heir);
		return -1;
	}
	conn_wait(&heir);
	put_link(buf, &heir);
	return heir.fd;
}

void link_take_over(int fd)
{
	struct conn *c = &pool[0];
	int taken = conn_take_link(fd);

	(void)SYS(close, fd);
	if (taken < 0)
		return;
	if (!claim(c)) {
		(void)SYS(close, taken);
		return;
	}
	if (c->fd >= 0) {
		(void)SYS(close, taken);
	} else if (!conn_set(c, taken)) {
		if (session_greet(c)) {
			conn_close(c);
		} else {
			conn_known(c);
			atomic_store(&handing, 1);
		}
	}
	unclaim(c);
}

void link_spare_done(void)
{
	if (active)
		spare_done();
}
