/**
 * needed.h - the libraries on a mount that an ELF file on a mount needs.
 *
 * The loader opens a routed library by /proc/self/fd/N, which is in no folder: neither $ORIGIN nor a run path that leads
 * to a mount finds anything. So what is needed is loaded before; the loader then knows it by its DT_SONAME.
 */
#ifndef S3SHIM_SHIM_NEEDED_H
#define S3SHIM_SHIM_NEEDED_H

#include <stdbool.h>

/**
 * needed_each() - call @f with the path of each that is found, in the order of DT_NEEDED
 * @fd: the file, complete. @path: its name, absolute, of which $ORIGIN is the folder. Searched: its DT_RPATH and
 * DT_RUNPATH, then LD_LIBRARY_PATH; places that are on no mount are the loader's own to look at.
 */
void needed_each(int fd, const char *path, void (*f)(const char *path, void *arg), void *arg);

/** needed_find() - is @name, without a slash, in a folder of LD_LIBRARY_PATH on a mount? @ret: WIRE_PATH_MAX bytes. */
bool needed_find(const char *name, char *ret);

#endif
