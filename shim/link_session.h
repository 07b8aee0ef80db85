/**
 * link_session.h - which broker: where its socket is, the session that it said HELLO with, its arena. Part of link.c.
 */
#ifndef S3SHIM_SHIM_LINK_SESSION_H
#define S3SHIM_SHIM_LINK_SESSION_H

#include "shim/link_conn.h"

#include <stdbool.h>

/**
 * session_connect() - fill an empty @c, which is the caller's, by connect(2) and HELLO; a bare session starts a broker
 * @may_join: the call is about a path, so that another broker than before will do (bare mode).
 * Return: 0; -ENXIO: no broker is configured; -EIO: it is another one; -errno.
 */
int session_connect(struct conn *c, bool may_join);

/** session_known() - was there ever a connection? */
bool session_known(void);

#endif
