/**
 * env.h - the environment of the process, read without libc's lock.
 */
#ifndef S3SHIM_SHIM_ENV_H
#define S3SHIM_SHIM_ENV_H

/**
 * env_get() - the value of @name in the environment as it is now, NULL if it is not there
 * Works before libc has set environ (then from /proc/self/environ). Borrowed.
 */
const char *env_get(const char *name);

/** env_list() - the environment as an array; before libc has set it, one read from /proc/self/environ. Never NULL. */
char **env_list(void);

#endif
