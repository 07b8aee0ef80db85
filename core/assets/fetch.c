#include "assets/fetch.h"

#include "base/counters.h"
#include "base/log.h"
#include "base/util.h"
#include "cache/cache.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>

#define SLICE_BYTES MIB(64)

static int from_s3(struct asset_check *check, int fd, struct err *err, int *ret_http)
{
	struct s3_call *call = calloc(1, sizeof(*call));

	if (!call)
		return err_set(err, ENOMEM, "out of memory");
	s3_call_init(call, S3_GET_OBJECT, check->asset->bucket, check->asset->key);
	call->version_id = check->asset->version_id;
	call->if_match = check->etag;
	call->sink_fd = fd;
	int r = s3_run(check->client, call);
	*err = call->err;
	*ret_http = call->http_status;
	if (r == -ERANGE && check->size == 0)
		r = 0; /* an empty object has no range */
	free(call);
	return r;
}

static int from_file(struct asset_check *check, int fd, struct err *err)
{
	cleanup_close int from = open(check->asset->path, O_RDONLY | O_CLOEXEC);
	uint64_t left = check->size;

	if (from < 0)
		return err_set(err, errno, "%s", strerror(errno));
	while (left) {
		ssize_t n = sendfile(fd, from, NULL, min_u64(left, SLICE_BYTES));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "%s", strerror(errno));
		if (n == 0)
			return err_set(err, ESTALE, "the file became shorter");
		left -= (uint64_t)n;
	}
	return 0;
}

static struct cache_name name_of(const struct asset_check *check)
{
	return (struct cache_name){ .place = s3_client_place(check->client),
				    .bucket = check->asset->bucket,
				    .key = check->asset->key,
				    .version = check->asset->version_id };
}

static bool from_cache(const struct asset_check *check, struct cache *cache, int fd)
{
	struct cache_name name = name_of(check);
	struct s3_info *seen = calloc(1, sizeof(*seen));
	struct cache_entry *e = NULL;
	bool ok = false;

	if (seen && cache_find(cache, &name, &e) == 0) {
		seen->size = check->size;
		memcpy(seen->etag, check->etag, sizeof(seen->etag));
		memcpy(seen->checksum, check->checksum, sizeof(seen->checksum));
		ok = cache_entry_is(e, seen) && cache_entry_copy(e, fd) == 0;
	}
	if (ok)
		counter_add(COUNTER_shared_cache_hits, 1);
	else if (e && ftruncate(fd, 0) < 0)
		log_debug("assets", "'%s': %s, ignoring", check->asset->key, strerror(errno));
	cache_entry_unref(e);
	free(seen);
	return ok;
}

/* For later runs; that it cannot be kept is no failure. */
static void into_cache(const struct asset_check *check, struct cache *cache, int fd)
{
	struct cache_name name = name_of(check);
	struct cache_writer *w = NULL;
	int r = check->size ? cache_begin(cache, &name, check->etag, check->size, &w) : -EEXIST;

	for (uint64_t b = 0; r == 0 && b * BLOCK_BYTES < check->size; b++)
		r = cache_writer_block(w, fd, b, NULL);
	if (r == 0)
		r = cache_commit(w);
	else
		cache_abort(w);
	if (r < 0 && r != -EEXIST)
		log_debug("assets", "keeping '%s' for later runs: %s, ignoring", check->asset->key, strerror(-r));
}

int asset_fetch(struct asset_check *check, struct cache *cache, int fd)
{
	struct err err = ERR_INIT;
	int http_status = 0, r;

	if (!check->asset->bucket) {
		r = from_file(check, fd, &err);
	} else if (cache && check->size && from_cache(check, cache, fd)) {
		return 0;
	} else {
		r = from_s3(check, fd, &err, &http_status);
		if (r == 0 && cache)
			into_cache(check, cache, fd);
	}
	if (r < 0)
		preflight_fail(check, &err, http_status);
	return r;
}
