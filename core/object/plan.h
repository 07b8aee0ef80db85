/**
 * plan.h - of which parts a multipart upload is made: what changed is sent, the rest is copied on the server.
 *
 * Source of the limits: "Amazon S3 multipart upload limits" in the S3 User Guide: parts of 5 MiB to 5 GiB, the last may
 * be smaller, 10,000 of them. Pure: no object, no network.
 */
#ifndef S3SHIM_OBJECT_PLAN_H
#define S3SHIM_OBJECT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan_range {
	uint64_t off, end;
};

struct plan_ranges { /* sorted, apart */
	struct plan_range *at;
	size_t count, room;
};

/** plan_ranges_add() - [off, end), not before what was added last; joined to it where they touch. Return: 0; -ENOMEM.
 */
int plan_ranges_add(struct plan_ranges *r, uint64_t off, uint64_t end);
void plan_ranges_deinit(struct plan_ranges *r);

struct plan_part {
	uint64_t off, len;
	bool copy; /* UploadPartCopy of the same range of the base */
};

struct plan {
	struct plan_part *parts;
	size_t count;
};

/**
 * plan_make() - cover [0, size) by parts, @changed as data and of the rest as much as possible as copies
 * Return: 0; -EFBIG if it cannot be done in 10,000 parts; -ENOMEM. *ret is the caller's to plan_deinit().
 */
int plan_make(const struct plan_ranges *changed, uint64_t size, uint64_t part_bytes, struct plan *ret);
void plan_deinit(struct plan *p);
bool plan_is_whole(const struct plan *p); /* no part is a copy */

/**
 * plan_grid() - where part @number (from 1) of a file that is sent whole lies: sizes double every 128 parts, so that
 * a file's parts can be sent before its size is known, and 5 TiB fit. plan_make() uses the same grid for such a file.
 */
struct plan_range plan_grid(unsigned number, uint64_t part_bytes);

#endif
