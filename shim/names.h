/**
 * names.h - calls about names: one message with one path, redirects followed.
 */
#ifndef S3SHIM_SHIM_NAMES_H
#define S3SHIM_SHIM_NAMES_H

#include "shim/link.h"
#include "shim/route.h"

/** names_call()'s outcome where a symlink led out of every mount: call libc with r->path. */
#define NAMES_LEFT 1

/**
 * names_call() - a message whose request has one path, relative to a mount
 * @r: from route_at(); changed by redirects. @req: the message's request; @mount: its mount field. @x: may be NULL.
 * Return: 0; -errno; NAMES_LEFT.
 */
int names_call(struct route *r, enum wire_type type, void *req, uint32_t *mount, void *rep, struct link_extra *x);

#endif
