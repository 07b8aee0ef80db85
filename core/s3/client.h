/**
 * client.h - what a client is, for the modules of this layer alone.
 *
 * Set by s3_client_new() and constant from then on, but for what is atomic or has a lock of its own.
 */
#ifndef S3SHIM_S3_CLIENT_H
#define S3SHIM_S3_CLIENT_H

#include "s3/checksum.h"
#include "s3/credentials.h"
#include "s3/http.h"
#include "s3/regions.h"
#include "s3/retry.h"
#include "s3/s3.h"
#include "s3/uri.h"

#include <pthread.h>

enum op_target { OP_SERVICE, OP_BUCKET, OP_OBJECT };
enum op_answer { OP_NONE, OP_INFO, OP_DATA, OP_LIST, OP_RESULT };
enum op_flag { OP_BOUND = 1, OP_UP = 2, OP_SLOW = 4, OP_XML = 8 };

struct op {
	const char *name, *method;
	enum op_target target;
	enum op_answer answer;
	unsigned flags;
};
extern const struct op ops[S3_OP_MAX];

/** How a store wants the ETag of If-Match on PUT: Ceph 16 compares it unquoted only. */
enum client_etag { CLIENT_ETAG_UNKNOWN, CLIENT_ETAG_QUOTED, CLIENT_ETAG_BARE };

struct s3_client {
	struct s3_config config;      /* strings are this struct's */
	struct uri_endpoint endpoint; /* unless aws */
	bool aws;                     /* s3.<region>.amazonaws.com */
	enum checksum checksum;       /* of uploads; CHECKSUM_NONE: only where an operation requires one */
	struct http *http;
	struct retry_bucket bucket;
	struct regions regions;
	_Atomic int64_t skew_seconds; /* the store's clock less ours */
	_Atomic int etag_style;       /* enum client_etag */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	int calls; /* started, not yet waited for; under the lock */
};

/** call.h's half of s3_start(): runs @call on a transfer thread. */
void call_start(struct s3_client *client, struct s3_call *call);
int call_wait(struct s3_call *call);
void call_cancel(struct s3_call *call);

#endif
