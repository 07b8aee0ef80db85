/**
 * writeback.h - what a session left behind (recover.h) goes to its bucket after all.
 */
#ifndef S3SHIM_OBJECT_WRITEBACK_H
#define S3SHIM_OBJECT_WRITEBACK_H

#include "object/object.h"
#include "object/recover.h"

/**
 * writeback_run() - make the object what the program had made of it, by a store of the caller's
 * Bytes of the base that were never fetched are taken from the server, as for any file that is written to. @force: where
 * somebody else changed the object meanwhile, replace it all the same.
 * Return: 0, and the entry may be dropped; -ESTALE with a sentence; an upload's errors.
 */
int writeback_run(struct object_store *store, struct s3_client *client, const struct recover_entry *e, bool force,
		  struct err *err);

#endif
