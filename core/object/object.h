/**
 * object.h - an S3 object as a kernel file: one inode for an open key in a session, for readers and writers alike.
 *
 *        open for reading           open for writing
 *   GET bytes=0-first ──► memfd or staging file ◄── named staging file, journal
 *        grants: fill by ranged GETs │ claims: fill what is overwritten in part
 *                                    ▼
 *     last writer gone (watch.h) or fsync: what differs is computed and uploaded: PUT, or multipart with UploadPartCopy
 *
 * What must hold (each was measured to lose bytes otherwise):
 *  - a byte that has not arrived is never seen as zero: reads go through grants, writes through claims, whoever reads
 *    without a hook gets a complete, pinned range before;
 *  - a fill never extends the file, never overwrites a claimed byte, and never mixes two versions: every GET after the
 *    first carries If-Match; a changed object is ESTALE;
 *  - what changed is computed by a checksum per block against what was filled, not believed from marks.
 *
 * Threads: any thread may call anything; calls on one object serialise on its mutex, network is waited for without it.
 */
#ifndef S3SHIM_OBJECT_OBJECT_H
#define S3SHIM_OBJECT_OBJECT_H

#include "base/err.h"
#include "s3/s3.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct quota;
struct watch;
struct object;
struct object_store; /* the objects that are open, keyed by client, bucket and key */

struct cache; /* cache/cache.h */

struct object_store_config {
	struct arena *arena;     /* borrowed */
	struct watch *watch;     /* borrowed */
	struct cache *cache;     /* whole objects of other sessions, and for them; borrowed; NULL: none */
	const char *staging_dir; /* a 0700 folder of this session's, watch_prove()d; NULL: memfds only, bounded */
	uint64_t memory_max;  /* bytes in memfds of all objects; beyond it, files in staging_dir, of which as many bytes
				  * of what was only read are kept */
	uint64_t put_max;     /* up to this size an object is one PUT; default 16 MiB */
	uint64_t dirty_max;   /* new files' bytes that are not sent yet; beyond it writers wait; default 1 GiB */
	uint64_t part_bytes;  /* default 8 MiB; grows with the part number so that 5 TiB fits */
	uint64_t first_bytes; /* fetched by the open; default 128 KiB */
	uint64_t readahead_max; /* window of a sequential reader; default 64 MiB */
	unsigned parallel;      /* transfers of one object at once; default 8 */
	unsigned uploads;       /* objects that are committed at once; default 64 */
	bool commit_background; /* object_closed() does not wait where the bytes are in staging_dir */
	bool fsync_staging;     /* object_fsync(), object_store_sync() make staging durable and send nothing */
	struct quota *quota;    /* borrowed; NULL: none */
	int deadline_ms;        /* of a wait without progress; default 30,000 */
};
int object_store_new(const struct object_store_config *config, struct object_store **ret, struct err *err);
struct object_store *object_store_free(struct object_store *store); /* after drain; returns NULL */

/** Which object. Copied. */
struct object_name {
	struct s3_client *client;
	const char *bucket, *key;
	const char *endpoint; /* where the client goes, for the journal; NULL: not told */
	const char *if_etag; /* object_rename(): what the server has is this still, "": nothing; NULL: whatever it is */
};

/** Called without the object's mutex; @arg is object_set_owner()'s. */
struct object_events {
	/* Fill in metadata (mode, owner, times) and Content-Type of an upload that begins now. Return: was any of it
	 * changed since it was last written, so that it is to be sent though no byte differs? */
	bool (*prepare)(void *arg, struct object *o, struct s3_meta *meta, char *content_type, size_t room);
	/* The object in the bucket is now @info. */
	void (*committed)(void *arg, struct object *o, const struct s3_info *info);
	/* No descriptor is left and nothing is to be uploaded: the owner forgets its files, each with object_unref().
	 * No object_reopen() crosses it: it waits meanwhile. So a file must be made known to idle() after its
	 * object_reopen() has returned, and object_reopen() be called without locks that idle() takes. */
	void (*idle)(void *arg, struct object *o);
};

