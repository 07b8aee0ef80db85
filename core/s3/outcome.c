/*
 * What the end of an attempt means. Errors are looked up in errors.def; what is special to S3 comes first:
 *
 * - a HEAD's refusal has no body: one listing asks for the reason, before a person is told "403";
 * - a bucket in another region says so in many ways, is believed once per call, and remembered;
 * - a clock that is off is learned from Date;
 * - keys that are refused may have been replaced: their source is asked once;
 * - CompleteMultipartUpload and CopyObject may fail within a 200;
 * - a PUT or Complete whose answer was lost may have succeeded: the retry is then refused (412, NoSuchUpload), and only
 *   the object itself can tell whose it is.
 */
#include "s3/call.h"
#include "s3/errors.h"
#include "s3/ours.h"
#include "s3/when.h"
#include "s3/xml.h"

#include "base/counters.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SKEW_LIMIT_SECONDS 900
#define PROGRESS_BYTES     MIB(1)
#define STALLS_MAX         2

/* The next attempt after a pause, or the end with what is in call->err. */
static void retry(struct call_state *state, enum errors_class class, int errnum, int cost)
{
	struct s3_client *client = state->client;

	state->stage = CALL_MAIN;
	if (state->job.cancelled) {
		call_finish(state, call_fail(state, ECANCELED, "cancelled"));
		return;
	}
	if (state->delivered - state->delivered_before >= PROGRESS_BYTES)
		state->attempts = 1;
	int64_t delay = retry_delay_ms(class, state->attempts, retry_random(), state->answer.retry_after_ms);
	bool late = state->deadline_ns && clock_now_ns() + delay * 1000000 >= state->deadline_ns;
	bool stuck = state->delivered && !state->call->info.etag[0];
	if (late || stuck || state->attempts >= (unsigned)client->config.max_attempts ||
	    !retry_take(&client->bucket, cost)) {
		struct err *err = &state->call->err;
		size_t len = strlen(err->text);
		if (state->attempts > 1)
			snprintf(err->text + len, sizeof(err->text) - len, " (%u attempts)", state->attempts);
		call_finish(state, -errnum);
		return;
	}
	state->cost = cost;
	counter_add(COUNTER_retries, 1);
	log_debug("s3", "retrying in %ld ms: %s", (long)delay, state->call->err.text);
	call_sleep(state, delay);
}

static void enter_stage(struct call_state *state, enum call_stage stage)
{
	state->stage = stage;
	call_attempt(state);
}

/* errors */

static void describe(struct call_state *state, const struct errors_row *row, const struct xml_error *error, int errnum)
{
	cleanup_buf struct buf text = BUF_INIT;
	const char *id = error->request_id[0] ? error->request_id : state->answer.request_id;

	buf_printf(&text, "%d", state->ex.status);
	if (error->code[0])
		buf_printf(&text, " %s", error->code);
	buf_puts(&text, ": ");
	if (errnum == EEXIST && state->ex.status != 304)
		buf_puts(&text, "somebody else has made the object");
	else if (errnum == ESTALE && state->ex.status == 404)
		buf_puts(&text, "somebody else has deleted the object");
	else
		errors_sentence(row, state->access_key_id, state->region, &text);
	if (error->message[0] && (!row->code[0] || row->errnum == EINVAL || row->errnum == ENOTSUP))
		buf_printf(&text, ": %s", error->message);
	if (error->storage_class[0])
		buf_printf(&text, " (storage class %s)", error->storage_class);
	if (id[0])
		buf_printf(&text, " (request %s)", id);
	call_fail(state, errnum, "%s", buf_str(&text));
}

/* The region that the answer names, "" if none or the one that was used. */
static const char *named_region(const struct call_state *state, const struct xml_error *error)
{
	const char *region = state->answer.region[0] ? state->answer.region : error->region;

	return strcmp(region, state->region) == 0 ? "" : region;
}

static bool try_region(struct call_state *state, const struct errors_row *row, const struct xml_error *error)
{
	const char *region = named_region(state, error);
	bool hinted = *region && (state->ex.status == 301 || state->ex.status == 307 || state->ex.status == 400);

	if (state->region_tried || !state->call->bucket || (row->class != ERRORS_REGION && !hinted))
		return false;
	if (!*region && state->stage == CALL_MAIN && state->call->op != S3_HEAD_BUCKET) {
		enter_stage(state, CALL_REGION);
		return true;
	}
	if (!*region || !regions_learn(&state->client->regions, state->call->bucket, region))
		return false;
	state->region_tried = true;
	log_debug("s3", "bucket '%s' is in region '%s', not '%s'", state->call->bucket, region, state->region);
	enter_stage(state, CALL_MAIN);
	return true;
}

