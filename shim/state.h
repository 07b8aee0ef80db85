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

struct desc;

/** state_load() - at first use of the table or the current directory: from the environment the process started with. */
void state_load(void);

/** state_settings() - S3SHIM_NAME=value of every setting that we started with; the state is none. */
#define STATE_SETTINGS_MAX 32
const char *const *state_settings(size_t *ret_count);

/** state_format() - "S3SHIM_STATE=..." of this process now. Return: length; 0 if there is nothing to carry; -E2BIG. */
long state_format(char *buf, size_t size);

/** What a child that file actions prepare has beside what it inherits by number. */
struct state_change {
	const char *cwd; /* NULL: ours; "": foreign */
	size_t count;
	const int *fd;
	struct desc *const *desc;
	const char *libraries; /* "/proc/self/fd/N:...", to be preloaded behind ours and closed then; NULL: none */
};

/** state_preloaded() - at load: libraries that came so are there now: out of the environment, and closed. */
void state_preloaded(void);

/** state_format_with() - the same for a child that differs; @change may be NULL. */
long state_format_with(char *buf, size_t size, const struct state_change *change);

/**
 * state_environ() - the environment for an exec: @envp with LD_PRELOAD (ours appended if it lost it), every S3SHIM_
 * setting that we started with added again, S3SHIM_STATE as it is now. NULL envp is an empty one. Return: the array;
 * @envp itself if nothing needs to be changed, or if there is no memory.
 */
char *const *state_environ(char *const *envp);
char *const *state_environ_with(char *const *envp, const struct state_change *change);

/** state_environ_free() - the exec failed, or the child has it: @environ_made is state_environ(@envp)'s. */
void state_environ_free(char *const *environ_made, char *const *envp);

/** state_block() - memory for an exec: any size, freed by the parent where a vfork child leaves it. NULL if there is
 * none. */
void *state_block(size_t bytes);
void state_block_free(void *block);

/** state_vfork_done() - the parent resumes: what the child made for its exec is freed. */
void state_vfork_done(void);

#endif
