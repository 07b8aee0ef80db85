/*
 * Reading is the protocol of wire.h (struct wire_slot): a range is asked for, then read from the kernel's file, and
 * believed if the slot's generation is still that of the grant. An object without a slot, or complete in it, needs no
 * grant; a file of a File volume is itself.
 */
#include "mounted.h"
#include "base/path.h"
#include "base/util.h"
#include "config/config.h"
#include "config/jtree.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MOUNTS_MAX    256
#define REDIRECTS_MAX 16
#define CLAIM_BYTES   MIB(8)

struct mounted {
	struct client client;
	const struct wire_slot *arena;
	char *mounts[MOUNTS_MAX];
	uint32_t count;
};

/* A path as the wire has it: which mount, and what follows its mount point. */
struct place {
	uint32_t mount;
	char path[WIRE_PATH_MAX];
};

/* The session */

static int map_arena(struct mounted *m, struct err *err)
{
	cleanup_close int fd = client_take_fd(&m->client);
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, WIRE_ARENA_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return err_set(err, EPROTO, "the broker gave no arena; are all parts of one version?");
	m->arena = at;
	return 0;
}

static int add_mount(struct mounted *m, const char *point, size_t len, struct err *err)
{
	if (m->count == MOUNTS_MAX)
		return err_set(err, E2BIG, "more than %d mounts", MOUNTS_MAX);
	m->mounts[m->count] = strndup(point, len);
	return m->mounts[m->count++] ? 0 : err_set(err, ENOMEM, "out of memory");
}

/* What the broker says its mounts are; it tells its own user only, others by what a harness has put in the environment. */
static int learn_mounts(struct mounted *m, struct err *err)
{
	const struct wire_status_req request = { 0 };
	const char *routes = getenv(WIRE_ENV_ROUTES);
	struct client_reply reply;
	struct jtree j;
	int list, r = client_call(&m->client, WIRE_STATUS, &request, &reply, err);

	if (r < 0)
		return r;
	if (reply.status < 0) {
		for (; r == 0 && routes && *routes; routes += *routes == ':') {
			size_t n = strcspn(routes, ":");
			r = add_mount(m, routes, n, err);
			routes += n;
		}
		return r < 0 || m->count ? r
					 : err_set(err, -reply.status, "the broker does not tell its mounts: %s",
						   strerror(-reply.status));
	}
	r = jtree_parse(&j, "status", reply.tail, reply.tail_len, err);
	if (r < 0)
		return r;
	list = jtree_get(&j, 0, "mounts");
	for (int at = list < 0 ? -1 : jtree_first(&j, list); r == 0 && at >= 0; at = jtree_next(&j, at)) {
		int node = jtree_get(&j, at, "mount");
		cleanup_free char *point = node < 0 ? NULL : jtree_text(&j, node);
		r = add_mount(m, point ? point : "", point ? strlen(point) : 0, err);
	}
	jtree_deinit(&j);
	return r;
}

