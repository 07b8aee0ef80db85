/**
 * cwd.h - the current directory, where it is inside a mount point.
 *
 * The kernel's is then an empty, removed folder, so that no call that bypasses the shim can hit what was current
 * before; the real name is kept here and carried over exec (state.h). In a vfork child changes go to a thread-local
 * overlay, so that the parent's stay as they were.
 */
#ifndef S3SHIM_SHIM_CWD_H
#define S3SHIM_SHIM_CWD_H

#include <stdbool.h>
#include <stddef.h>

/** cwd_routed() - the current directory if it is inside a mount point (absolute), else NULL. Copied to @buf of
 * WIRE_PATH_MAX. */
const char *cwd_routed(char *buf);

/** cwd_get() - the current directory, routed or foreign, absolute. Return: length; -errno of getcwd(2). */
long cwd_get(char *buf, size_t size);

/** cwd_enter() - be in @path, inside a mount point, known to be a directory. Return: 0 or -errno. */
int cwd_enter(const char *path);

/** cwd_leave() - the kernel's current directory counts again (a foreign chdir succeeded). */
void cwd_leave(void);

/** cwd_nowhere() - a descriptor, close-on-exec, of an empty folder that is removed: nothing can be found from there.
 * Return: -EIO without randomness; -ENOENT where no folder can be made. */
int cwd_nowhere(void);

/** cwd_restore() - at load: state.h says that the process starts inside a mount point. */
void cwd_restore(const char *path);

/** cwd_vfork_done() - the parent resumes: the child's overlay goes. */
void cwd_vfork_done(void);

#endif
