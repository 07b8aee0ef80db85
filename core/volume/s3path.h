/**
 * s3path.h - from a path below the mount point to a bucket and a key, confined to the mount's prefix.
 *
 * `..` is resolved lexically. A key never ends with a slash here: the marker of a directory is key + "/", the prefix of
 * what is in it too. Threads: stateless.
 */
#ifndef S3SHIM_VOLUME_S3PATH_H
#define S3SHIM_VOLUME_S3PATH_H

#include "base/wire.h"
#include "s3/s3.h"

#include <stdbool.h>

#define S3PATH_BUCKET_MAX 64 /* with the NUL; 3 to 63 characters, S3 User Guide, "Bucket naming rules" */

/** What is mounted. */
struct s3path_root {
	char bucket[S3PATH_BUCKET_MAX]; /* "": every bucket is a folder */
	char prefix[S3_KEY_MAX + 1];    /* "" or "a/b/" */
};

enum s3place {
	S3PLACE_BUCKETS, /* the mount point of all buckets */
	S3PLACE_TOP,     /* the mount point, or a bucket below S3PLACE_BUCKETS: a directory without a marker */
	S3PLACE_KEY,
};

struct s3key {
	enum s3place place;
	char bucket[S3PATH_BUCKET_MAX];
	char key[S3_KEY_MAX + 1]; /* S3PLACE_TOP: the prefix without its slash, or "" */
};

/** s3path_root_init() - @bucket, @prefix: NULL, "", "a/b", "/a/b/". Return: 0; -EINVAL; -ENAMETOOLONG. */
int s3path_root_init(struct s3path_root *root, const char *bucket, const char *prefix);

/**
 * s3path_clean() - resolve `..`, drop empty and `.` components
 * @out: WIRE_PATH_MAX bytes. Return: 0; -EXDEV if it climbs out (then @out begins with `..`); -ENAMETOOLONG.
 */
int s3path_clean(const char *path, char *out, bool *ret_slash);

/**
 * s3path_key() - the key of a clean path
 * Return: 0; -ENOENT for what cannot be a bucket; -EILSEQ for what cannot be a key (no UTF-8); -ENAMETOOLONG for
 * components over 255 bytes or a key over 1,024, a directory's slash included.
 */
int s3path_key(const struct s3path_root *root, const char *clean, struct s3key *ret);

/** s3path_dir_prefix() - key + "/", or "" for the top of a bucket; @out: S3_KEY_MAX + 2 bytes. */
void s3path_dir_prefix(const struct s3key *k, char *out);

/** s3path_parent() - the directory that holds @k; the parent of S3PLACE_TOP is itself. */
void s3path_parent(const struct s3path_root *root, const struct s3key *k, struct s3key *ret);

/** s3path_child() - @name in directory @k; -ENAMETOOLONG. */
int s3path_child(const struct s3key *k, const char *name, struct s3key *ret);

/** s3path_name() - the last component. Borrowed from @k. */
const char *s3path_name(const struct s3key *k);

bool s3path_same(const struct s3key *a, const struct s3key *b);
/** s3path_within() - is @inner below @outer, by whole components? */
bool s3path_within(const struct s3key *outer, const struct s3key *inner);

#endif
