#include "object/internal.h"

#include "base/log.h"

#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/*
 * Names of open objects, and what happens to an object when its name goes or changes. Both wait for a commit that is
 * under way: what is done to one key is first in, first out.
 */
struct name *name_new(const struct object_name *from)
{
	const char *endpoint = from->endpoint ? from->endpoint : "";
	size_t b = strlen(from->bucket), k = strlen(from->key), e = strlen(endpoint);
	size_t hash_len = sizeof(from->client) + b + 1 + k;
	struct name *n = calloc(1, sizeof(*n) + hash_len + 1 + e + 1);
	char *p;

	if (!n)
		return NULL;
	atomic_init(&n->refs, 1);
	n->client = from->client;
	n->hash_len = hash_len;
	memcpy(n->hash, &from->client, sizeof(from->client));
	p = n->hash + sizeof(from->client);
	n->bucket = memcpy(p, from->bucket, b);
	n->key = memcpy(p + b + 1, from->key, k);
	n->endpoint = memcpy(p + b + 1 + k + 1, endpoint, e);
	return n;
}

struct name *name_ref(struct name *n)
{
	atomic_fetch_add(&n->refs, 1);
	return n;
}

void name_unref(struct name *n)
{
	if (n && atomic_fetch_sub(&n->refs, 1) == 1)
		free(n);
}

static bool fits_locked(struct object *o)
{
	struct statvfs fs;

	if (o->stage.rw >= 0)
		return o->space == SPACE_WHOLE || o->base_end < o->store->config.memory_max;
	return fstatvfs(o->stage.ro, &fs) == 0 && o->base_end < (uint64_t)fs.f_bavail * fs.f_frsize;
}

int object_forget(struct object *o, struct err *err)
{
	struct err why = ERR_INIT;

	(void)err;
	pthread_mutex_lock(&o->lock);
	object_wait_commit_locked(o);
	space_keep_locked(o); /* it cannot be fetched again */
	if (o->handed_out && !watch_try_no_holders(o->watched) && fits_locked(o) &&
	    fill_range_locked(o, 0, o->base_end, &why) < 0)
		log_debug("object", "completing '" NAME_FMT "' before it goes: %s, ignoring", NAME_ARG(o->name),
			  err_text(&why));
	object_wait_commit_locked(o);
	o->forgotten = true;
	o->dirty = o->touched = false;
	stage_drop_journal(&o->stage);
	if (o->stage.path)
		(void)unlink(o->stage.path);
	object_leave_table(o);
	stream_drop_locked(o);
	pthread_mutex_unlock(&o->lock);
	return 0;
}

int object_rename(struct object *o, const struct object_name *name, const struct s3_info *base, struct err *err)
{
	struct object_store *s = o->store;
	struct name *n = name_new(name);
	int r = 0;

	if (!n)
		return err_set(err, ENOMEM, "no memory");
	pthread_mutex_lock(&o->lock);
	object_wait_commit_locked(o);
	space_keep_locked(o);
	if (o->has_base && !base && o->base_end) {
		/* Nothing will be left to fetch from under the new name. */
		r = fill_range_locked(o, 0, o->base_end, err);
		object_wait_commit_locked(o);
	}
	if (r == 0 && name->if_etag && !s3_etag_equal(name->if_etag, o->has_base ? o->base.etag : ""))
		r = err_set(err, EAGAIN, NAME_FMT " was committed meanwhile", NAME_ARG(o->name));
	if (r == 0) {
		pthread_mutex_lock(&s->lock);
		if (object_find_locked(s, n) && object_find_locked(s, n) != o) {
			r = err_set(err, EBUSY, NAME_FMT " is open", NAME_ARG(n));
		} else if (o->in_table) {
			HASH_DEL(s->table, o);
			HASH_ADD_KEYPTR(hh, s->table, n->hash, n->hash_len, o);
		}
		pthread_mutex_unlock(&s->lock);
	}
	if (r == 0) {
		struct name *old = o->name;

		stream_drop_locked(o);
		o->name = n;
		n = old;
		if (!base) {
			o->base_end = 0;
			o->dirty = !o->forgotten;
		} else {
			uint64_t size = o->base.size;

			/* A file without bytes of a base has only learned what its commit replaces. */
			o->base = *base;
			if (o->has_base && o->base_end)
				o->base.size = size;
		}
		o->has_base = base != NULL;
		cached_detach_locked(o);
		o->epoch++;
		object_slot_update_locked(o);
		if (o->journaled)
			(void)object_journal_locked(o, NULL, NULL);
		pthread_cond_broadcast(&o->cond);
	}
	pthread_mutex_unlock(&o->lock);
	name_unref(n);
	return r;
}
