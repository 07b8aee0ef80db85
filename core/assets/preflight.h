/**
 * preflight.h - before anything runs: is every asset allowed, there, readable, and small enough?
 *
 * All are asked at once, one HEAD each, within one time limit; every failure is kept, so that all can be told. Threads:
 * the caller's, which waits.
 */
#ifndef S3SHIM_ASSETS_PREFLIGHT_H
#define S3SHIM_ASSETS_PREFLIGHT_H

#include "config/assets.h"
#include "s3/s3.h"

/** An asset, and what is known of it. Borrows its config and client. */
struct asset_check {
	const struct asset_config *asset;
	struct s3_client *client; /* S3; NULL only where class says why */
	enum asset_class class;
	char sentence[512];  /* what is wrong, the same each time: without the request's id */
	char request_id[96]; /* "" if there is none */
	/* where nothing is wrong */
	uint64_t size;
	int64_t mtime_ns;
	char etag[S3_ETAG_MAX], version_id[128], checksum[96]; /* S3 */
};

/** preflight_init() - from the configuration: class and sentence of what is wrong already. */
void preflight_init(struct asset_check *check, const struct asset_config *asset);

/** preflight_fail() - by an error that was met on the way to its client, or while it was copied. */
void preflight_fail(struct asset_check *check, const struct err *err, int http_status);

/** preflight() - check those that have nothing wrong yet. Return: how many have in the end; -ENOMEM. */
int preflight(struct asset_check *checks, size_t count, const struct config *config);

#endif