/* The only socket of the user's sessions that somebody serves. */
static int find_session(struct client *c, struct err *err)
{
	char dir[PATH_MAX - NAME_MAX - 2], path[PATH_MAX];
	struct dirent *e;
	int found = 0, r = config_session_dir(dir, sizeof(dir), err);
	DIR *d = r < 0 ? NULL : opendir(dir);

	if (!d)
		return r < 0 ? r : err_set(err, errno, "folder '%s': %s", dir, strerror(errno));
	while (found < 2 && (e = readdir(d))) {
		struct client other;
		size_t n = strlen(e->d_name);
		if (n < 6 || strcmp(e->d_name + n - 5, ".sock") != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (client_connect(found ? &other : c, path, NULL) < 0)
			continue;
		if (found++)
			client_deinit(&other);
	}
	closedir(d);
	if (found > 1) {
		client_deinit(c);
		return err_set(err, ENOTUNIQ, "there are several sessions in '%s'; name one by --socket", dir);
	}
	return found ? 0 : err_set(err, ENOENT, "there is no session in '%s'", dir);
}

int mounted_open(struct mounted **ret, const char *socket, struct err *err)
{
	struct mounted *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_set(err, ENOMEM, "out of memory");
	client_init(&m->client, -1);
	if (!socket || !*socket)
		socket = getenv(WIRE_ENV_SOCKET);
	r = socket && *socket ? client_connect(&m->client, socket, err) : find_session(&m->client, err);
	if (r == 0)
		r = map_arena(m, err);
	if (r == 0)
		r = learn_mounts(m, err);
	if (r < 0)
		mounted_close(m);
	else
		*ret = m;
	return r;
}

struct mounted *mounted_close(struct mounted *m)
{
	if (!m)
		return NULL;
	client_deinit(&m->client);
	if (m->arena)
		munmap((void *)(uintptr_t)m->arena, WIRE_ARENA_BYTES);
	while (m->count)
		free(m->mounts[--m->count]);
	free(m);
	return NULL;
}

/* Paths */

static int locate(const struct mounted *m, const char *path, struct place *ret, struct err *err)
{
	char clean[WIRE_PATH_MAX];
	size_t best = 0;
	long r = path[0] == '/' ? path_normalise("/", path, clean, sizeof(clean)) : -EINVAL;

	if (r < 0)
		return err_set(err, (int)-r, "'%s': %s", path,
			       path[0] == '/' ? strerror((int)-r) : "not an absolute path");
	for (uint32_t i = 0; i < m->count; i++) {
		size_t n = strlen(m->mounts[i]);
		if (n <= best || strncmp(clean, m->mounts[i], n) != 0 || (clean[n] && clean[n] != '/'))
			continue;
		best = n;
		ret->mount = i;
	}
	if (!best)
		return err_set(err, ENOENT, "'%s' is on no mount of this session", path);
	(void)snprintf(ret->path, sizeof(ret->path), "%s", clean + best + (clean[best] == '/'));
	return 0;
}

/* One message about an open file. */
static int ask_file(struct mounted *m, enum wire_type type, const char *path, const void *fixed,
		    struct client_reply *reply, struct err *err)
{
	int r = client_call(&m->client, type, fixed, reply, err);

	return r == 0 && reply->status < 0 ? err_set(err, -reply->status, "'%s': %s", path, strerror(-reply->status))
					   : r;
}

/* One message about @path; @mount_at is where in @fixed the mount's index goes. Redirects are followed. */
static int ask(struct mounted *m, enum wire_type type, const char *path, void *fixed, size_t mount_at,
	       struct client_reply *reply, struct err *err)
{
	char at[WIRE_PATH_MAX];
	struct place place;
	int r = 0;

	(void)snprintf(at, sizeof(at), "%s", path);
	for (int i = 0; r == 0 && i < REDIRECTS_MAX; i++) {
		const char *const strings[] = { place.path };
		r = locate(m, at, &place, err);
		if (r < 0)
			break;
		memcpy((char *)fixed + mount_at, &place.mount, sizeof(place.mount));
		r = client_call_with(&m->client, type, fixed, strings, reply, err);
		if (r < 0 || reply->status == 0)
			return r;
		if (reply->status < 0)
			return err_set(err, -reply->status, "'%s': %s", path, strerror(-reply->status));
		(void)snprintf(at, sizeof(at), "%s", reply->tail);
	}
	return r < 0 ? r : err_set(err, ELOOP, "'%s': %s", path, strerror(ELOOP));
}

#define ASK(m, TYPE, name, path, request, reply, err) \
	ask(m, WIRE_##TYPE, path, request, offsetof(struct wire_##name##_req, mount), reply, err)

int mounted_stat(struct mounted *m, const char *path, struct wire_attr *ret, struct err *err)
{
	struct wire_stat_req q = { .flags = WIRE_NOFOLLOW };
	struct client_reply reply;
	int r = ASK(m, STAT, stat, path, &q, &reply, err);

	if (r == 0)
		*ret = ((const struct wire_stat_rep *)reply.fixed)->attr;
	return r;
}

int mounted_remove(struct mounted *m, const char *path, bool folder, struct err *err)
{
	struct wire_rmdir_req rmdir = { 0 };
	struct wire_unlink_req unlink = { 0 };
	struct client_reply reply;

	return folder ? ASK(m, RMDIR, rmdir, path, &rmdir, &reply, err)
		      : ASK(m, UNLINK, unlink, path, &unlink, &reply, err);
}

/* Files */

static int claim(struct mounted *m, struct mounted_file *f, uint64_t len, struct err *err)
{
	const struct wire_claim_req q = { .file = f->id, .off = f->off, .len = len };
	const struct wire_claim_rep *a;
	struct client_reply reply;
	int r = ask_file(m, WIRE_CLAIM, f->path, &q, &reply, err);

	if (r < 0)
		return r;
	a = reply.fixed;
	if (a->off > f->off || range_end(a->off, a->len) <= f->off)
		return err_set(err, EPROTO, "'%s': the broker claims another range", f->path);
	f->claim_end = range_end(a->off, a->len);
	f->claim_gen = a->gen;
	return 0;
}

int mounted_file_open(struct mounted *m, const char *path, int flags, struct mounted_file *ret, struct err *err)
{
	mode_t mask = umask(0);
	struct wire_open_req q = { .flags = (uint32_t)flags, .mode = 0666 & ~mask };
	const struct wire_open_rep *a;
	struct client_reply reply;
	int r;

	umask(mask);
	r = ASK(m, OPEN, open, path, &q, &reply, err);
	if (r < 0)
		return r;
	a = reply.fixed;
	*ret = (struct mounted_file){ .path = path,
				      .id = a->file,
				      .fd = client_take_fd(&m->client),
				      .kind = (enum wire_kind)a->kind,
				      .slot = a->slot,
				      .claim_end = a->claim_off == 0 ? a->claim_len : 0,
				      .claim_gen = a->grant_gen };
	if (ret->fd < 0 || (a->slot != WIRE_NO_SLOT && a->slot >= WIRE_ARENA_SLOTS)) {
		if (ret->fd >= 0)
			close(ret->fd);
		return err_set(err, EPROTO, "'%s': the broker's answer is none", path);
	}
	return 0;
}

static const struct wire_slot *slot_of(const struct mounted *m, const struct mounted_file *f)
{
	return f->kind == WIRE_KIND_OBJECT && f->slot != WIRE_NO_SLOT ? &m->arena[f->slot] : NULL;
}

static bool slot_says(const struct wire_slot *s, uint32_t flag)
{
	return s && atomic_load_explicit(&s->flags, memory_order_acquire) & flag;
}

/* Have [off, off + *len) fetched; *len becomes what of it may be read, the generation goes to *ret_gen. */
static int grant(struct mounted *m, const struct mounted_file *f, uint64_t *len, uint64_t *ret_gen, struct err *err)
{
	const struct wire_grant_req q = { .file = f->id, .off = f->off, .len = *len };
	const struct wire_grant_rep *a;
	struct client_reply reply;
	int r = ask_file(m, WIRE_GRANT, f->path, &q, &reply, err);

	if (r < 0)
		return r;
	a = reply.fixed;
	*len =
	    a->off > f->off ? 0 : min_u64(*len, range_end(a->off, a->len) - min_u64(f->off, range_end(a->off, a->len)));
	*ret_gen = a->gen;
	return 0;
}

ssize_t mounted_file_read(struct mounted *m, struct mounted_file *f, void *buf, size_t size, struct err *err)
{
	const struct wire_slot *s = slot_of(m, f);
	bool ask_first = f->kind == WIRE_KIND_OBJECT && !slot_says(s, WIRE_SLOT_COMPLETE);

	for (;;) {
		uint64_t gen = 0, len = size;
		ssize_t n;
		int r = ask_first ? grant(m, f, &len, &gen, err) : 0;
		if (r < 0)
			return r;
		/* An empty grant is the end; the file's size says it too. */
		n = pread(f->fd, buf, len ? (size_t)len : size, (off_t)f->off);
		if (n < 0)
			return err_set(err, errno, "'%s': %s", f->path, strerror(errno));
		atomic_thread_fence(memory_order_acquire);
		if (ask_first && s && atomic_load_explicit(&s->gen, memory_order_relaxed) != gen)
			continue;
		if (ask_first && !len && n)
			return err_set(err, EIO, "'%s': the broker grants nothing of what is there", f->path);
		f->off += (uint64_t)n;
		return n;
	}
}

static bool is_claimed(const struct mounted *m, const struct mounted_file *f)
{
	const struct wire_slot *s = slot_of(m, f);

	return f->claim_end > f->off && (!s || atomic_load_explicit(&s->gen, memory_order_acquire) == f->claim_gen);
}

int mounted_file_write(struct mounted *m, struct mounted_file *f, const void *buf, size_t size, struct err *err)
{
	const char *at = buf;

	while (size) {
		bool needs_claim = f->kind == WIRE_KIND_OBJECT && !slot_says(slot_of(m, f), WIRE_SLOT_NO_CLAIM);
		size_t now = size;
		ssize_t n;
		if (needs_claim && !is_claimed(m, f)) {
			int r = claim(m, f, max_u64(size, CLAIM_BYTES), err);
			if (r < 0)
				return r;
		}
		if (needs_claim)
			now = (size_t)min_u64(size, f->claim_end - f->off);
		n = pwrite(f->fd, at, now, (off_t)f->off);
		if (n < 0 && errno != EINTR)
			return err_set(err, errno, "'%s': %s", f->path, strerror(errno));
		if (n < 0)
			continue;
		at += n;
		size -= (size_t)n;
		f->off += (uint64_t)n;
	}
	return 0;
}

int mounted_file_close(struct mounted *m, struct mounted_file *f, struct err *err)
{
	const struct wire_closed_req q = { .file = f->id };
	struct client_reply reply;
	int r;

	if (close(f->fd) < 0)
		return err_set(err, errno, "'%s': %s", f->path, strerror(errno));
	f->fd = -1;
	if (f->kind != WIRE_KIND_OBJECT)
		return 0;
	r = client_call(&m->client, WIRE_CLOSED, &q, &reply, err);
	if (r == 0 && reply.status < 0)
		r = err_set(err, -reply.status,
			    "'%s' was not uploaded: %s; 's3ctl status' and the broker's log tell more", f->path,
			    strerror(-reply.status));
	return r;
}

/* Folders */

/* One page of names; *pos becomes the position behind it. */
static int list_page(const char *path, const char *tail, size_t len, uint64_t *pos,
		     int (*each)(void *arg, const char *name, struct err *err), void *arg, struct err *err)
{
	for (size_t at = 0; at < len;) {
		struct wire_dirent d;
		const char *name = tail + at + offsetof(struct wire_dirent, name);
		int r;
		if (len - at < sizeof(d))
			return err_set(err, EPROTO, "'%s': the broker's list is cut", path);
		memcpy(&d, tail + at, sizeof(d));
		if (d.size < sizeof(d) || d.size > len - at ||
		    offsetof(struct wire_dirent, name) + d.name_len >= d.size)
			return err_set(err, EPROTO, "'%s': the broker's list is cut", path);
		*pos = d.next;
		at += d.size;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		r = each(arg, name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int mounted_list(struct mounted *m, const char *path, int (*each)(void *arg, const char *name, struct err *err),
		 void *arg, struct err *err)
{
	struct mounted_file f;
	uint64_t pos = 0;
	bool end = false;
	int r = mounted_file_open(m, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, &f, err);

	if (r < 0)
		return r;
	while (r == 0 && !end) {
		const struct wire_readdir_req q = { .file = f.id, .pos = pos, .max_bytes = WIRE_REPLY_MAX / 2 };
		cleanup_free char *page = NULL;
		struct client_reply reply;
		r = ask_file(m, WIRE_READDIR, path, &q, &reply, err);
		if (r < 0)
			break;
		end = ((const struct wire_readdir_rep *)reply.fixed)->end || !reply.tail_len;
		/* A copy: whoever is called may ask the broker. */
		page = malloc(reply.tail_len + 1);
		if (!page) {
			r = err_set(err, ENOMEM, "out of memory");
			break;
		}
		memcpy(page, reply.tail, reply.tail_len);
		r = list_page(path, page, reply.tail_len, &pos, each, arg, err);
	}
	close(f.fd);
	return r;
}
