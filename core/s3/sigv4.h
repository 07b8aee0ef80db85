/**
 * sigv4.h - AWS Signature Version 4, in headers, for S3 and, where scope.service says so, others.
 *
 * Source of facts: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header" (AWS Signature
 * Version 4), with its examples as test vectors. What is given must be encoded already (uri.h): S3 does not normalise.
 * Stateless but for struct sigv4_chain, which belongs to one body on one thread.
 */
#ifndef S3SHIM_S3_SIGV4_H
#define S3SHIM_S3_SIGV4_H

#include "s3/buf.h"
#include "s3/when.h"

#include <stddef.h>
#include <stdint.h>

#define SIGV4_HEX_SIZE     65 /* 64 hex digits and a NUL */
#define SIGV4_UNSIGNED     "UNSIGNED-PAYLOAD"
#define SIGV4_STREAMING    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct sigv4_header {
	char *name, *value; /* name in lower case, value trimmed */
};

/** Who signs, for where, when. Strings are borrowed. */
struct sigv4_scope {
	const char *access_key_id, *secret_key, *region;
	char date[WHEN_BASIC_SIZE];
	const char *service; /* NULL: s3 */
};

/** What is signed. All headers given are signed; they are sorted in place. */
struct sigv4_request {
	const char *method, *path, *query; /* query: sorted, encoded, "" if none */
	struct sigv4_header *headers;
	size_t header_count;
	const char *payload; /* hex SHA-256, SIGV4_UNSIGNED or SIGV4_STREAMING */
};

/** What a chunked body needs to go on signing. Holds a key: wipe with sigv4_chain_wipe(). */
struct sigv4_chain {
	unsigned char key[32];
	char date[WHEN_BASIC_SIZE];
	char scope[128];
	char previous[SIGV4_HEX_SIZE];
};

/** sigv4_sha256_hex() - of memory. Return: 0; -EIO. */
int sigv4_sha256_hex(const void *data, size_t len, char ret[SIGV4_HEX_SIZE]);

/**
 * sigv4_sign() - append the Authorization header's value to @to
 * @ret_chain: NULL, or where the state for a body of SIGV4_STREAMING goes.
 * Return: 0; -ENOMEM; -EIO if the crypto library fails.
 */
int sigv4_sign(struct sigv4_request *request, const struct sigv4_scope *scope, struct buf *to,
	       struct sigv4_chain *ret_chain);

/** sigv4_canonical_request() - the text that is hashed, for tests and for reading a server's complaint. */
void sigv4_canonical_request(struct sigv4_request *request, struct buf *to);

/** sigv4_chunk() - the signature of the next chunk of a body (length 0: the last), kept for the one after. Return: as
 * above. */
int sigv4_chunk(struct sigv4_chain *chain, const void *data, size_t len, char ret[SIGV4_HEX_SIZE]);

void sigv4_chain_wipe(struct sigv4_chain *chain);

#endif
