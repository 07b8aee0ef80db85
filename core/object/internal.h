/**
 * internal.h - what an object and the store of objects are made of, for the modules of core/object/ alone.
 *
 * Locks, in the order in which they are taken: object->lock, then store->lock; object->cut is taken by itself or under
 * object->lock, and nothing is taken under it but watch_lock(); the shared cache's own locks come last. No s3_start(), s3_cancel(), s3_wait() and no event of
 * the owner's under any of them: their callbacks take object->lock.
 */
#ifndef S3SHIM_OBJECT_INTERNAL_H
#define S3SHIM_OBJECT_INTERNAL_H

#include "base/clock.h"
#include "base/util.h"
#include "base/wire.h"
#include "cache/cache.h"
#include "object/arena.h"
#include "object/object.h"
#include "object/present.h"
#include "object/stage.h"
#include "object/watch.h"

#include <pthread.h>
#include <uthash.h>
#include <utlist.h>

#define OBJECT_SIZE_MAX (S3_PART_MAX * S3_PARTS_MAX)
#define CLAIM_WINDOW    MIB(8)

/** An object's name; counted, because calls under way keep the one they were made with over a rename. */
struct name {
	_Atomic unsigned refs;
	struct s3_client *client;
	const char *bucket, *key, *endpoint; /* behind the struct */
	size_t hash_len;
	char hash[]; /* client, bucket, NUL, key: what the table is keyed by */
};
struct name *name_new(const struct object_name *from);
struct name *name_ref(struct name *n);
void name_unref(struct name *n);
#define NAME_FMT    "s3://%s/%s"
#define NAME_ARG(n) (n)->bucket, (n)->key

enum object_state { OBJECT_OPENING, OBJECT_OPEN, OBJECT_FAILED };

enum object_job { JOB_COMMIT = 1, JOB_IDLE = 2, JOB_FORCE = 4 /* commit as it is, writers or not */, JOB_STREAM = 8 };

/** What an object's bytes are counted as. */
enum object_space {
	SPACE_WHOLE, /* memory for all of it was set aside when it was opened; or it is a writer's file */
	SPACE_FILLS, /* in memory, each fill as it comes: there is no folder */
	SPACE_FILE,  /* in a file, each fill as it comes */
	SPACE_KINDS
};

/** What may be dropped of it; space.c. */
enum object_evict {
	EVICT_NEVER,  /* it is small, or a writer's, or may not be fetched again */
	EVICT_BEHIND, /* behind sequential readers, until somebody reads again what was dropped */
	EVICT_ANY,
};

struct fill;   /* fill.c: one GET under way */
struct waiter; /* fill.c: somebody waits for a range */
struct stream; /* stream.c: parts of a new file that are sent while it is written */

struct object {
	struct object_store *store;
	uint64_t id;

	/* guarded by store->lock */
	unsigned refs;
	bool in_table;
	unsigned jobs;        /* enum object_job, queued */
	bool queued, running; /* in the queue; a worker has it */
	struct object *queue_prev, *queue_next, *all_prev, *all_next;
	UT_hash_handle hh;

	/* guarded by lock, but for what is atomic */
	pthread_mutex_t lock;
	pthread_cond_t cond; /* anything below has changed */
	enum object_state state;
	int open_status; /* why it is OBJECT_FAILED */
	struct err open_err;
	struct name *name;
	struct object_events events;
	void *arg;

	struct stage stage;
	struct watched *watched;
	enum object_space space; /* these two change under store->lock too */
	enum object_evict evict;
	uint64_t charged;   /* bytes of the store's that are ours; guarded by store->lock */
	uint64_t allocated; /* of memory: writers may go as far */
	uint64_t clock;     /* stamps of use, present.h */
	struct readahead *readers;
	bool times_kept;  /* fills leave st_mtime alone; until the first writer it is mtime_ns, whatever the inode's */
	int64_t mtime_ns; /* the base's, until times_kept */
	uint32_t slot;

	bool has_base; /* there is an object on the server: base */
	struct s3_info base;
	struct present present; /* of base */
	uint64_t base_end;      /* bytes from here on are not the base's: the lowest size that a truncate reached */
	uint64_t gap_block, gap_end; /* of this block only what lies before gap_end is missing; see commit.c */
	uint64_t gap_crc;            /* of what lies behind gap_end in that block */
	unsigned epoch;              /* counts changes of name and base */
	bool publishing; /* a request that replaces the base is on its way: a fill that gets ESTALE is not lost yet */

