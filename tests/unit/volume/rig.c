#include "rig.h"

#include "object/arena.h"
#include "object/object.h"
#include "object/watch.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct rig rig;
static struct arena *arena;
static struct watch *watch;
static struct object_store *store_;
static char cache[64];

/* As the broker does: who is at work with a file keeps it, be its end told of meanwhile. */
static pthread_mutex_t lock_ = PTHREAD_MUTEX_INITIALIZER;
static struct vfile *busy, *late;

static void on_gone(void *owner, struct vfile *f, int status)
{
	bool now;

	(void)owner;
	if (status) {
		rig.gone_status = status;
		rig.gone_failed++;
	}
	pthread_mutex_lock(&lock_);
	now = f != busy;
	if (!now)
		late = f;
	pthread_mutex_unlock(&lock_);
	if (now)
		vfile_free(f);
	rig.gone++;
}

static void set_busy(struct vfile *f)
{
	struct vfile *end;

	pthread_mutex_lock(&lock_);
	busy = f;
	end = f ? NULL : late;
	late = NULL;
	pthread_mutex_unlock(&lock_);
	vfile_free(end);
}

void rig_mount(const struct volume_s3_config *wanted)
{
	struct volume_s3_config c = *wanted;
	struct err err = ERR_INIT;

	c.client = fake_client();
	if (!c.bucket)
		c.bucket = "bucket";
	if (!c.mount)
		c.mount = "/s3";
	if (!c.ttl_ms)
		c.ttl_ms = 60000;
	c.store = store_;
	c.watch = watch;
	c.events.file_gone = on_gone;
	rig.v = volume_free(rig.v);
	cr_assert_eq(volume_s3_new(&c, &rig.v, &err), 0, "%s", err_text(&err));
	fake_forget_counts();
}

void rig_setup(void)
{
	struct object_store_config c = {
		.put_max = 1 << 20, .part_bytes = 5 << 20, .deadline_ms = 5000, .memory_max = 64 << 20
	};
	struct err err = ERR_INIT;

	signal(SIGIO, SIG_IGN);
	umask(0);
	strcpy(cache, "/tmp/s3shim-rig-XXXXXX");
	cr_assert_not_null(mkdtemp(cache));
	fake_reset();
	cr_assert_eq(arena_new(&arena, &err), 0);
	cr_assert_eq(watch_new(&watch, &err), 0);
	c.arena = arena;
	c.watch = watch;
	c.staging_dir = cache;
	cr_assert_eq(object_store_new(&c, &store_, &err), 0, "%s", err_text(&err));
	memset(&rig, 0, sizeof(rig));
	rig.call.uid = geteuid();
	rig.call.gid = getegid();
	rig_mount(&(struct volume_s3_config){ 0 });
}

void rig_teardown(void)
{
	char cmd[128];

	(void)volume_drain(rig.v, true, NULL, NULL);
	store_ = object_store_free(store_);
	rig.v = volume_free(rig.v);
	watch = watch_free(watch);
	arena = arena_free(arena);
	fake_reset();
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", cache);
	cr_assert_eq(system(cmd), 0);
}

unsigned rig_requests(void)
{
	unsigned n = fake_total();

	fake_forget_counts();
	return n;
}

int rig_open(const char *path, uint32_t flags, uint32_t mode, struct volume_opened *ret)
{
	return volume_open(rig.v, &rig.call, path, flags, mode, ret);
}

int rig_close(struct volume_opened *o)
{
	bool writable = (fcntl(o->fd, F_GETFL) & O_ACCMODE) != O_RDONLY, last = false;
	int before = rig.gone, rc = 0;

	set_busy(o->file);
	close(o->fd);
	if (writable) {
		rc = vfile_closed(o->file, &rig.call, &last);
		cr_assert(rc || last);
	}
	set_busy(NULL);
	for (int i = 0; i < 500 && rig.gone == before && rc == 0; i++)
		usleep(2000);
	return rc;
}

int rig_write(const char *path, const char *text, uint32_t flags)
{
	struct volume_opened o;
	struct vrange r;
	int rc = rig_open(path, flags | O_WRONLY, 0644, &o);

	if (rc)
		return rc;
	if (*text) {
		cr_assert_eq(vfile_claim(o.file, &rig.call, 0, strlen(text), &r), 0);
		cr_assert_eq(write(o.fd, text, strlen(text)), (ssize_t)strlen(text));
	}
	return rig_close(&o);
}

const char *rig_read(const char *path)
{
	static char text[4096];
	struct volume_opened o;
	struct vrange r;
	ssize_t n;
	int rc = rig_open(path, O_RDONLY, 0, &o);

	if (rc == 0)
		rc = vfile_grant(o.file, &rig.call, 0, 0, false, &r);
	if (rc) {
		snprintf(text, sizeof(text), "errno %d", rc);
		return text;
	}
	n = read(o.fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	rig_close(&o);
	return text;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

const char *rig_ls(const char *path)
{
	static char text[65536];
	static char names[2048][64];
	_Alignas(8) char buf[4096];
	struct volume_opened o;
	size_t count = 0;
	uint64_t pos = 0;
	bool end = false;
	int rc = rig_open(path, O_RDONLY | O_DIRECTORY, 0, &o);

	text[0] = 0;
	if (rc) {
		snprintf(text, sizeof(text), "errno %d", rc);
		return text;
	}
	while (!end) {
		uint32_t entries;
		size_t used;

		rc = vfile_readdir(o.file, &rig.call, pos, buf, sizeof(buf), &used, &entries, &end);
		cr_assert_eq(rc, 0, "readdir: %d", rc);
		for (size_t at = 0; at < used;) {
			const struct wire_dirent *e = (const void *)(buf + at);

			if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0)
				snprintf(names[count++], sizeof(names[0]), "%s%s ", e->name,
					 e->type == DT_DIR   ? "/"
					 : e->type == DT_LNK ? "@"
							     : "");
			pos = e->next;
			at += e->size;
		}
	}
	rig_close(&o);
	qsort(names, count, sizeof(names[0]), by_text);
	for (size_t i = 0, at = 0; i < count; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", names[i]);
	return text;
}

struct wire_attr rig_stat(const char *path)
{
	struct wire_attr attr = { 0 };
	int rc = volume_stat(rig.v, &rig.call, path, false, &attr);

	cr_assert_eq(rc, 0, "stat '%s': %d", path, rc);
	return attr;
}

int rig_stat_error(const char *path)
{
	struct wire_attr attr;

	return volume_stat(rig.v, &rig.call, path, false, &attr);
}
