/*
 * Loading happens once, asked for by the modules that keep what is loaded, which call back into themselves on the way:
 * the thread that loads passes through, others wait for it.
 *
 * What the environment must have is copied at load, because programs overwrite the memory of the environment they were
 * started with (setproctitle), and clear or replace environ.
 */
#include "shim/state.h"
#include "shim/cwd.h"
#include "shim/env.h"
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/lock.h"
#include "shim/mem.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/vfork.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define STATE_MAX  98304 /* the kernel takes 128 KiB in one string */
#define KEPT_MAX   32
#define KEPT_BYTES 8192
#define PRELOAD    "LD_PRELOAD="
#define OURS       "libs3shim.so"
#define SETTING    "S3SHIM_"

static struct {
	_Atomic uint32_t ready;     /* 0 not yet, 1 under way, 2 done */
	const void *_Atomic loader; /* the thread */
	size_t count, used;
	const char *entry[KEPT_MAX]; /* S3SHIM_NAME=value, but for the state */
	char text[KEPT_BYTES];
} kept;

static __thread char self;

/* ---- loading ---- */

static void keep(const char *entry)
{
	size_t n = strlen(entry) + 1;

	if (kept.count == KEPT_MAX || kept.used + n > KEPT_BYTES)
		return;
	memcpy(kept.text + kept.used, entry, n);
	kept.entry[kept.count++] = kept.text + kept.used;
	kept.used += n;
}

