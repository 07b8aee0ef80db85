#include "broker/broker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "broker/assets.h"
#include "broker/clients.h"
#include "broker/drain.h"
#include "broker/files.h"
#include "broker/server.h"
#include "broker/session.h"
#include "broker/shared.h"
#include "cache/cache.h"
#include "config/config.h"
#include "config/mount.h"
#include "config/policy.h"
#include "object/arena.h"
#include "object/object.h"
#include "object/watch.h"
#include "s3/audit.h"
#include "s3/quota.h"
#include "volume/volume.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/*
 * The order of making is the order of the layers, the order of freeing its reverse: connections first, so that nobody
 * works on a description any more, then descriptions, volumes, objects, clients, and the watch whose thread calls back
 * into all of them until nothing is watched.
 *
 * Signals: every thread of ours blocks them all but the one that called broker_new(), whose mask is left as it was; the
 * layers below start threads in broker_new(), so it blocks them meanwhile. SIGIO comes with leases, SIGXFSZ with a
 * limit on file sizes that was inherited, SIGPIPE with peers that died.
 */
double session_seconds(const struct broker *b)
{
	return (double)(clock_now_ns() - b->started_ns) / 1e9;
}

void broker_ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGIO, SIGHUP, SIGWINCH, SIGXFSZ };

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
}

static void file_gone(void *owner, struct vfile *file, int status)
{
	struct broker *b = owner;

	files_gone(b->files, file, status);
}

struct volume_events session_events(struct broker *b)
{
	return (struct volume_events){ file_gone, b };
}

static bool needs_objects(const struct config *config)
{
	for (size_t i = 0; i < config->mount_count; i++)
		if (config->mounts[i].type == MOUNT_S3 ||
		    (config->mounts[i].type == MOUNT_ASSET && config->mounts[i].bucket))
			return true;
	return false;
}

static int make_staging(struct broker *b, const struct config *config, struct err *err)
{
	struct err why = ERR_INIT;
	int r;

	if (!config->cache_dir && !needs_objects(config))
		return 0;
	r = staging_open(&b->staging, config->cache_dir, b->watch, &why);
	if (r == 0) {
		log_info("broker", "staging in '%s'", b->staging.dir);
		return 0;
	}
	if (config->cache_dir)
		return err_set(err, -r, "%s; name a folder on a local disk with --cache-dir", err_text(&why));
	log_warn("broker", "staging in memory, at most %" PRIu64 " MiB, nothing survives a kill: no folder will do: %s",
		 config->memory_bytes >> 20, err_text(&why));
	return 0;
}

static int make_cache(struct broker *b, const struct config *config, struct err *err)
{
	return needs_objects(config) ? shared_open(config, &b->staging, &b->cache, err) : 0;
}

static int make_objects(struct broker *b, const struct config *config, struct err *err)
{
	struct object_store_config c = {
		.arena = b->arena,
		.watch = b->watch,
		.cache = b->cache,
		.staging_dir = b->staging.dir[0] ? b->staging.dir : NULL,
		.memory_max = config->memory_bytes,
		.put_max = config->put_max_bytes,
		.dirty_max = config->dirty_max_bytes,
		.readahead_max = config->readahead_bytes,
		.part_bytes = config->part_bytes,
		.parallel = config->parallel,
		.uploads = config->uploads,
		.commit_background = config->commit_background,
		.fsync_staging = config->fsync_staging,
		.quota = b->quota,
		.deadline_ms = config->deadline_ms,
	};

	return needs_objects(config) ? object_store_new(&c, &b->objects, err) : 0;
}

static int make_file_volume(struct broker *b, const struct mount_config *m, uint32_t index, struct volume **ret,
			    struct err *err)
{
	struct volume_file_config c = {
		.path = m->path,
		.mount = m->mount,
		.index = index,
		.read_only = m->read_only,
		.events = { file_gone, b },
		.denied = POLICY_ALL & ~policy_verbs(b->policies[index]),
		.quota = b->quota,
		.watch = b->watch,
	};

	return volume_file_new(&c, ret, err);
}

static int make_s3_volume(struct broker *b, const struct config *config, const struct mount_config *m, uint32_t index,
			  struct volume **ret, struct err *err)
{
	struct volume_s3_config c = {
		.bucket = m->bucket,
		.prefix = m->prefix,
		.mount = m->mount,
		.index = index,
		.read_only = m->read_only,
		.policy = b->policies[index],
		.quota = b->quota,
		.audit = b->audit,
		.ttl_ms = config->ttl_ms,
		.attributes_list = m->attributes_list,
		.excl_open = config->excl_open,
		.remove_later = config->commit_background,
		.store = b->objects,
		.watch = b->watch,
		.events = { file_gone, b },
	};
	int r = clients_get(b->clients, config, m, &c.client, err);

	return r < 0 ? r : volume_s3_new(&c, ret, err);
}

static int make_volume(struct broker *b, const struct config *config, uint32_t index, struct err *err)
{
	const struct mount_config *m = &config->mounts[index];
	struct volume **to = &b->volumes[index];
	int r;

	if (m->type == MOUNT_ASSET)
		return assets_volume(b->assets, b, config, index, to, err);
	r = mount_policy(m, config->default_deny, &b->policies[index], err);
	if (r < 0)
		return r;
	return m->type == MOUNT_FILE ? make_file_volume(b, m, index, to, err)
				     : make_s3_volume(b, config, m, index, to, err);
}