static bool try_skew(struct call_state *state, const struct errors_row *row)
{
	if (state->skew_tried || !state->answer.date_ns ||
	    (row->class != ERRORS_SKEW && !(state->ex.status == 403 && !row->code[0])))
		return false;
	int64_t skew = state->answer.date_ns / 1000000000 - (int64_t)time(NULL);
	int64_t change = skew - state->client->skew_seconds;
	if (row->class != ERRORS_SKEW && change > -SKEW_LIMIT_SECONDS && change < SKEW_LIMIT_SECONDS)
		return false;
	state->skew_tried = true;
	state->client->skew_seconds = skew;
	log_warn("s3", "the store's clock differs from this machine's by %ld s, signing with the store's", (long)skew);
	enter_stage(state, CALL_MAIN);
	return true;
}

static bool try_keys(struct call_state *state, const struct errors_row *row)
{
	struct s3_client *client = state->client;

	if (state->keys_tried || row->class != ERRORS_KEYS || client->config.unsigned_requests ||
	    !s3_credentials_refused(client->config.credentials, state->generation))
		return false;
	state->keys_tried = true;
	log_debug("s3", "trying again with other keys: %s", state->call->err.text);
	enter_stage(state, CALL_MAIN);
	return true;
}

/* Ceph, by the look of its request ids. */
static bool try_bare_etag(struct call_state *state)
{
	const struct s3_call *call = state->call;
	bool writes =
	    call->op == S3_PUT_OBJECT || call->op == S3_COMPLETE_MULTIPART_UPLOAD || call->op == S3_COPY_OBJECT;

	if (state->ex.status != 412 || !writes || !call->if_match || call->if_match[0] != '"' || state->bare_tried ||
	    state->client->etag_style != CLIENT_ETAG_UNKNOWN || strncmp(state->answer.request_id, "tx", 2) != 0)
		return false;
	state->bare_tried = true;
	enter_stage(state, CALL_MAIN);
	return true;
}

static bool try_explain(struct call_state *state)
{
	enum s3_op op = state->call->op;
	int status = state->ex.status;

	if (state->stage != CALL_MAIN ||
	    !((op == S3_HEAD_BUCKET && (status == 400 || status == 403 || status == 404)) ||
	      (op == S3_HEAD_OBJECT && status == 400)))
		return false;
	enter_stage(state, CALL_EXPLAIN);
	return true;
}

static bool try_verify(struct call_state *state, const char *code, int errnum)
{
	const struct s3_call *call = state->call;
	bool put = call->op == S3_PUT_OBJECT && state->ex.status == 412;
	bool complete =
	    call->op == S3_COMPLETE_MULTIPART_UPLOAD && (state->ex.status == 412 || strcmp(code, "NoSuchUpload") == 0);

	if (state->stage != CALL_MAIN || !state->maybe_applied || (!put && !complete))
		return false;
	state->verify_errnum = errnum;
	enter_stage(state, CALL_VERIFY);
	return true;
}

/* Refusals that are success. */
static bool is_fine(const struct call_state *state, const char *code)
{
	enum s3_op op = state->call->op;

	if (state->ex.status == 404 && strcmp(code, "NoSuchBucket") != 0)
		return op == S3_DELETE_OBJECT || op == S3_ABORT_MULTIPART_UPLOAD;
	if (state->stage != CALL_EXPLAIN || op != S3_HEAD_BUCKET || state->ex.status != 403)
		return false;
	return strcmp(code, "InvalidAccessKeyId") != 0 && strcmp(code, "SignatureDoesNotMatch") != 0;
}

/* The object's size by a 416; a range from 0 is refused only where there is no byte. */
static uint64_t size_beyond(const struct call_state *state, const struct xml_error *error)
{
	if (state->call->range_off == 0)
		return 0;
	if (state->answer.has_total)
		return state->answer.total;
	return error->has_actual_size ? error->actual_size : UINT64_MAX;
}

