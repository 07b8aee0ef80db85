/**
 * path.h - paths as text: what the shim does to each that mentions a mount point, and s3ctl to those that it is given.
 */
#ifndef S3SHIM_BASE_PATH_H
#define S3SHIM_BASE_PATH_H

#include <stddef.h>

/**
 * path_normalise() - @base (absolute) and @path joined, `.`, `//` and `..` removed by text; "/" where nothing is left
 * Return: the length; -ENAMETOOLONG if @size bytes do not hold it and its NUL.
 */
long path_normalise(const char *base, const char *path, char *ret, size_t size);

/**
 * path_up_behind_name() - the first `..` of @path, at or behind @from (a place in it), that follows a name of @path's own
 * Where that name is a symlink, the text does not say where it leads. NULL: there is none.
 */
const char *path_up_behind_name(const char *path, const char *from);

#endif