static int make_volumes(struct broker *b, const struct config *config, struct err *err)
{
	if (!config->mount_count)
		return err_set(err, EINVAL, "nothing is mounted; say --bucket NAME or --mount /dir=s3://bucket/prefix");
	b->volumes = calloc(config->mount_count, sizeof(b->volumes[0]));
	b->policies = calloc(config->mount_count, sizeof(b->policies[0]));
	if (!b->volumes || !b->policies)
		return err_set(err, ENOMEM, "out of memory");
	b->policy_count = config->mount_count;
	for (size_t i = 0; i < config->mount_count; i++) {
		int r = make_volume(b, config, (uint32_t)i, err);

		if (r < 0)
			return err_wrap(err, "mount '%s'", config->mounts[i].mount);
		b->volume_count++;
	}
	return 0;
}

static int make_quota(struct broker *b, const struct config *config, struct err *err)
{
	const uint64_t limits[QUOTA_MAX] = {
		[QUOTA_read] = config->quota_read,
		[QUOTA_written] = config->quota_written,
		[QUOTA_objects] = config->quota_objects,
		[QUOTA_requests] = config->quota_requests,
		[QUOTA_object_size] = config->quota_object_size,
		[QUOTA_time] = (uint64_t)config->quota_time_ms,
	};

	return quota_new(limits, &b->quota) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

static int make_audit(struct broker *b, const struct config *config, struct err *err)
{
	const struct audit_config c = { .path = config->audit_path,
					.max_bytes = config->audit_max_bytes,
					.keep = config->audit_keep,
					.stop = config->audit_stop,
					.session = b->session };

	return c.path ? audit_open(&c, &b->audit, err) : 0;
}

static int make_clients(struct broker *b, struct err *err)
{
	char base[PATH_MAX], notes[PATH_MAX];
	bool noted = staging_base(&b->staging, base, sizeof(base)) && staging_notes(base, notes, sizeof(notes));

	return clients_new(noted ? notes : NULL, b->quota, b->audit, &b->clients) < 0
		   ? err_set(err, ENOMEM, "out of memory")
		   : 0;
}

static int make_all(struct broker *b, const struct config *config, struct err *err)
{
	int r;

	while (!b->session)
		if (getrandom(&b->session, sizeof(b->session), 0) < 0 && errno != EINTR)
			return err_set(err, errno, "no random numbers: %s", strerror(errno));
	if (files_new(&b->files) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if ((r = server_new(b, &b->server, err)) < 0 || (r = arena_new(&b->arena, err)) < 0 ||
	    (r = watch_new(&b->watch, err)) < 0 || (r = make_staging(b, config, err)) < 0 ||
	    (r = make_cache(b, config, err)) < 0 || (r = make_quota(b, config, err)) < 0 ||
	    (r = make_audit(b, config, err)) < 0 || (r = make_clients(b, err)) < 0 ||
	    (r = make_objects(b, config, err)) < 0 || (r = assets_new(b, config, &b->assets, err)) < 0)
		return r;
	return make_volumes(b, config, err);
}

int broker_new(const struct config *config, struct broker **ret, struct err *err)
{
	struct broker *b = calloc(1, sizeof(*b));
	sigset_t all, before;
	int r;

	if (!b)
		return err_set(err, ENOMEM, "out of memory");
	pthread_mutex_init(&b->held_lock, NULL);
	b->uid = geteuid();
	b->allow_other = config->allow_other;
	b->started_ns = clock_now_ns();
	b->staging = (struct staging)STAGING_INIT;
	broker_ignore_signals();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = make_all(b, config, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0) {
		broker_free(b);
		return r;
	}
	log_info("broker", "session %016" PRIx64 " begins, %zu mounts", b->session, b->volume_count);
	*ret = b;
	return 0;
}

struct broker *broker_free(struct broker *b)
{
	if (!b)
		return NULL;
	server_free(b->server);
	files_free(b->files);
	for (size_t i = 0; i < b->volume_count; i++)
		volume_free(b->volumes[i]);
	free(b->volumes);
	for (size_t i = 0; i < b->policy_count; i++)
		policy_free(b->policies[i]);
	free(b->policies);
	assets_free(b->assets);
	if (b->objects)
		object_store_free(b->objects);
	cache_close(b->cache);
	clients_free(b->clients);
	quota_free(b->quota);
	audit_close(b->audit);
	if (b->watch)
		watch_free(b->watch);
	if (b->arena)
		arena_free(b->arena);
	staging_close(&b->staging);
	escaped_deinit(&b->escaped);
	pthread_mutex_destroy(&b->held_lock);
	free(b);
	return NULL;
}

int broker_listen(struct broker *b, const char *path, struct err *err)
{
	return server_listen(b->server, path, err);
}

int broker_adopt(struct broker *b, int fd, bool control, struct err *err)
{
	int r = server_adopt(b->server, fd, NULL, control, control);

	return r < 0 ? err_set(err, -r, "serving a socket: %s", strerror(-r)) : 0;
}

int broker_run(struct broker *b, int idle_ms, struct err *err)
{
	int r = server_run(b->server, idle_ms, err);
	int failed;

	server_close(b->server);
	failed = drain(b, true, NULL, 0, NULL);
	log_info("broker", "session %016" PRIx64 " ends after %.3f s, %d failed uploads", b->session,
		 session_seconds(b), failed);
	return r < 0 ? r : failed;
}

void broker_stop(struct broker *b)
{
	server_stop(b->server);
}
