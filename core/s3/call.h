/**
 * call.h - a call while it runs: its state, shared by call.c (attempts) and outcome.c (what an attempt's end means).
 *
 * Everything but done is used on the call's transfer thread alone, between call_start() and the moment done is set.
 */
#ifndef S3SHIM_S3_CALL_H
#define S3SHIM_S3_CALL_H

#include "s3/answer.h"
#include "s3/body.h"
#include "s3/client.h"
#include "s3/request.h"

/** What the request under way is for. */
enum call_stage {
	CALL_MAIN,    /* what was asked */
	CALL_REGION,  /* HeadBucket: where is the bucket? */
	CALL_EXPLAIN, /* a listing of one name, because the refused HEAD had no body to say why */
	CALL_VERIFY,  /* HeadObject: did an earlier attempt, whose answer was lost, succeed? */
};

struct call_state {
	struct http_job job;
	struct http_exchange ex;
	struct s3_client *client;
	struct s3_call *call;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done; /* under the lock */

	int early; /* negative errno: it failed before it began */
	struct payload payload;
	enum call_stage stage;
	unsigned attempts;   /* of CALL_MAIN, since the last progress */
	unsigned stalls;     /* attempts in a row that ended because nothing came or went */
	int cost;            /* tokens that the last retry took */
	int64_t deadline_ns; /* 0: none */
	bool region_tried, skew_tried, bare_tried, keys_tried;
	bool maybe_applied; /* an attempt was sent whole, its answer never came */
	int verify_errnum;  /* CALL_VERIFY: the failure that is in doubt */

	/* of the attempt */
	struct request request;
	struct body body;
	uint64_t sent_sum; /* of the body that was sent, in the client's kind */
	struct answer answer;
	struct buf text; /* the answer's body, unless it is the object's data */
	char region[REGIONS_NAME_MAX], access_key_id[256];
	unsigned generation; /* of the keys */
	int64_t began_ns;
	struct err fault;   /* why a callback of ours ended the exchange; errnum 0: none did */
	bool callers_fault; /* it was the caller's callback or descriptor */

	/* S3_GET_OBJECT, over all attempts */
	bool started;                               /* call->info is filled, on_headers was called */
	uint64_t delivered, delivered_before, goal; /* bytes; goal UINT64_MAX: not known */
	enum checksum verify;                       /* of the data as it passes */
	uint64_t sum;
	char verify_value[CHECKSUM_TEXT_MAX];
	struct evp_md_ctx_st *sha256; /* of the data as it passes; NULL: not compared */
	char sha256_value[48];
};

/* call.c */
void call_attempt(struct call_state *state);            /* send the request of the stage */
void call_sleep(struct call_state *state, int64_t ms);  /* then the next attempt */
void call_finish(struct call_state *state, int status); /* the end; the state may be gone afterwards */

/** call_op() - the operation of the request under way. */
enum s3_op call_op(const struct call_state *state);

/** call_fail() - the sentence of a failure into call->err: "<operation> '<object>': <text>". Return: -errnum. */
int call_fail(struct call_state *state, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** outcome_of() - an attempt has ended: go on, try again, or finish. */
void outcome_of(struct call_state *state);

#endif
