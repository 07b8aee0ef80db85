/**
 * sockets.h - the open sockets of one transfer thread, found by their local port.
 *
 * A server that sends head and body in two writes without TCP_NODELAY (Ceph) holds the body back until the head is
 * acknowledged, which the kernel puts off by 40 ms unless told otherwise, anew for each answer. libcurl does not tell
 * the socket of a transfer under way, only its local port. On one thread.
 */
#ifndef S3SHIM_S3_SOCKETS_H
#define S3SHIM_S3_SOCKETS_H

#include <curl/curl.h>

#define SOCKETS_MAX 256

struct sockets {
	struct {
		int fd, port; /* port 0: not asked yet */
	} at[SOCKETS_MAX];
	int count;
};

/** sockets_watch() - have @easy open and close its connections through @sockets, which must outlive them. */
void sockets_watch(struct sockets *sockets, CURL *easy);

/** sockets_acknowledge() - acknowledge what @easy has received now. */
void sockets_acknowledge(struct sockets *sockets, CURL *easy);

#endif
