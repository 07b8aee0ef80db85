/**
 * attr.h - mode, owner, times and kind of an object, kept as user metadata.
 *
 * Written: the AWS family's names (FSx, DataSync, File Gateway). Read: those, s3fs's, GCS's, rclone's, in this order:
 *   AWS     file-permissions octal with type; file-owner, file-group; file-mtime, file-atime, in ms or `...ns`
 *   s3fs    mode decimal st_mode; uid; gid; mtime as seconds.nanoseconds
 *   GCS     goog-reserved-posix-mode octal, -uid, -gid; goog-reserved-file-mtime seconds
 *   rclone  mtime in seconds as a decimal fraction
 * Threads: stateless.
 */
#ifndef S3SHIM_VOLUME_ATTR_H
#define S3SHIM_VOLUME_ATTR_H

#include "base/wire.h"
#include "s3/s3.h"

#include <stdbool.h>

enum attr_have { ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_MTIME = 8, ATTR_ATIME = 16 };

struct attr {
	unsigned have;           /* enum attr_have; what is not there has its default */
	uint32_t mode, uid, gid; /* mode: with its type, 0 where metadata does not tell the type */
	int64_t mtime_ns, atime_ns;
};

/** attr_from_meta() - what is told; nonsense is ignored. */
void attr_from_meta(const struct s3_meta *meta, struct attr *ret);

/**
 * attr_to_meta() - write what @a has, by AWS's names; other systems' names are updated where they are there already, so
 * that nobody reads an old truth. Return: 0; -ENOSPC.
 */
int attr_to_meta(const struct attr *a, struct s3_meta *meta);

/** attr_mode() - the mode of a file or a directory, defaults filled in. */
uint32_t attr_mode(const struct attr *a, bool dir);

/** attr_may() - may @uid, @gid do @want (R_OK | W_OK | X_OK) by these bits? root may, but for executing what nobody
 * may. */
bool attr_may(uint32_t mode, uint32_t owner, uint32_t group, uint32_t uid, uint32_t gid, uint32_t want);

/** attr_content_type() - by the name's ending: /etc/mime.types where it is there, else a small table; never NULL. */
const char *attr_content_type(const char *name);

#endif
