/**
 * fake_broker.h - a broker of a few lines: HELLO, LINK and STAT, over a socket of its own; sets S3SHIM_SOCKET and
 * _ROUTES.
 */
#ifndef S3SHIM_TESTS_FAKE_BROKER_H
#define S3SHIM_TESTS_FAKE_BROKER_H

#include <stdatomic.h>
#include <stdint.h>

/* What STAT of a path does beside its answer, whose size is the number of its connection:
 *   "slow" waits 200 ms; "die" closes the connection unanswered; "stale" first sends an answer with an old id;
 *   "fd" sends a descriptor (of /dev/null) that nobody asked for; "missing" is ENOENT. */
void fake_start(void);
void fake_stop(void); /* every connection is cut, the socket is gone */

extern _Atomic uint64_t fake_session;
extern _Atomic int fake_connects, fake_links;

/* A folder that the one mount point stands for: then OPEN, ATTACH, STAT, ACCESS and CLOSED do what they say. */
extern const char *fake_root;

#endif
