/**
 * names.h - what is known of names: attributes for a while, what is not there, inode numbers, folders of this session.
 *
 *   node        of one name: absent, file or folder; believed until `until_ms`, longer while it is open or ours
 *   listing     of a folder, hung on its node; when it is whole, what it does not name is not there (while it is
 *               believed)
 *   whole       a folder that this session made: what has no node is not there
 *   local       names that the server does not show: new files not yet uploaded, folders kept though emptied
 *
 * What the session changed itself is a node younger than any listing, so it wins; a node that has grown old is asked
 * for again rather than looked up in an older listing. When a node is thrown away for their number, the listing of its
 * folder goes with it if the session has changed the name, and `whole` if something is there.
 *
 * Inode numbers are a keyed hash of "bucket/key", never 0; a rename takes the number along, and the name left behind
 * gets another one, for as long as the session lasts.
 *
 * Ids are "bucket/key", "bucket/" for the top of a bucket. Threads: every function wants names.lock held; none blocks.
 */
#ifndef S3SHIM_VOLUME_NAMES_H
#define S3SHIM_VOLUME_NAMES_H

#include "volume/attr.h"
#include "volume/listing.h"
#include "volume/s3path.h"

#include <pthread.h>
#include <uthash.h>

#define NAMES_ID_MAX (S3PATH_BUCKET_MAX + S3_KEY_MAX + 1)
#define NAMES_MAX    200000 /* nodes, of up to 700 bytes each; beyond it, the oldest are thrown away */

enum node_kind { NODE_UNKNOWN, NODE_ABSENT, NODE_FILE, NODE_DIR };

struct onode; /* files.h: the object when it is open */

struct node {
	UT_hash_handle hh;
	char *id;
	enum node_kind kind;
	int64_t until_ms, asked_ms;
	uint64_t ino;
	unsigned pins; /* who holds a pointer over an unlock */
	bool doomed;   /* absent, though its object is still to be removed (removal.h) */
	bool detached; /* unlinked while open: in no table, freed with its last pin */
	struct onode *open;

	struct attr attr; /* what is kept as metadata; have: what is known of it */
	bool meta_known;  /* attr, meta and content_type are the server's or ours; else a HEAD would tell more */
	uint64_t size;    /* files: of the object; links: of the target */
	int64_t mtime_ns; /* Last-Modified, or when this session changed it */
	char *etag;       /* files; NULL: not on the server yet */
	char *content_type;
	char *meta; /* bytes of struct s3_meta */
	size_t meta_len;
	char *target; /* of a symlink, where it was read */

	/* directories */
	bool marker;              /* `key/` exists as far as known */
	bool whole, sticky, huge; /* huge: more than one page, do not list it to learn of one name */
	struct listing *listing;
	int64_t listing_until_ms;
	uint64_t changed; /* names.changes when this session changed it last */
	uint64_t
	    changes; /* names.changes when this session changed this folder last: a listing begun before is not hung up */

	bool attr_dirty; /* deferred.c: attributes wait to be written */
	int64_t attr_due_ms;
	struct node *dirty_prev, *dirty_next;
	struct node *local_prev, *local_next;
	bool local;
};

struct moved;

struct names {
	pthread_mutex_t lock;
	int64_t ttl_ms;
	struct node *nodes;  /* by id */
	struct moved *moved; /* inode numbers that are not the hash */
	struct node *locals;
	struct node *dirty;
	uint64_t salt;
	unsigned evict_at; /* nodes */
	uint64_t changes;  /* by this session: an answer to a question asked before one is no news of its name */
};

/** A copy of what is known, for use without the lock. */
struct facts {
	enum node_kind kind;
	uint64_t ino, size;
	int64_t mtime_ns;
	struct attr attr;
	bool meta_known, marker, is_open;
	char etag[S3_ETAG_MAX];
};

void names_init(struct names *n, int64_t ttl_ms);
void names_deinit(struct names *n);

void names_id(const struct s3key *k, char id[static NAMES_ID_MAX]);
/** names_key() - the other way; place is S3PLACE_KEY or S3PLACE_TOP. */
void names_key(const char *id, struct s3key *ret);

struct node *names_find(struct names *n, const char *id);
struct node *names_get(struct names *n, const char *id); /* made if there is none; NULL without memory */
void names_unpin(struct names *n, struct node *node);

uint64_t names_ino(struct names *n, const char *id);
bool names_valid(const struct node *node, int64_t now_ms);

/* What was learned from the server. @info of a file with @meta_known false is from a listing. */
void names_set_file(struct names *n, struct node *node, const struct s3_info *info, bool meta_known);
void names_set_dir(struct names *n, struct node *node);
void names_set_absent(struct names *n, struct node *node);
/** names_changed() - this session changed a name in the folder of @node. */
void names_changed(struct names *n, const struct s3path_root *root, struct node *node);
void names_set_local(struct names *n, struct node *node, bool local);

/** names_attach() - hang a listing on folder @node (taking the reference) unless something changed since it was asked
 * for. One that is not whole yet tells what is there, not what is not. */
void names_attach(struct names *n, struct node *node, struct listing *l, uint64_t changes);

/** names_facts() - copy out. */
void names_facts(const struct node *node, struct facts *ret);
/** names_info() - what a HEAD said: ETag, size, metadata, Content-Type. */
void names_info(const struct node *node, struct s3_info *ret);
int names_set_meta(struct node *node, const struct s3_meta *meta, const char *content_type);

/**
 * names_move() - the name @from is @to now: what is known moves along, with its inode number
 * Return: the node of @to; NULL without memory.
 */
struct node *names_move(struct names *n, const char *from, const char *to);
/** names_detach() - an open file was unlinked: its node leaves the table, pinned, and the name gets another number. */
void names_detach(struct names *n, struct node *node);

#endif
