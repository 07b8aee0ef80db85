/**
 * s3volume.h - the S3 volume's insides, shared by its modules alone.
 *
 *   s3volume.c  constructor, table of operations, attributes, the whole
 *   space.c     what all mounts of one client share: names, holds, open objects
 *   walk.c      from a path to a key; symlinks
 *   lookup.c    what is there: names.c first, then the server (ask.c), perhaps before it is asked for (ahead.c)
 *   s3open.c    opening; s3file.c: open files; onode.c: objects that are open, the object layer's events
 *   s3dir.c     open directories
 *   change.c    mkdir, rmdir, unlink, symlink, mknod
 *   copy.c      copies on the server; rename.c, rename_tree.c: rename
 *   setattr.c   attributes that are set; deferred.c: and written later
 *
 * Locks: the space's names.lock is the only one here. It guards names, onodes and their lists of files; nothing that may block is
 * called under it; of the object layer only object_ref() and object_info(), whose locks no request is waited for under.
 */
#ifndef S3SHIM_VOLUME_S3VOLUME_H
#define S3SHIM_VOLUME_S3VOLUME_H

#include "base/util.h"
#include "config/policy.h"
#include "object/object.h"
#include "volume/ahead.h"
#include "volume/hold.h"
#include "volume/names.h"
#include "volume/removal.h"
#include "volume/scan.h"
#include "volume/volume.h"

struct s3file {
	struct vfile base;
	struct onode *n;
	struct readahead ra;
	bool writable, told;               /* told: that it is gone */
	uint32_t flags;                    /* of those that make a difference later */
	_Atomic uint64_t granted, claimed; /* bytes that it was told it may read, write */
	struct s3file *prev, *next;
};

/** An open object as this volume sees it; lives while it has files or somebody opens it. */
struct onode {
	UT_hash_handle hh;
	uint64_t id;          /* object_id() */
	struct object *o;     /* a reference */
	struct node *node;    /* pinned */
	struct s3file *files; /* of all mounts */
	unsigned file_count;
	unsigned users; /* opens and events under way */
	bool listed;    /* in the space's table */
};

/** What no open file's upload is: attributes that could not be written, names that could not be removed. */
struct space_failure {
	struct vfailure what;
	struct space_failure *next;
};

/**
 * What is known of the names that one client reaches: shared by the mounts that go there, so that two which show the
 * same key agree on it at once, and there is one record beside the one inode. Ids are "bucket/key" whatever the mount's
 * prefix.
 */
struct space {
	struct space *next;
	unsigned refs;
	struct s3_client *client;
	struct object_store *store;
	struct names names;
	struct holds holds;
	struct ahead ahead;
	struct onode *onodes; /* by id */

	/* deferred.c */
	pthread_cond_t wake;
	unsigned writing; /* attributes on their way */

	struct removals removals;
	struct space_failure *failures;
};

struct s3volume {
	struct volume base;
	struct space *space;
	struct s3_client *client;
	struct object_store *store;
	struct watch *watch;
	struct s3path_root root;
	const struct policy *policy; /* NULL: all is permitted */
	struct audit *audit;         /* NULL: none */
	bool attributes_list, excl_open, remove_later;
	uint64_t copy_max, copy_part;
	uint32_t uid, gid; /* of what has no owner: the broker's */
	int64_t started_ns;

	/* deferred.c */
	pthread_t thread;
	bool thread_runs, stop;
};

static inline struct s3volume *s3_of(struct volume *v)
{
	return container_of(v, struct s3volume, base);
}

static inline struct s3file *s3_file_of(struct vfile *f)
{
	return container_of(f, struct s3file, base);
}

/** s3_ask_init() - s3_call_init() of what is asked in the name of the mount, by its policy. */
static inline void s3_ask_init(const struct s3volume *v, struct s3_call *call, enum s3_op op, const char *bucket,
			       const char *key)
{
	s3_call_init(call, op, bucket, key);
	call->policy = v->policy;
}

