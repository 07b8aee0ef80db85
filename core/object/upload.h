/**
 * upload.h - sending bytes to a bucket under conditions: one PUT, or a multipart upload in parallel parts.
 *
 * Source of facts: PutObject, CompleteMultipartUpload, "Conditional requests" in the Amazon S3 User Guide. Blocks on
 * the network; no lock may be held. Threads: one upload belongs to one thread.
 */
#ifndef S3SHIM_OBJECT_UPLOAD_H
#define S3SHIM_OBJECT_UPLOAD_H

#include "base/err.h"
#include "object/plan.h"
#include "s3/s3.h"

struct object_store;
struct name;

/** What must be so for the upload to win. */
struct upload_terms {
	bool has_base;  /* If-Match: etag; else If-None-Match: * */
	bool exclusive; /* who finds another object gets EEXIST instead of ESTALE */
	char etag[S3_ETAG_MAX];
};

/** One part as it was sent. */
struct upload_part {
	bool sent;
	uint64_t len;
	uint64_t crc; /* as present.h has it; of data only */
	struct s3_part part;
};

struct upload {
	struct object_store *store;
	struct name *name;         /* borrowed */
	char id[S3_UPLOAD_ID_MAX]; /* "": not begun */
	bool whole;                /* no part of it is a copy */
	struct upload_part *parts;
	size_t room;
};

/** Where the parts' bytes come from. */
struct upload_source {
	int fd;
	bool live;        /* somebody may still write: each part is copied first, and what was copied is what is sent */
	const char *etag; /* of the base that is copied from */
	/* crc of a part that nobody writes to; false: not known. NULL with live. */
	bool (*crc)(void *arg, uint64_t off, uint64_t len, uint64_t *ret);
	/* live: these are the bytes that are sent, in order within a part. */
	void (*sent)(void *arg, uint64_t off, const void *data, size_t len);
	void *arg;
};

/**
 * upload_put() - one PUT of @len bytes at @data
 * Return: 0 and *ret (etag, size; the rest as known); -ESTALE, -EEXIST by the terms; other negative errno.
 */
int upload_put(struct object_store *s, struct name *n, const void *data, size_t len, const struct s3_meta *meta,
	       const char *content_type, const struct upload_terms *terms, struct s3_info *ret, struct err *err);

/** upload_retouch() - give the object @meta and @content_type by a copy onto itself, while it is still @etag. */
int upload_retouch(struct object_store *s, struct name *n, const char *etag, const struct s3_meta *meta,
		   const char *content_type, struct s3_info *ret, struct err *err);

/** upload_begin() - CreateMultipartUpload. @whole: no part will be a copy. On failure nothing is to be aborted. */
int upload_begin(struct upload *u, struct object_store *s, struct name *n, bool whole, const struct s3_meta *meta,
		 const char *content_type, struct err *err);
/**
 * upload_send() - parts [first, end) of @plan (from 0), config.parallel at once; parts that were sent already with the
 * same length and crc stay as they are. Return: 0; the first error, the upload is then still to be aborted.
 */
int upload_send(struct upload *u, const struct plan *plan, size_t first, size_t end, const struct upload_source *from,
		struct err *err);
/** upload_complete() - of the first @count parts. After success the upload is over; else it is to be aborted. */
int upload_complete(struct upload *u, size_t count, uint64_t size, const struct upload_terms *terms,
		    struct s3_info *ret, struct err *err);
void upload_abort(struct upload *u); /* and forget it; also of one that never began, or is over */

#endif
