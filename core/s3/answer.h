/**
 * answer.h - what came back: headers into struct s3_info, and whether they fit what was asked.
 *
 * For the modules of this layer; belongs to one attempt on one thread.
 */
#ifndef S3SHIM_S3_ANSWER_H
#define S3SHIM_S3_ANSWER_H

#include "s3/checksum.h"
#include "s3/s3.h"

struct answer {
	struct s3_info info; /* size: of the whole object where a header says it */
	bool has_length, has_range, has_total;
	uint64_t length;                         /* Content-Length */
	uint64_t range_first, range_last, total; /* Content-Range */
	bool bad_range;                          /* a Content-Range that cannot be read */
	char sha256[48];                         /* of the whole object, base64; "" */
	bool composite;                          /* the checksum is one of parts' checksums */
	char region[64], request_id[64];
	int64_t date_ns;        /* 0: none */
	int64_t retry_after_ms; /* 0: none */
};

/** answer_header() - take in one header, @name in lower case. */
void answer_header(struct answer *answer, const char *name, const char *value);

/** answer_parse_range() - "bytes 0-9/100", "bytes 0-9/" followed by a star, "bytes * /0". Return: 0; -EINVAL. */
int answer_parse_range(const char *value, struct answer *ret);

/** What a GET asked for, and what is known already. */
struct answer_want {
	bool ranged;
	uint64_t off, end; /* end 0: to the object's end */
	const char *etag;  /* NULL: any */
};

/**
 * answer_check_get() - is a 200 or 206 what was asked for?
 * @ret_len: how many bytes of body must come; UINT64_MAX where the server did not say. Fills answer->info.size.
 * Return: 0; -ESTALE: another version; -EIO: not the range that was asked, with a sentence.
 */
int answer_check_get(struct answer *answer, int http_status, const struct answer_want *want, uint64_t *ret_len,
		     struct err *err);

/** answer_checksum() - the kind and value of a checksum of the whole object. Return: CHECKSUM_NONE if there is none. */
enum checksum answer_checksum(const struct answer *answer, const char **ret_value);

#endif
