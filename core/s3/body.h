/**
 * body.h - the bytes of a request's body as they go on the wire: from memory, from a descriptor, or in signed chunks.
 *
 * In http a body from a descriptor is sent as aws-chunked, so that it is not read once for its hash and once more to be
 * sent: each chunk carries a signature over the one before. Belongs to one call, on one thread.
 */
#ifndef S3SHIM_S3_BODY_H
#define S3SHIM_S3_BODY_H

#include "s3/checksum.h"
#include "s3/s3.h"
#include "s3/sigv4.h"

#include <sys/types.h>

#define BODY_CHUNK (128 * 1024)

struct body {
	struct s3_body source;
	uint64_t sent;      /* of the source */
	enum checksum kind; /* set after body_start(): sum is kept of what is sent */
	uint64_t sum;
	bool chunked;
	struct sigv4_chain first, chain; /* chunked: at the start, and now */
	char *frame;                     /* chunked: the chunk under way, its head before and CRLF behind */
	size_t frame_len, frame_at;
	bool ended; /* chunked: the last chunk is framed */
};

/** body_wire_len() - how many bytes go on the wire for @len in signed chunks. */
uint64_t body_chunked_len(uint64_t len);

/** body_start() - plain with @chain NULL, else chunked. Return: 0; -ENOMEM. body_deinit() in any case. */
int body_start(struct body *body, const struct s3_body *source, const struct sigv4_chain *chain);
void body_rewind(struct body *body);
void body_deinit(struct body *body);

/** body_read() - the next bytes. Return: how many, 0 at the end; -EIO if the descriptor ends early; -errno. */
ssize_t body_read(struct body *body, char *to, size_t room);

/** body_source_read() - @len bytes at @offset of a source, whole. Return: 0; -EIO where it ends early; -errno. */
int body_source_read(const struct s3_body *source, uint64_t offset, void *to, size_t len);

#endif