enum object_intent {
	OBJECT_READ,     /* bytes as they are on the server */
	OBJECT_WRITE,    /* may be written; content kept */
	OBJECT_TRUNCATE, /* may be written; begins empty */
};

/**
 * object_open() - the open object of that name, made if there is none
 * @base: what the server has, if the caller knows it (HEAD); NULL with OBJECT_READ: ask with a ranged GET, which brings
 *        size, ETag, metadata and the first bytes in one round trip; NULL with the other intents: there is no such
 * object, a commit carries If-None-Match: *. An object that is open already is returned as it is, whatever @base says;
 * OBJECT_TRUNCATE then empties it. Waits for a commit of the key that is under way before it returns for writing.
 * Return: 0 and a reference; -ENOENT; -EACCES; -ESTALE; -EIO; -ENOSPC; -ETIMEDOUT.
 */
int object_open(struct object_store *store, const struct object_name *name, enum object_intent intent,
		const struct s3_info *base, const struct object_events *events, void *arg, struct object **ret,
		struct err *err);

/**
 * object_preload() - the whole content, that the caller has fetched already
 * Ignored unless the object is clean, its base has this ETag and nothing of it is here or on its way.
 */
void object_preload(struct object *o, const char *etag, const void *data, size_t len);

/** object_find() - the open object of that name with a reference, or NULL. Never asks the network. */
struct object *object_find(struct object_store *store, const struct object_name *name);
struct object *object_ref(struct object *o);
struct object *object_unref(struct object *o); /* returns NULL */

/** object_reopen() - a fresh descriptor with the open flags given (access mode, O_APPEND, O_NONBLOCK, O_CLOEXEC, ...).
 */
int object_reopen(struct object *o, int flags, int *ret_fd, struct err *err);

/* Facts. object_id() is never 0 and never used again in a session. object_size() is the inode's. */
uint64_t object_id(const struct object *o);
uint32_t object_slot(const struct object *o);
uint64_t object_size(struct object *o);
/** object_info() - what the server had when it was opened or last committed; false if it is new. */
bool object_info(struct object *o, struct s3_info *ret);
bool object_dirty(struct object *o); /* a writer was handed out since the last commit */
/** object_times() - st_mtime of the inode if written to in this session, else the base's. */
int64_t object_mtime_ns(struct object *o);
void object_touch(struct object *o, int64_t mtime_ns); /* utimens on an open object */
/** object_set_base_mtime() - the mtime that the base's metadata tells, for the inode; nothing once a writer was handed out. */
void object_set_base_mtime(struct object *o, int64_t mtime_ns);

struct object_range {
	uint64_t off, len, gen;
};

/** How it is read: one per open description, zeroed at first; guarded by the object. */
struct readahead {
	uint64_t next, window; /* sequential: where the last grant ended; what is fetched ahead, 0: not sequential */
	uint64_t begin, pos;   /* of the sequential run: where it began, where it is */
	int64_t stride;        /* between the last two that were not sequential; backward: below 0 */
	unsigned repeats;      /* how often it was the same */
	uint32_t advice;       /* POSIX_FADV_NORMAL, _SEQUENTIAL, _RANDOM */
	bool listed;           /* among the object's readers */
	struct readahead *prev, *next_reader;
};
/** object_reader_gone() - before the description is freed. */
void object_reader_gone(struct object *o, struct readahead *ra);

/**
 * object_grant() - make bytes present, for reads
 * @off, @len: len 0 is to the end; clipped to the size. @pin: stays present until nobody holds the inode.
 * @ra: the description's, or NULL: nothing is fetched ahead.
 * Return: 0 and a range that contains what was asked (len 0 beyond the end); -ESTALE if the ETag changed; -EIO after
 * retries; -ETIMEDOUT; -ENOSPC.
 */
int object_grant(struct object *o, struct readahead *ra, uint64_t off, uint64_t len, bool pin, struct object_range *ret,
		 struct err *err);

/** object_advise() - posix_fadvise(2)'s advice for a range; len 0 is to the end. Return: 0; -EINVAL. */
int object_advise(struct object *o, struct readahead *ra, uint64_t off, uint64_t len, uint32_t advice);

