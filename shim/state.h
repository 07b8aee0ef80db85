/**
 * state.h - what survives exec: the current directory and the routed descriptors.
 *
 * S3SHIM_STATE=1;<cwd or empty>;<fd>:<dev>:<ino>:<file>,...   numbers in hexadecimal; the path's `;`, `%` as %3b, %25.
 * An entry is believed after an fstat only; facts about a description come by ATTACH at its first use. Without routed
 * descriptors and with a foreign current directory the variable is absent, and a new program neither connects nor maps
 * anything.
 */
#ifndef S3SHIM_SHIM_STATE_H
#define S3SHIM_SHIM_STATE_H

#include <stddef.h>

/** state_load() - at first use of the table or the current directory: from the environment the process started with. */
void state_load(void);

/** state_format() - "S3SHIM_STATE=..." of this process now. Return: length; 0 if there is nothing to carry; -E2BIG. */
long state_format(char *buf, size_t size);

/**
 * state_environ() - the environment for an exec: @envp with LD_PRELOAD (ours appended if it lost it), S3SHIM_SOCKET,
 * S3SHIM_ROUTES and so on added again, S3SHIM_STATE as it is now. Blocks by mem_alloc, leaked into the exec.
 * NULL envp is an empty one. Return: the array; @envp itself if nothing needs to be changed.
 */
char *const *state_environ(char *const *envp);

#endif
