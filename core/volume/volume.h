/**
 * volume.h - what is mounted at a mount point: names and open files behind one interface, with two implementations.
 *
 *   volume_file_new()  a local folder, opened beneath its root; its real descriptors are handed over (WIRE_KIND_NATIVE)
 *   volume_single_new() one file of another volume, which is the mount point itself
 *   volume_s3_new()    a bucket, a prefix in one, or all buckets of an account as folders
 *
 * Paths are those of messages.def: relative to the mount point, no leading slash, no empty and no `.` components, ""
 * for the mount point itself; `..` may be left in them, never so many that the path climbs out by itself.
 *
 * Return values: 0; negative errno; VOLUME_REDIRECT where a symlink led out of the mount: call->redirect is the
 * absolute path to go on with (for a call with two paths, call->redirect_which is 1 or 2). Errors fill call->err with a
 * sentence where more is to be said than the errno.
 *
 * Threads: every function may be called from any number of connection threads at once; they block on the network, at
 * most the session's deadline. Locks: names before objects; no network under the names lock.
 */
#ifndef S3SHIM_VOLUME_VOLUME_H
#define S3SHIM_VOLUME_VOLUME_H

#include "base/err.h"
#include "base/wire.h"

#include <stdbool.h>
#include <sys/types.h>

struct audit; /* s3/audit.h */
struct quota; /* s3/quota.h */
struct volume;
struct vfile; /* an open description: of an object or of a directory */

#define VOLUME_REDIRECT 1
#define VOLUME_ETAG_MAX 136 /* s3.h's */

/** One request of a program: who asks, and what comes back beside the result. */
struct vcall {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	int redirect_which;
	char redirect[WIRE_PATH_MAX];
	struct err err;
};

struct vrange {
	uint64_t off, len, gen;
};

/** What an open hands back. */
struct volume_opened {
	struct vfile *file; /* the caller's, until vfile_free(); NULL for WIRE_KIND_NATIVE */
	bool shared; /* `file` was handed out by an earlier open, whose it is: for this one nothing is to be freed */
	int fd;      /* to be given away, then closed */
	enum wire_kind kind;
	uint32_t slot;              /* WIRE_NO_SLOT but for objects */
	uint64_t object;            /* the same for every open of one inode, 0 but for objects */
	struct vrange grant, claim; /* len 0: none */
};

/** Attributes to change: mask is of enum wire_set. */
struct vsetattr {
	uint32_t mask, mode, uid, gid;
	int64_t atime_ns, mtime_ns;
};

/** What a volume tells its owner. Called from threads of its own, without its locks held. */
struct volume_events {
	/* No descriptor of @file is left anywhere: forget its id, then vfile_free() it. @status: 0, or the errno of the
	 * upload that failed, for whoever closed it and has not asked yet. */
	void (*file_gone)(void *owner, struct vfile *file, int status);
	void *owner;
};

/** How an upload ended that nobody waited for, or that failed: for s3run's exit status and s3ctl. */
struct vfailure {
	char name[WIRE_PATH_MAX + 128]; /* s3://bucket/key */
	char sentence[ERR_TEXT_MAX];    /* why, and where the data is kept */
};

struct volume_ops {
	const char *type; /* "S3", "File" */

	/* names */
	int (*open)(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
		    struct volume_opened *ret);
	int (*stat)(struct volume *v, struct vcall *call, const char *path, bool nofollow, struct wire_attr *ret);
	int (*access)(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint32_t flags);
	int (*setattr)(struct volume *v, struct vcall *call, const char *path, bool nofollow,
		       const struct vsetattr *set);
	int (*truncate)(struct volume *v, struct vcall *call, const char *path, uint64_t size);
	int (*statfs)(struct volume *v, struct vcall *call, const char *path, struct wire_statfs_rep *ret);
	/* @ret_len: without a NUL; at most @room bytes are written */
	int (*readlink)(struct volume *v, struct vcall *call, const char *path, char *buf, size_t room,
			size_t *ret_len);
	/* What stat says with links followed, and the path without any: @ret of WIRE_PATH_MAX, below the mount point. */
	int (*realpath)(struct volume *v, struct vcall *call, const char *path, struct wire_attr *ret_attr, char *ret);
	int (*mkdir)(struct volume *v, struct vcall *call, const char *path, uint32_t mode);
	int (*rmdir)(struct volume *v, struct vcall *call, const char *path);
	int (*unlink)(struct volume *v, struct vcall *call, const char *path);
	int (*rename)(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags);
	int (*symlink)(struct volume *v, struct vcall *call, const char *target, const char *path);
	int (*link)(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags);
	int (*mknod)(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint64_t rdev);

