/**
 * assets.h - the assets that a program is to find: an object or a local file at a path each.
 *
 *     { "assets": [ { "source": "s3://bucket/datasets/x.csv", "target": "/tmp/x.csv", "read_only": true,
 *                     "version_id": "..." } ] }
 *
 * From the file of --assets, which may also be the array alone, else from "assets" in the file of --config. Each becomes
 * a mount of type MOUNT_ASSET, whose settings are the session's. What is wrong with one (its URI, its target, that it is
 * not allowed) is kept in it, so that all can be told at once; what is wrong with the file itself fails. Threads: none.
 */
#ifndef S3SHIM_CONFIG_ASSETS_H
#define S3SHIM_CONFIG_ASSETS_H

#include "config/config.h"
#include "config/jtree.h"
#include "config/option.h"

enum asset_class {
	ASSET_OK,
#define A(class, status, words) ASSET_##class,
#include "config/asset_classes.def"
#undef A
	ASSET_CLASSES
};

/** asset_class_name() - "not_found"; asset_class_words() - "not found"; asset_class_status() - 66. */
const char *asset_class_name(enum asset_class class);
const char *asset_class_words(enum asset_class class);
int asset_class_status(enum asset_class class);

/** Strings belong to the config. */
struct asset_config {
	char *source, *target, *version_id; /* as they were written; NULL: not there */
	char *bucket, *key;                 /* S3, decoded */
	char *path;                         /* local, absolute */
	bool read_only;
	enum asset_class class; /* of what is wrong already */
	char problem[256];      /* its sentence */
	size_t mount;           /* in config->mounts; where class is ASSET_OK */
};

/**
 * assets_load() - into @config's assets and mounts
 * @file: of --config, NULL none. Return: 0; -EINVAL or another negative errno with a sentence.
 */
int assets_load(struct config *config, const struct jtree *file, const struct setting *session, struct err *err);
void assets_deinit(struct config *config);

/**
 * assets_parse_uri() - "s3://bucket/key", percent escapes decoded
 * Return: 0, with both malloc'd; -EINVAL with a sentence: no bucket, no key, `.` or `..` or empty parts, control
 * characters, bad escapes, a query, a fragment, user info; -ENOMEM.
 */
int assets_parse_uri(const char *uri, char **ret_bucket, char **ret_key, struct err *err);

/**
 * assets_allowed() - by @buckets and @prefixes, comma separated; NULL: all are
 * A prefix is `prefix` or `bucket/prefix`, compared by whole components.
 */
bool assets_allowed(const char *bucket, const char *key, const char *buckets, const char *prefixes);

/** assets_report_path() - the file by which the broker tells s3run what became of them: beside the session's socket. */
void assets_report_path(const char *socket_path, char *buf, size_t size);

#endif
