/*
 * A call's life on its transfer thread:
 *
 *     run -> attempt -> exchange -> outcome_of() -+-> finish: status is set, on_done, the waiter wakes
 *             ^                                   |
 *             +-------- sleep (retry) <-----------+-> another stage: region, explain, verify
 *
 * The bytes of a GET go to the caller as they come, so an attempt that breaks cannot start again: the next one asks for
 * the rest, with If-Match on the ETag of the first, and every byte is delivered once, in order.
 */
#include "s3/call.h"
#include "s3/audit.h"
#include "s3/notes.h"
#include "s3/permit.h"
#include "s3/quota.h"
#include "s3/when.h"
#include "s3/xml.h"

#include "base/counters.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/util.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_BODY_MAX (64 * 1024)
#define XML_BODY_MAX   (32 * 1024 * 1024)
#define SLOW_FACTOR    10
#define KEYS_PAUSE_MS  20

enum s3_op call_op(const struct call_state *state)
{
	static const enum s3_op side[] = {
		[CALL_REGION] = S3_HEAD_BUCKET, [CALL_EXPLAIN] = S3_LIST_OBJECTS_V2, [CALL_VERIFY] = S3_HEAD_OBJECT
	};

	return state->stage == CALL_MAIN ? state->call->op : side[state->stage];
}

/* "s3://bucket/key", or the prefix of a listing. */
static void object_name(const struct call_state *state, char *to, size_t size)
{
	const struct s3_call *call = state->call;
	enum op_target target = ops[call_op(state)].target;
	const char *tail = target == OP_OBJECT                         ? call->key
			   : state->stage == CALL_MAIN && call->prefix ? call->prefix
								       : "";

	if (target == OP_SERVICE)
		snprintf(to, size, "s3://");
	else
		snprintf(to, size, "s3://%s/%s", call->bucket ? call->bucket : "", tail ? tail : "");
}

int call_fail(struct call_state *state, int errnum, const char *fmt, ...)
{
	char name[320], text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 32 || *p == 127)
			*p = ' ';
	object_name(state, name, sizeof(name));
	return err_set(&state->call->err, errnum, "%s '%s': %s", ops[state->call->op].name, name, text);
}

/* the exchange's callbacks */

