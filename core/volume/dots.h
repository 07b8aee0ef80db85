/**
 * dots.h - `..` behind a name: where the name leads, not what the text says.
 *
 * `a/../b` is `b` where `a` is a folder, something else where it is a symlink to one, and nothing where there is no `a`.
 * The shim removes by text what it can know, and leaves the rest to this.
 */
#ifndef S3SHIM_VOLUME_DOTS_H
#define S3SHIM_VOLUME_DOTS_H

#include "volume/volume.h"

/**
 * dots_resolve() - the absolute path without `..` that @path (of volume.h, with any `..`) means
 * Asks the volume for the true path of each name before a `..`. Return: VOLUME_REDIRECT and call->redirect; -ENOENT,
 * -ENOTDIR: what stands before a `..` is missing, or no folder; other negative errno.
 */
int dots_resolve(struct volume *v, struct vcall *call, const char *path);

#endif