/** s3_place() - where @k is by the mount's policy. */
static inline enum policy_place s3_place(const struct s3volume *v, const struct s3key *k)
{
	return k->place == S3PLACE_BUCKETS ? policy_place_of_all(v->policy)
					   : policy_place(v->policy, k->bucket, k->key);
}

/* space.c */
/** space_get() - with a reference, made if there is none; NULL without memory. */
struct space *space_get(struct s3_client *client, struct object_store *store, int ttl_ms);
void space_put(struct space *s); /* when the volume's threads are gone */
/** space_failed() - remember, and log, that @what ("removing it") came to nothing for the name at @k. Without the lock. */
void space_failed(struct space *s, const struct s3key *k, const char *what, const struct err *err);
/** space_failures() - what failed so since the session began, by all mounts of the space. */
void space_failures(struct space *s, void (*each)(void *arg, const struct vfailure *f), void *arg);

/* walk.c */
#define WALK_AGAIN 2 /* a symlink was resolved: the operation begins again with walk->key */

struct walk {
	struct s3volume *v;
	struct vcall *call;
	char path[WIRE_PATH_MAX]; /* clean */
	bool must_dir;            /* a trailing slash */
	struct s3key key;
	unsigned links;
	struct hold hold;
};
int walk_start(struct walk *w, struct s3volume *v, struct vcall *call, const char *path);
/** walk_missing() - nothing is at the key: why? -ENOENT; -ENOTDIR; WALK_AGAIN or VOLUME_REDIRECT for a link on the way.
 */
int walk_missing(struct walk *w);
/** walk_no_folder() - the same where lookup_create() has said that there is no folder. */
int walk_no_folder(struct walk *w);
/** walk_follow() - the key is a symlink. WALK_AGAIN; VOLUME_REDIRECT; negative errno. */
int walk_follow(struct walk *w);
/** walk_hold() - have the key as @how says until walk_drop(); before it is looked up. */
void walk_hold(struct walk *w, enum hold_how how);
void walk_drop(struct walk *w);
/** walk_run() - @op for the path, again for each symlink on the way. walk_run_held() - each time with the key held. */
int walk_run(struct s3volume *v, struct vcall *call, const char *path, int (*op)(struct walk *w, void *arg), void *arg);
int walk_run_held(struct s3volume *v, struct vcall *call, const char *path, enum hold_how how,
		  int (*op)(struct walk *w, void *arg), void *arg);

static inline bool facts_is_link(const struct facts *f)
{
	return f->kind == NODE_FILE && (f->attr.have & ATTR_MODE) && (f->attr.mode & 0170000) == 0120000;
}

/* lookup.c */
enum look {
	LOOK_NAME, /* is it there, file or folder, size: what a listing tells */
	LOOK_META, /* mode, owner, times, whether it is a symlink; not with attributes_list */
	LOOK_BASE, /* all that a HEAD tells, whatever was configured: to be written over */
};

/** lookup() - what is at @k; facts->kind NODE_ABSENT is a result. */
int lookup(struct s3volume *v, const struct s3key *k, enum look look, struct facts *ret, struct err *err);
/** lookup_create() - the same, LOOK_NAME, for a name that may be made: -ENOENT if its folder is not there. */
int lookup_create(struct s3volume *v, const struct s3key *k, struct facts *ret, struct err *err);
/** lookup_known() - LOOK_NAME without asking anybody: false if nothing is known. */
bool lookup_known(struct s3volume *v, const struct s3key *k, struct facts *ret);

/** The first page of a folder that was asked for anyway: readdir goes on from it. */
struct first_page {
	struct listing *listing; /* NULL: none */
	char *token;             /* NULL: that was all */
	uint64_t changes;        /* of the folder's node when it was asked for */
};
void first_page_drop(struct first_page *p);
/** lookup_folder() - is there a directory? By its listing. @no_object: it is known that no object has the name. */
int lookup_folder(struct s3volume *v, const struct s3key *k, bool no_object, struct facts *ret,
		  struct first_page *ret_page, struct err *err);
void lookup_attr(const struct s3volume *v, const struct facts *f, struct wire_attr *ret);

