/**
 * loader.h - libraries that are objects: loaded by the name of a descriptor.
 *
 * The loader opens files inside libc, where no hook sees it. So a library inside a mount is opened here, completed, and
 * loaded as /proc/self/fd/N. Its descriptor stays open: the loader takes a name that it knows for the library it knows,
 * so no two libraries may ever have the same number.
 */
#ifndef S3SHIM_SHIM_LOADER_H
#define S3SHIM_SHIM_LOADER_H

#include <dlfcn.h>
#include <stdbool.h>

/** loader_is_routed() - is @name a path inside a mount? A name without a slash never is. */
bool loader_is_routed(const char *name);

/** loader_open() - dlopen(3); with @space dlmopen(3). NULL, dlerror() and errno on failure. */
void *loader_open(const char *name, int flags, const Lmid_t *space);

/** loader_flags() - without RTLD_DEEPBIND, which hides every preload from the library. */
int loader_flags(int flags);

/**
 * loader_by_path() - is a name without a slash in a folder of LD_LIBRARY_PATH on a mount? loader_search() - load it
 * from there, unless it is loaded already.
 */
bool loader_by_path(const char *name);
void *loader_search(const char *name, int flags);

#endif
