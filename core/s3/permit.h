/**
 * permit.h - does a policy permit a call? Asked before anything of it is sent.
 *
 *   HeadObject                                 any verb         ListObjectsV2, ListBuckets          list
 *   GetObject                                  read             DeleteObject, DeleteObjects         delete
 *   PutObject and all of multipart uploads     write            HeadBucket, AbortMultipartUpload    nothing
 *   CopyObject, UploadPartCopy                 write, and read of a source that is another object
 *
 * and every bucket, key and listed folder must be inside of it. Threads: none.
 */
#ifndef S3SHIM_S3_PERMIT_H
#define S3SHIM_S3_PERMIT_H

#include "s3/s3.h"

/** permit_check() - Return: 0; -EACCES with a sentence. */
int permit_check(const struct s3_call *call, struct err *err);

#endif
