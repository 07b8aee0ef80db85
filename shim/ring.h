/**
 * ring.h - io_submit(2), for libaio's name and for syscall().
 */
#ifndef S3SHIM_SHIM_RING_H
#define S3SHIM_SHIM_RING_H

struct iocb;

/** ring_submit() - Return: how many were submitted; -errno. */
long ring_submit(unsigned long context, long count, struct iocb **list);

#endif
