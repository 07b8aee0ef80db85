/**
 * spawn_actions.h - file actions of posix_spawn that concern routed files.
 *
 * libc carries actions out inside itself, in the child, so they are made into some that need no hook when they are
 * registered. An open of a routed path takes a number then, and the registered action is a dup2 from it; the file is
 * opened at the spawn. What else is registered is noted where it moves routed descriptors, so that the child can be
 * told which it has. Notes are kept by the address of the actions. Any thread.
 */
#ifndef S3SHIM_SHIM_SPAWN_ACTIONS_H
#define S3SHIM_SHIM_SPAWN_ACTIONS_H

#include "shim/abi.h"
#include "shim/route.h"
#include "shim/state.h"

#define ACTIONS_MAX 32 /* of those that concern us */

/** One spawn: what its child has beside what it inherits by number. */
struct actions_run {
	struct state_change change;
	int fd[ACTIONS_MAX];
	struct desc *desc[ACTIONS_MAX];
	char cwd[WIRE_PATH_MAX];
};

/** actions_forget() - @key is new or gone. Costs one load where nothing is noted. */
void actions_forget(const posix_spawn_file_actions_t *key);

/** actions_note_open() - open @path, routed, as @fd. Return: 0 or -errno; *ret_from: dup2 from this number instead. */
int actions_note_open(const posix_spawn_file_actions_t *key, int fd, const char *path, int flags, mode_t mode,
		      int *ret_from);

/** actions_note_dup() - @from as @to was registered. Nothing is noted unless @from is routed, then or by an earlier
 * action. */
int actions_note_dup(const posix_spawn_file_actions_t *key, int from, int to);

/** actions_note_chdir() - the child's current directory: @path, routed; "" for a foreign one. 0 or -errno. */
int actions_note_chdir(const posix_spawn_file_actions_t *key, const char *path);

/** actions_begin() - open what is to be opened, for one spawn. Return: 0 or -errno. actions_end() - after the spawn. */
int actions_begin(const posix_spawn_file_actions_t *key, struct actions_run *run);
void actions_end(const posix_spawn_file_actions_t *key, struct actions_run *run);

#endif
