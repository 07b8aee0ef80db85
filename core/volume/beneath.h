/**
 * beneath.h - opening paths below a folder without ever leaving it.
 *
 * openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS where the kernel has it; where it has not (before 5.6), or
 * where it met a symlink that leaves the folder (EXDEV), the path is walked component by component with O_NOFOLLOW. A
 * symlink whose target is absolute, or climbs out of the folder, means a place in the program's world, not in ours: it
 * comes back as VOLUME_REDIRECT with the absolute path that the program is to go on with.
 *
 * Threads: any; a struct beneath is constant.
 */
#ifndef S3SHIM_VOLUME_BENEATH_H
#define S3SHIM_VOLUME_BENEATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct beneath {
	int root;          /* O_PATH or O_RDONLY descriptor of the folder; borrowed */
	const char *mount; /* where the program sees it: for redirects */
	bool no_openat2;   /* walk always */
};

/**
 * beneath_open() - open(2) of @path below the folder
 * @path: as in volume.h; a trailing slash asks for a directory. @flags: O_CLOEXEC is added.
 * @redirect: WIRE_PATH_MAX bytes, written with VOLUME_REDIRECT only.
 * Return: 0 and a descriptor; VOLUME_REDIRECT; negative errno.
 */
int beneath_open(const struct beneath *b, const char *path, int flags, mode_t mode, int *ret_fd, char *redirect);

/**
 * beneath_parent() - open the folder that holds the last name of @path
 * @name: NAME_MAX + 2 bytes: the last component, with its trailing slash if there was one. Never "", `.` or `..`.
 * Return: 0 and an O_PATH descriptor; VOLUME_REDIRECT (the redirect ends with the name); -EBUSY where the last
 * component is the folder itself or `..`; -ENAMETOOLONG; other negative errno.
 */
int beneath_parent(const struct beneath *b, const char *path, int *ret_fd, char *name, char *redirect);

#endif
