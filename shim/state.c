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
#include "shim/route.h"
#include "shim/shim.h"

#include <fcntl.h>
#include <string.h>

#define KEPT_BYTES 8192
#define SETTING    "S3SHIM_"

static struct {
	_Atomic uint32_t ready;     /* 0 not yet, 1 under way, 2 done */
	const void *_Atomic loader; /* the thread */
} loading HOT;

static struct {
	size_t count, used;
	const char *entry[STATE_SETTINGS_MAX]; /* S3SHIM_NAME=value, but for the state */
	char text[KEPT_BYTES];
} kept;

static __thread char self;

/* ---- loading ---- */

static void keep(const char *entry)
{
	size_t n = strlen(entry) + 1;

	if (kept.count == STATE_SETTINGS_MAX || kept.used + n > KEPT_BYTES)
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

/* The number may be another file's by now: a parent that closes what it does not know. */
static void load_link(const char *text)
{
	uint64_t n[3];
	struct stat st;

	for (int i = 0; i < 3; i++) {
		n[i] = take_hex(&text);
		if (i < 2 && !take_char(&text, ':'))
			return;
	}
	if (n[0] < INT32_MAX && SYS(fstat, n[0], &st) == 0 && st.st_dev == n[1] && st.st_ino == n[2])
		link_take_over((int)n[0]);
}

void state_load(void)
{
	uint32_t ready = 0;

	if (likely(atomic_load_explicit(&loading.ready, memory_order_acquire) == 2) || loading.loader == &self)
		return;
	if (!atomic_compare_exchange_strong(&loading.ready, &ready, 1)) {
		while (loading.ready == 1)
			(void)SYS(sched_yield);
		return;
	}
	loading.loader = &self;
	if (route_active()) {
		const char *state = env_get(WIRE_ENV_STATE), *link = env_get(WIRE_ENV_LINK);
		for (char **e = env_list(); *e; e++)
			if (begins(*e, SETTING) && !begins(*e, WIRE_ENV_STATE "=") && !begins(*e, WIRE_ENV_LINK "="))
				keep(*e);
		link_init();
		if (link)
			load_link(link);
		if (state)
			load(state);
	}
	loading.loader = NULL;
	atomic_store_explicit(&loading.ready, 2, memory_order_release);
}

const char *const *state_settings(size_t *ret_count)
{
	*ret_count = kept.count;
	return kept.entry;
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
