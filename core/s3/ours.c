#include "s3/ours.h"

#include "base/util.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define MD5_BODY_MAX MIB(64) /* it is read on a transfer thread */

static bool md5_of_parts(const struct s3_call *call, EVP_MD_CTX *md5)
{
	for (size_t i = 0; i < call->part_count; i++) {
		const char *etag = call->parts[i].etag + (call->parts[i].etag[0] == '"');
		unsigned char part[16];
		for (int b = 0; b < 16; b++)
			if (sscanf(etag + 2 * b, "%2hhx", &part[b]) != 1)
				return false;
		if (!EVP_DigestUpdate(md5, part, sizeof(part)))
			return false;
	}
	return true;
}

static bool md5_of_body(const struct s3_body *body, EVP_MD_CTX *md5)
{
	static const size_t step = 65536;
	cleanup_free char *piece = malloc(step);

	for (uint64_t n, at = 0; piece && body->len <= MD5_BODY_MAX; at += n) {
		n = min_u64(step, body->len - at);
		if (n == 0)
			return true;
		if (body_source_read(body, at, piece, n) < 0 || !EVP_DigestUpdate(md5, piece, n))
			return false;
	}
	return false;
}

/* The ETag that a PUT or Complete of ours has given the object, where ETags are MD5. */
bool ours_etag(const struct call_state *state, char ret[S3_ETAG_MAX])
{
	const struct s3_call *call = state->call;
	bool complete = call->op == S3_COMPLETE_MULTIPART_UPLOAD;
	unsigned char md[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md5 = EVP_MD_CTX_new();
	unsigned int md_len = 0;

	bool ok = md5 && EVP_DigestInit_ex(md5, EVP_md5(), NULL) &&
		  (complete ? md5_of_parts(call, md5) : md5_of_body(&state->payload.body, md5)) &&
		  EVP_DigestFinal_ex(md5, md, &md_len) && md_len == 16;
	EVP_MD_CTX_free(md5);
	for (int b = 0; ok && b < 16; b++)
		snprintf(ret + 2 * b, 3, "%02x", md[b]);
	if (ok && complete)
		snprintf(ret + 32, S3_ETAG_MAX - 32, "-%zu", call->part_count);
	return ok;
}

bool ours_is(const struct call_state *state)
{
	const struct answer *answer = &state->answer;
	char etag[S3_ETAG_MAX];
	const char *value;

	if (state->ex.end != HTTP_COMPLETE || state->ex.status != 200)
		return false;
	if (state->call->op == S3_PUT_OBJECT && state->payload.checksum[0] &&
	    answer_checksum(answer, &value) == state->client->checksum)
		return answer->length == state->payload.body.len && strcmp(value, state->payload.checksum) == 0;
	return ours_etag(state, etag) && s3_etag_equal(etag, answer->info.etag);
}