	/* the whole */
	int (*sync)(struct volume *v, struct vcall *call); /* commit everything that was changed */
	/* Finish every upload; @shutdown: commit files that are still open as they are. Failures since the session's
	 * start go to @each. Return: how many. */
	int (*drain)(struct volume *v, bool shutdown, void (*each)(void *arg, const struct vfailure *f), void *arg);
	/* A JSON object for s3ctl status: open files, uploads under way. Return: bytes, or -ENOBUFS. */
	int (*status)(struct volume *v, char *buf, size_t size);
	void (*free)(struct volume *v);

	/* open files; @off, @len as in messages.def */
	int (*file_grant)(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, bool pin,
			  struct vrange *ret);
	int (*file_advise)(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, uint32_t advice);
	int (*file_claim)(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, struct vrange *ret);
	int (*file_closed)(struct vfile *f, struct vcall *call, bool *ret_last);
	int (*file_sync)(struct vfile *f, struct vcall *call);
	int (*file_truncate)(struct vfile *f, struct vcall *call, uint64_t size);
	int (*file_allocate)(struct vfile *f, struct vcall *call, uint32_t mode, uint64_t off, uint64_t len);
	/* @f is empty and becomes what @from is, an open file of the same implementation; -EOPNOTSUPP: it cannot. */
	int (*file_clone)(struct vfile *f, struct vfile *from, struct vcall *call, uint64_t *ret_size);
	int (*file_stat)(struct vfile *f, struct vcall *call, struct wire_attr *ret);
	int (*file_setattr)(struct vfile *f, struct vcall *call, const struct vsetattr *set);
	/* Fills @buf with struct wire_dirent records from position @pos. */
	int (*file_readdir)(struct vfile *f, struct vcall *call, uint64_t pos, void *buf, size_t room, size_t *ret_used,
			    uint32_t *ret_entries, bool *ret_end);
	/* The ETag of the version that is open, of VOLUME_ETAG_MAX bytes; "" if it has none (yet). */
	int (*file_etag)(struct vfile *f, char *ret);
	void (*file_free)(struct vfile *f);
};

/* Implementations embed these as their first member. */
struct volume {
	const struct volume_ops *ops;
	struct volume_events events;
	char mount[WIRE_PATH_MAX]; /* the mount point, absolute: for redirects and messages */
	uint32_t index;            /* of the mount point in S3SHIM_ROUTES; also the minor of its st_dev */
	bool read_only;            /* every change is EROFS, decided in volume.c before an implementation is asked */
	unsigned denied;           /* enum policy_verb: what is EACCES, decided there too */
	struct quota *quota;       /* borrowed; NULL: none */
};

struct vfile {
	struct volume *volume;
	enum wire_kind kind;
	uint32_t slot;
	uint64_t object; /* as in struct volume_opened */
};

/*
 * The calls that the broker makes: volume_open(), volume_stat(), vfile_grant(), ... one for each operation above, in
 * volume.c: they check what holds for every volume (read_only, verbs, path shape) and forward. A missing operation is ENOSYS.
 */
int volume_open(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
		struct volume_opened *ret);
int volume_stat(struct volume *v, struct vcall *call, const char *path, bool nofollow, struct wire_attr *ret);
int volume_access(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint32_t flags);
int volume_setattr(struct volume *v, struct vcall *call, const char *path, bool nofollow, const struct vsetattr *set);
int volume_truncate(struct volume *v, struct vcall *call, const char *path, uint64_t size);
int volume_statfs(struct volume *v, struct vcall *call, const char *path, struct wire_statfs_rep *ret);
int volume_readlink(struct volume *v, struct vcall *call, const char *path, char *buf, size_t room, size_t *ret_len);
/** volume_realpath() - @ret: WIRE_PATH_MAX bytes, absolute, with the mount point. */
int volume_realpath(struct volume *v, struct vcall *call, const char *path, struct wire_attr *ret_attr, char *ret);
int volume_mkdir(struct volume *v, struct vcall *call, const char *path, uint32_t mode);
int volume_rmdir(struct volume *v, struct vcall *call, const char *path);
int volume_unlink(struct volume *v, struct vcall *call, const char *path);
int volume_rename(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags);
int volume_symlink(struct volume *v, struct vcall *call, const char *target, const char *path);
int volume_link(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags);
int volume_mknod(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint64_t rdev);
int volume_sync(struct volume *v, struct vcall *call);
int volume_drain(struct volume *v, bool shutdown, void (*each)(void *arg, const struct vfailure *f), void *arg);
int volume_status(struct volume *v, char *buf, size_t size);
struct volume *volume_free(struct volume *v); /* returns NULL */