static int fault(struct call_state *state, int status, bool callers, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int fault(struct call_state *state, int status, bool callers, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(state->fault.text, sizeof(state->fault.text), fmt, ap);
	va_end(ap);
	state->fault.errnum = -status;
	state->callers_fault = callers;
	return status;
}

static ssize_t on_read(struct http_exchange *ex, char *to, size_t room)
{
	struct call_state *state = ex->arg;

	ssize_t n = body_read(&state->body, to, room);
	if (n < 0)
		fault(state, (int)n, true, "reading what is to be uploaded: %s", strerror((int)-n));
	return n;
}

static int on_rewind(struct http_exchange *ex)
{
	body_rewind(&((struct call_state *)ex->arg)->body);
	return 0;
}

static int on_header(struct http_exchange *ex, const char *name, const char *value)
{
	answer_header(&((struct call_state *)ex->arg)->answer, name, value);
	return 0;
}

static bool is_data(const struct call_state *state)
{
	return ops[call_op(state)].answer == OP_DATA && state->ex.status / 100 == 2;
}

static struct answer_want wanted(const struct call_state *state)
{
	const struct s3_call *call = state->call;
	struct answer_want want = { .off = call->range_off + state->delivered,
				    .end = call->range_len ? range_end(call->range_off, call->range_len) : 0,
				    .etag =
					call->if_match && strcmp(call->if_match, "*") != 0 ? call->if_match : NULL };

	if (state->started && call->info.etag[0])
		want.etag = call->info.etag;
	want.ranged = want.off || want.end;
	return want;
}

/* The first good answer: what it says of the object holds for the whole call. */
static void start_data(struct call_state *state, uint64_t len)
{
	struct s3_call *call = state->call;
	const char *value;
	enum checksum kind = answer_checksum(&state->answer, &value);

	state->started = true;
	state->goal = len;
	call->info = state->answer.info;
	call->http_status = state->ex.status;
	if (state->answer.composite)
		call->info.checksum[0] = '\0';
	if (kind != CHECKSUM_NONE && call->range_off == 0 && len == call->info.size &&
	    strlen(value) < sizeof(state->verify_value)) {
		state->verify = kind;
		strcpy(state->verify_value, value);
	}
	if (!state->verify && state->answer.sha256[0] && !state->answer.composite && call->range_off == 0 &&
	    len == call->info.size && (state->sha256 = EVP_MD_CTX_new()) &&
	    EVP_DigestInit_ex(state->sha256, EVP_sha256(), NULL))
		strcpy(state->sha256_value, state->answer.sha256);
	call->verified = state->verify != CHECKSUM_NONE || state->sha256_value[0];
	if (call->on_headers)
		call->on_headers(call, call->arg);
}

static int on_headers(struct http_exchange *ex)
{
	struct call_state *state = ex->arg;
	struct answer_want want;
	uint64_t len;
	struct err err = ERR_INIT;

	if (!is_data(state))
		return 0;
	want = wanted(state);
	int r = answer_check_get(&state->answer, ex->status, &want, &len, &err);
	if (r == 0 && state->started && state->goal != UINT64_MAX && len != state->goal - state->delivered)
		r = err_set(&err, EIO, "the rest of the object has another length than before");
	if (r < 0)
		return fault(state, r, false, "%s", err_text(&err));
	if (!state->started)
		start_data(state, len);
	return 0;
}

static int deliver(struct call_state *state, const char *data, size_t len)
{
	struct s3_call *call = state->call;
	struct err ended = ERR_INIT;
	int r = 0;

	if (len > state->goal - state->delivered)
		return fault(state, -EIO, false, "the answer is longer than it said");
	if (state->job.cancelled)
		return fault(state, -ECANCELED, true, "cancelled");
	r = quota_take(state->client->config.quota, QUOTA_read, len, &ended);
	if (r < 0)
		return fault(state, r, true, "%s", err_text(&ended));
	if (state->verify)
		state->sum = checksum_update(state->verify, state->sum, data, len);
	if (state->sha256_value[0] && !EVP_DigestUpdate(state->sha256, data, len))
		return fault(state, -EIO, true, "hashing what was received");
	if (call->sink_fd >= 0)
		r = io_pwrite(call->sink_fd, data, len, call->sink_offset + state->delivered);
	else if (call->on_data)
		r = call->on_data(call, call->range_off + state->delivered, data, len, call->arg);
	if (r < 0)
		return fault(state, r, true, "keeping what was received: %s", strerror(-r));
	state->delivered += len;
	counter_add(COUNTER_bytes_down, len);
	return 0;
}

static int on_data(struct http_exchange *ex, const char *data, size_t len)
{
	struct call_state *state = ex->arg;

	if (is_data(state))
		return deliver(state, data, len);
	if (ex->status / 100 == 2 && state->text.len + len > XML_BODY_MAX)
		return fault(state, -EIO, false, "the answer is too long");
	if (ex->status / 100 != 2 && state->text.len + len > ERROR_BODY_MAX)
		return 0;
	buf_add(&state->text, data, len);
	return 0;
}

static const char *const ends[] = {
	[HTTP_COMPLETE] = "",         [HTTP_STOPPED] = "stopped",        [HTTP_CANCELLED] = "cancelled",
	[HTTP_DEADLINE] = "deadline", [HTTP_STALLED] = "stalled",        [HTTP_CONNECT] = "cannot connect",
	[HTTP_TLS] = "tls failed",    [HTTP_PROXY] = "refused by proxy", [HTTP_BROKEN] = "broken",
};

static void log_attempt(const struct call_state *state)
{
	char name[S3_KEY_MAX + 128], status[48];

	if (!log_enabled(LOG_DEBUG))
		return;
	object_name(state, name, sizeof(name));
	if (state->ex.end == HTTP_COMPLETE)
		snprintf(status, sizeof(status), "%d", state->ex.status);
	else
		snprintf(status, sizeof(status), "%d (%s)", state->ex.status, ends[state->ex.end]);
	log_debug("s3", "%s '%s' %s%s %ld ms", ops[call_op(state)].name, name, state->request.note, status,
		  (long)((clock_now_ns() - state->began_ns) / 1000000));
}

/* What the call is about, as the audit log has it. */
static struct audit_request audited(const struct call_state *state)
{
	const struct s3_call *call = state->call;
	bool own = state->stage == CALL_MAIN;

	return (struct audit_request){ .operation = ops[call_op(state)].name,
				       .bucket = call->bucket,
				       .key = ops[call_op(state)].target == OP_OBJECT ? call->key
					      : own                                   ? call->prefix
										      : NULL,
				       .source_bucket = own ? call->source_bucket : NULL,
				       .source_key = own ? call->source_key : NULL,
				       .keys = own ? call->keys : NULL,
				       .key_count = own ? call->key_count : 0,
				       .error = "",
				       .etag = "" };
}

static uint64_t sent_bytes(const struct call_state *state)
{
	return state->stage == CALL_MAIN && state->ex.has_body ? state->payload.body.len : 0;
}

static void audit_attempt(const struct call_state *state)
{
	struct audit_request r = audited(state);
	struct xml_error error = { .has_actual_size = false };
	struct xml_result result = { .etag = "" };
	bool good = state->ex.end == HTTP_COMPLETE && state->ex.status / 100 == 2;

	r.status = state->ex.status;
	r.error = ends[state->ex.end];
	r.sent = sent_bytes(state);
	r.received = is_data(state) ? state->delivered - state->delivered_before : state->text.len;
	r.etag = state->answer.info.etag;
	r.version_id = state->answer.info.version_id;
	r.request_id = state->answer.request_id;
	r.ms = (clock_now_ns() - state->began_ns) / 1000000;
	if (state->ex.end == HTTP_COMPLETE && !is_data(state) && state->text.len && buf_ok(&state->text) &&
	    xml_read_error(buf_str(&state->text), state->text.len, &error))
		r.error = error.code;
	else if (good && ops[call_op(state)].answer == OP_RESULT && buf_ok(&state->text) &&
		 xml_read_result(buf_str(&state->text), state->text.len, &result) == 0 && result.etag[0])
		r.etag = result.etag;
	audit_request(state->client->config.audit, &r);
}

static void on_done(struct http_exchange *ex)
{
	struct call_state *state = ex->arg;

	log_attempt(state);
	if (state->client->config.audit)
		audit_attempt(state);
	if (ex->end == HTTP_COMPLETE && ex->status / 100 != 2 && ex->status != 404 && ex->status != 412)
		counter_add(COUNTER_request_failures, 1);
	state->sent_sum = state->body.sum;
	body_deinit(&state->body);
	request_deinit(&state->request);
	outcome_of(state);
}

/* attempts */

static int build(struct call_state *state)
{
	struct s3_client *client = state->client;
	struct s3_call *call = state->call;
	struct s3_keys keys;
	struct err why = ERR_INIT;
	struct answer_want want = wanted(state);
	struct request_ask ask = { .op = call_op(state),
				   .client = client,
				   .call = call,
				   .payload = &state->payload,
				   .region = state->region,
				   .bare_etag = client->etag_style == CLIENT_ETAG_BARE || state->bare_tried };
	int r;

	regions_get(&client->regions, call->bucket, client->config.region, state->region);
	if (ask.op == S3_GET_OBJECT) {
		ask.ranged = want.ranged;
		ask.range_off = want.off;
		ask.range_end = want.end;
		ask.if_match = state->started ? want.etag : NULL;
	}
	ask.bare_etag &= ask.op == S3_PUT_OBJECT || ask.op == S3_COMPLETE_MULTIPART_UPLOAD || ask.op == S3_COPY_OBJECT;
	if (!client->config.unsigned_requests) {
		r = s3_credentials_get(client->config.credentials, &keys, &why);
		if (r < 0)
			return r == -EAGAIN ? r : call_fail(state, -r, "%s", err_text(&why));
		memcpy(state->access_key_id, keys.access_key_id, sizeof(keys.access_key_id));
		state->generation = keys.generation;
		ask.keys = &keys;
	}
	r = request_build(&ask, &state->request);
	explicit_bzero(&keys, sizeof(keys));
	return r < 0 ? call_fail(state, -r, "cannot build the request") : 0;
}

static int start_body(struct call_state *state)
{
	struct http_exchange *ex = &state->ex;
	const struct request *request = &state->request;
	bool own = state->stage == CALL_MAIN;

	ex->has_body = ex->method[0] == 'P';
	ex->body_len = own ? state->payload.body.len : 0;
	if (own && request->chunked)
		ex->body_len = body_chunked_len(state->payload.body.len);
	if (!ex->has_body)
		return 0;
	const struct s3_body none = { .fd = -1 };
	int r = body_start(&state->body, own ? &state->payload.body : &none, request->chunked ? &request->chain : NULL);
	if (own && (ops[state->call->op].flags & OP_UP))
		state->body.kind = state->client->checksum;
	return r < 0 ? call_fail(state, -r, "out of memory") : 0;
}

static size_t expected_bytes(const struct call_state *state)
{
	const struct s3_call *call = state->call;

	switch (ops[call_op(state)].answer) {
	case OP_DATA:
		return call->range_len ? (size_t)min_u64(call->range_len, SIZE_MAX) : SIZE_MAX;
	case OP_LIST:
		return 65536;
	default:
		return 0;
	}
}

/* They are being renewed, which ends by itself. */
static void wait_for_keys(struct call_state *state)
{
	if (state->deadline_ns && clock_now_ns() >= state->deadline_ns)
		call_finish(state, call_fail(state, ETIMEDOUT, "the keys were not renewed in time"));
	else
		call_sleep(state, KEYS_PAUSE_MS);
}

/* A request more. An Abort cleans up: like what was accepted before, it goes whatever was used up. */
static int take_request(struct call_state *state)
{
	struct quota *q = state->client->config.quota;
	struct err ended = ERR_INIT;

	if (audit_ready(state->client->config.audit, &ended) < 0)
		return call_fail(state, EIO, "%s", err_text(&ended));

	if (state->call->accepted || state->call->op == S3_ABORT_MULTIPART_UPLOAD) {
		quota_add(q, QUOTA_requests, 1);
		return 0;
	}
	int r = quota_time(q, &ended);
	if (r == 0)
		r = quota_take(q, QUOTA_requests, 1, &ended);
	return r < 0 ? call_fail(state, -r, "%s", err_text(&ended)) : 0;
}

void call_attempt(struct call_state *state)
{
	struct http_exchange *ex = &state->ex;
	const struct op *op = &ops[call_op(state)];

	state->answer = (struct answer){ .has_length = false };
	state->fault.errnum = 0;
	state->callers_fault = false;
	state->delivered_before = state->delivered;
	buf_clear(&state->text);
	*ex = (struct http_exchange){ .method = op->method,
				      .no_answer_body = strcmp(op->method, "HEAD") == 0,
				      .receive_bytes = expected_bytes(state),
				      .stall_timeout_ms = state->client->config.stall_timeout_ms,
				      .deadline_ns = state->deadline_ns,
				      .read = on_read,
				      .rewind = on_rewind,
				      .on_header = on_header,
				      .on_headers = on_headers,
				      .on_data = on_data,
				      .on_done = on_done,
				      .arg = state };
	if (op->flags & OP_SLOW)
		ex->stall_timeout_ms *= SLOW_FACTOR;
	int r = build(state);
	if (r == 0)
		r = start_body(state);
	if (r == 0)
		r = take_request(state);
	if (r < 0) {
		body_deinit(&state->body);
		request_deinit(&state->request);
		if (r == -EAGAIN)
			wait_for_keys(state);
		else
			call_finish(state, r);
		return;
	}
	ex->url = buf_str(&state->request.url);
	ex->headers = (const struct http_header *)(const void *)state->request.headers;
	ex->header_count = state->request.header_count;
	if (state->stage == CALL_MAIN)
		state->attempts++;
	state->began_ns = clock_now_ns();
	counter_request(op->name);
	http_send(&state->job, ex);
}

_Static_assert(sizeof(struct http_header) == sizeof(struct sigv4_header), "one is passed as the other");

void call_sleep(struct call_state *state, int64_t ms)
{
	http_sleep(&state->job, ms);
}

static void on_run(struct http_job *job)
{
	struct call_state *state = container_of(job, struct call_state, job);

	if (state->early < 0)
		call_finish(state, state->early);
	else if (job->cancelled)
		call_finish(state, call_fail(state, ECANCELED, "cancelled"));
	else
		call_attempt(state);
}

/* the outside */

static struct call_state *state_new(struct s3_client *client, struct s3_call *call)
{
	struct call_state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	state->client = client;
	state->call = call;
	state->goal = UINT64_MAX;
	state->job.run = on_run;
	pthread_mutex_init(&state->lock, NULL);
	pthread_cond_init(&state->ended, NULL);
	return state;
}

static void state_free(struct call_state *state)
{
	payload_deinit(&state->payload);
	EVP_MD_CTX_free(state->sha256);
	buf_deinit(&state->text);
	pthread_cond_destroy(&state->ended);
	pthread_mutex_destroy(&state->lock);
	free(state);
}

/* What a call sends that nobody has taken from the quota before. */
static int take_body(const struct s3_client *client, struct s3_call *call)
{
	if (call->accepted || !(ops[call->op].flags & OP_UP))
		return 0;
	return quota_take(client->config.quota, QUOTA_written, call->body.len, &call->err);
}

void call_start(struct s3_client *client, struct s3_call *call)
{
	struct call_state *state = state_new(client, call);

	call->internal = state;
	call->status = 0;
	call->http_status = 0;
	call->delete_failed = 0;
	call->err = (struct err)ERR_INIT;
	memset(&call->info, 0, sizeof(call->info));
	memset(&call->page, 0, sizeof(call->page));
	call->upload_id[0] = '\0';
	if (!state) {
		call->status = err_set(&call->err, ENOMEM, "%s: out of memory", ops[call->op].name);
		if (call->on_done)
			call->on_done(call, call->arg);
		return;
	}
	if (ops[call->op].flags & OP_BOUND)
		state->deadline_ns = clock_now_ns() + (int64_t)client->config.deadline_ms * 1000000;
	state->early = request_check(call, &call->err);
	if (state->early == 0)
		state->early = permit_check(call, &call->err);
	if (state->early == 0)
		state->early = payload_prepare(client, call, &state->payload, &call->err);
	if (state->early == 0)
		state->early = take_body(client, call);
	http_submit(client->http, &state->job);
}

static void note_upload(const struct s3_client *client, const struct s3_call *call)
{
	bool begins = call->op == S3_CREATE_MULTIPART_UPLOAD;
	const struct notes_upload upload = { s3_client_place(client), call->bucket, call->key,
					     begins ? call->upload_id : call->upload_id_in };

	if (begins)
		notes_add(client->config.notes_dir, &upload);
	else if (call->op == S3_COMPLETE_MULTIPART_UPLOAD || call->op == S3_ABORT_MULTIPART_UPLOAD)
		notes_remove(client->config.notes_dir, &upload);
}

void call_finish(struct call_state *state, int status)
{
	struct s3_call *call = state->call;

	call->status = status;
	if (status == -EACCES)
		counter_add(COUNTER_denied, 1);
	if (status == 0 && !call->delete_failed)
		call->err = (struct err)ERR_INIT;
	if (status == 0)
		retry_put(&state->client->bucket, state->cost ? state->cost : 1);
	if (status == 0)
		note_upload(state->client, call);
	if (status < 0 && !state->attempts && !state->job.cancelled && state->client->config.audit) {
		const struct audit_request r = audited(state);

		audit_refused(state->client->config.audit, &r, -status, err_text(&call->err));
	}
	if (call->on_done)
		call->on_done(call, call->arg);
	pthread_mutex_lock(&state->lock);
	state->done = true;
	pthread_cond_signal(&state->ended);
	pthread_mutex_unlock(&state->lock);
}

int call_wait(struct s3_call *call)
{
	struct call_state *state = call->internal;

	if (!state)
		return call->status;
	pthread_mutex_lock(&state->lock);
	while (!state->done)
		pthread_cond_wait(&state->ended, &state->lock);
	pthread_mutex_unlock(&state->lock);
	call->internal = NULL;
	state_free(state);
	return call->status;
}

void call_cancel(struct s3_call *call)
{
	struct call_state *state = call->internal;

	if (state)
		http_cancel(&state->job);
}
