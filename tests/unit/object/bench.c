#include "bench.h"

#include "base/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct bench bench;
_Atomic int bench_idle, bench_committed;
static int lock_fd = -1;

static void on_committed(void *arg, struct object *o, const struct s3_info *info)
{
	(void)arg, (void)o, (void)info;
	bench_committed++;
}

static void on_idle(void *arg, struct object *o)
{
	(void)arg, (void)o;
	bench_idle++;
}

struct object_events bench_events = { NULL, on_committed, on_idle };

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	abort();
}

static void begin(const struct object_store_config *config, const char *staging)
{
	struct object_store_config c = *config;
	struct err err = ERR_INIT;

	fake_reset();
	bench_idle = bench_committed = 0;
	if (arena_new(&bench.arena, &err) < 0 || watch_new(&bench.watch, &err) < 0)
		die(err_text(&err));
	c.arena = bench.arena;
	c.watch = bench.watch;
	c.staging_dir = staging;
	c.put_max = c.put_max ? c.put_max : MIB(1);
	c.part_bytes = c.part_bytes ? c.part_bytes : MIB(5);
	c.deadline_ms = c.deadline_ms ? c.deadline_ms : 3000;
	c.memory_max = c.memory_max ? c.memory_max : MIB(8);
	if (object_store_new(&c, &bench.store, &err) < 0)
		die(err_text(&err));
}

void bench_open(const struct object_store_config *config)
{
	char path[160];

	strcpy(bench.cache, "/tmp/s3shim-object-XXXXXX");
	if (!mkdtemp(bench.cache))
		die("mkdtemp");
	snprintf(bench.staging, sizeof(bench.staging), "%s/session-1", bench.cache);
	if (mkdir(bench.staging, 0700) < 0)
		die("mkdir");
	snprintf(path, sizeof(path), "%s/lock", bench.staging);
	lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock_fd < 0 || flock(lock_fd, LOCK_EX) < 0)
		die("lock");
	begin(config, bench.staging);
}

void bench_open_memory(const struct object_store_config *config)
{
	bench.staging[0] = bench.cache[0] = '\0';
	begin(config, NULL);
}

static void remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		(void)unlink(path);
	}
	if (d)
		closedir(d);
	(void)rmdir(dir);
}

void bench_close(void)
{
	bench.store = object_store_free(bench.store);
	bench.watch = watch_free(bench.watch);
	bench.arena = arena_free(bench.arena);
	if (lock_fd >= 0)
		close(lock_fd);
	lock_fd = -1;
	if (bench.cache[0]) {
		remove_all(bench.staging);
		remove_all(bench.cache);
	}
	fake_reset();
}

struct object_name bench_name(const char *key)
{
	return (struct object_name){ .client = fake_client(), .bucket = "bucket", .key = key, .endpoint = "test" };
}

unsigned char bench_byte(unsigned seed, uint64_t off)
{
	return (unsigned char)(((off >> 3) * 0x9E3779B97F4A7C15ull >> 40) ^ seed ^ off) | 1;
}

char *bench_bytes(size_t size, unsigned seed)
{
	char *data = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		data[i] = (char)bench_byte(seed, i);
	return data;
}

void bench_make(const char *key, size_t size, unsigned seed)
{
	cleanup_free char *data = bench_bytes(size, seed);

	fake_put(key, data, size);
}

int prog_open(struct prog *p, const char *key, enum object_intent intent, int flags)
{
	struct object_name name = bench_name(key);
	struct err err = ERR_INIT;
	struct s3_info base;
	bool there = intent != OBJECT_READ && fake_info(key, &base);
	int r;

	*p = (struct prog){ .fd = -1, .writable = (flags & O_ACCMODE) != O_RDONLY };
	r = object_open(bench.store, &name, intent, there ? &base : NULL, &bench_events, NULL, &p->o, &err);
	if (r < 0)
		return r;
	r = object_reopen(p->o, flags, &p->fd, &err);
	if (r < 0)
		return r;
	object_handed_out(p->o, p->writable);
	return 0;
}

static bool within(const struct object_range *r, uint64_t off, size_t len)
{
	return off >= r->off && range_end(off, len) <= range_end(r->off, r->len);
}

static const struct wire_slot *slot_of(const struct prog *p)
{
	return arena_slot(bench.arena, object_slot(p->o));
}

/* As the shim reads: messages.def and wire.h tell the protocol. */
int prog_read(struct prog *p, void *to, size_t len, uint64_t off)
{
	const struct wire_slot *slot = slot_of(p);
	struct err err = ERR_INIT;

	for (;;) {
		uint64_t gen = slot ? atomic_load((_Atomic uint64_t *)&slot->gen) : 0;
		bool free_of_charge = slot && (atomic_load((_Atomic uint32_t *)&slot->flags) & WIRE_SLOT_COMPLETE);
		ssize_t n;

		if (!free_of_charge && (p->grant.gen != gen || !within(&p->grant, off, len))) {
			uint64_t size = object_size(p->o);
			int r = object_grant(p->o, &p->ra, off, len, false, &p->grant, &err);

			if (r < 0)
				return r;
			if (p->grant.len == 0 && off < size)
				continue;
			gen = p->grant.gen;
		}
		n = pread(p->fd, to, len, (off_t)off);
		if (slot && atomic_load((_Atomic uint64_t *)&slot->gen) != gen && !free_of_charge)
			continue;
		return n < 0 ? -errno : (int)n;
	}
}

int prog_write(struct prog *p, const void *from, size_t len, uint64_t off)
{
	const struct wire_slot *slot = slot_of(p);
	struct err err = ERR_INIT;
	ssize_t n;

	if (!(slot && (atomic_load((_Atomic uint32_t *)&slot->flags) & WIRE_SLOT_NO_CLAIM)) &&
	    !within(&p->claim, off, len)) {
		int r = object_claim(p->o, off, len, &p->claim, &err);

		if (r < 0)
			return r;
	}
	n = pwrite(p->fd, from, len, (off_t)off);
	return n < 0 ? -errno : (int)n;
}

int prog_close(struct prog *p)
{
	struct err err = ERR_INIT;
	bool last;
	int r = 0;

	if (p->fd >= 0)
		close(p->fd);
	if (p->o && p->writable)
		r = object_closed(p->o, &last, &err);
	if (p->o)
		object_reader_gone(p->o, &p->ra);
	object_unref(p->o);
	*p = (struct prog){ .fd = -1 };
	return r;
}

bool bench_becomes(_Atomic int *what, int at_least)
{
	for (int i = 0; i < 5000; i++) {
		if (*what >= at_least)
			return true;
		usleep(1000);
	}
	return false;
}
