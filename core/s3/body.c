/*
 * aws-chunked: hex(size) ";chunk-signature=" 64 hex "\r\n" bytes "\r\n", again and again, the last with size 0 and no
 * bytes ("Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks").
 */
#include "s3/body.h"

#include "base/io.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>

#define HEAD_MAX 128

static uint64_t frame_len(uint64_t len)
{
	return (uint64_t)snprintf(NULL, 0, "%lx", (unsigned long)len) + strlen(";chunk-signature=") + 64 + 2 + len + 2;
}

uint64_t body_chunked_len(uint64_t len)
{
	uint64_t rest = len % BODY_CHUNK;

	return len / BODY_CHUNK * frame_len(BODY_CHUNK) + (rest ? frame_len(rest) : 0) + frame_len(0);
}

int body_start(struct body *body, const struct s3_body *source, const struct sigv4_chain *chain)
{
	*body = (struct body){ .source = *source, .chunked = chain != NULL };
	if (!chain)
		return 0;
	body->first = body->chain = *chain;
	body->frame = malloc(HEAD_MAX + BODY_CHUNK + 2);
	return body->frame ? 0 : -ENOMEM;
}

void body_rewind(struct body *body)
{
	body->sent = 0;
	body->sum = 0;
	body->frame_at = body->frame_len = 0;
	body->ended = false;
	body->chain = body->first;
}

void body_deinit(struct body *body)
{
	free(body->frame);
	sigv4_chain_wipe(&body->first);
	sigv4_chain_wipe(&body->chain);
	*body = (struct body){ .frame = NULL };
}

int body_source_read(const struct s3_body *source, uint64_t offset, void *to, size_t len)
{
	if (source->memory) {
		memcpy(to, (const char *)source->memory + offset, len);
		return 0;
	}
	return io_pread(source->fd, to, len, source->offset + offset, -EIO);
}

/* The next chunk into the frame, its head right before the bytes. */
static int next_frame(struct body *body)
{
	size_t len = (size_t)min_u64(BODY_CHUNK, body->source.len - body->sent);
	char signature[SIGV4_HEX_SIZE], head[HEAD_MAX];
	char *data = body->frame + HEAD_MAX;

	int r = body_source_read(&body->source, body->sent, data, len);
	if (r == 0)
		r = sigv4_chunk(&body->chain, data, len, signature);
	if (r < 0)
		return r;
	int head_len = snprintf(head, sizeof(head), "%zx;chunk-signature=%s\r\n", len, signature);
	memcpy(data - head_len, head, (size_t)head_len);
	memcpy(data + len, "\r\n", 2);
	body->frame_at = HEAD_MAX - (size_t)head_len;
	body->frame_len = HEAD_MAX + len + 2;
	body->sum = checksum_update(body->kind, body->sum, data, len);
	body->sent += len;
	body->ended = len == 0;
	return 0;
}

static ssize_t read_chunked(struct body *body, char *to, size_t room)
{
	size_t done = 0;

	while (done < room) {
		if (body->frame_at == body->frame_len) {
			if (body->ended)
				break;
			int r = next_frame(body);
			if (r < 0)
				return r;
		}
		size_t n = (size_t)min_u64(room - done, body->frame_len - body->frame_at);
		memcpy(to + done, body->frame + body->frame_at, n);
		body->frame_at += n;
		done += n;
	}
	return (ssize_t)done;
}

ssize_t body_read(struct body *body, char *to, size_t room)
{
	if (body->chunked)
		return read_chunked(body, to, room);
	size_t n = (size_t)min_u64(room, body->source.len - body->sent);
	int r = body_source_read(&body->source, body->sent, to, n);
	if (r < 0)
		return r;
	body->sum = checksum_update(body->kind, body->sum, to, n);
	body->sent += n;
	return (ssize_t)n;
}
