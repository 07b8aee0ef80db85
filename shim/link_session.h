/**
 * link_session.h - which broker: where its socket is, the session that it said HELLO with, its arena. Part of link.c.
 */
#ifndef S3SHIM_SHIM_LINK_SESSION_H
#define S3SHIM_SHIM_LINK_SESSION_H

#include "shim/link_conn.h"

#include <stdbool.h>

/** Which broker will do, in a bare session; elsewhere there is but one. */
enum join {
	JOIN_SAME,    /* the one of before; where there was none, any */
	JOIN_ANY,     /* the call is about a path: also another than before */
	JOIN_RUNNING, /* the one of before, if it is there; none is started */
};

/**
 * session_connect() - fill an empty @c, which is the caller's, by connect(2) and HELLO; a bare session starts a broker
 * Return: 0; -ENXIO: no broker is configured; -EIO: it is another one; -errno.
 */
int session_connect(struct conn *c, enum join join);

/** session_greet() - HELLO on @c, which is new. Return: 0; -errno. */
int session_greet(struct conn *c);

/** session_managed() - does somebody say by S3SHIM_SOCKET where the broker is? */
bool session_managed(void);

/** session_known() - was there ever a connection? */
bool session_known(void);

#endif
