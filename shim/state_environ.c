/*
 * An environment is copied only if something has to change in it: the array, with the strings of our own behind it, in
 * one block. What a vfork child makes for its exec lies in its parent's memory and outlives it, so it is kept in a list
 * on the thread that both run on, which the parent frees when it resumes.
 */
#include "shim/env.h"
#include "shim/link.h"
#include "shim/lock.h"
#include "shim/mem.h"
#include "shim/route.h"
#include "shim/shim.h"
#include "shim/state.h"
#include "shim/vfork.h"

#include "base/wire.h"

#include <string.h>
#include <sys/mman.h>

#define STATE_MAX 98304 /* the kernel takes 128 KiB in one string */
#define PRELOAD   "LD_PRELOAD="
#define OURS      "libs3shim.so"

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
	int link_fd;        /* handed over by it; -1: none */
	struct block *next; /* of those that a vfork child leaves to its parent */
	char *entry[];
};

static __thread struct block *left_behind;

static void link_close(struct block *b)
{
	if (b->link_fd >= 0)
		(void)SYS(close, b->link_fd);
	b->link_fd = -1;
}

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
	b->link_fd = -1;
	if (vfork_child()) {
		b->next = left_behind;
		left_behind = b;
	}
	return b;
}

static void block_free(struct block *b)
{
	link_close(b);
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
	if (!block)
		return;
	if (vfork_child()) /* its descriptors are its own, its memory is the parent's */
		link_close(container_of(block, struct block, entry));
	else
		block_free(container_of(block, struct block, entry));
}

void state_vfork_done(void)
{
	struct block *b;

	while ((b = left_behind)) {
		left_behind = b->next;
		b->link_fd = -1; /* a number of the child's */
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
	const char *libraries; /* to be added to it */
	const char *link;      /* to be added, or NULL */
	const char *missing[STATE_SETTINGS_MAX];
	size_t missing_count;
};

static void plan_settings(struct plan *p, char *const *envp)
{
	size_t count;
	const char *const *kept = state_settings(&count);

	while (envp && envp[p->count])
		p->count++;
	p->preload = find_name(envp, PRELOAD);
	p->preload_lost = bind_library_path()[0] && !(p->preload && has_ours(p->preload + sizeof(PRELOAD) - 1));
	for (size_t i = 0; i < count; i++)
		if (!find_name(envp, kept[i]))
			p->missing[p->missing_count++] = kept[i];
}

/* Another session's program must not take our ids for its own. */
static bool same_session(char *const *envp)
{
	const char *theirs = find_name(envp, WIRE_ENV_SOCKET "="), *ours = NULL;
	size_t count;
	const char *const *kept = state_settings(&count);

	for (size_t i = 0; i < count; i++)
		if (same_name(kept[i], WIRE_ENV_SOCKET "="))
			ours = kept[i];
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
	size_t slots = p->count + p->missing_count + 4, n = 0;
	size_t preload_size = p->preload ? strlen(p->preload) : sizeof(PRELOAD) - 1;
	size_t library_size = strlen(bind_library_path()), more = p->libraries ? strlen(p->libraries) : 0;
	size_t link_size = p->link ? strlen(p->link) + 1 : 0;
	struct block *b =
	    block_new(slots * sizeof(char *) + p->state_size + preload_size + library_size + more + link_size + 3);
	bool changes = p->preload_lost || more;
	char *at;

	if (!b)
		return NULL;
	at = (char *)(b->entry + slots);
	for (size_t i = 0; i < p->count; i++)
		if (!(p->state_stale && same_name(envp[i], WIRE_ENV_STATE "=")) &&
		    !(p->link && same_name(envp[i], WIRE_ENV_LINK "=")) && !(changes && envp[i] == p->preload))
			b->entry[n++] = envp[i];
	for (size_t i = 0; i < p->missing_count; i++)
		b->entry[n++] = (char *)(uintptr_t)p->missing[i];
	if (changes) {
		b->entry[n++] = append(&at, p->preload ? p->preload : PRELOAD, preload_size);
		if (p->preload_lost && at[-1] != '=')
			*at++ = ':';
		if (p->preload_lost)
			(void)append(&at, bind_library_path(), library_size);
		if (more)
			*at++ = ':';
		(void)append(&at, more ? p->libraries : "", more + 1);
	}
	if (p->state)
		b->entry[n++] = append(&at, p->state, p->state_size);
	if (p->link)
		b->entry[n++] = append(&at, p->link, link_size);
	b->entry[n] = NULL;
	return b->entry;
}

char *const *state_environ_with(char *const *envp, const struct state_change *change)
{
	struct plan p = { 0 };
	char *const *ret = envp;
	char small[512], link[LINK_TEXT_MAX];
	int link_fd;

	if (!route_active())
		return envp;
	state_load();
	link_fd = same_session(envp) ? link_hand_over(link) : -1;
	p.link = link_fd >= 0 ? link : NULL;
	plan_settings(&p, envp);
	plan_state(&p, envp, change, small, sizeof(small));
	p.libraries = change && change->libraries && change->libraries[0] ? change->libraries : NULL;
	if (p.link || p.libraries || p.state || p.state_stale || p.preload_lost || p.missing_count) {
		ret = build(&p, envp);
		if (ret)
			container_of((void *)(uintptr_t)ret, struct block, entry)->link_fd = link_fd;
		else if (link_fd >= 0)
			(void)SYS(close, link_fd);
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

/* Of the text behind LD_PRELOAD=, in place. */
static void take_out(char *preload)
{
	static const char place[] = "/proc/self/fd/";
	char *out = preload;

	for (char *p = preload; *p;) {
		size_t n = strcspn(p, ": "), word = sizeof(place) - 1;
		size_t whole = n + (p[n] != '\0');
		if (n > word && memcmp(p, place, word) == 0) {
			long fd = 0;
			for (size_t i = word; i < n && p[i] >= '0' && p[i] <= '9'; i++)
				fd = fd * 10 + (p[i] - '0');
			(void)SYS(close, fd);
		} else {
			memmove(out, p, whole);
			out += whole;
		}
		p += whole;
	}
	while (out > preload && is_blank(out[-1]))
		out--;
	*out = '\0';
}

void state_preloaded(void)
{
	const char *preload = env_get("LD_PRELOAD");

	if (preload && strstr(preload, "/proc/self/fd/"))
		take_out((char *)(uintptr_t)preload);
}
