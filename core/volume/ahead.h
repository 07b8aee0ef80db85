/**
 * ahead.h - what a program will ask for next, asked for before it does.
 *
 *   META      HEAD of a file              programs that stat in the order of a listing (ls -l), from the second on
 *   MARKER    HEAD of a folder's marker   the same
 *   CONTENT   GET of a small object       programs that read in the order of a listing (tar, cp -r), from the third on
 *   PAGE      the first LIST of a folder  programs that open folders in the order of a listing (find), from the second on;
 *                                         and whoever looks at a name that turns out to be a folder (`looked`)
 *
 * An item is one request, in the table until the program comes to it or it is given up: after the TTL, and, for
 * contents, when the program opens something else than what comes next. What is under way at once is bounded by kind
 * (ahead.c), contents in bytes too; what was fetched and never read is counted (ahead_wasted).
 *
 * Shared by the mounts of one client (struct space). Locks: names.lock guards all; *_locked functions want it. Callbacks take it on transfer threads.
 */
#ifndef S3SHIM_VOLUME_AHEAD_H
#define S3SHIM_VOLUME_AHEAD_H

#include "s3/s3.h"
#include "volume/names.h"

struct s3volume;
struct space;

enum ahead_kind { AHEAD_META, AHEAD_MARKER, AHEAD_CONTENT, AHEAD_PAGE, AHEAD_KINDS };

struct ahead_item {
	UT_hash_handle hh;
	struct ahead_item *prev, *next; /* of the table, oldest first; or of the trash */
	struct ahead_item *start_next;
	enum ahead_kind kind;
	unsigned users;
	bool tabled, headers, done, cancelled, used, looked;
	int64_t started_ms;
	uint64_t asked; /* names.changes */
	struct s3_call call;
	char *body; /* CONTENT: call.info.size bytes of it have come when done and call.status is 0 */
	uint64_t room, got;
	char key[S3_KEY_MAX + 2]; /* as it is asked for; PAGE: the prefix */
	char bucket[S3PATH_BUCKET_MAX];
	char tag[NAMES_ID_MAX + 1]; /* kind, id: what the table is keyed by */
};

struct ahead {
	struct ahead_item *table, *oldest, *trash;
	unsigned count[AHEAD_KINDS];
	uint64_t bytes; /* of contents */
	pthread_cond_t arrived;
};

void ahead_init(struct ahead *a);
/** ahead_deinit() - gives everything up and waits for it. */
void ahead_deinit(struct space *s);

/** ahead_add_locked() - a request more, to be sent by ahead_start(). @list: where it is put. Return: it, or NULL. */
struct ahead_item *ahead_add_locked(struct s3volume *v, enum ahead_kind kind, const struct s3key *k, uint64_t size,
				    struct ahead_item **list);
bool ahead_has_locked(struct s3volume *v, enum ahead_kind kind, const char *id);
/** ahead_start() - send what was added; without the lock. */
void ahead_start(struct s3volume *v, struct ahead_item *list);

/** ahead_join_locked() - an item that is not too old, with a use more, to be finished, then put; NULL. */
struct ahead_item *ahead_join_locked(struct s3volume *v, enum ahead_kind kind, const char *id);
/** ahead_wait_locked() - until it has come (the lock is let go meanwhile); it stays in the table. */
void ahead_wait_locked(struct s3volume *v, struct ahead_item *item);
/** ahead_give_up_locked() - out of the table, if it is there: nobody else gets it. */
void ahead_give_up_locked(struct s3volume *v, struct ahead_item *item);
/** ahead_finish_locked() - wait for it (the lock is let go meanwhile), and take it out of the table. */
void ahead_finish_locked(struct s3volume *v, struct ahead_item *item);
/**
 * ahead_take_locked() - both: what was asked for, waited for (the lock is let go meanwhile), out of the table
 * Return: an item to ahead_put(); NULL if there is none, if it was given up, or if it is too old.
 */
struct ahead_item *ahead_take_locked(struct s3volume *v, enum ahead_kind kind, const char *id);
/** ahead_peek_locked() - the same for CONTENT, whose headers alone are waited for; it stays in the table. */
struct ahead_item *ahead_peek_locked(struct s3volume *v, const char *id);
void ahead_put(struct s3volume *v, struct ahead_item *item); /* without the lock; NULL is fine */

/** ahead_forget_locked() - what was asked for below the folder @id is another folder's now. */
void ahead_forget_locked(struct s3volume *v, const char *id);

/* What comes next: moved along by what the program asks for, each adds requests to @list. */

/** ahead_stats_locked() - metadata of @k is asked for. */
void ahead_stats_locked(struct s3volume *v, const struct s3key *k, struct ahead_item **list);
/** ahead_reads_locked() - the file @k is opened to be read. */
void ahead_reads_locked(struct s3volume *v, const struct s3key *k, struct ahead_item **list);
/** ahead_folders_locked() - the folder @k is read. @deep: it came from here itself, so its folders are next. */
void ahead_folders_locked(struct s3volume *v, const struct s3key *k, bool deep, struct ahead_item **list);

#endif
