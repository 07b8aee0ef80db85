/**
 * session.h - struct broker as the modules of this layer see it. Not for others: they have broker.h.
 *
 * Made by broker_new(), constant afterwards but for what its members guard themselves. Locks: server's, files', an
 * offset lock; but for held_lock none is held while another is taken, and none while a volume is called.
 */
#ifndef S3SHIM_BROKER_SESSION_H
#define S3SHIM_BROKER_SESSION_H

#include "broker/escaped.h"
#include "broker/staging.h"
#include "volume/volume.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

struct broker {
	uint64_t session; /* random, never 0: a program that meets another one after a loss can tell */
	uid_t uid;
	bool allow_other;   /* programs of other users than uid's and root's */
	int64_t started_ns; /* CLOCK_MONOTONIC */
	struct arena *arena;
	struct watch *watch;
	struct staging staging;
	struct cache *cache; /* across sessions; NULL: none */
	struct quota *quota; /* NULL: none */
	struct audit *audit; /* NULL: none */
	struct clients *clients;
	struct assets *assets; /* NULL: none */
	struct object_store *objects;
	struct policy **policies; /* by index of the mount point, as are the volumes; NULL for assets */
	size_t policy_count;
	struct volume **volumes;
	size_t volume_count;
	struct files *files;
	pthread_mutex_t held_lock; /* who has which offset lock: conn.c; before an offset lock's own mutex */
	struct escaped escaped;
	struct server *server;
};

/** session_seconds() - since it was started. */
double session_seconds(const struct broker *b);

/** session_events() - what every volume of the session tells, and whom. */
struct volume_events session_events(struct broker *b);

#endif
