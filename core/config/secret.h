/**
 * secret.h - a secret of the configuration file: the text itself, {"file": "path"} or {"env": "NAME"}.
 *
 * So that a configuration can be read by everybody and keys lie elsewhere: in a file that an orchestrator mounts, or in
 * the broker's environment. Threads: none.
 */
#ifndef S3SHIM_CONFIG_SECRET_H
#define S3SHIM_CONFIG_SECRET_H

#include "config/jtree.h"

#define SECRET_BYTES_MAX 8192 /* of a secret's file */

enum secret_fetch { SECRET_SHAPE, SECRET_FILES, SECRET_ALL };

struct secret {
	char *text;  /* to be freed by option_wipe_free() */
	char *env;   /* the variable it is in, fetched or not; NULL: none. To be freed */
	char *loose; /* the file that holds it, if everybody may read that; NULL: none. To be freed */
};

/**
 * secret_read() - the secret at @node
 * @name: of the option, for the sentence. @folder: what a relative file name is relative to. @fetch:
 * SECRET_SHAPE looks at the shape alone and gives "-" where the text lies elsewhere; SECRET_FILES does so with variables.
 * A file's last newline is not part of the secret. Return: 0; -EINVAL with a sentence that has the place and no secret.
 */
int secret_read(const struct jtree *j, int node, const char *name, const char *folder, enum secret_fetch fetch,
		struct secret *ret, struct err *err);

void secret_deinit(struct secret *s); /* wipes */

#endif
