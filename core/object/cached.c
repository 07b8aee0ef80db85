#include "object/internal.h"

#include "base/counters.h"
#include "base/log.h"

#include <string.h>

/*
 * Objects that the shared cache has, and how it gets them.
 *
 * Out of it: an open for reading of a name that has an entry asks by HEAD instead of GET: still one request, which says
 * what the object is now, metadata and all, and brings no body. (If-None-Match would bring a 304, which says nothing of
 * metadata, and those change under the same ETag.) Where the ETag is the entry's, fills take their blocks from the entry
 * (fill.c); where it is not, a GET follows as it would have without a cache.
 *
 * Into it: an object whose blocks are all here, as they came, when its last descriptor is gone or the session ends. Of a
 * file that is too large to stay here whole, and that is read from its beginning, the blocks are saved when they are
 * dropped; a reader who jumps about in it saves nothing, so that he does not drive out others. What is saved is compared
 * with the checksum that each block had when it came: a program may have written into the file, if it is the broker's
 * user.
 */
static struct cache_name name_in_cache(const struct name *n)
{
	return (struct cache_name){ .place = s3_client_place(n->client), .bucket = n->bucket, .key = n->key };
}

int cached_open(struct object *o, struct err *err)
{
	struct cache *cache = o->store->config.cache;
	struct cache_name name;
	struct cache_entry *e;
	struct s3_call *call;
	int r;

	if (!cache)
		return 1;
	name = name_in_cache(o->name);
	if (cache_find(cache, &name, &e) < 0)
		return 1;
	call = malloc(sizeof(*call));
	if (!call) {
		cache_entry_unref(e);
		return err_set(err, ENOMEM, "no memory");
	}
	s3_call_init(call, S3_HEAD_OBJECT, o->name->bucket, o->name->key);
	r = s3_run(o->name->client, call);
	if (r < 0 && err)
		*err = call->err;
	if (r == 0 && !cache_entry_is(e, &call->info))
		r = 1;
	if (r == 0) {
		counter_add(COUNTER_shared_cache_hits, 1);
		pthread_mutex_lock(&o->lock);
		r = object_ready_locked(o, &call->info, OBJECT_READ, err);
		o->entry = steal_ptr(&e);
		pthread_mutex_unlock(&o->lock);
	}
	cache_entry_unref(e);
	free(call);
	return r;
}

void cached_attach_locked(struct object *o)
{
	struct cache *cache = o->store->config.cache;
	struct cache_name name;
	struct cache_entry *e;

	if (!cache || !o->has_base || !o->base.size)
		return;
	name = name_in_cache(o->name);
	if (cache_find(cache, &name, &e) < 0)
		return;
	if (cache_entry_is(e, &o->base)) {
		counter_add(COUNTER_shared_cache_hits, 1);
		o->entry = e;
	} else {
		cache_entry_unref(e);
	}
}

static void give_up_locked(struct object *o)
{
	cache_abort(steal_ptr(&o->saver));
	o->saved = true;
}

void cached_detach_locked(struct object *o)
{
	o->entry = cache_entry_unref(o->entry);
	cache_abort(steal_ptr(&o->saver));
	o->saved = false;
}

static int begin(struct object_store *s, const struct name *n, const struct s3_info *base, struct cache_writer **ret)
{
	struct cache_name name = name_in_cache(n);
	int r = cache_begin(s->config.cache, &name, base->etag, base->size, ret);

	if (r < 0 && r != -EEXIST)
		log_debug("object", "'" NAME_FMT "' is not kept for later sessions: %s", NAME_ARG(n), strerror(-r));
	return r;
}

/* Has all before @to come, or is it on its way, as of a file that is read from its beginning? */
static bool read_in_order_locked(const struct object *o, uint64_t to)
{
	for (uint64_t b = 0; b < to; b++)
		if (!present_has(&o->present, b) && !present_busy(&o->present, b))
			return false;
	return true;
}

void cached_drop_locked(struct object *o, uint64_t from, uint64_t to)
{
	uint64_t crc;

	if (!o->store->config.cache || o->entry || o->saved || o->base_end != o->base.size)
		return;
	to = min_u64(to, o->present.blocks);
	while (to > from && !present_has(&o->present, to - 1)) /* nothing of that is dropped */
		to--;
	if (to <= from)
		return;
	if (!o->saver && (!read_in_order_locked(o, to) || begin(o->store, o->name, &o->base, &o->saver) < 0)) {
		give_up_locked(o);
		return;
	}
	for (uint64_t b = from; b < to; b++) {
		if (cache_writer_has(o->saver, b) || !present_crc(&o->present, b, &crc))
			continue;
		if (cache_writer_block(o->saver, o->stage.ro, b, &crc) < 0) {
			give_up_locked(o);
			return;
		}
	}
}

/* The checksums of all blocks that are not saved yet; NULL: it is not whole. */
static uint64_t *gather_locked(const struct object *o)
{
	uint64_t *crcs = calloc(o->present.blocks, sizeof(*crcs));
	bool whole = crcs != NULL;

	for (uint64_t b = 0; whole && b < o->present.blocks; b++)
		whole = (o->saver && cache_writer_has(o->saver, b)) || present_crc(&o->present, b, &crcs[b]);
	if (whole)
		return crcs;
	free(crcs);
	return NULL;
}

static bool may_keep_locked(const struct object *o)
{
	return o->state == OBJECT_OPEN && o->has_base && o->base.size && o->base_end == o->base.size &&
	       o->present.size == o->base.size && !o->dirty && !o->forgotten && !o->committing && !o->publishing &&
	       !o->entry && !o->saved;
}

/* What is saved of one version, outside of the lock. */
struct keeping {
	struct name *name;
	struct s3_info base;
	struct cache_writer *writer;
	uint64_t *crcs, blocks;
	unsigned epoch;
};

static bool take_locked(struct object *o, struct keeping *k)
{
	if (!may_keep_locked(o) || !(k->crcs = gather_locked(o)))
		return false;
	k->blocks = o->present.blocks;
	k->writer = steal_ptr(&o->saver);
	k->name = name_ref(o->name);
	k->base = o->base;
	k->epoch = o->epoch;
	o->saved = true;
	return true;
}

static int save(struct object *o, struct keeping *k)
{
	int r = k->writer ? 0 : begin(o->store, k->name, &k->base, &k->writer);

	for (uint64_t b = 0; r == 0 && b < k->blocks; b++)
		if (!cache_writer_has(k->writer, b))
			r = cache_writer_block(k->writer, o->stage.ro, b, &k->crcs[b]);
	pthread_mutex_lock(&o->lock);
	if (r == 0 && o->epoch != k->epoch)
		r = -ESTALE;
	pthread_mutex_unlock(&o->lock);
	if (r == 0)
		return cache_commit(k->writer);
	cache_abort(k->writer);
	return r;
}

void cached_keep(struct object *o)
{
	struct keeping *k = o->store->config.cache ? calloc(1, sizeof(*k)) : NULL;
	bool due;
	int r;

	if (!k)
		return;
	pthread_mutex_lock(&o->lock);
	due = take_locked(o, k);
	pthread_mutex_unlock(&o->lock);
	r = due ? save(o, k) : 0;
	if (r < 0 && r != -EEXIST)
		log_debug("object", "keeping '" NAME_FMT "' for later sessions: %s, ignoring", NAME_ARG(k->name),
			  strerror(-r));
	if (due)
		name_unref(k->name);
	free(k->crcs);
	free(k);
}