static bool begins(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint64_t take_hex(const char **at)
{
	uint64_t n = 0;
	int digit;

	while ((digit = hex_digit(**at)) >= 0) {
		n = n << 4 | (unsigned)digit;
		(*at)++;
	}
	return n;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* The current directory up to its `;`. Return: false if it is no path of ours. */
static bool take_cwd(const char **at, char *buf, size_t size)
{
	size_t n = 0;

	while (**at && **at != ';' && n + 1 < size) {
		char c = *(*at)++;
		if (c == '%') {
			int high = hex_digit((*at)[0]), low = high < 0 ? -1 : hex_digit((*at)[1]);
			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			*at += 2;
		}
		buf[n++] = c;
	}
	buf[n] = '\0';
	return take_char(at, ';');
}

/* dup shares a description, so two entries of one file id are one: @loaded holds those of this load. */
static void load_entry(int fd, uint64_t dev, uint64_t ino, uint64_t file, struct desc **loaded)
{
	struct desc *d = *loaded;
	struct stat st;

	if (SYS(fstat, fd, &st) < 0 || st.st_dev != dev || st.st_ino != ino || !file)
		return;
	while (d && d->file != file)
		d = d->next_free;
	if (!d) {
		d = desc_new(DESC_UNATTACHED, "");
		if (!d)
			return;
		d->file = file;
		d->dev = dev;
		d->ino = ino;
		d->flags = (uint32_t)SYS(fcntl, fd, F_GETFL, 0);
		d->shared = 1;
		d->next_free = *loaded;
		*loaded = d;
	}
	(void)fdtab_set(fd, d);
}

static void load(const char *text)
{
	struct desc *loaded = NULL, *d;
	char cwd[WIRE_PATH_MAX];

	if (!take_char(&text, '1') || !take_char(&text, ';') || !take_cwd(&text, cwd, sizeof(cwd)))
		return;
	if (cwd[0] == '/')
		cwd_restore(cwd);
	while (*text) {
		uint64_t n[4];
		for (int i = 0; i < 4; i++) {
			n[i] = take_hex(&text);
			if (i < 3 && !take_char(&text, ':'))
				goto out;
		}
		if (n[0] < INT32_MAX)
			load_entry((int)n[0], n[1], n[2], n[3], &loaded);
		if (!take_char(&text, ','))
			break;
	}
out:
	while ((d = loaded)) {
		loaded = d->next_free;
		d->next_free = NULL;
		desc_put(d);
	}
}

void state_load(void)
{
	uint32_t ready = 0;

	if (likely(atomic_load_explicit(&kept.ready, memory_order_acquire) == 2) || kept.loader == &self)
		return;
	if (!atomic_compare_exchange_strong(&kept.ready, &ready, 1)) {
		while (kept.ready == 1)
			(void)SYS(sched_yield);
		return;
	}
	kept.loader = &self;
	if (route_active()) {
		const char *state = env_get(WIRE_ENV_STATE);
		for (char **e = env_list(); *e; e++)
			if (begins(*e, SETTING) && !begins(*e, WIRE_ENV_STATE "="))
				keep(*e);
		link_init();
		if (state)
			load(state);
	}
	kept.loader = NULL;
	atomic_store_explicit(&kept.ready, 2, memory_order_release);
}

/* ---- saving ---- */

struct writer {
	char *buf;
	size_t len, size;
	bool full;
	bool first; /* no entry yet */
};

static void put_char(struct writer *w, char c)
{
	if (w->len + 1 >= w->size) {
		w->full = true;
		return;
	}
	w->buf[w->len++] = c;
}

static void put_hex(struct writer *w, uint64_t n)
{
	int shift = 60;

	while (shift && !(n >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char(w, "0123456789abcdef"[n >> shift & 15]);
}

static void put_escaped(struct writer *w, const char *s)
{
	for (; *s; s++) {
		if (*s == ';' || *s == '%') {
			put_char(w, '%');
			put_hex(w, (unsigned char)*s);
		} else {
			put_char(w, *s);
		}
	}
}

static void put_entry(struct writer *w, int fd, const struct desc *d)
{
	if (!w->first)
		put_char(w, ',');
	w->first = false;
	put_hex(w, (uint64_t)fd);
	put_char(w, ':');
	put_hex(w, d->dev);
	put_char(w, ':');
	put_hex(w, d->ino);
	put_char(w, ':');
	put_hex(w, d->file);
}

static int put_inherited(int fd, struct desc *d, void *arg)
{
	long flags = SYS(fcntl, fd, F_GETFD);

	if (d->kind != DESC_ANCESTOR && d->file && flags >= 0 && !(flags & FD_CLOEXEC) && fdtab_verify(fd, d)) {
		put_entry(arg, fd, d);
		d->shared = 1;
	}
	return 0;
}

long state_format_with(char *buf, size_t size, const struct state_change *change)
{
	struct writer w = { .buf = buf, .size = size, .first = true };
	char path[WIRE_PATH_MAX];
	const char *cwd = change && change->cwd ? change->cwd : cwd_routed(path);

	for (const char *p = WIRE_ENV_STATE "=1;"; *p; p++)
		put_char(&w, *p);
	if (cwd)
		put_escaped(&w, cwd);
	put_char(&w, ';');
	(void)fdtab_each(put_inherited, &w);
	for (size_t i = 0; change && i < change->count; i++)
		put_entry(&w, change->fd[i], change->desc[i]);
	if (w.full)
		return -E2BIG;
	buf[w.len] = '\0';
	return w.first && !(cwd && cwd[0]) ? 0 : (long)w.len;
}

long state_format(char *buf, size_t size)
{
	return state_format_with(buf, size, NULL);
}

/* ---- the environment of the next program ---- */

static bool is_blank(char c)
{
	return c == ':' || c == ' ';
}

static bool has_ours(const char *preload)
{
	for (const char *p = preload; *p;) {
		size_t n = 0, base = 0;
		while (is_blank(*p))
			p++;
		for (; p[n] && !is_blank(p[n]); n++)
			if (p[n] == '/')
				base = n + 1;
		if (n - base == sizeof(OURS) - 1 && memcmp(p + base, OURS, n - base) == 0)
			return true;
		p += n;
	}
	return false;
}

static bool same_name(const char *a, const char *b)
{
	while (*a == *b && *a && *a != '=')
		a++, b++;
	return *a == *b && *a == '=';
}

static const char *find_name(char *const *envp, const char *entry)
{
	for (; envp && *envp; envp++)
		if (same_name(*envp, entry))
			return *envp;
	return NULL;
}

/* The array, and strings of our own behind it. */
struct block {
	size_t size;
	bool mapped;        /* too large for mem_alloc() */
	struct block *next; /* of those that a vfork child leaves to its parent */
	char *entry[];
};

static __thread struct block *left_behind;

static struct block *block_new(size_t bytes)
{
	size_t size = bytes + sizeof(struct block);
	struct block *b = mem_alloc(size);
	bool mapped = false;
	long p;

	if (!b) {
		p = SYS(mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p < 0)
			return NULL;
		b = (struct block *)p;
		mapped = true;
	}
	b->size = size;
	b->mapped = mapped;
	if (vfork_child()) {
		b->next = left_behind;
		left_behind = b;
	}
	return b;
}

static void block_free(struct block *b)
{
	if (b->mapped)
		(void)SYS(munmap, b, b->size);
	else
		mem_free(b);
}

void *state_block(size_t bytes)
{
	struct block *b = block_new(bytes);

	return b ? b->entry : NULL;
}

void state_block_free(void *block)
{
	if (block && !vfork_child())
		block_free(container_of(block, struct block, entry));
}

void state_vfork_done(void)
{
	struct block *b;

	while ((b = left_behind)) {
		left_behind = b->next;
		block_free(b);
	}
}

void state_environ_free(char *const *environ_made, char *const *envp)
{
	if (environ_made != envp)
		state_block_free((void *)(uintptr_t)environ_made);
}

/* What an environment lacks. */
struct plan {
	size_t count;      /* of @envp */
	bool state_stale;  /* it has a state that is to go */
	const char *state; /* to be added, or NULL */
	size_t state_size;
	const char *preload; /* its LD_PRELOAD entry */
	bool preload_lost;
	const char *missing[KEPT_MAX];
	size_t missing_count;
};

static void plan_settings(struct plan *p, char *const *envp)
{
	while (envp && envp[p->count])
		p->count++;
	p->preload = find_name(envp, PRELOAD);
	p->preload_lost = bind_library_path()[0] && !(p->preload && has_ours(p->preload + sizeof(PRELOAD) - 1));
	for (size_t i = 0; i < kept.count; i++)
		if (!find_name(envp, kept.entry[i]))
			p->missing[p->missing_count++] = kept.entry[i];
}

/* Another session's program must not take our ids for its own. */
static bool same_session(char *const *envp)
{
	const char *theirs = find_name(envp, WIRE_ENV_SOCKET "="), *ours = NULL;

	for (size_t i = 0; i < kept.count; i++)
		if (same_name(kept.entry[i], WIRE_ENV_SOCKET "="))
			ours = kept.entry[i];
	return !theirs || (ours && strcmp(theirs, ours) == 0);
}

static void plan_state(struct plan *p, char *const *envp, const struct state_change *change, char *small, size_t size)
{
	const char *old = find_name(envp, WIRE_ENV_STATE "=");
	long n = same_session(envp) ? state_format_with(small, size, change) : 0;
	char *large;

	if (n > 0)
		p->state = small;
	if (n == -E2BIG && (large = mem_alloc(STATE_MAX))) {
		n = state_format_with(large, STATE_MAX, change);
		if (n > 0)
			p->state = large;
		else
			mem_free(large);
	}
	p->state_size = n > 0 ? (size_t)n + 1 : 0;
	if (old && p->state && strcmp(old, p->state) == 0) {
		if (p->state != small)
			mem_free((char *)(uintptr_t)p->state);
		p->state = NULL;
		return;
	}
	p->state_stale = old != NULL;
}

static char *append(char **at, const char *s, size_t n)
{
	char *begin = *at;

	memcpy(begin, s, n);
	*at += n;
	return begin;
}

static char *const *build(const struct plan *p, char *const *envp)
{
	size_t slots = p->count + p->missing_count + 3, n = 0;
	size_t preload_size = p->preload ? strlen(p->preload) : sizeof(PRELOAD) - 1;
	size_t library_size = strlen(bind_library_path()) + 1;
	struct block *b = block_new(slots * sizeof(char *) + p->state_size + preload_size + library_size + 1);
	char *at;

	if (!b)
		return NULL;
	at = (char *)(b->entry + slots);
	for (size_t i = 0; i < p->count; i++)
		if (!(p->state_stale && same_name(envp[i], WIRE_ENV_STATE "=")) &&
		    !(p->preload_lost && envp[i] == p->preload))
			b->entry[n++] = envp[i];
	for (size_t i = 0; i < p->missing_count; i++)
		b->entry[n++] = (char *)(uintptr_t)p->missing[i];
	if (p->preload_lost) {
		b->entry[n++] = append(&at, p->preload ? p->preload : PRELOAD, preload_size);
		if (at[-1] != '=')
			*at++ = ':';
		(void)append(&at, bind_library_path(), library_size);
	}
	if (p->state)
		b->entry[n++] = append(&at, p->state, p->state_size);
	b->entry[n] = NULL;
	return b->entry;
}

char *const *state_environ_with(char *const *envp, const struct state_change *change)
{
	struct plan p = { 0 };
	char *const *ret = envp;
	char small[512];

	if (!route_active())
		return envp;
	state_load();
	plan_settings(&p, envp);
	plan_state(&p, envp, change, small, sizeof(small));
	if (p.state || p.state_stale || p.preload_lost || p.missing_count) {
		ret = build(&p, envp);
		if (!ret)
			ret = envp;
	}
	if (p.state && p.state != small)
		mem_free((char *)(uintptr_t)p.state);
	return ret;
}

char *const *state_environ(char *const *envp)
{
	return state_environ_with(envp, NULL);
}
