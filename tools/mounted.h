/**
 * mounted.h - a session's files for a tool: the broker's messages as open, read, write, stat, list and remove.
 *
 * Everything goes through the session's policy, since it goes through its broker. Paths are absolute, below one of the
 * session's mount points; a symlink that leads from one mount to another is followed. Sentences name the path as it was
 * given. Functions return 0 or a negative errno. Threads: a session belongs to one.
 */
#ifndef S3SHIM_TOOLS_MOUNTED_H
#define S3SHIM_TOOLS_MOUNTED_H

#include "client.h"

#include <stdbool.h>
#include <sys/types.h>

struct mounted;

/** mounted_open() - @socket; NULL: $S3SHIM_SOCKET, else the only session that the user runs. */
int mounted_open(struct mounted **ret, const char *socket, struct err *err);
struct mounted *mounted_close(struct mounted *m);

int mounted_stat(struct mounted *m, const char *path, struct wire_attr *ret, struct err *err);
int mounted_remove(struct mounted *m, const char *path, bool folder, struct err *err);

/** mounted_list() - @each is called for every name but `.` and `..`, in the broker's order; it may ask @m of others. */
int mounted_list(struct mounted *m, const char *path, int (*each)(void *arg, const char *name, struct err *err),
		 void *arg, struct err *err);

/** An open file. */
struct mounted_file {
	const char *path; /* borrowed */
	uint64_t id;
	int fd;
	enum wire_kind kind;
	uint32_t slot;
	uint64_t off;                  /* of the next byte */
	uint64_t claim_end, claim_gen; /* what may be written without asking, while the slot's generation is that */
};

/** mounted_file_open() - @flags as open(2); mode 0666 less the umask. */
int mounted_file_open(struct mounted *m, const char *path, int flags, struct mounted_file *ret, struct err *err);

/** mounted_file_read() - the next bytes. Return: how many, 0 at the end; -ESTALE if the object changed. */
ssize_t mounted_file_read(struct mounted *m, struct mounted_file *f, void *buf, size_t size, struct err *err);

/** mounted_file_write() - all of @buf at the end of what was written. */
int mounted_file_write(struct mounted *m, struct mounted_file *f, const void *buf, size_t size, struct err *err);

/** mounted_file_close() - waits for the upload of what was written; its error is ours. */
int mounted_file_close(struct mounted *m, struct mounted_file *f, struct err *err);

#endif
