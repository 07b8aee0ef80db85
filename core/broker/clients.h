/**
 * clients.h - the S3 clients of a session: one for each combination of endpoint, keys and settings, shared by mounts.
 *
 * Threads: made before others run; a client may be used by any.
 */
#ifndef S3SHIM_BROKER_CLIENTS_H
#define S3SHIM_BROKER_CLIENTS_H

#include "base/err.h"

struct clients;
struct config;
struct mount_config;
struct s3_client;

/** clients_new() - @notes_dir: where multipart uploads are noted (s3/notes.h), copied; NULL: nowhere. @quota, @audit: borrowed, of
 * all; NULL. */
struct quota;
struct audit;
int clients_new(const char *notes_dir, struct quota *quota, struct audit *audit, struct clients **ret);
struct clients *clients_free(struct clients *clients); /* after the volumes; returns NULL */

/** clients_get() - the client for @mount, made with its credentials if there is none yet. Borrowed. */
int clients_get(struct clients *clients, const struct config *config, const struct mount_config *mount,
		struct s3_client **ret, struct err *err);

#endif
