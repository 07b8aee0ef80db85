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

struct mapping {
	struct jtree j;
	char *folder; /* of the file, absolute, "" for the root: what relative paths in it are relative to */
	/* set by the caller, borrowed */
	const char *user;          /* NULL: nobody in particular */
	const char *default_mount; /* where the virtual path "" appears */
	bool shown; /* config_load_file(): placeholders stay without a user, and variables need not be set */
};

/** mapping_open() - read the file. Return: 0; negative errno with a sentence. */
int mapping_open(struct mapping *ret, const char *path, struct err *err);
void mapping_close(struct mapping *m); /* wipes */

/**
 * mapping_settings() - the keys at the top into @session[OPT_MAX]
 * Every value is checked, also where a flag or the environment says it better. Sets @config's warning and secret_env.
 * Return: 0; -EINVAL: unknown keys, wrong kinds, values out of range, with their place.
 */
int mapping_settings(const struct mapping *m, struct setting *session, struct config *config, struct err *err);

/** mapping_mounts() - sandboxMapping's entries for the user as mounts of @config. Return: 0, also where nothing is
 * mapped; -EINVAL. */
int mapping_mounts(const struct mapping *m, const struct setting *session, struct config *config, struct err *err);

/** mapping_users() - every user that sandboxMapping names, "" included. Return: 0, or what @each returned. */
int mapping_users(const struct mapping *m, int (*each)(void *arg, const char *user), void *arg);

#endif
