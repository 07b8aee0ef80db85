/*
 * Most paths are foreign and must cost nothing, so the first question is asked without building anything: does the path
 * mention the last component of some mount point as a component of its own, or is its base inside a mount? Every path
 * that can lead into a mount by its text does one or the other. Only then is it made absolute and normalised.
 *
 * `..` is removed by text where it is about a folder that is known to be none but itself: the current directory, an open
 * one, what lies outside of mounts. Behind a name inside a mount it is left to the broker, which looks where the name
 * leads.
 */
#include "shim/route.h"
#include "shim/cwd.h"
#include "shim/env.h"
#include "shim/fdtab.h"
#include "shim/lock.h"
#include "shim/shim.h"
#include "shim/state.h"

#include <fcntl.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MOUNTS_MAX 256
#define HOPS_MAX   40

struct mount {
	const char *path, *last; /* the mount point; its last component */
	size_t len, last_len;
};

static struct {
	_Atomic int ready; /* 0 not yet, 1 no mounts, 2 mounts */
	struct lock lock;
	uint32_t count;
	uint64_t first_chars[4]; /* a bit for each byte that a last component begins with */
#ifdef __SSE2__
	__m128i first, second; /* of the last components, where that is the same pair for all */
	bool same;             /* so far, while the mount points are read */
	bool pair;             /* they have been, and it is */
#endif
} routes HOT;

static struct {
	struct mount mount[MOUNTS_MAX];
	char text[WIRE_ROUTES_MAX];
} space;

/* The first two bytes of the last component, for may_mention(); a component of one byte has '/' or NUL behind it. */
static void note_pair(const struct mount *m)
{
#ifdef __SSE2__
	__m128i first = _mm_set1_epi8(m->last[0]), second = _mm_set1_epi8(m->last[1]);

	if (!routes.count) {
		routes.first = first;
		routes.second = second;
		routes.same = m->last_len > 1;
	} else if (_mm_movemask_epi8(_mm_cmpeq_epi8(first, routes.first)) != 0xffff ||
		   _mm_movemask_epi8(_mm_cmpeq_epi8(second, routes.second)) != 0xffff) {
		routes.same = false;
	}
#else
	(void)m;
#endif
}

static void mount_add(const char *path, size_t len)
{
	struct mount *m = &space.mount[routes.count];
	unsigned char first;

	if (len < 2 || path[0] != '/' || routes.count == MOUNTS_MAX)
		return;
	m->path = path;
	m->len = len;
	m->last = path + len;
	while (m->last[-1] != '/')
		m->last--;
	m->last_len = (size_t)(path + len - m->last);
	first = (unsigned char)m->last[0];
	routes.first_chars[first / 64] |= 1ull << (first % 64);
	note_pair(m);
	routes.count++;
}

/* The broker's list of mount points, in the order of their index, separated by ':'. */
static void load_list(const char *list)
{
	size_t n = strlen(list), begin = 0;

	if (n >= sizeof(space.text))
		return;
	memcpy(space.text, list, n + 1);
	for (size_t i = 0; i <= n; i++) {
		if (space.text[i] && space.text[i] != ':')
			continue;
		space.text[i] = '\0';
		mount_add(space.text + begin, i - begin);
		begin = i + 1;
	}
}

static bool is_set(const char *name)
{
	const char *value = env_get(name);

	return value && *value;
}

bool route_bare(void)
{
	const char *mount = env_get("S3SHIM_MOUNT");

	return is_set("S3SHIM_BUCKET") || is_set("S3SHIM_SANDBOX_DIR") || is_set("S3SHIM_CONFIG") ||
	       (mount && strchr(mount, '='));
}

/* Bare mode: one mount point, as S3SHIM_MOUNT says it ("/s3" or "/s3=s3://bucket/prefix"). */
static void load_bare(void)
{
	const char *mount = env_get("S3SHIM_MOUNT");
	char spec[WIRE_PATH_MAX];
	size_t n = 0;
	long len;

	if (!route_bare())
		return;
	if (!mount || mount[0] != '/')
		mount = "/s3";
	while (mount[n] && mount[n] != '=' && n + 1 < sizeof(spec)) {
		spec[n] = mount[n];
		n++;
	}
	spec[n] = '\0';
	len = path_normalise("/", spec, space.text, WIRE_PATH_MAX);
	if (len > 0)
		mount_add(space.text, (size_t)len);
}

