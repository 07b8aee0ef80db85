/**
 * limits.h - what the programs of one session can make its broker hold, all of them together.
 *
 *     a connection     a thread (stack of 256 KiB, of which some 30 are used), a frame of 16 KiB, a reply of 128 KiB
 *     an open file     some 500 bytes and its path; 1,024 opens of one object with the same flags, further ones share
 *     a descriptor     for each open folder, and each object that is open anywhere in the session
 *     a name           volume/names.h, NAMES_MAX; a listing while it is read and for the TTL, volume/listing.h
 *     content          --memory and --dirty-max, and the space of the cache folder
 *
 * Beyond these a request fails and nothing else happens: connections are closed at once, opens are ENFILE. What a request
 * may hold: base/wire.h, WIRE_REQUEST_MAX, WIRE_PATH_MAX, WIRE_REPLY_MAX. How long a peer may take to read a reply: frame.c.
 */
#ifndef S3SHIM_BROKER_LIMITS_H
#define S3SHIM_BROKER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#define LIMIT_CONNECTIONS 512
#define LIMIT_FILES       262144

/* Of the process's descriptors (RLIMIT_NOFILE), so that a program that opens what it can is the only one that suffers:
 * requests to the store need sockets, and who has a connection goes on. */
#define LIMIT_KEPT_FOR_CALLS 256 /* from open files and folders */
#define LIMIT_KEPT_FOR_FEW   32  /* from connections */

#define LIMIT_ACCEPTED_AT_ONCE 64 /* connections, before those that ended are freed */

/**
 * limits_descriptors_short() - has the process no more than @keep left, or half of all where that is less?
 * @fd: any open one. @held: how many files hold one or two. Any thread.
 */
bool limits_descriptors_short(int fd, unsigned keep, size_t held);

#endif
