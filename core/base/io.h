/**
 * io.h - reading and writing at an offset, whole: what was interrupted or came in part goes on.
 *
 * The program's offset of the descriptor is not used. Threads: any.
 */
#ifndef S3SHIM_BASE_IO_H
#define S3SHIM_BASE_IO_H

#include <stddef.h>
#include <stdint.h>

/** io_pread() - Return: 0; -errno; @end_status where the file ends too early, and @to has what there is. */
int io_pread(int fd, void *to, size_t len, uint64_t off, int end_status);

/** io_pread_padded() - where the file ends too early, zeros. Return: 0; -errno. */
int io_pread_padded(int fd, void *to, size_t len, uint64_t off);

/** io_pwrite() - Return: 0; -errno; -EIO where nothing can be written and no reason is told. */
int io_pwrite(int fd, const void *from, size_t len, uint64_t off);

#endif
