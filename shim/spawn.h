/**
 * spawn.h - the broker of a bare session: where its socket is, and how it is started.
 *
 * One for each user and each set of settings: the name of the socket hashes the uid and every S3SHIM_ and AWS_ entry of
 * the environment. It lies in a folder of the user's alone.
 */
#ifndef S3SHIM_SHIM_SPAWN_H
#define S3SHIM_SHIM_SPAWN_H

#include <stddef.h>

/** spawn_socket_path() - $XDG_RUNTIME_DIR/s3shim or /tmp/s3shim-<uid>, then bare-<hash>.sock. Return: 0; -ENAMETOOLONG.
 */
int spawn_socket_path(char *buf, size_t size);

/**
 * spawn_broker() - start `s3shimd --bare @socket --ready-fd N`, found beside the library, and wait until it answers
 * Its parent never sees it: no exit signal, nothing for wait(). Two that start at once are told apart by the daemon's
 * lock. Return: 0; -errno: the folder is not ours, there is no program, or it was not ready in 10 s.
 */
int spawn_broker(const char *socket);

#endif
