/**
 * broker.h - the process between programs and stores: sockets, connections, descriptions, the session's life.
 *
 * Assembles the layers from a struct config: clients by endpoint and keys, one object store, one volume a mount point.
 * One thread per program connection runs requests as plain blocking code. Everything that arrives is hostile until
 * wire_check_request() passed it; a peer that breaks the protocol loses its connection, nothing else.
 *
 * Connections: `control` (s3run's, may DRAIN) and programs' (may not). Identity is SO_PEERCRED's; where it is neither
 * the broker's user nor root, the configuration must let others in.
 */
#ifndef S3SHIM_BROKER_BROKER_H
#define S3SHIM_BROKER_BROKER_H

#include "base/err.h"

#include <stdbool.h>

struct broker;
struct config;

/** broker_ignore_signals() - those of a terminal, a lease, a limit and a dead peer; broker_new() does it too. */
void broker_ignore_signals(void);

/**
 * broker_new() - make everything that can fail before the first program: folders proven, credentials found, buckets
 * checked (one HeadBucket a mount). Every failure is a sentence that names the thing and the remedy.
 */
int broker_new(const struct config *config, struct broker **ret, struct err *err);
struct broker *broker_free(struct broker *b); /* returns NULL */

/** broker_listen() - bind @path, mode 0600, or 0666 where others are let in. */
int broker_listen(struct broker *b, const char *path, struct err *err);

/** broker_adopt() - serve a connected stream socket; the broker owns @fd. @control: the session ends when it does. */
int broker_adopt(struct broker *b, int fd, bool control, struct err *err);

/**
 * broker_run() - until the control connection ends, broker_stop(), or @idle_ms (0: never) without connections, open
 * files and uploads; then drains. Return: how many uploads failed; negative errno.
 */
int broker_run(struct broker *b, int idle_ms, struct err *err);
void broker_stop(struct broker *b); /* async-signal-safe */

#endif
