#include "broker/files.h"

#include "base/util.h"
#include "broker/failed.h"
#include "broker/limits.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/*
 * Ids are counted up from 1, so none is used again. The table holds one reference, each handler at work another; the
 * last one frees, on whatever thread that is, the volume's too (files_gone()). So files_free() waits until none is
 * `alive`: behind it the volumes go.
 */
struct files {
	pthread_mutex_t lock; /* guards what follows; nothing is called with it held */
	pthread_cond_t changed;
	struct description *by_id, *by_vfile;
	uint64_t next_id;
	size_t alive; /* in the tables or referenced */
	struct failed failed;
};

int files_new(struct files **ret)
{
	struct files *files = calloc(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	pthread_mutex_init(&files->lock, NULL);
	pthread_cond_init(&files->changed, NULL);
	files->next_id = 1;
	*ret = files;
	return 0;
}

static void remove_locked(struct files *files, struct description *d)
{
	HASH_DELETE(by_id, files->by_id, d);
	HASH_DELETE(by_vfile, files->by_vfile, d);
}

struct files *files_free(struct files *files)
{
	struct description *d;

	if (!files)
		return NULL;
	pthread_mutex_lock(&files->lock);
	while ((d = files->by_id)) {
		remove_locked(files, d);
		pthread_mutex_unlock(&files->lock);
		files_put(d);
		pthread_mutex_lock(&files->lock);
	}
	while (files->alive)
		pthread_cond_wait(&files->changed, &files->lock);
	pthread_mutex_unlock(&files->lock);
	pthread_cond_destroy(&files->changed);
	pthread_mutex_destroy(&files->lock);
	free(files);
	return NULL;
}

int files_add(struct files *files, const struct description *what, uint64_t *ret_id)
{
	struct description *d = malloc(sizeof(*d));
	char *path = strdup(what->path);

	if (!d || !path) {
		free(d);
		free(path);
		return -ENOMEM;
	}
	*d = *what;
	d->path = path;
	d->files = files;
	d->held_next = NULL;
	offset_init(&d->offset);
	atomic_init(&d->refs, 1);
	pthread_mutex_lock(&files->lock);
	if (files->alive >= LIMIT_FILES) {
		pthread_mutex_unlock(&files->lock);
		offset_deinit(&d->offset);
		free(path);
		free(d);
		return -ENFILE;
	}
	files->alive++;
	d->id = files->next_id++;
	*ret_id = d->id;
	HASH_ADD(by_id, files->by_id, id, sizeof(d->id), d);
	HASH_ADD(by_vfile, files->by_vfile, vfile, sizeof(d->vfile), d);
	pthread_mutex_unlock(&files->lock);
	return 0;
}

uint64_t files_find(struct files *files, const struct vfile *vfile)
{
	struct description *d;
	uint64_t id;

	pthread_mutex_lock(&files->lock);
	HASH_FIND(by_vfile, files->by_vfile, &vfile, sizeof(vfile), d);
	id = d ? d->id : 0;
	pthread_mutex_unlock(&files->lock);
	return id;
}

struct description *files_get(struct files *files, uint64_t id)
{
	struct description *d;

	pthread_mutex_lock(&files->lock);
	HASH_FIND(by_id, files->by_id, &id, sizeof(id), d);
	if (d)
		files_ref(d);
	pthread_mutex_unlock(&files->lock);
	return d;
}

static void close_sent(struct description *d)
{
	int fd = atomic_exchange(&d->sent, -1);

	if (fd >= 0)
		close(fd);
}

void files_received(struct files *files, uint64_t id)
{
	struct description *d = files_get(files, id);

	if (d)
		close_sent(d);
	files_put(d);
}

void files_ref(struct description *d)
{
	atomic_fetch_add(&d->refs, 1);
}

void files_put(struct description *d)
{
	struct files *files;

	if (!d || atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	files = d->files;
	close_sent(d);
	vfile_free(d->vfile);
	offset_deinit(&d->offset);
	free(d->path);
	free(d);
	pthread_mutex_lock(&files->lock);
	files->alive--;
	pthread_cond_signal(&files->changed);
	pthread_mutex_unlock(&files->lock);
}

void files_gone(struct files *files, struct vfile *vfile, int status)
{
	struct description *d;

	pthread_mutex_lock(&files->lock);
	HASH_FIND(by_vfile, files->by_vfile, &vfile, sizeof(vfile), d);
	if (d) {
		remove_locked(files, d);
		if (status < 0)
			failed_add(&files->failed, d->id, status);
	}
	pthread_mutex_unlock(&files->lock);
	files_put(d);
}

int files_ended(struct files *files, uint64_t id)
{
	int r;

	pthread_mutex_lock(&files->lock);
	r = !id || id >= files->next_id ? -EBADF : failed_find(&files->failed, id);
	pthread_mutex_unlock(&files->lock);
	return r;
}

size_t files_count(struct files *files)
{
	size_t n;

	pthread_mutex_lock(&files->lock);
	n = HASH_CNT(by_id, files->by_id);
	pthread_mutex_unlock(&files->lock);
	return n;
}