static void refused(struct call_state *state)
{
	struct s3_call *call = state->call;
	struct xml_error error = { .has_actual_size = false };

	xml_read_error(buf_str(&state->text), state->text.len, &error);
	const struct errors_row *row = errors_find(error.code, state->ex.status);
	int errnum = row->errnum;

	if (is_fine(state, error.code)) {
		call_finish(state, 0);
		return;
	}
	call->http_status = state->ex.status;
	if (errnum == ESTALE && call->if_none_match && !call->source_if_match && !call->if_match)
		errnum = EEXIST;
	if (state->ex.status == 416)
		call->info.size = size_beyond(state, &error);
	if (errnum == ENOENT && call->if_match && (ops[call->op].flags & (OP_UP | OP_XML)) &&
	    strcmp(error.code, "NoSuchUpload") != 0 && strcmp(error.code, "NoSuchBucket") != 0)
		errnum = ESTALE;
	describe(state, row, &error, errnum);
	if (row->class != ERRORS_TRANSIENT && row->class != ERRORS_THROTTLE &&
	    (try_region(state, row, &error) || try_skew(state, row) || try_keys(state, row) || try_explain(state) ||
	     try_bare_etag(state) || try_verify(state, error.code, errnum)))
		return;
	if (state->ex.status >= 500)
		state->maybe_applied = true;
	if (row->class == ERRORS_TRANSIENT || row->class == ERRORS_THROTTLE)
		retry(state, row->class, errnum, RETRY_COST);
	else
		call_finish(state, -errnum);
}

/* success */

/* Return: 0; -EBADMSG: other bytes came than were sent, worth another try; -EIO. */
static int check_upload(struct call_state *state)
{
	struct s3_call *call = state->call;
	enum checksum ours = state->client->checksum;
	const char *value;
	char sent[CHECKSUM_TEXT_MAX];
	enum checksum theirs = answer_checksum(&state->answer, &value);

	if (!state->answer.info.etag[0])
		return call_fail(state, EIO, "the answer names no ETag");
	call->info = state->answer.info;
	call->info.size = state->payload.body.len;
	if (ours != CHECKSUM_NONE) {
		checksum_base64(ours, state->sent_sum, sent);
		if (theirs == ours && strcmp(value, sent) != 0)
			return call_fail(state, EBADMSG, "the store received other data than was sent");
		snprintf(call->info.checksum, sizeof(call->info.checksum), "%s:%s", checksum_name(ours), sent);
	}
	counter_add(COUNTER_bytes_up, call->info.size);
	return 0;
}

static int check_head(struct call_state *state)
{
	struct s3_call *call = state->call;

	if (call->if_match && strcmp(call->if_match, "*") != 0 &&
	    !s3_etag_equal(call->if_match, state->answer.info.etag))
		return call_fail(state, ESTALE, "somebody else changed the object");
	if (!state->answer.has_length)
		return call_fail(state, EIO, "the answer does not say the object's size");
	call->info = state->answer.info;
	call->info.size = state->answer.length;
	if (state->answer.composite)
		call->info.checksum[0] = '\0';
	return 0;
}

static bool sha256_differs(struct call_state *state)
{
	unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
	unsigned len;

	if (!state->sha256_value[0])
		return false;
	if (!EVP_DigestFinal_ex(state->sha256, digest, &len))
		return true;
	EVP_EncodeBlock(text, digest, (int)len);
	return strcmp((const char *)text, state->sha256_value) != 0;
}

static int check_data(struct call_state *state)
{
	char value[CHECKSUM_TEXT_MAX];

	if (state->goal != UINT64_MAX && state->delivered != state->goal)
		return call_fail(state, EIO, "the answer ended early");
	if (state->goal == UINT64_MAX)
		state->call->info.size = state->call->range_off + state->delivered;
	if (state->verify) {
		checksum_base64(state->verify, state->sum, value);
		if (strcmp(value, state->verify_value) != 0)
			return call_fail(state, EBADMSG, "the data does not match the object's checksum");
	}
	if (sha256_differs(state))
		return call_fail(state, EBADMSG, "the data does not match the object's SHA-256");
	return 0;
}

static int check_list(struct call_state *state)
{
	int r = xml_read_list(buf_str(&state->text), state->text.len, &state->call->page);

	if (r == -ENOMEM)
		return call_fail(state, ENOMEM, "out of memory");
	return r < 0 ? call_fail(state, EIO, "the answer is no listing that S3 gives: check the endpoint") : 0;
}

static int check_deleted(struct call_state *state, const struct xml_result *result)
{
	struct s3_call *call = state->call;

	call->delete_failed = result->failed;
	if (result->failed) {
		const struct errors_row *row = errors_find(result->failed_code, 403);
		cleanup_buf struct buf text = BUF_INIT;
		errors_sentence(row, state->access_key_id, state->region, &text);
		call_fail(state, row->errnum, "%zu of %zu refused, first '%s': %s: %s", result->failed, call->key_count,
			  result->failed_key, result->failed_code, buf_str(&text));
	}
	return 0;
}

