#include "object/internal.h"

#include "base/log.h"

#include <string.h>

/*
 * A copy on the server is made at once, under the target's name, while `committing` keeps other commits of that name and
 * new writers away. Then the copy is the target's base, of which nothing has arrived: as if it had just been opened. The
 * file grows from nothing to the base's size; whoever was granted what lies behind an empty base has to ask again, so the
 * generation is bumped before the file grows, or he would read zeros.
 */
static int take_source(struct object *from, struct object_clone *c, struct name **ret_name)
{
	uint64_t size;
	int r = -EOPNOTSUPP;

	pthread_mutex_lock(&from->lock);
	size = stage_size(&from->stage);
	if (from->state == OBJECT_OPEN && from->has_base && !from->dirty && !from->committing && !from->forgotten &&
	    size && from->base.size == size && from->base_end == size) {
		*ret_name = name_ref(from->name);
		c->bucket = from->name->bucket;
		c->key = from->name->key;
		c->size = size;
		memcpy(c->etag, from->base.etag, sizeof(c->etag));
		r = 0;
	}
	pthread_mutex_unlock(&from->lock);
	return r;
}

/* On success `committing` is set. */
static int take_target(struct object *to, struct object_clone *c, struct name **ret_name)
{
	int r = -EOPNOTSUPP;

	pthread_mutex_lock(&to->lock);
	object_wait_commit_locked(to);
	if (to->state == OBJECT_OPEN && to->stage.rw < 0 && to->journaled && !to->forgotten && !to->failed &&
	    !to->base_end && !stage_size(&to->stage)) {
		*ret_name = name_ref(to->name);
		c->to_bucket = to->name->bucket;
		c->to_key = to->name->key;
		to->committing = true;
		r = 0;
	}
	pthread_mutex_unlock(&to->lock);
	return r;
}

static int grow_locked(struct object *to, const struct s3_info *info)
{
	struct wire_slot *slot = arena_slot(to->store->config.arena, to->slot);
	struct present none = { 0 };
	int fd, r = present_init(&none, info->size);

	if (r == 0)
		r = present_rebase(&to->present, &none, info->size);
	present_deinit(&none);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&to->cut);
	to->base_end = info->size;
	object_slot_update_locked(to);
	if (slot) {
		atomic_fetch_add(&slot->gen, 1);
		atomic_thread_fence(memory_order_seq_cst);
	}
	fd = stage_borrow(&to->stage, to->watched);
	r = fd < 0 ? fd : ftruncate(fd, (off_t)info->size) < 0 ? -errno : 0;
	if (fd >= 0)
		stage_return(&to->stage, to->watched, fd);
	if (r < 0)
		to->base_end = 0;
	pthread_rwlock_unlock(&to->cut);
	return r;
}

static int become_locked(struct object *to, const struct object_clone *c, struct s3_info *info)
{
	int r;

	info->size = c->size;
	info->meta = c->meta;
	memcpy(info->content_type, c->content_type, sizeof(info->content_type));
	if (!info->mtime_ns)
		info->mtime_ns = stage_mtime_ns(&to->stage);
	to->base = *info;
	to->has_base = true;
	to->exclusive = false;
	to->gap_end = 0;
	cached_detach_locked(to);
	to->epoch++;
	r = grow_locked(to, info);
	object_slot_update_locked(to);
	(void)object_journal_locked(to, NULL, NULL);
	return r;
}

static int run(struct object *to, struct object_clone *c,
	       int (*copy)(void *arg, const struct object_clone *c, struct s3_info *ret, struct err *err), void *arg)
{
	struct s3_info *info = calloc(1, sizeof(*info));
	struct err why = ERR_INIT;
	bool copied;
	int r = -ENOMEM;

	if (info && to->events.prepare)
		to->events.prepare(to->arg, to, &c->meta, c->content_type, sizeof(c->content_type));
	if (info)
		r = copy(arg, c, info, &why);
	copied = r == 0;
	pthread_mutex_lock(&to->lock);
	if (copied)
		r = become_locked(to, c, info);
	to->committing = false;
	pthread_cond_broadcast(&to->cond);
	pthread_mutex_unlock(&to->lock);
	if (copied && to->events.committed)
		to->events.committed(to->arg, to, info);
	free(info);
	if (r < 0)
		log_debug("object", "copying 's3://%s/%s' on the server: %s, ignoring", c->bucket, c->key,
			  why.errnum ? err_text(&why) : strerror(-r));
	return r < 0 ? -EOPNOTSUPP : 0;
}

int object_clone(struct object *to, struct object *from,
		 int (*copy)(void *arg, const struct object_clone *c, struct s3_info *ret, struct err *err), void *arg,
		 uint64_t *ret_size, struct err *err)
{
	struct object_clone *c = calloc(1, sizeof(*c));
	struct name *source = NULL, *target = NULL;
	int r = c ? 0 : err_set(err, ENOMEM, "no memory");

	if (r == 0)
		r = to == from ? -EOPNOTSUPP : take_source(from, c, &source);
	if (r == 0)
		r = take_target(to, c, &target);
	if (r == 0)
		r = run(to, c, copy, arg);
	if (r == 0)
		*ret_size = c->size;
	name_unref(source);
	name_unref(target);
	free(c);
	return r;
}