	pthread_rwlock_t cut; /* held for reading by whoever writes what arrived, for writing by truncate */
	struct fill *fills;
	struct waiter *waiters;
	unsigned demand_fills, ahead_fills;
	uint64_t progress_ns; /* when something last arrived */

	bool handed_out, writable; /* ever: a descriptor; one that can write */
	bool dirty;                /* a writer was handed out, or something was changed by us, since the last commit */
	bool touched;              /* times were set: metadata is to be written though no byte differs */
	bool forgotten, exclusive, idling;
	bool committing, quiet; /* quiet: no writer was left when it began */
	int commit_status;      /* of the last one; 0 or -errno */
	bool failed;            /* the last one failed, and no writer was handed out since */
	struct err commit_err;
	uint64_t taken; /* of the session's quota of bytes written, for the next commit; account.c */
	uint64_t taken_from, taken_end;
	bool accepted, unbounded;        /* since the last commit: a claim; one of no known length */
	bool journaled, journal_missing; /* the journal names a missing range */

	struct cache_entry *entry;  /* of the shared cache: it holds the base; NULL: ask the server */
	struct cache_writer *saver; /* what was dropped goes there before */
	bool saved;                 /* it is in the shared cache, or was refused: not again */
	struct stream *stream;
};

struct failure {
	uint64_t id;
	struct object_failure what;
	struct failure *prev, *next;
};

struct object_store {
	struct object_store_config config;
	char *staging_dir;

	pthread_mutex_t lock;
	pthread_cond_t cond; /* work came, work was done */
	struct object *table, *all, *queue;
	pthread_cond_t work;   /* for one worker: the queue has grown */
	unsigned busy, queued; /* workers at work, objects in the queue */
	uint64_t next_id;
	uint64_t memory_used; /* by memfds */
	uint64_t cached;      /* in files of objects that are only read */
	unsigned uploading;
	_Atomic unsigned streaming; /* stream_run()s at work */
	_Atomic uint64_t owed; /* what new files hold that was not sent: by the last tick, and what was claimed since */
	_Atomic bool throttled; /* owed nears dirty_max: new files have to be claimed */
	unsigned calm_ticks;    /* the ticker's */
	bool stop, reaper_stop;
	struct failure *failures;
	struct fill *ended;   /* calls to be waited for and freed */
	unsigned fills;       /* made and not yet freed */
	struct style *styles; /* style.c */

	pthread_t *workers, reaper, ticker; /* workers: config.uploads of them at most, made when they are needed */
	unsigned worker_count;
	bool reaper_runs, ticker_runs;
};

static inline uint64_t object_now_ns(void)
{
	return (uint64_t)clock_now_ns();
}

/* object.c */
struct object *object_find_locked(struct object_store *s, const struct name *n); /* with store->lock */
void object_leave_table(struct object *o);                                       /* its name is free at once */
void object_slot_update_locked(struct object *o);
/** object_journal_filled_locked() - blocks came: does the journal still tell the truth? Before anybody writes to them. */
void object_journal_filled_locked(struct object *o);
/** object_ready_locked() - what is there is now @info (NULL: nothing): file, map and slot are made. */
int object_ready_locked(struct object *o, const struct s3_info *info, enum object_intent intent, struct err *err);
int object_wait_locked(struct object *o, uint64_t since_ns); /* 0; -ETIMEDOUT without progress */
void object_wait_commit_locked(struct object *o);
int object_journal_locked(struct object *o, const char *reason, struct err *err);
int object_make_writable_locked(struct object *o, struct err *err); /* name and journal, before the first writer */

void object_settle(struct object *o);         /* cancel what is on its way to it, and wait */
void object_free_all(struct object_store *s); /* whatever references are left; no other thread runs */

/* upload.c */

/* space.c */
/** space_charge() - count @bytes more as @o's, of its kind of space. Return: 0; -ENOSPC beyond the bound, unless @force. */
int space_charge(struct object *o, uint64_t bytes, bool force);
void space_discharge(struct object *o, uint64_t bytes);
void space_is_locked(struct object *o, enum object_space space, enum object_evict evict);
/** space_keep_locked() - nothing of it is dropped any more. */
void space_keep_locked(struct object *o);
/** space_drop_locked() - drop blocks [from, to), but what is pinned or awaited. Return: bytes. */
uint64_t space_drop_locked(struct object *o, uint64_t from, uint64_t to);
/** space_drop_behind_locked() - what sequential readers have left behind. */
void space_drop_behind_locked(struct object *o);
/**
 * space_make_room() - without locks: drop what was not of use for longest, of whoever has most of @o's kind of space
 * @ahead: for a readahead: what was read ahead stays. Return: bytes.
 */