/* As headers have it: Ceph leaves the quotes out in XML, and the whole ETag out of Complete's answer. */
static bool take_etag(struct call_state *state, const char *etag)
{
	char *to = state->call->info.etag;
	char own[S3_ETAG_MAX];

	if (!etag[0] && state->call->op == S3_COMPLETE_MULTIPART_UPLOAD)
		etag = ours_etag(state, own) ? own : "";
	if (!etag[0] || etag[0] == '"')
		snprintf(to, S3_ETAG_MAX, "%s", etag);
	else
		snprintf(to, S3_ETAG_MAX, "\"%.*s\"", S3_ETAG_MAX - 3, etag);
	return etag[0] != '\0';
}

/* The parts' checksums combined, where all are known; then the answer's has to be the same. */
static int check_assembled(struct call_state *state, const char *answered)
{
	const struct s3_call *call = state->call;
	enum checksum kind = state->client->checksum;
	char text[96], value[CHECKSUM_TEXT_MAX];
	uint64_t sum;

	if (!payload_parts_checksum(kind, call, &sum))
		return 0;
	checksum_base64(kind, sum, value);
	snprintf(text, sizeof(text), "%s:%s", checksum_name(kind), value);
	if (strncmp(text, answered, strlen(checksum_name(kind)) + 1) != 0 || strchr(answered, '-'))
		return 0;
	return strcmp(text, answered) == 0 ? 0 : call_fail(state, EIO, "the store assembled other data than was sent");
}

static int check_result(struct call_state *state)
{
	struct s3_call *call = state->call;
	struct xml_result result;

	int r = xml_read_result(buf_str(&state->text), state->text.len, &result);
	if (r < 0)
		return call_fail(state, r == -ENOMEM ? ENOMEM : EIO, "the answer is no XML that S3 gives");
	if (call->op == S3_DELETE_OBJECTS)
		return check_deleted(state, &result);
	if (call->op == S3_CREATE_MULTIPART_UPLOAD) {
		if (!result.upload_id[0])
			return call_fail(state, EIO, "the answer names no upload id");
		memcpy(call->upload_id, result.upload_id, sizeof(call->upload_id));
		return 0;
	}
	call->info = state->answer.info;
	call->info.content_type[0] = '\0';
	if (!take_etag(state, result.etag) && call->op != S3_COMPLETE_MULTIPART_UPLOAD)
		return call_fail(state, EIO, "the answer names no ETag");
	memcpy(call->info.checksum, result.checksum, sizeof(call->info.checksum));
	call->info.mtime_ns = result.mtime_ns;
	if (call->op == S3_COMPLETE_MULTIPART_UPLOAD && state->client->checksum != CHECKSUM_NONE)
		return check_assembled(state, result.checksum);
	return 0;
}

static void note_etag_style(struct call_state *state)
{
	if (!state->call->if_match || !(ops[state->call->op].flags & (OP_UP | OP_XML)))
		return;
	if (state->bare_tried) {
		state->client->etag_style = CLIENT_ETAG_BARE;
		log_warn("s3", "the store compares If-Match on PUT without quotes only, sending it so from now on");
	} else if (state->client->etag_style == CLIENT_ETAG_UNKNOWN) {
		state->client->etag_style = CLIENT_ETAG_QUOTED;
	}
}

static void succeeded(struct call_state *state)
{
	static int (*const checks[])(
	    struct call_state *) = { [OP_DATA] = check_data, [OP_LIST] = check_list, [OP_RESULT] = check_result };
	enum op_answer answer = ops[state->call->op].answer;
	struct xml_error error;
	int r = 0;

	if (!buf_ok(&state->text)) {
		call_finish(state, call_fail(state, ENOMEM, "out of memory"));
		return;
	}
	if (answer == OP_RESULT && xml_read_error(buf_str(&state->text), state->text.len, &error)) {
		refused(state);
		return;
	}
	state->call->http_status = state->ex.status;
	if (answer == OP_INFO)
		r = ops[state->call->op].flags & OP_UP ? check_upload(state) : check_head(state);
	else if (checks[answer])
		r = checks[answer](state);
	if (r == 0) {
		note_etag_style(state);
		call_finish(state, 0);
	} else if (r == -EBADMSG && !state->delivered) {
		retry(state, ERRORS_TRANSIENT, EIO, RETRY_COST);
	} else {
		call_finish(state, r == -EBADMSG ? -EIO : r);
	}
}

/* side requests */

/* HeadBucket on the way: any answer may carry the region. */
static void learned_region(struct call_state *state)
{
	struct xml_error none = { .has_actual_size = false };
	const struct errors_row row = { .class = ERRORS_REGION };

	if (state->ex.end == HTTP_COMPLETE && try_region(state, &row, &none))
		return;
	call_finish(state, -state->call->err.errnum);
}

