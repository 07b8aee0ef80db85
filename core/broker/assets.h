/**
 * assets.h - the assets of a session: checked before anything runs, then a mount point each.
 *
 * An asset that may not be written is served by a volume of its bucket (or of its folder), of which its mount point is
 * one object, held to the version that was seen. One that may be, or that is of a named version, is a private copy,
 * which is fetched before the program starts and removed with the session.
 *
 * Threads: made and freed by the one that has the broker.
 */
#ifndef S3SHIM_BROKER_ASSETS_H
#define S3SHIM_BROKER_ASSETS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct asset_check; /* assets/preflight.h */
struct assets;
struct broker;
struct clients;
struct config;
struct volume;

/**
 * assets_new() - check them all
 * What became of each goes into the file that assets_report_path() names, where s3run started us.
 * Return: 0 and *ret, NULL where the configuration has none; -EPERM where one or more failed, with a sentence of the
 * first; another negative errno.
 */
int assets_new(struct broker *b, const struct config *config, struct assets **ret, struct err *err);
struct assets *assets_free(struct assets *assets); /* after the volumes; returns NULL */

/** assets_volume() - the volume of mount @index, whose type is MOUNT_ASSET; fetches what is to be a copy. */
int assets_volume(struct assets *assets, struct broker *b, const struct config *config, uint32_t index,
		  struct volume **ret, struct err *err);

/** assets_find_clients() - a client for each that has nothing wrong yet; where there is none, that is what is wrong. */
void assets_find_clients(struct clients *clients, const struct config *config, struct asset_check *checks,
			 size_t count);

#endif
