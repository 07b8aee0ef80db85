/**
 * cache.h - whole objects that are kept for later sessions: by store, bucket and key, of one version each.
 *
 * Two places for them, with one format of an entry (cache.c): a folder with a file an entry (folder.c), or one sparse
 * file with an index (onefile.c). Both are bounded; what was not used for longest goes first. Any number of sessions may
 * use one at the same time, and may be killed at any moment: an entry is there whole or not at all. Nothing is flushed:
 * after a loss of power the checksums tell what is left of it.
 *
 * What is read was compared with a checksum of its block before. An entry that is damaged, cut off, or not this user's
 * own ordinary file is thrown away and counted, never served. Whoever can write as this user can make an entry that
 * passes: the folder is to be out of reach of programs that are not trusted.
 *
 * Threads: any thread may call anything; a writer belongs to one thread at a time.
 */
#ifndef S3SHIM_CACHE_CACHE_H
#define S3SHIM_CACHE_CACHE_H

#include "base/err.h"
#include "s3/s3.h"

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct cache_entry;  /* one that was found: its bytes stay readable until it is put back */
struct cache_writer; /* one that is being written */

#define CACHE_FOLDER   "objects" /* beside the folders of sessions (broker/staging.h) */
#define CACHE_FILE_MIN MIB(4)    /* of a cache file: index and a little room */

/**
 * cache_open_folder() - entries in @dir, which is made if it is missing: 0700, this user's own, nobody else's to write
 * cache_open_file() - entries in the file at @path, 0600, made if it is missing, grown or cut to @max_bytes
 * @max_bytes: of the file 0 is the size that it has.
 * Return: 0; negative errno with a sentence that names the thing and the remedy.
 */
int cache_open_folder(const char *dir, uint64_t max_bytes, struct cache **ret, struct err *err);
int cache_open_file(const char *path, uint64_t max_bytes, struct cache **ret, struct err *err);
struct cache *cache_close(struct cache *c); /* no entry or writer is left; NULL is fine; returns NULL */

/** Whose content. Borrowed. */
struct cache_name {
	const char *place; /* which store: s3_client_place() */
	const char *bucket, *key;
	const char *version; /* the version id that was asked for; NULL: whatever is the newest */
};

/** cache_find() - the entry of that name, whichever version it is of. Return: 0 and an entry; -ENOENT; negative errno. */
int cache_find(struct cache *c, const struct cache_name *name, struct cache_entry **ret);
struct cache_entry *cache_entry_ref(struct cache_entry *e);
struct cache_entry *cache_entry_unref(struct cache_entry *e); /* NULL is fine; returns NULL */

/**
 * cache_entry_is() - is it what the server has now: size, ETag, and the CRC64NVME where the server tells one?
 * One of the same ETag and another checksum is thrown away.
 */
bool cache_entry_is(struct cache_entry *e, const struct s3_info *info);

/**
 * cache_entry_read() - block @block, of BLOCK_BYTES or, the last one, less; compared with its checksum
 * Return: bytes; -EBADMSG: it was damaged and is thrown away; negative errno.
 */
int cache_entry_read(struct cache_entry *e, uint64_t block, void *to);
/** cache_entry_copy() - all of it to the beginning of @fd. Return: 0; as cache_entry_read(). */
int cache_entry_copy(struct cache_entry *e, int fd);

/**
 * cache_begin() - a new entry, for which room is made
 * Return: 0; -EEXIST: that version is there; -EFBIG: more than may be kept; -ENOSPC; negative errno.
 */
int cache_begin(struct cache *c, const struct cache_name *name, const char *etag, uint64_t size,
		struct cache_writer **ret);
bool cache_writer_has(const struct cache_writer *w, uint64_t block);
bool cache_writer_whole(const struct cache_writer *w); /* no block is missing */
/**
 * cache_writer_block() - take @block over from where it lies in @fd, a file of the whole object
 * @crc: its CRC64NVME, if it is known. Return: 0; -EBADMSG: the file has other bytes; negative errno.
 */
int cache_writer_block(struct cache_writer *w, int fd, uint64_t block, const uint64_t *crc);
/** cache_commit() - the entry is there from now on, in place of an older one. Return: 0; -EINVAL: blocks are missing;
 * negative errno. cache_abort() - it never was. Both end @w. */
int cache_commit(struct cache_writer *w);
void cache_abort(struct cache_writer *w);

#endif