static void verified(struct call_state *state)
{
	if (!ours_is(state)) {
		call_finish(state, -state->verify_errnum);
		return;
	}
	log_debug("s3", "the object is the one that was sent, in spite of: %s", state->call->err.text);
	state->call->info = state->answer.info;
	state->call->info.size = state->answer.length;
	call_finish(state, 0);
}

static void explained(struct call_state *state)
{
	if (state->ex.status / 100 != 2)
		refused(state);
	else if (state->call->op == S3_HEAD_BUCKET)
		call_finish(state, 0);
	else
		call_finish(state, -state->call->err.errnum);
}

static void completed(struct call_state *state)
{
	if (state->stage == CALL_REGION)
		learned_region(state);
	else if (state->stage == CALL_VERIFY)
		verified(state);
	else if (state->stage == CALL_EXPLAIN)
		explained(state);
	else if (state->ex.status / 100 == 2)
		succeeded(state);
	else
		refused(state);
}

/* no answer */

static void unreachable(struct call_state *state)
{
	const struct s3_client *client = state->client;

	call_fail(state, EIO, "cannot reach the store at '%s'%s%s: %s: check the endpoint%s and the network",
		  client->aws ? "amazonaws.com" : client->endpoint.host, client->config.proxy ? " by proxy " : "",
		  client->config.proxy ? client->config.proxy : "", state->ex.error,
		  client->config.proxy ? ", the proxy" : "");
	retry(state, ERRORS_TRANSIENT, EIO, RETRY_COST_TIMEOUT);
}

static void stopped(struct call_state *state)
{
	int errnum = state->fault.errnum ? state->fault.errnum : -state->ex.errnum;

	call_fail(state, errnum, "%s", state->fault.errnum ? state->fault.text : strerror(errnum));
	if (errnum == EIO && !state->callers_fault)
		retry(state, ERRORS_TRANSIENT, errnum, RETRY_COST);
	else
		call_finish(state, -errnum);
}

/*
 * Another connection may be alive where this one was dead; a server that says nothing twice is not waited for a third time,
 * nor one that has copied for ten times as long. A Complete is asked for again, to learn what became of it.
 */
static void stalled(struct call_state *state)
{
	unsigned flags = ops[state->call->op].flags;
	bool copies = (flags & OP_SLOW) && !(flags & OP_XML);

	if (state->delivered != state->delivered_before)
		state->stalls = 0;
	state->maybe_applied = true;
	call_fail(state, ETIMEDOUT, "nothing came or went for %d ms", state->ex.stall_timeout_ms);
	if (++state->stalls >= STALLS_MAX || copies)
		call_finish(state, -ETIMEDOUT);
	else
		retry(state, ERRORS_TRANSIENT, ETIMEDOUT, RETRY_COST_TIMEOUT);
}

void outcome_of(struct call_state *state)
{
	const struct http_exchange *ex = &state->ex;

	/* all of it came, whatever broke afterwards */
	bool whole =
	    state->stage == CALL_MAIN && state->started && state->delivered == state->goal && ex->end == HTTP_BROKEN;

	switch (whole ? HTTP_COMPLETE : ex->end) {
	case HTTP_COMPLETE:
		completed(state);
		return;
	case HTTP_STOPPED:
		stopped(state);
		return;
	case HTTP_CANCELLED:
		call_finish(state, call_fail(state, ECANCELED, "cancelled"));
		return;
	case HTTP_DEADLINE:
		call_finish(state,
			    call_fail(state, ETIMEDOUT, "no answer within %d ms", state->client->config.deadline_ms));
		return;
	case HTTP_TLS:
		call_finish(state,
			    call_fail(state, EIO,
				      "the certificate of '%s' does not verify: %s: set the file of the "
				      "authority that signed it (ca_file)",
				      state->client->aws ? "amazonaws.com" : state->client->endpoint.host, ex->error));
		return;
	case HTTP_PROXY:
		call_finish(state,
			    call_fail(state, EACCES,
				      "the proxy '%s' refuses: %s: check proxyUserName and proxyPassword, and "
				      "what it lets through",
				      state->client->config.proxy ? state->client->config.proxy : "", ex->error));
		return;
	case HTTP_CONNECT:
		unreachable(state);
		return;
	case HTTP_STALLED:
		stalled(state);
		return;
	default:
		state->maybe_applied = true;
		call_fail(state, EIO, "the connection broke: %s", ex->error);
		retry(state, ERRORS_TRANSIENT, EIO, RETRY_COST);
		return;
	}
}
