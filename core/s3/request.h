/**
 * request.h - one attempt of a call as an HTTP request: URL, headers, signature.
 *
 * Built anew for each attempt, because the time, the keys, the region and, for a resumed GET, the range change. For the
 * modules of this layer; the caller owns a struct request, on one thread.
 */
#ifndef S3SHIM_S3_REQUEST_H
#define S3SHIM_S3_REQUEST_H

#include "s3/client.h"
#include "s3/sigv4.h"

/** What is the same for all attempts: computed by request_prepare() on the caller's thread. */
struct payload {
	struct s3_body body;              /* what is sent: the caller's, or xml */
	struct buf xml;                   /* a body that the client makes */
	char sha256[SIGV4_HEX_SIZE];      /* "" where it is not signed as a whole */
	char checksum[CHECKSUM_TEXT_MAX]; /* "" if none is sent */
	char md5[25];                     /* "" if none is sent */
};

/** payload_prepare() - Return: 0; negative errno with a sentence (a key that cannot be sent, a read that failed). */
int payload_prepare(const struct s3_client *client, const struct s3_call *call, struct payload *ret, struct err *err);
/** payload_parts_checksum() - of the parts, one behind the other. Return: false where one is not known. */
bool payload_parts_checksum(enum checksum kind, const struct s3_call *call, uint64_t *ret);
void payload_deinit(struct payload *payload);

/** request_check() - is what @call asks for possible at all? Return: 0; -EINVAL, -ENAMETOOLONG with a sentence. */
int request_check(const struct s3_call *call, struct err *err);

struct request_ask {
	enum s3_op op; /* the call's, or a side request's: then only bucket and key of the call count */
	const struct s3_client *client;
	const struct s3_call *call;
	const struct payload *payload;
	const char *region;
	const struct s3_keys *keys; /* NULL: unsigned */
	bool ranged;                /* GET: bytes [range_off, range_end), to the end with range_end 0 */
	uint64_t range_off, range_end;
	const char *if_match; /* instead of the call's; NULL: the call's */
	bool bare_etag;       /* if_match without quotes */
};

#define REQUEST_HEADERS_MAX 64

struct request {
	struct buf url, path, query, host;
	struct sigv4_header *headers; /* the last may be Authorization */
	size_t header_count, header_room;
	bool failed;  /* out of memory */
	bool chunked; /* the body is to be framed with chain */
	struct sigv4_chain chain;
	char note[80]; /* for the log: range, part; "" or ends with a blank */
};

/** request_build() - Return: 0; -ENOMEM; -EIO. request_deinit() in any case. */
int request_build(const struct request_ask *ask, struct request *ret);
void request_deinit(struct request *request);

#endif
