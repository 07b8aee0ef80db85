/**
 * fetch.h - the bytes of an asset that was checked, into a file. Blocks; any thread.
 */
#ifndef S3SHIM_ASSETS_FETCH_H
#define S3SHIM_ASSETS_FETCH_H

#include "assets/preflight.h"

/**
 * asset_fetch() - all of it into @fd, which is empty
 * Return: 0; negative errno, with class and sentence in @check; -ESTALE: it is not what preflight saw any more.
 */
int asset_fetch(struct asset_check *check, int fd);

#endif
