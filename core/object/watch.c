#include "object/watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "object/holders.h"
#include "object/prove.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <uthash.h>
#include <utlist.h>

/*
 * A watched file, as the thread sees it:
 *
 *   quiet ──event, or handed out after an unread event──► pending ──lease granted──► told, quiet again
 *                                                            └─refused─► pending, later: 50 us .. 100 ms, then 1 s
 *
 * What is awaited is in `want`: WRITERS and HOLDERS are set by watch_handed_out() and cleared when the lease was
 * granted, right before the callback. An event that comes while nothing is awaited is remembered in `stirred`, because
 * a program may close a descriptor before watch_handed_out() was called for it.
 *
 * Locks: watch->lock guards the tables, `want`, and the pending list; a file's `gate` is watch_lock(), held for a
 * lease's try. Never both at once. A callback runs with neither; watch_remove() waits for it by `calling`.
 *
 * Why events are not believed alone: they come before the reference is gone, our own writable opens make some too, and
 * the queue may overflow. Why the lease is not tried without events: 100,000 files would cost 50 ms a round.
 *
 * Without leases (gVisor) `nobody()` looks through /proc instead. What a lease knows and that does not is a descriptor
 * on its way to a program: so the broker keeps its own of what it sent until the program speaks again (conn.c), and its
 * own count, but for those of the file itself.
 */
enum { WRITERS = 1, HOLDERS = 2 };

#define BACKOFF_MIN_NS  50000ull
#define BACKOFF_MAX_NS  100000000ull
#define BACKOFF_LONG_NS 1000000000ull
#define BACKOFF_LONG    30 /* tries, of which the first 11 double */
#define SWEEP_NS        100000000ull
#define STORM_NS        500000ull

struct watched {
	struct watch *watch;
	int fd, wd;
	struct holders_file file;
	struct watch_ops ops;
	pthread_mutex_t gate;
	unsigned want, handed; /* handed: how often watch_handed_out() was called */
	bool stirred, pending, removed;
	unsigned tries;
	uint64_t due_ns, backoff_ns;
	struct watched *prev, *next; /* all files */
	struct watched *pending_prev, *pending_next;
	UT_hash_handle hh; /* by wd */
};

struct watch {
	int inotify, wake;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t called;
	struct watched *all, *by_wd, *pending;
	_Atomic size_t count;    /* of all */
	struct watched *calling; /* the file whose callback runs, or that is being tried */
	uint64_t sweep_due_ns;
	bool unwatched; /* some file has no inotify watch: sweep */
	bool scans;     /* no leases: /proc is looked through */
	bool stop;
};

static uint64_t now_ns(void)
{
	return (uint64_t)clock_now_ns();
}

