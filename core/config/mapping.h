/**
 * mapping.h - the JSON file: settings at its top, and sandboxMapping, which gives users their mount points.
 *
 *     { "region": "us-west-2",
 *       "sandboxMapping": {
 *         "":      { "/s3":   { "type": "S3", "bucketName": "b", "path": "/" }, "/work": { "type": "File", "path":
 * "/home/%u" } }, "alice": { "/data": "/srv/alice" } } }
 *
 * The user's own entry for a virtual path counts, then that of ""; the path "" is the default mount point. All entries
 * are checked, those of other users too, so that a mistake shows at once; only the chosen ones become mounts. Threads:
 * none.
 */
#ifndef S3SHIM_CONFIG_MAPPING_H
#define S3SHIM_CONFIG_MAPPING_H

#include "config/config.h"
#include "config/jtree.h"
#include "config/option.h"

/** mapping_settings() - the keys at the top into @session[OPT_MAX]. -EINVAL: unknown keys, wrong kinds, with their
 * place. */
int mapping_settings(const struct jtree *j, struct setting *session, struct err *err);

/**
 * mapping_mounts() - sandboxMapping's entries for @user (NULL: nobody in particular) as mounts of @config
 * @default_mount: where the virtual path "" appears. Return: 0, also where nothing is mapped; -EINVAL.
 */
int mapping_mounts(const struct jtree *j, const char *user, const char *default_mount, const struct setting *session,
		   struct config *config, struct err *err);

#endif
