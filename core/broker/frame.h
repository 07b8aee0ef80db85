/**
 * frame.h - frames on a stream socket, from a peer that may be hostile.
 *
 * Requests are read into memory of the reader's own, 8-aligned, and bounded by WIRE_REQUEST_MAX; what came of the next
 * one with the same read is kept. Descriptors are never accepted: no control buffer is offered, and MSG_CTRUNC, by
 * which recvmsg(2) tells that some were sent, is a broken protocol. Threads: a reader belongs to one.
 */
#ifndef S3SHIM_BROKER_FRAME_H
#define S3SHIM_BROKER_FRAME_H

#include "base/wire.h"

#include <stdalign.h>

#define FRAME_END 1

struct frame_reader {
	int fd;            /* borrowed */
	size_t have, size; /* bytes in buf; bytes of the frame that frame_read() returned */
	alignas(8) unsigned char buf[WIRE_REQUEST_MAX];
};

/** frame_prepare() - socket options of a peer's socket: no descriptors inwards, a bound on how long a reply may take.
 */
void frame_prepare(int fd);

/**
 * frame_read() - the next whole frame, at reader->buf, until the next call
 * Return: 0; FRAME_END where the peer closed between two frames; -EPROTO for a half frame, a size out of bounds or
 * descriptors; another negative errno of recvmsg(2).
 */
int frame_read(struct frame_reader *reader);

/**
 * frame_send() - write a whole frame, with @pass_fd (borrowed, -1: none) on its first byte
 * Return: 0; -ETOOMANYREFS where too many descriptors of the user are on their way already, and nothing was sent;
 * -EAGAIN where the peer did not read in time; -EPIPE; another negative errno. After any other error the stream is out
 * of step: close it.
 */
int frame_send(int fd, const void *frame, size_t size, int pass_fd);

#endif