static void watch_poke(struct watch *w)
{
	uint64_t one = 1;

	if (write(w->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_warn("watch", "waking the thread: %s, ignoring", strerror(errno));
}

static void make_pending_locked(struct watched *f, uint64_t due_ns)
{
	struct watch *w = f->watch;

	f->tries = 0;
	f->backoff_ns = BACKOFF_MIN_NS;
	/* While a file is filled our own writes make an event each: then a try every half a millisecond is enough. */
	f->due_ns = f->pending && due_ns == 0 ? min_u64(f->due_ns, now_ns() + STORM_NS) : due_ns;
	if (!f->pending) {
		f->pending = true;
		DL_APPEND2(w->pending, f, pending_prev, pending_next);
	}
}

static void drop_pending_locked(struct watched *f)
{
	if (!f->pending)
		return;
	f->pending = false;
	DL_DELETE2(f->watch->pending, f, pending_prev, pending_next);
}

static void stir_locked(struct watched *f)
{
	if (f->want)
		make_pending_locked(f, 0);
	else
		f->stirred = true;
}

/* Is nobody left that can write (WRITERS), or nobody at all (HOLDERS)? A granted lease is given up at once: while it is
 * held, openers block. */
static bool nobody(struct watched *f, unsigned who)
{
	bool none;

	pthread_mutex_lock(&f->gate);
	if (f->watch->scans) {
		none = !(holders_look(&f->file) & (who == WRITERS ? HOLDERS_WRITER : HOLDERS_ANY));
	} else {
		none = fcntl(f->fd, F_SETLEASE, who == WRITERS ? F_RDLCK : F_WRLCK) == 0;
		if (none)
			(void)fcntl(f->fd, F_SETLEASE, F_UNLCK);
	}
	pthread_mutex_unlock(&f->gate);
	return none;
}

static void put_off_locked(struct watched *f)
{
	f->due_ns = now_ns() + f->backoff_ns;
	if (++f->tries > BACKOFF_LONG)
		f->backoff_ns = BACKOFF_LONG_NS;
	else
		f->backoff_ns = min_u64(f->backoff_ns * 2, BACKOFF_MAX_NS);
}

/* Try what is awaited of @f and call back. Entered and left with watch->lock, which is let go in between. */
static void attend_locked(struct watched *f)
{
	struct watch *w = f->watch;
	unsigned want = f->want, handed = f->handed, granted = 0;

	w->calling = f;
	pthread_mutex_unlock(&w->lock);
	if ((want & WRITERS) && nobody(f, WRITERS))
		granted |= WRITERS;
	if ((want & HOLDERS) && nobody(f, HOLDERS))
		granted |= HOLDERS;
	pthread_mutex_lock(&w->lock);
	if (f->removed) {
		granted = 0;
	} else {
		/* Somebody new came between the lease and here: the news is true, and there is more to wait for. */
		if (handed == f->handed)
			f->want &= ~granted;
		if (!f->want)
			drop_pending_locked(f);
		else
			put_off_locked(f);
	}
	pthread_mutex_unlock(&w->lock);
	if ((granted & WRITERS) && f->ops.no_writers)
		f->ops.no_writers(f->ops.arg);
	/* no_writers() may have removed the file. */
	pthread_mutex_lock(&w->lock);
	if (f->removed)
		granted = 0;
	pthread_mutex_unlock(&w->lock);
	if ((granted & HOLDERS) && f->ops.no_holders)
		f->ops.no_holders(f->ops.arg);
	pthread_mutex_lock(&w->lock);
	w->calling = NULL;
	pthread_cond_broadcast(&w->called);
	if (f->removed) {
		pthread_mutex_destroy(&f->gate);
		free(f);
	}
}

static void sweep_locked(struct watch *w)
{
	struct watched *f;

	DL_FOREACH (w->all, f) {
		if (!f->pending)
			stir_locked(f);
	}
}

static void read_events_locked(struct watch *w)
{
	_Alignas(struct inotify_event) char buf[16384];
	ssize_t n;

	while ((n = read(w->inotify, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const void *)p;
			struct watched *f = NULL;

			p += sizeof(*e) + e->len;
			if (e->mask & IN_Q_OVERFLOW) {
				log_debug("watch", "the queue overflowed, sweeping");
				sweep_locked(w);
				continue;
			}
			HASH_FIND_INT(w->by_wd, &e->wd, f);
			if (f && (e->mask & IN_CLOSE))
				stir_locked(f);
		}
	}
}

/* Attend to every file whose time has come. Return: when the next one is due, or UINT64_MAX. */
static uint64_t attend_due_locked(struct watch *w)
{
	uint64_t now = now_ns(), next = UINT64_MAX;
	struct watched *f;

again:
	next = UINT64_MAX;
	DL_FOREACH2(w->pending, f, pending_next)
	{
		if (f->due_ns <= now && !w->stop) {
			attend_locked(f); /* lets the lock go: the list may be another */
			goto again;
		}
		next = min_u64(next, f->due_ns);
	}
	return next;
}

static void *watch_main(void *arg)
{
	struct watch *w = arg;
	struct pollfd fds[2] = { { .fd = w->wake, .events = POLLIN }, { .fd = w->inotify, .events = POLLIN } };
	uint64_t next, now, ticks;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct timespec wait;

		next = attend_due_locked(w);
		now = now_ns();
		if (w->unwatched && w->all) {
			if (now >= w->sweep_due_ns) {
				w->sweep_due_ns = now + SWEEP_NS;
				sweep_locked(w);
				continue;
			}
			next = min_u64(next, w->sweep_due_ns);
		}
		next = next > now ? min_u64(next - now, 3600000000000ull) : 0;
		wait = (struct timespec){ (time_t)(next / 1000000000u), (long)(next % 1000000000u) };
		pthread_mutex_unlock(&w->lock);
		(void)ppoll(fds, w->inotify < 0 ? 1 : 2, &wait, NULL);
		if (read(w->wake, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
			log_warn("watch", "eventfd: %s, ignoring", strerror(errno));
		pthread_mutex_lock(&w->lock);
		if (w->inotify >= 0)
			read_events_locked(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* What this system tells of files that are closed. Return: 0; -EOPNOTSUPP: nothing. */
static int choose_way(struct watch *w, struct err *err)
{
	struct err leases = ERR_INIT, scans = ERR_INIT;

	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->unwatched = w->inotify < 0;
	if (w->unwatched)
		log_warn("watch", "inotify_init1: %s, sweeping instead", strerror(errno));
	if (prove_leases(NULL, &leases) == 0)
		return 0;
	if (prove_scans(NULL, &scans) < 0)
		return err_set(err, EOPNOTSUPP,
			       "this kernel does not tell when a file is closed, so nothing could be uploaded: %s; %s",
			       err_text(&leases), err_text(&scans));
	log_info("watch", "%s: looking through /proc instead", err_text(&leases));
	w->scans = w->unwatched = true;
	return 0;
}

int watch_new(struct watch **ret, struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));
	sigset_t all, before;
	int r;

	if (!w)
		return err_set(err, ENOMEM, "watching files: no memory");
	signal(SIGIO, SIG_IGN); /* an opener that meets a lease makes the kernel send it */
	r = choose_way(w, err);
	if (r < 0) {
		if (w->inotify >= 0)
			close(w->inotify);
		free(w);
		return r;
	}
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->called, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = w->wake < 0 ? errno : pthread_create(&w->thread, NULL, watch_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		if (w->inotify >= 0)
			close(w->inotify);
		if (w->wake >= 0)
			close(w->wake);
		free(w);
		return err_set(err, r, "watching files: %s", strerror(r));
	}
	*ret = w;
	return 0;
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_mutex_unlock(&w->lock);
	watch_poke(w);
	pthread_join(w->thread, NULL);
	if (w->inotify >= 0)
		close(w->inotify);
	close(w->wake);
	pthread_cond_destroy(&w->called);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}

int watch_add(struct watch *w, int fd, int own, const struct watch_ops *ops, struct watched **ret, struct err *err)
{
	struct watched *f = calloc(1, sizeof(*f));
	char path[64];
	struct stat st;

	if (!f)
		return err_set(err, ENOMEM, "watching a file: no memory");
	if (fstat(fd, &st) < 0) {
		free(f);
		return err_set(err, errno, "watching a file: %s", strerror(errno));
	}
	f->file = (struct holders_file){ st.st_dev, st.st_ino, { fd, own } };
	f->watch = w;
	f->fd = fd;
	f->wd = -1;
	f->ops = *ops;
	pthread_mutex_init(&f->gate, NULL);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	pthread_mutex_lock(&w->lock);
	if (w->inotify >= 0)
		f->wd = inotify_add_watch(w->inotify, path, IN_CLOSE_WRITE | IN_CLOSE_NOWRITE);
	if (f->wd >= 0) {
		HASH_ADD_INT(w->by_wd, wd, f);
	} else if (!w->unwatched) {
		log_warn("watch", "inotify_add_watch: %s, sweeping instead", strerror(errno));
		w->unwatched = true;
		watch_poke(w);
	}
	DL_APPEND(w->all, f);
	w->count++;
	pthread_mutex_unlock(&w->lock);
	*ret = f;
	return 0;
}

size_t watch_count(const struct watch *w)
{
	return w->count;
}

void watch_remove(struct watched *f)
{
	struct watch *w;

	if (!f)
		return;
	w = f->watch;
	pthread_mutex_lock(&w->lock);
	if (f->wd >= 0) {
		HASH_DEL(w->by_wd, f);
		(void)inotify_rm_watch(w->inotify, f->wd);
	}
	drop_pending_locked(f);
	DL_DELETE(w->all, f);
	w->count--;
	f->want = 0;
	if (w->calling == f && pthread_equal(pthread_self(), w->thread)) {
		f->removed = true; /* from its own callback: freed when that has returned */
		pthread_mutex_unlock(&w->lock);
		return;
	}
	f->removed = true;
	if (w->calling == f) {
		/* The thread frees it; what must not happen is that a callback still runs when we return. */
		while (w->calling == f)
			pthread_cond_wait(&w->called, &w->lock);
		pthread_mutex_unlock(&w->lock);
		return;
	}
	pthread_mutex_unlock(&w->lock);
	pthread_mutex_destroy(&f->gate);
	free(f);
}

void watch_handed_out(struct watched *f, bool writable)
{
	struct watch *w = f->watch;
	bool poke = false;

	pthread_mutex_lock(&w->lock);
	f->handed++;
	f->want |= HOLDERS | (writable ? WRITERS : 0u);
	if (f->stirred) {
		f->stirred = false;
		make_pending_locked(f, 0);
		poke = true;
	}
	pthread_mutex_unlock(&w->lock);
	if (poke)
		watch_poke(w);
}

void watch_lock(struct watched *f)
{
	pthread_mutex_lock(&f->gate);
}

void watch_unlock(struct watched *f)
{
	pthread_mutex_unlock(&f->gate);
}

bool watch_try_no_writers(struct watched *f)
{
	return nobody(f, WRITERS);
}

bool watch_keeps_sent(struct watch *w, int fd)
{
	const struct watched *f = NULL;
	struct stat st;

	if (!w->scans || fstat(fd, &st) < 0)
		return false;
	pthread_mutex_lock(&w->lock);
	DL_FOREACH (w->all, f) {
		if (f->file.dev == st.st_dev && f->file.ino == st.st_ino)
			break;
	}
	pthread_mutex_unlock(&w->lock);
	return f;
}

bool watch_try_no_holders(struct watched *f)
{
	return nobody(f, HOLDERS);
}

int watch_prove(const struct watch *w, const char *dir, struct err *err)
{
	return w->scans ? prove_scans(dir, err) : prove_leases(dir, err);
}

bool watch_scans(const struct watch *w)
{
	return w->scans;
}
