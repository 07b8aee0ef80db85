/**
 * ours.h - is the object that a store has now the one that a call of ours has sent?
 *
 * For a PUT or CompleteMultipartUpload whose answer was lost, and for stores that answer Complete without an ETag. By
 * the checksum where the store keeps one, else by the ETag where ETags are MD5 (no KMS). Runs on the call's transfer
 * thread.
 */
#ifndef S3SHIM_S3_OURS_H
#define S3SHIM_S3_OURS_H

#include "s3/call.h"

/** ours_etag() - what the ETag is, without quotes. Return: false if it cannot be told (a body over 64 MiB). */
bool ours_etag(const struct call_state *state, char ret[S3_ETAG_MAX]);

/** ours_is() - does the HeadObject that has just ended (CALL_VERIFY) show what was sent? In doubt: false. */
bool ours_is(const struct call_state *state);

#endif
