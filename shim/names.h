/**
 * names.h - calls about names: one message, redirects followed.
 */
#ifndef S3SHIM_SHIM_NAMES_H
#define S3SHIM_SHIM_NAMES_H

#include "shim/link.h"
#include "shim/route.h"

/** The outcome where a symlink led out of every mount: call libc with r->path. Of two paths: the first, the second. */
#define NAMES_LEFT   1
#define NAMES_LEFT_2 2

/**
 * names_call() - a message about one path, the last of its strings
 * @r: from route_at(); changed by redirects. @req: the message's request; @mount: its mount field.
 * @x: may be NULL; a tail, where one is wanted, has room for WIRE_PATH_MAX bytes at least.
 * Return: 0; -errno; NAMES_LEFT.
 */
int names_call(struct route *r, enum wire_type type, void *req, uint32_t *mount, void *rep, struct link_extra *x);

/**
 * names_call_pair() - RENAME, LINK_NAME: two paths inside mounts
 * Return: 0; -errno; NAMES_LEFT, NAMES_LEFT_2: that path is foreign now, so the two are on different file systems.
 */
int names_call_pair(struct route *from, struct route *to, enum wire_type type, uint32_t flags);

/** names_realpath() - REALPATH: @ret, WIRE_PATH_MAX bytes, is absolute. Return: as names_call(). */
int names_realpath(struct route *r, struct wire_attr *ret_attr, char *ret);

/** names_stat() - STAT. Return: as names_call(). */
int names_stat(struct route *r, uint32_t flags, struct wire_attr *ret);

#endif
