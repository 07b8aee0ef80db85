/**
 * program.h - the program that s3run is to run: where it is, whether the library reaches it, and its environment.
 *
 * Threads: none; called before s3run forks, program_exec() in the child.
 */
#ifndef S3SHIM_TOOLS_PROGRAM_H
#define S3SHIM_TOOLS_PROGRAM_H

#include "base/err.h"
#include "config/config.h"

#include <limits.h>
#include <stdbool.h>

enum { PROGRAM_OWN_FAILURE = 125, PROGRAM_NOT_EXECUTABLE = 126, PROGRAM_NOT_FOUND = 127 };

struct program {
	char path[PATH_MAX];
	bool by_shim; /* below a mount point: only a program that is preloaded can start it */
	char **argv;
};

/**
 * program_find() - @argv[0] by PATH as execvp(3), then look at it with the detector, and at @library
 * Unless --no-require-preload: what the library does not reach is refused, and a library that ld.so would not load.
 * Return: 0, PROGRAM_NOT_EXECUTABLE or PROGRAM_NOT_FOUND with a sentence.
 */
int program_find(struct program *p, char **argv, const struct config *config, const char *library, struct err *err);

/** program_parts() - libs3shim.so and s3shimd: as @config says, beside this program, or where they are installed. */
int program_parts(const struct config *config, char library[PATH_MAX], char broker[PATH_MAX], struct err *err);

/** program_environment() - S3SHIM_SOCKET, S3SHIM_ROUTES, and LD_PRELOAD with @library behind what is there. */
int program_environment(const struct config *config, const char *library, const char *socket_path, struct err *err);

/** program_unpreload() - take the library out of LD_PRELOAD and the session out of the environment, for the broker. */
void program_unpreload(void);

/** program_exec() - become the program. Returns only on failure: a negative errno. */
int program_exec(const struct program *p);

#endif
