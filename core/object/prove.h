/**
 * prove.h - does this system do what watch.h stands on, for files in a folder, or for memfds?
 *
 * Each makes a file and tries on it. @dir: NULL: a memfd. Return: 0; -EOPNOTSUPP with a sentence.
 */
#ifndef S3SHIM_OBJECT_PROVE_H
#define S3SHIM_OBJECT_PROVE_H

#include "base/err.h"

/** prove_leases() - a lease tells who is left, and an event of inotify, where there is an instance, says when to ask. */
int prove_leases(const char *dir, struct err *err);
/** prove_scans() - /proc tells who is left (holders.h). */
int prove_scans(const char *dir, struct err *err);

#endif