static bool load(void)
{
	lock_mask mask = lock_take(&routes.lock);

	if (!routes.ready) {
		const char *list = env_get(WIRE_ENV_ROUTES);
		if (list)
			load_list(list);
		else
			load_bare();
#ifdef __SSE2__
		routes.pair = routes.same;
#endif
		atomic_store_explicit(&routes.ready, routes.count ? 2 : 1, memory_order_release);
	}
	lock_drop(&routes.lock, mask);
	if (routes.ready == 2)
		state_load();
	return routes.ready == 2;
}

bool route_active(void)
{
	int ready = atomic_load_explicit(&routes.ready, memory_order_acquire);

	return likely(ready) ? ready == 2 : load();
}

const char *route_mount_path(uint32_t mount)
{
	return route_active() && mount < routes.count ? space.mount[mount].path : NULL;
}

bool route_is_ancestor(const char *path)
{
	size_t len = strlen(path);

	if (!route_active())
		return false;
	if (len == 1)
		return path[0] == '/';
	for (uint32_t i = 0; i < routes.count; i++)
		if (space.mount[i].len > len && memcmp(space.mount[i].path, path, len) == 0 &&
		    space.mount[i].path[len] == '/')
			return true;
	return false;
}

/* What follows @dir, of @len bytes, in a mount point below it; NULL: that is not below it. */
static const char *below(const struct mount *m, const char *dir, size_t len)
{
	if (len == 1)
		return m->path + 1;
	return m->len > len && m->path[len] == '/' && memcmp(m->path, dir, len) == 0 ? m->path + len + 1 : NULL;
}

/* Another mount point before this one leads through the same name. */
static bool told_before(uint32_t i, const char *dir, size_t len, const char *name, size_t n)
{
	for (uint32_t k = 0; k < i; k++) {
		const char *other = below(&space.mount[k], dir, len);
		if (other && strncmp(other, name, n) == 0 && (!other[n] || other[n] == '/'))
			return true;
	}
	return false;
}

bool route_child(const char *dir, uint32_t *at, char *ret)
{
	size_t len = strlen(dir), n;
	struct stat st;

	while (route_active() && *at < routes.count) {
		uint32_t i = (*at)++;
		const char *name = below(&space.mount[i], dir, len);
		char path[WIRE_PATH_MAX];
		if (!name)
			continue;
		n = strcspn(name, "/");
		if (n > 255 || told_before(i, dir, len, name, n))
			continue;
		memcpy(path, space.mount[i].path, (size_t)(name - space.mount[i].path) + n);
		path[(size_t)(name - space.mount[i].path) + n] = '\0';
		if (SYS(newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		memcpy(ret, name, n);
		ret[n] = '\0';
		return true;
	}
	return false;
}

#ifdef __SSE2__
/*
 * Is there a component that begins with the pair? Sixteen bytes at a time, in aligned loads, which never leave a page;
 * what lies over two of them is taken for one. AddressSanitizer would have every byte of a load be the string's.
 */
__attribute__((no_sanitize_address)) static inline bool may_mention(const char *p)
{
	const __m128i *at = (const void *)((uintptr_t)p & ~(uintptr_t)15);
	unsigned begin = 1u << ((uintptr_t)p & 15), valid = ~(begin - 1);

	for (;; at++, valid = ~0u, begin = 1) {
		__m128i v = _mm_load_si128(at);
		unsigned end = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) & valid;
		unsigned second = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, routes.second)) >> 1 | 0x8000;
		unsigned pairs = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, routes.first)) & second & valid;
		if (unlikely(pairs)) {
			__m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('/'));
			pairs &= (unsigned)_mm_movemask_epi8(slash) << 1 | begin;
			if (pairs & (end ? end ^ (end - 1) : ~0u))
				return true;
		}
		if (end)
			return false;
	}
}
#endif

bool route_foreign(const char *path)
{
#ifdef __SSE2__
	if (unlikely(!routes.pair) || !path || path[0] != '/' || path[1] == 'd' || path[1] == 'p')
		return false;
	return !may_mention(path);
#else
	(void)path;
	return false;
#endif
}

