/**
 * mount.h - mount points: how they are written, checked and filled from settings.
 *
 * @where in every function is what the user wrote the value as ("--mount", "conf.json:3:14: path"), for the sentence.
 * Results are malloc'd. Threads: none.
 */
#ifndef S3SHIM_CONFIG_MOUNT_H
#define S3SHIM_CONFIG_MOUNT_H

#include "config/config.h"
#include "config/option.h"

#define MOUNT_DEFAULT   "/s3"
#define MOUNT_COUNT_MAX 256 /* what the shim has room for */

/** mount_point() - normalise: absolute, no empty and no `.` parts. -EINVAL: relative, "/", `..`, a ':'. */
int mount_point(const char *text, const char *where, char **ret, struct err *err);

/** mount_prefix() - without slashes at its ends. -EINVAL: `.`, `..` and empty parts, which no path could name. */
int mount_prefix(const char *text, const char *where, char **ret, struct err *err);

/** mount_bucket() - is it a name, not a path or URL? */
int mount_bucket(const char *text, const char *where, struct err *err);

/** mount_spec() - "/m=s3://bucket/prefix", "/m=s3://", "/m=file:/folder" into @m's mount, type, bucket, prefix, path.
 */
int mount_spec(const char *text, const char *where, struct mount_config *m, struct err *err);

/**
 * mount_expand() - %u user, %d domain, %f full name, %% in a File sandbox's path
 * @user: "name", "name@domain" or "DOMAIN\name", NULL for nobody. @expand: false checks the path and copies it.
 * -EINVAL: what a placeholder stands for is empty, "." or holds `/` or `..`; an unknown placeholder; a path that is not
 * absolute, or a Windows one.
 */
int mount_expand(const char *path, const char *user, bool expand, const char *where, char **ret, struct err *err);

/**
 * mount_fill() - settings of OPTION_GROUP_MOUNT into @m's fields: what the mount itself says (@own, NULL: nothing),
 * else what the session says (@session). Bucket and prefix are not touched. Keys are never mixed: of id, secret and
 * token either all come from the mount or all from the session. Of verbs, buckets and prefixes both hold. File mounts
 * take read_only and verbs alone.
 */
int mount_fill(struct mount_config *m, const struct setting *own, const struct setting *session, struct err *err);

/** mount_add() - append to @config, which owns @m's strings from now on. -EINVAL: the mount point is there already, too
 * many. */
int mount_add(struct config *config, struct mount_config *m, const char *where, struct err *err);

/** mount_policy() - what @m permits. Return: 0; -EINVAL with a sentence; -ENOMEM. */
struct policy;
int mount_policy(const struct mount_config *m, bool default_deny, struct policy **ret, struct err *err);

void mount_deinit(struct mount_config *m); /* wipes */

#endif
