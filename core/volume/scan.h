/**
 * scan.h - in which order a program goes through a listing: by name, as readdir shows it, or by inode number (cp).
 *
 * A scan is kept per listing and kind of going through it: names looked up, files read, folders opened. Its positions
 * are places in the order it follows. Threads: names.lock.
 */
#ifndef S3SHIM_VOLUME_SCAN_H
#define S3SHIM_VOLUME_SCAN_H

#include "volume/listing.h"

struct names;
struct s3key;

enum scan_step {
	SCAN_SAME, /* where it was last */
	SCAN_NEXT, /* what comes next */
	SCAN_JUMP, /* something else: the scan begins anew */
};

/** scan_move() - the program comes to entry @at of the listing of @folder. */
enum scan_step scan_move(struct names *names, const struct s3key *folder, struct listing *l, enum scan_kind kind,
			 size_t at);

/** scan_entry() - the entry at position @pos of the order that the scan follows. */
const struct listing_entry *scan_entry(const struct listing *l, const struct scan *s, size_t pos);

/** scan_near() - is entry @at what comes next, or was it last? Without moving. */
bool scan_near(const struct listing *l, enum scan_kind kind, size_t at);

#endif
