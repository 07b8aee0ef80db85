/**
 * stage.h - the file behind an object: a memfd, or a file in the staging folder with a journal beside it.
 *
 *   memory   `rw` is the memfd's own description, which leases and inotify do not see; it never leaves the broker
 *   file     only `ro` is kept: a writable descriptor of the broker's own would count as a writer. Each write opens the
 *            file anew, between watch_lock() and watch_unlock()
 *
 * A file for reading has no name (O_TMPFILE, else unlinked by stage_deinit()); stage_name() gives it one before the
 * first writer. Files are `<id>.data`, journals `<id>.journal`, in hexadecimal. Not locked: guarded by the object.
 */
#ifndef S3SHIM_OBJECT_STAGE_H
#define S3SHIM_OBJECT_STAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watched;

struct stage {
	int ro, rw;           /* rw: -1 for a file */
	char *path, *journal; /* NULL while unnamed */
};
#define STAGE_INIT \
	{ \
		-1, -1, NULL, NULL \
	}

/** What the journal tells; strings are borrowed. Text, one key=value a line, values percent-encoded where needed. */
struct stage_journal {
	const char *bucket, *key, *endpoint, *base_etag, *reason;
	uint64_t base_end; /* holes in the data below it are bytes of the base that were never fetched */
	uint64_t missing_off, missing_end; /* so are these, which share a page with what was written */
};

int stage_memory(struct stage *s, struct err *err);
int stage_file(struct stage *s, const char *dir, uint64_t id, bool named, struct err *err);
int stage_name(struct stage *s, const char *dir, uint64_t id, struct err *err);

/** stage_write_journal() - replaces the old one atomically. Not fsynced: it is to survive a broker, not the machine. */
int stage_write_journal(const struct stage *s, const struct stage_journal *j, struct err *err);
void stage_drop_journal(const struct stage *s);
/** stage_sync() - data, journal and their names are on the disk, which survives the machine. */
int stage_sync(const struct stage *s);

/** stage_deinit() - @keep: leave data and journal for recovery. Accepts what is half made. */
void stage_deinit(struct stage *s, bool keep);

/** stage_reopen() - a new description with @flags; O_CLOEXEC is added. Return: the descriptor; -errno. */
int stage_reopen(const struct stage *s, int flags);

/**
 * stage_borrow() - a descriptor that can write, until stage_return(); on a file it holds watch_lock() meanwhile
 * Return: the descriptor; -errno, nothing is held.
 */
int stage_borrow(const struct stage *s, struct watched *w);
void stage_return(const struct stage *s, struct watched *w, int fd);

/** stage_fill() - bytes of the base arrived; @keep_mtime: st_mtime is the program's, it does not change. */
int stage_fill(const struct stage *s, struct watched *w, const void *data, size_t len, uint64_t off, bool keep_mtime);
/** stage_allocate() - room for [off, off + len) of a memfd, at once; st_mtime and st_size stay */
int stage_allocate(const struct stage *s, uint64_t off, uint64_t len);
/** stage_punch() - give the space of the range back; it reads as zeros, and st_mtime changes. */
int stage_punch(const struct stage *s, struct watched *w, uint64_t off, uint64_t len);

uint64_t stage_size(const struct stage *s);
/** stage_is_data() - no hole begins in [off, end), as far as the file system tells. */
bool stage_is_data(const struct stage *s, uint64_t off, uint64_t end);
/** stage_next_data() - where data begins, at @off or behind it; UINT64_MAX: holes alone are left. */
uint64_t stage_next_data(const struct stage *s, uint64_t off);
int64_t stage_mtime_ns(const struct stage *s);
int stage_set_mtime(const struct stage *s, struct watched *w, int64_t mtime_ns);

/** stage_scratch() - a nameless private file of the broker's, in @dir or in memory. Return: a descriptor; -errno. */
int stage_scratch(const char *dir);

#endif