int vfile_grant(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, bool pin, struct vrange *ret);
int vfile_advise(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, uint32_t advice);
int vfile_claim(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, struct vrange *ret);
int vfile_closed(struct vfile *f, struct vcall *call, bool *ret_last);
int vfile_sync(struct vfile *f, struct vcall *call);
int vfile_truncate(struct vfile *f, struct vcall *call, uint64_t size);
int vfile_allocate(struct vfile *f, struct vcall *call, uint32_t mode, uint64_t off, uint64_t len);
int vfile_clone(struct vfile *f, struct vfile *from, struct vcall *call, uint64_t *ret_size);
int vfile_stat(struct vfile *f, struct vcall *call, struct wire_attr *ret);
int vfile_setattr(struct vfile *f, struct vcall *call, const struct vsetattr *set);
int vfile_readdir(struct vfile *f, struct vcall *call, uint64_t pos, void *buf, size_t room, size_t *ret_used,
		  uint32_t *ret_entries, bool *ret_end);
int vfile_etag(struct vfile *f, char *ret); /* -ENOSYS where files have none */
struct vfile *vfile_free(struct vfile *f);  /* returns NULL */

/** VOLUME_DEV() - the st_dev of an S3 volume; no device of the kernel's has this major. */
#define VOLUME_DEV(index) ((uint64_t)((0x5333u << 8) | ((index)&0xffu)))

/* Constructors. Strings are copied. */
struct object_store; /* object/object.h */
struct s3_client;    /* s3/s3.h */
struct watch;        /* object/watch.h */

struct volume_file_config {
	const char *path; /* the folder; must exist */
	const char *mount;
	uint32_t index;
	bool read_only;
	unsigned denied;     /* enum policy_verb */
	struct quota *quota; /* borrowed; NULL: none */
	struct volume_events events;
	struct watch *watch; /* borrowed: tells when a directory's descriptor is gone */
};
int volume_file_new(const struct volume_file_config *config, struct volume **ret, struct err *err);

struct volume_s3_config {
	struct s3_client *client; /* borrowed; lives longer than the volume */
	const char *bucket;       /* NULL or "": every bucket is a folder below the mount point */
	const char *prefix;       /* the mount point is this prefix, confined to it; NULL, "" or "a/b" or "a/b/" */
	const char *mount;
	uint32_t index;
	bool read_only;
	const struct policy *policy; /* borrowed; NULL: all is permitted */
	struct quota *quota;         /* borrowed; NULL: none */
	struct audit *audit;         /* the same */
	int ttl_ms; /* attributes and negative answers; default 1,000; what this session changed is seen at once */
	bool attributes_list;       /* do not ask for user metadata */
	bool excl_open;             /* O_EXCL puts an empty object at open */
	bool remove_later;          /* unlink returns before the object is removed (removal.h) */
	uint64_t copy_max;          /* larger objects are copied in parts; default 5 GiB, what CopyObject takes */
	uint64_t copy_part;         /* of so many bytes; default 1 GiB */
	struct object_store *store; /* borrowed */
	struct watch *watch;        /* borrowed */
	struct volume_events events;
};
/** volume_s3_new() - checks the bucket (HeadBucket); a wrong key, secret, region or bucket is a sentence here. */
int volume_s3_new(const struct volume_s3_config *config, struct volume **ret, struct err *err);

/** What a file was when it was looked at before; set false: nothing is held against it. */
struct volume_pin {
	bool set;
	uint64_t size;
	int64_t mtime_ns;
	char etag[VOLUME_ETAG_MAX]; /* "": none, size and time count */
};

struct volume_single_config {
	struct volume *inner; /* borrowed; lives longer */
	const char *path;     /* in it */
	const char *mount;
	uint32_t index;
	bool read_only;
	struct volume_pin pin; /* otherwise it is ESTALE */
};
/** volume_single_new() - a mount point that is one file of another volume. Return: 0; -ENOMEM; -ENAMETOOLONG. */
int volume_single_new(const struct volume_single_config *config, struct volume **ret, struct err *err);

#endif
