/**
 * config.h - what the user asked for: mount points and settings, from flags, environment and a JSON file.
 *
 * options.def declares every option once: key of the JSON file, environment name, flag, default, unit, help.
 * Precedence: flag, environment, file, default. Each error names the option as the user wrote it, the value, and the
 * remedy. Threads: none; read once at the start, before other threads.
 */
#ifndef S3SHIM_CONFIG_CONFIG_H
#define S3SHIM_CONFIG_CONFIG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mount_type { MOUNT_S3, MOUNT_FILE, MOUNT_ASSET };
struct asset_config; /* assets.h */

/** A mount point and what lies under it. Strings belong to the config; NULL where nothing was said. */
struct mount_config {
	char *mount; /* absolute, normalised, never "/" */
	enum mount_type type;
	bool read_only;
	char *path;   /* File: the folder */
	char *bucket; /* S3: NULL shows every bucket as a folder */
	char *prefix; /* S3: without slashes at its ends, "" for the bucket's root */
	/* S3, as the sandbox mapping names them: what the mount says, else what the whole session says */
	char *region, *scheme, *endpoint, *profile;
	char *access_key_id, *secret_key, *session_token, *passwd_file, *role_arn;
	char *proxy_scheme, *proxy_host, *proxy_port, *proxy_user, *proxy_password;
	char *ca_file, *ca_path;
	char *checksum, *storage_class, *sse, *sse_kms_key_id;
	char *verbs, *allow_buckets, *allow_prefixes; /* policy.h; the session's and the mount's, joined */
	bool verify_tls_off, path_style, virtual_host, unsigned_requests, requester_pays, attributes_list;
};

struct config {
	struct mount_config *mounts;
	size_t mount_count;
	char *cache_dir;            /* NULL: choose (staging folder, DESIGN of docs/ARCHITECTURE.md) */
	char *log_path;             /* NULL: the default path */
	int log_level;              /* enum log_level */
	uint64_t memory_bytes;      /* in memfds of all open objects */
	uint64_t cloud_cache_bytes; /* whole objects of all sessions; 0: nothing was said */
	char *cloud_cache_file;     /* they lie there, not in the cache folder; NULL: nothing was said */
	uint64_t put_max_bytes, part_bytes, dirty_max_bytes, readahead_bytes;
	unsigned parallel, connections, uploads;
	bool commit_background, fsync_staging, excl_open, default_deny;
	bool allow_other; /* programs of other users than the broker's own and root */
	/* s3/quota.h; 0: no limit */
	uint64_t quota_read, quota_written, quota_objects, quota_requests, quota_object_size;
	int quota_time_ms;
	char *audit_path;         /* s3/audit.h; NULL: none */
	uint64_t audit_max_bytes; /* 0: no limit */
	unsigned audit_keep;
	bool audit_stop;
	int ttl_ms, deadline_ms, connect_timeout_ms;
	int idle_ms;              /* -1: nothing was said */
	char *config_path, *user; /* the JSON file; whose entries of its sandboxMapping */
	char *sandbox_dir;        /* File for everybody, as it was written; it is among the mounts */
	bool help, version;       /* asked for: nothing else was looked at */
	char *warning;            /* of the file: to be logged; NULL: none */
	char **secret_env;        /* variables that hold secrets of the file, of all users: no program's business */
	size_t secret_env_count;
	/* assets.h */
	struct asset_config *assets;
	size_t asset_count;
	char *assets_path, *asset_buckets, *asset_prefixes; /* NULL: none; all */
	uint64_t asset_max_bytes;                           /* 0: no limit */
	unsigned asset_timeout_s;
	bool assets_failed; /* config_load() failed because of them */
	/* s3run's own */
	char *report_path;
	char *stats_path; /* "-": stderr */
	bool require_preload, isolate;
	char *library_path, *broker_path; /* NULL: beside the program */
	/* s3shimd's own */
	char *socket_path, *bare_path, *listen_path;
	int control_fd, ready_fd; /* -1: none */
};

/** One parsed command line: options that are in options.def taken out, the rest left. */
struct config_args {
	int argc;
	char **argv; /* what follows the options: the program and its arguments */
};

/**
 * config_load() - flags of @argv (up to `--` or the first word that is no option), environment, file, defaults
 * Mounts: `--mount /m=s3://bucket/prefix`, `--mount /m=file:/folder`, `--mount /m=s3://` (every bucket), several times;
 * or the one mount of --bucket, --prefix and --mount /m (default /s3).
 * The mounts are those of the first of flags (--mount, --bucket, --sandbox-dir), environment (S3SHIM_MOUNT,
 * S3SHIM_BUCKET, S3SHIM_SANDBOX_DIR) and file (sandboxMapping, bucketName, sandboxDir) that names any.
 * Return: 0; -EINVAL with a sentence; the caller config_deinit()s in both cases. s3shimd's own fields are set as soon
 * as the flags could be read, even if something else failed. With listen_path there need be no mounts, as in
 * config_load_file(): sessions bring theirs.
 */
int config_load(struct config *ret, int argc, char **argv, struct config_args *ret_rest, struct err *err);
void config_deinit(struct config *config); /* wipes secrets */

/**
 * config_load_file() - what the file at @path alone gives to @user, without flags and environment
 * @user: NULL or "" is everybody: placeholders stay as they are. Variables that hold secrets need not be set. Nothing
 * mapped is no error: there are no mounts then. To be shown, not to be served. Return and owner as config_load().
 */
int config_load_file(struct config *ret, const char *path, const char *user, struct err *err);

/** config_routes() - the value of S3SHIM_ROUTES: mount points separated by ':'. Return: 0, -ENAMETOOLONG. */
int config_routes(const struct config *config, char *buf, size_t size);

/** config_help() - options and their help, for --help. @daemon: s3shimd's own, else s3run's. */
void config_help(int fd, bool daemon);

/**
 * config_session_dir() - the 0700 folder of this user's sockets: $XDG_RUNTIME_DIR/s3shim, else /tmp/s3shim-<uid>
 * Made if missing; its owner and mode are checked. Return: 0; -EPERM if it is somebody else's.
 */
int config_session_dir(char *buf, size_t size, struct err *err);

/**
 * config_log_default() - where the broker logs if nothing was said: <name>.log in $XDG_STATE_HOME/s3shim, else in
 * ~/.local/state/s3shim, else in the session's folder. The folder is made if missing. Return: 0; negative errno.
 */
int config_log_default(const char *name, char *buf, size_t size, struct err *err);

#endif