/* Is one of the path's components the last component of a mount point? */
static bool mentions_mount(const char *p)
{
#ifdef __SSE2__
	if (likely(routes.pair) && likely(!may_mention(p)))
		return false;
#endif
	while (*p) {
		size_t len = 0;
		unsigned char c = (unsigned char)*p;
		while (p[len] && p[len] != '/')
			len++;
		if (len && (routes.first_chars[c / 64] >> (c % 64) & 1))
			for (uint32_t i = 0; i < routes.count; i++)
				if (space.mount[i].last_len == len && memcmp(space.mount[i].last, p, len) == 0)
					return true;
		p += len;
		while (*p == '/')
			p++;
	}
	return false;
}

/* ret->path is absolute and normalised: under which mount point is it? The longest wins. */
static int match(struct route *ret, size_t len, bool slash)
{
	const struct mount *best = NULL;

	for (uint32_t i = 0; i < routes.count; i++) {
		const struct mount *m = &space.mount[i];
		if (len >= m->len && memcmp(ret->path, m->path, m->len) == 0 &&
		    (ret->path[m->len] == '/' || ret->path[m->len] == '\0') && (!best || m->len > best->len))
			best = m;
	}
	if (!best)
		return ROUTE_FOREIGN;
	ret->mount = (uint32_t)(best - space.mount);
	if (slash && len > best->len) {
		if (len + 2 > sizeof(ret->path))
			return -ENAMETOOLONG;
		ret->path[len] = '/';
		ret->path[len + 1] = '\0';
	}
	ret->rel = ret->path + best->len;
	if (*ret->rel == '/')
		ret->rel++;
	return ROUTE_MOUNT;
}

/* A trailing slash or `.` says "must be a directory"; the text form loses it. */
static bool ends_as_directory(const char *path)
{
	size_t n = strlen(path);

	return n > 1 && (path[n - 1] == '/' || (path[n - 1] == '.' && path[n - 2] == '/'));
}

static int resolve_text(const char *base, const char *path, struct route *ret)
{
	long len = path_normalise(base, path, ret->path, sizeof(ret->path));

	return len < 0 ? (int)len : match(ret, (size_t)len, ends_as_directory(path));
}

/* Behind the normalised part in @ret, at most the mount point long or more, @rest with its `..` but nothing empty. */
static int append_rest(struct route *ret, const char *rest)
{
	size_t n = strlen(ret->path);

	for (const char *p = rest; *p;) {
		size_t len = 0;
		while (p[len] && p[len] != '/')
			len++;
		if (len && !(len == 1 && p[0] == '.')) {
			if (n + len + 3 > sizeof(ret->path))
				return -ENAMETOOLONG;
			ret->path[n++] = '/';
			memcpy(ret->path + n, p, len);
			n += len;
		}
		p += len;
		while (*p == '/')
			p++;
	}
	if (ends_as_directory(rest))
		ret->path[n++] = '/';
	ret->path[n] = '\0';
	return ROUTE_MOUNT;
}

static __attribute__((noinline)) int resolve_up(const char *base, const char *path, const char *up, struct route *ret)
{
	char head[WIRE_PATH_MAX];

	for (; up; up = path_up_behind_name(path, up + 2)) {
		size_t n = (size_t)(up - path);
		int rc;
		if (n >= sizeof(head))
			return -ENAMETOOLONG;
		memcpy(head, path, n);
		head[n] = '\0';
		rc = resolve_text(base, head, ret);
		if (rc < 0)
			return rc;
		if (rc != ROUTE_MOUNT || !*ret->rel)
			continue;
		n = strlen(ret->path); /* the slash before `..` made it end in one */
		ret->path[n - (ret->path[n - 1] == '/')] = '\0';
		return append_rest(ret, up);
	}
	return resolve_text(base, path, ret);
}

static int resolve(const char *base, const char *path, struct route *ret)
{
	const char *up = strstr(path, "/..") ? path_up_behind_name(path, path) : NULL;

	ret->hops = 0;
	return unlikely(up) ? resolve_up(base, path, up, ret) : resolve_text(base, path, ret);
}

/* Below a base that is inside a mount; a result outside is foreign, with the arguments rewritten. */
static int below_mount(int *dirfd, const char **path, const char *base, struct route *ret)
{
	int rc = resolve(base, *path, ret);

	if (rc == ROUTE_FOREIGN) {
		*dirfd = AT_FDCWD;
		*path = ret->path;
	}
	return rc;
}