/**
 * object_claim() - a write to the range is coming: blocks that it touches and that the base has are filled first
 * @len: UINT64_MAX is to infinity. Return: 0 and a window that contains it; errors as object_grant(), -EFBIG.
 */
int object_claim(struct object *o, uint64_t off, uint64_t len, struct object_range *ret, struct err *err);

/** object_truncate(), object_allocate() - by the broker, under the object's mutex; fills that are late are dropped. */
int object_truncate(struct object *o, uint64_t size, struct err *err);
int object_allocate(struct object *o, uint32_t mode, uint64_t off, uint64_t len, struct err *err);

/**
 * object_closed() - a program closed a descriptor that could write
 * @ret_last: true if no writer was left; then the upload, if one was due, has been waited for and its result returned.
 * object_sync() - upload what differs now, writers or not, and wait.
 * Errors: the upload's: -EACCES, -EIO, -ENOSPC, -EDQUOT, -ESTALE (somebody else changed it: the data stays in the
 * recovery area and the sentence names where), -EEXIST (O_EXCL).
 */
int object_closed(struct object *o, bool *ret_last, struct err *err);
int object_sync(struct object *o, struct err *err);
/** object_fsync() - what fsync(2) asks for: object_sync(), or, with fsync_staging, data and journal safe on the disk. */
int object_fsync(struct object *o, struct err *err);
/** object_result() - the last commit's: 0; its errno, if it failed and nobody was given the file for writing since. */
int object_result(struct object *o);

/** What object_clone() has its caller copy. Strings are borrowed. */
struct object_clone {
	const char *bucket, *key, *to_bucket, *to_key;
	uint64_t size;
	char etag[S3_ETAG_MAX]; /* of the source, which must still be that */
	struct s3_meta meta;    /* of the copy */
	char content_type[128];
};

/**
 * object_clone() - @to, which is empty, becomes what @from is, by one copy on the server
 * @copy: does it; what is there then goes to *ret. Called without locks. Whoever wants to write @to's name waits meanwhile.
 * Return: 0 and the size; -EOPNOTSUPP: the two are not such, or the server refused: copy the bytes.
 */
int object_clone(struct object *to, struct object *from,
		 int (*copy)(void *arg, const struct object_clone *c, struct s3_info *ret, struct err *err), void *arg,
		 uint64_t *ret_size, struct err *err);

/** object_handed_out() - a descriptor that object_reopen() made went to a program. */
void object_handed_out(struct object *o, bool writable);

/** object_exclusive() - the file was made by O_EXCL: the commit that finds another object fails with EEXIST. */
void object_exclusive(struct object *o);

/** object_forget() - its name was unlinked or renamed over: readable and writable as before, never uploaded. The name
 * is free at once. Completes the old version for its readers first, where they are incomplete and it fits. */
int object_forget(struct object *o, struct err *err);

/** object_rename() - commits go to a new key from now on; the caller has moved what is on the server, whose ETag and so
 * on are @base now (NULL: nothing is there yet). -EBUSY if the new name is open (forget that one first);
 * -EAGAIN if @name->if_etag is not what the last commit or open made of the old one. */
int object_rename(struct object *o, const struct object_name *name, const struct s3_info *base, struct err *err);

/** A failure that a program may not have seen. */
struct object_failure {
	char name[2048];             /* s3://bucket/key */
	char sentence[ERR_TEXT_MAX]; /* the S3 error and where the data is kept */
};

/**
 * object_store_sync() - commit everything. object_store_drain() - the same at the session's end; with @shutdown, files
 * that are still open are committed as they are. @each: every upload that failed since the store was made.
 * Return: how many.
 */
int object_store_sync(struct object_store *store, struct err *err);
int object_store_drain(struct object_store *store, bool shutdown,
		       void (*each)(void *arg, const struct object_failure *f), void *arg);

/** object_store_status() - JSON: open objects, uploads under way, bytes staged. Return: bytes or -ENOBUFS. */
int object_store_status(struct object_store *store, char *buf, size_t size);

#endif