/** lookup_parent_locked() - the node of the folder that holds @k; NULL. */
struct node *lookup_parent_locked(struct s3volume *v, const struct s3key *k);
bool lookup_listing_believed(const struct node *parent, int64_t now_ms);

/* ask.c: requests; answers go into the names */
/** ask_learn_locked() - what a HEAD or GET that was sent ahead has brought, unless this session changed the name since. */
void ask_learn_locked(struct s3volume *v, const struct ahead_item *item);
/** ask_meta() - HEAD of @k (of its marker, if @dir), with those that a scan of its folder asks for next. */
int ask_meta(struct s3volume *v, const struct s3key *k, bool dir, struct err *err);
/** ask_all() - file, folder or nothing: HEAD and LIST side by side. ASK_UNSEEN: no file, and the mount may not list: so
 * nothing for this mount, and nothing is learned, for another one of the same space may see a folder. */
#define ASK_UNSEEN 1
int ask_all(struct s3volume *v, const struct s3key *k, struct err *err);
int ask_bucket(struct s3volume *v, const struct s3key *k, struct err *err);
/** ask_target() - of a symlink; @target: WIRE_PATH_MAX bytes. */
int ask_target(struct s3volume *v, const struct s3key *k, char *target, struct err *err);

/* onode.c */
extern const struct object_events onode_events; /* @arg: the volume */
/** onode_get_locked() - the onode of @o with a user more, made for the node @id if there is none; NULL without memory.
 */
struct onode *onode_get_locked(struct s3volume *v, struct object *o, const char *id);
struct onode *onode_find_locked(struct s3volume *v, uint64_t object);
/** onode_release_locked() - frees it if nobody holds it. Return: an object to unref without the lock, or NULL. */
struct object *onode_release_locked(struct s3volume *v, struct onode *n);
void onode_put(struct s3volume *v, struct onode *n); /* a user less; without the lock */
/** onode_object_locked() - the open object of a node, with a reference; NULL. object_unref() without the lock. */
struct object *onode_object_locked(struct node *node);

/** onode_object() - the object of that name with a reference, or NULL. Without the lock. One that was just closed has
 * no onode any more and may live on for a moment in the object layer: whoever takes the name away must find it too. */
struct object *onode_object(struct s3volume *v, const struct s3key *k);

/* s3open.c, s3file.c */
int s3_open(struct volume *v, struct vcall *call, const char *path, uint32_t flags, uint32_t mode,
	    struct volume_opened *ret);
int s3_truncate(struct volume *v, struct vcall *call, const char *path, uint64_t size);
int s3_file_grant(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, bool pin, struct vrange *ret);
int s3_file_advise(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, uint32_t advice);
int s3_file_claim(struct vfile *f, struct vcall *call, uint64_t off, uint64_t len, struct vrange *ret);
int s3_file_closed(struct vfile *f, struct vcall *call, bool *ret_last);
int s3_file_sync(struct vfile *f, struct vcall *call);
int s3_file_etag(struct vfile *f, char *ret);
int s3_file_truncate(struct vfile *f, struct vcall *call, uint64_t size);
int s3_file_allocate(struct vfile *f, struct vcall *call, uint32_t mode, uint64_t off, uint64_t len);
int s3_file_clone(struct vfile *f, struct vfile *from, struct vcall *call, uint64_t *ret_size);
int s3_file_stat(struct vfile *f, struct vcall *call, struct wire_attr *ret);
int s3_file_setattr(struct vfile *f, struct vcall *call, const struct vsetattr *set);
int s3_file_readdir(struct vfile *f, struct vcall *call, uint64_t pos, void *buf, size_t room, size_t *ret_used,
		    uint32_t *ret_entries, bool *ret_end);
void s3_file_free(struct vfile *f);
/* s3dir.c */
/** s3dir_open() - @page: what lookup_folder() fetched, taken over; NULL. */
int s3dir_open(struct s3volume *v, struct vcall *call, const struct s3key *k, struct first_page *page,
	       struct volume_opened *ret);
