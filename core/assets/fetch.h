/**
 * fetch.h - the bytes of an asset that was checked, into a file: from the shared cache if it has that version, which it
 * is given otherwise. Blocks; any thread.
 */
#ifndef S3SHIM_ASSETS_FETCH_H
#define S3SHIM_ASSETS_FETCH_H

#include "assets/preflight.h"

struct cache; /* cache/cache.h */

/**
 * asset_fetch() - all of it into @fd, which is empty and can be read
 * @cache: NULL: none.
 * Return: 0; negative errno, with class and sentence in @check; -ESTALE: it is not what preflight saw any more.
 */
int asset_fetch(struct asset_check *check, struct cache *cache, int fd);

#endif
