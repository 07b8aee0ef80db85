/**
 * meta.h - the file mode creation mask, known without changing it.
 */
#ifndef S3SHIM_SHIM_META_H
#define S3SHIM_SHIM_META_H

#include <sys/types.h>

/** meta_umask() - this process's umask(2). */
mode_t meta_umask(void);

#endif
