#include "broker/shared.h"

#include "base/log.h"
#include "broker/staging.h"
#include "cache/cache.h"
#include "config/config.h"

#include <limits.h>
#include <stdio.h>

int shared_open(const struct config *config, const struct staging *staging, struct cache **ret, struct err *err)
{
	char base[PATH_MAX], dir[PATH_MAX + sizeof(CACHE_FOLDER) + 1];

	*ret = NULL;
	if (config->cloud_cache_file)
		return cache_open_file(config->cloud_cache_file, config->cloud_cache_bytes, ret, err);
	if (!config->cloud_cache_bytes)
		return 0;
	if (!staging_base(staging, base, sizeof(base))) {
		log_warn("broker",
			 "nothing is kept for later sessions: there is no cache folder; name one with --cache-dir");
		return 0;
	}
	(void)snprintf(dir, sizeof(dir), "%s/" CACHE_FOLDER, base);
	return cache_open_folder(dir, config->cloud_cache_bytes, ret, err);
}