/** s3dir_key() - where the folder is now; false: nowhere, it was replaced. */
bool s3dir_key(struct vfile *f, struct s3key *ret);

/* change.c */
int s3_mkdir(struct volume *v, struct vcall *call, const char *path, uint32_t mode);
int s3_rmdir(struct volume *v, struct vcall *call, const char *path);
int s3_unlink(struct volume *v, struct vcall *call, const char *path);
int s3_symlink(struct volume *v, struct vcall *call, const char *target, const char *path);
int s3_mknod(struct volume *v, struct vcall *call, const char *path, uint32_t mode, uint64_t rdev);
/** change_put() - a small object with attributes; conditional on nothing being there. -EEXIST. */
int change_put(struct s3volume *v, struct vcall *call, const struct s3key *k, const struct attr *a, const char *body,
	       struct err *err);
int change_delete(struct s3volume *v, const char *bucket, const char *key, struct err *err);
/** change_keep_folder() - a name was taken out of the folder of @k: it and those above stay though they may be empty. */
void change_keep_folder(struct s3volume *v, const struct s3key *k);
/** change_gone() - the name at @k is gone from the bucket: an open file there goes on without one. */
void change_gone(struct s3volume *v, const struct s3key *k);
/** change_look_below() - is anything below the folder but its marker; is the marker there? One LIST. */
int change_look_below(struct s3volume *v, const struct s3key *k, bool *ret_marker, bool *ret_empty, struct err *err);
/** change_has_locals() - files below it that are not in the bucket yet, folders kept though emptied? */
bool change_has_locals(struct s3volume *v, const struct s3key *k);
/** change_new_attr() - of what @call makes at @k, its folder's setgid bit considered. _locked: with names.lock held. */
void change_new_attr(struct s3volume *v, const struct vcall *call, const struct s3key *k, uint32_t mode,
		     struct attr *ret);
void change_new_attr_locked(struct s3volume *v, const struct vcall *call, const struct s3key *k, uint32_t mode,
			    struct attr *ret);
int64_t s3_now_ns(void);

/* copy.c */
struct copy {
	const char *bucket, *from, *to_bucket, *to;
	uint64_t size;
	const char *etag;           /* of the source, or "" */
	const struct s3_meta *meta; /* NULL: as they are */
	const char *content_type;
	const struct policy *policy; /* by which it is asked; NULL: none */
	bool accepted;               /* as struct s3_call has it */
};
/** copy_run() - on the server; multipart beyond 5 GiB. @ret: ETag of the new object. */
int copy_run(struct s3volume *v, const struct copy *c, struct s3_info *ret, struct err *err);

/* rename.c */
/** rename_file() - copy, delete, records; @to_exists: a file is there. */
int rename_file(struct s3volume *v, const struct s3key *from, const struct s3key *to, bool to_exists, struct err *err);
int rename_tree(struct s3volume *v, const struct s3key *from, const struct s3key *to, struct err *err);
int s3_rename(struct volume *v, struct vcall *call, const char *from, const char *to, uint32_t flags);

/* deferred.c */
int deferred_start(struct s3volume *v, struct err *err);
void deferred_stop(struct s3volume *v);
/** deferred_mark_locked() - the node's attributes are to be written when it has been idle for a second. */
void deferred_mark_locked(struct s3volume *v, struct node *node);
/** deferred_clear_locked() - an upload writes them. */
void deferred_clear_locked(struct s3volume *v, struct node *node);
/** deferred_flush() - now; @node: this one alone (pinned), NULL: all. Return: the last error. */
int deferred_flush(struct s3volume *v, struct node *node);

/* setattr.c */
int s3_setattr(struct volume *v, struct vcall *call, const char *path, bool nofollow, const struct vsetattr *set);
/** s3_set_attr() - of the name at @k, or of the @pinned node of an open file; whoever may not gets EPERM. */
int s3_set_attr(struct s3volume *v, struct vcall *call, const struct s3key *k, struct node *pinned,
		const struct vsetattr *set);

#endif