static int below_descriptor(int *dirfd, const char **path, struct route *ret)
{
	struct desc *d = fdtab_get(*dirfd);
	int rc = ROUTE_FOREIGN;

	if (!d)
		return ROUTE_FOREIGN;
	if (d->kind == WIRE_KIND_DIR)
		rc = fdtab_verify(*dirfd, d) ? below_mount(dirfd, path, d->path, ret) : ROUTE_FOREIGN;
	else if (d->kind == DESC_ANCESTOR && mentions_mount(*path))
		rc = fdtab_verify(*dirfd, d) ? resolve(d->path, *path, ret) : ROUTE_FOREIGN;
	else if (d->kind == WIRE_KIND_OBJECT || d->kind == WIRE_KIND_NATIVE)
		rc = -ENOTDIR;
	desc_put(d);
	return rc;
}

/* Behind @prefix, or NULL. */
static const char *behind(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(path, prefix, n) == 0 ? path + n : NULL;
}

/* A name below a link of /proc: /dev/fd/N/name, /proc/self/fd/N/name, /proc/self/cwd/name. */
static int below_proc(const char **path, struct route *ret)
{
	const char *p = behind(*path, "/dev/fd/"), *rest;
	int fd = AT_FDCWD, rc;
	char base[WIRE_PATH_MAX];

	p = p ? p : behind(*path, "/proc/self/fd/");
	if (!p && !(p = behind(*path, "/proc/self/cwd/")))
		return ROUTE_FOREIGN;
	if (p[-2] != 'd' || p[-3] != 'w') { /* a number, not cwd */
		for (fd = 0; *p >= '0' && *p <= '9' && fd < 100000000; p++)
			fd = fd * 10 + (*p - '0');
		if (*p != '/')
			return ROUTE_FOREIGN;
	}
	while (*p == '/')
		p++;
	rest = *p ? p : ".";
	if (fd == AT_FDCWD)
		rc = cwd_routed(base) ? below_mount(&fd, &rest, base, ret) : ROUTE_FOREIGN;
	else
		rc = fdtab_routed(fd) ? below_descriptor(&fd, &rest, ret) : ROUTE_FOREIGN;
	if (rc == ROUTE_FOREIGN && rest == ret->path)
		*path = rest;
	return rc;
}

int route_at(int *dirfd, const char **path, struct route *ret)
{
	char base[WIRE_PATH_MAX];
	const char *p = *path;
	long len;
	int rc;

	if (!route_active() || !p || !p[0])
		return ROUTE_FOREIGN;
	if (unlikely(p[0] == '/' && (p[1] == 'p' || p[1] == 'd')) && (rc = below_proc(path, ret)) != ROUTE_FOREIGN)
		return rc;
	if (*path != p)
		return ROUTE_FOREIGN;
	if (p[0] == '/')
		return mentions_mount(p) ? resolve("/", p, ret) : ROUTE_FOREIGN;
	if (*dirfd != AT_FDCWD)
		return below_descriptor(dirfd, path, ret);
	if (cwd_routed(base))
		return below_mount(dirfd, path, base, ret);
	if (!mentions_mount(p))
		return ROUTE_FOREIGN;
	len = cwd_get(base, sizeof(base));
	return len < 0 ? ROUTE_FOREIGN : resolve(base, p, ret);
}

int route_redirect(struct route *r, const char *to)
{
	uint32_t hops = r->hops + 1;
	int rc;

	if (hops > HOPS_MAX)
		return -ELOOP;
	rc = resolve("/", to, r);
	r->hops = hops;
	return rc;
}

static int parse_number(const char *p)
{
	int n = 0;

	if (!*p)
		return -1;
	for (; *p; p++) {
		if (*p < '0' || *p > '9' || n > 100000000)
			return -1;
		n = n * 10 + (*p - '0');
	}
	return n;
}

int route_proc_fd(const char *path)
{
	static const char *const standard[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };

	/* Nearly every path is told apart by its second byte. */
	if (!path || path[0] != '/' || (path[1] != 'd' && path[1] != 'p'))
		return -1;
	if (strncmp(path, "/dev/fd/", 8) == 0)
		return parse_number(path + 8);
	if (strncmp(path, "/proc/self/fd/", 14) == 0)
		return parse_number(path + 14);
	for (int i = 0; i < 3; i++)
		if (strcmp(path, standard[i]) == 0)
			return i;
	return -1;
}
