#include "object/internal.h"

#include "s3/checksum.h"

/*
 * Bytes that the owner has fetched by himself, before the object was opened. They are written under the object's lock,
 * so that neither a fill nor a truncate comes between; and only where nothing is here or on its way.
 */
static bool untouched_locked(struct object *o, const char *etag, size_t len)
{
	if (o->state != OBJECT_OPEN || !o->has_base || o->dirty || o->forgotten || o->publishing)
		return false;
	if (o->base.size != len || o->base_end != len || !s3_etag_equal(o->base.etag, etag) || o->fills)
		return false;
	for (uint64_t b = 0; b < present_blocks(len); b++)
		if (present_has(&o->present, b))
			return false;
	return true;
}

static void mark_locked(struct object *o, const char *data, size_t len)
{
	for (size_t off = 0; off < len; off += BLOCK_BYTES) {
		uint64_t crc = crc64_update(0, data + off, min_u64(BLOCK_BYTES, len - off));

		if (present_set(&o->present, off / BLOCK_BYTES, &crc))
			return; /* what is not marked is fetched again */
	}
}

void object_preload(struct object *o, const char *etag, const void *data, size_t len)
{
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (len && untouched_locked(o, etag, len) && (o->space == SPACE_WHOLE || space_charge(o, len, false) == 0)) {
		pthread_rwlock_rdlock(&o->cut);
		r = stage_fill(&o->stage, o->watched, data, len, 0, true);
		pthread_rwlock_unlock(&o->cut);
		if (r == 0)
			mark_locked(o, data, len);
		object_slot_update_locked(o);
	}
	pthread_mutex_unlock(&o->lock);
}