uint64_t space_make_room(struct object *o, uint64_t need, bool ahead);

/* store.c */
void store_queue(struct object *o, unsigned jobs);
void store_failed(struct object *o, const char *sentence);
void store_succeeded(struct object *o);
bool object_try_ref(struct object *o); /* false if it is being freed */
const struct watch_ops *store_watch_ops(struct object *o, struct watch_ops *ops);

/* fill.c */
struct readahead;
int fill_first(struct object *o, struct err *err);
/**
 * fill_range_locked() - wait until [off, end) of the base is present
 * The lock is let go meanwhile: everything may have changed. Return: 0; negative errno.
 */
int fill_range_locked(struct object *o, uint64_t off, uint64_t end, struct err *err);
uint64_t fill_blocks(const struct object *o); /* of one GET at most */
/** fill_ahead_locked() - begin to fetch what is missing of the range, as far as there is room. */
void fill_ahead_locked(struct object *o, const struct readahead *ra, uint64_t off, uint64_t end);
void fill_cancel_ahead_locked(struct object *o, const struct readahead *ra);
/** fill_drop_locked() - cut is held for writing: nothing from @off on that is under way may be written any more. */
void fill_drop_locked(struct object *o, uint64_t off);
/** fill_awaited_locked() - does somebody wait for some of blocks [from, to)? Return: true and which, first ones first. */
bool fill_awaited_locked(const struct object *o, uint64_t from, uint64_t to, uint64_t *ret_from, uint64_t *ret_to);
void fill_kick_dropped(struct object *o); /* without locks: cancels their calls */
void fill_reap(struct object_store *s);   /* the reaper's thread, until stop */

/* grant.c */
#define STREAM_MIN MIB(64) /* an object up to here, that fits into memory, is kept while it is open */
struct object_range object_window_locked(struct object *o, uint64_t off);

/* account.c */
/**
 * account_claim_locked() - may [off, end) be written? @end: UINT64_MAX is to infinity. Only where there is a quota.
 * Return: 0, and how far writers may go before they ask again; -EDQUOT; -EFBIG; -ETIMEDOUT; nothing is taken then.
 */
int account_claim_locked(struct object *o, uint64_t off, uint64_t end, uint64_t *ret_end, struct err *err);
/** account_stream_locked() - may the first @bytes be sent before their commit? */
bool account_stream_locked(struct object *o, uint64_t bytes);
/** account_commit() - without the lock: @bytes are sent to make an object of @size. Return: 0; -EDQUOT; -EFBIG; -ETIMEDOUT. */
int account_commit(struct object *o, uint64_t size, uint64_t bytes, struct err *err);
void account_give_back(struct object *o, uint64_t bytes); /* they were not sent after all */

/* commit.c */
/**
 * commit_locked() - upload what differs; waits for one that is under way first
 * @quiet_only: not while there are writers. Return: 0; 1: there are writers; negative errno.
 */
int commit_locked(struct object *o, bool quiet_only, struct err *err);

/* cached.c */
/**
 * cached_open() - open for reading by one HEAD, if the shared cache has what the server has
 * Return: 0; 1: it has not, nothing has happened; negative errno.
 */
int cached_open(struct object *o, struct err *err);
void cached_attach_locked(struct object *o); /* the base is known: does the shared cache have it? */
void cached_detach_locked(struct object *o); /* the base is another one, or the entry is damaged */
/** cached_drop_locked() - blocks [from, to) are about to be dropped: a file that is read from its beginning is saved. */
void cached_drop_locked(struct object *o, uint64_t from, uint64_t to);
/** cached_keep() - without locks: into the shared cache with it, if it is whole, clean and not there. */
void cached_keep(struct object *o);

/* stream.c */
struct upload;
bool stream_wanted(struct object *o);   /* has a new file grown by another part? Cheap */
uint64_t stream_owes(struct object *o); /* bytes of a new file that are written and not sent */
/** stream_hold_locked() - wait while too much is owed and some of it is on its way. The lock is let go meanwhile. */
void stream_hold_locked(struct object *o);
void stream_run(struct object *o);  /* send such parts, on a worker, until there are none or a commit begins */
void stream_wait(struct object *o); /* without locks, with `committing` set: until stream_run() has returned */
/** stream_take() - the commit's: the upload that was begun, and with which metadata. Return: false if there is none. */
bool stream_take(struct object *o, struct upload *ret, struct s3_meta *ret_meta);
/** stream_drop_locked() - what was sent is of no use any more. The lock is let go meanwhile. */
void stream_drop_locked(struct object *o);

#endif
