/**
 * ini.h - the format of ~/.aws/config and ~/.aws/credentials.
 *
 * `[section]`, `name = value`, lines that begin with # or ; are comments, lines that begin with a blank belong to a
 * nested value and are passed over. Names are in lower case. Stateless.
 */
#ifndef S3SHIM_S3_INI_H
#define S3SHIM_S3_INI_H

#include "base/err.h"

struct ini_handler {
	/* Return 0, or -errno to stop. @name NULL: the section begins. */
	int (*entry)(void *arg, const char *section, const char *name, const char *value, int line);
	void *arg;
};

/** ini_read() - Return: 0; -ENOENT if there is no such file; -errno; -EINVAL with file and line if malformed. */
int ini_read(const char *path, const struct ini_handler *handler, struct err *err);

#endif
