#include "base/path.h"
#include "volume/s3volume.h"

#include <stdio.h>
#include <string.h>

/*
 * Names on the way are not looked at: that costs a request each, and hardly ever is one a symlink. Only where nothing
 * was found, the components before it are asked for, from the last to the first: a file there is ENOTDIR, a symlink is
 * resolved and the operation begins again. A path has no `..` (dots.h); a link's target may: `..` at its beginning is
 * about folders that were found, behind a name it is resolved by the program's side asking again.
 */
#define LINKS_MAX 40

static int set_path(struct walk *w, const char *path)
{
	bool slash;
	int rc = s3path_clean(path, w->path, &slash);

	if (rc)
		return rc;
	w->must_dir = w->must_dir || slash;
	rc = s3path_key(&w->v->root, w->path, &w->key);
	if (rc == 0 && s3_place(w->v, &w->key) == POLICY_OUTSIDE)
		return err_set(&w->call->err, EACCES, "'%s/%s': the mount's policy does not permit this place",
			       w->v->base.mount, w->path);
	return rc;
}

int walk_start(struct walk *w, struct s3volume *v, struct vcall *call, const char *path)
{
	int rc;

	w->v = v;
	w->call = call;
	w->links = 0;
	w->must_dir = false;
	rc = set_path(w, path);
	return rc == -EXDEV ? -EINVAL : rc;
}

/* The absolute path of @target, which begins with `..` of the mount point. */
static int leave(struct walk *w, const char *target)
{
	char joined[2 * WIRE_PATH_MAX], clean[WIRE_PATH_MAX];
	bool slash;
	int rc;

	snprintf(joined, sizeof(joined), "%s/%s", w->v->base.mount, target);
	if (strlen(joined) >= WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	rc = s3path_clean(joined, clean, &slash);
	/* beyond the root of all: `..` of / is / */
	if (rc && rc != -EXDEV)
		return rc;
	for (const char *p = clean;; p += 3) {
		if (strncmp(p, "../", 3) == 0)
			continue;
		if (strcmp(p, "..") == 0)
			p += 2;
		snprintf(w->call->redirect, sizeof(w->call->redirect), "/%.*s", WIRE_PATH_MAX - 2, p);
		return VOLUME_REDIRECT;
	}
}

/* @path of the mount point, as it is. */
static int redirect_below(struct walk *w, const char *path)
{
	int n = snprintf(w->call->redirect, sizeof(w->call->redirect), "%s/%s%s", w->v->base.mount, path,
			 w->must_dir ? "/" : "");

	return n >= (int)sizeof(w->call->redirect) ? -ENAMETOOLONG : VOLUME_REDIRECT;
}

/* The symlink at the first @len bytes of the path, whose key is @k. */
static int resolve(struct walk *w, const struct s3key *k, size_t len)
{
	char target[WIRE_PATH_MAX], joined[3 * WIRE_PATH_MAX];
	const char *rest = w->path + len;
	size_t dir = len;
	int rc;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	rc = ask_target(w->v, k, target, &w->call->err);
	if (rc)
		return rc;
	while (dir && w->path[dir - 1] != '/')
		dir--;
	if (target[0] == '/') {
		int n = snprintf(w->call->redirect, sizeof(w->call->redirect), "%s%s%s", target, rest,
				 w->must_dir ? "/" : "");

		return n >= (int)sizeof(w->call->redirect) ? -ENAMETOOLONG : VOLUME_REDIRECT;
	}
	snprintf(joined, sizeof(joined), "%.*s%s%s", (int)dir, w->path, target, rest);
	if (strlen(joined) >= WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	if (path_up_behind_name(target, target))
		return redirect_below(w, joined);
	rc = set_path(w, joined);
	if (rc == -EXDEV)
		return leave(w, joined);
	return rc ? rc : WALK_AGAIN;
}

int walk_follow(struct walk *w)
{
	struct s3key k = w->key;

	return resolve(w, &k, strlen(w->path));
}

/* No folder holds the name. Whose fault is it: the components before, from the last to the first. */
int walk_no_folder(struct walk *w)
{
	size_t len = strlen(w->path);

	for (;;) {
		char part[WIRE_PATH_MAX];
		struct facts f;
		struct s3key k;
		int rc;

		while (len && w->path[len - 1] != '/')
			len--;
		if (!len)
			return -ENOENT;
		len--;
		memcpy(part, w->path, len);
		part[len] = 0;
		rc = s3path_key(&w->v->root, part, &k);
		if (rc)
			return rc;
		rc = lookup(w->v, &k, LOOK_NAME, &f, &w->call->err);
		if (rc == 0 && f.kind == NODE_FILE && !f.meta_known)
			rc = lookup(w->v, &k, LOOK_META, &f, &w->call->err);
		if (rc)
			return rc;
		if (f.kind == NODE_DIR)
			return -ENOENT;
		if (facts_is_link(&f))
			return resolve(w, &k, len);
		if (f.kind == NODE_FILE)
			return -ENOTDIR;
	}
}

/* The folder's listing tells whether it is there, and spares whoever asks for its other names, or makes one. */
int walk_missing(struct walk *w)
{
	struct s3key folder;
	struct facts f;
	int rc;

	if (w->key.place != S3PLACE_KEY)
		return -ENOENT;
	s3path_parent(&w->v->root, &w->key, &folder);
	rc = lookup_create(w->v, &w->key, &f, &w->call->err);
	/* where nobody may list, nothing was learned of the folder */
	if (rc == -ENOENT || (rc == 0 && !(lookup_known(w->v, &folder, &f) && f.kind == NODE_DIR)))
		return walk_no_folder(w);
	return rc ? rc : -ENOENT;
}

void walk_hold(struct walk *w, enum hold_how how)
{
	char id[NAMES_ID_MAX];

	names_id(&w->key, id);
	pthread_mutex_lock(&w->v->space->names.lock);
	hold_take_locked(&w->v->space->holds, &w->v->space->names.lock, &w->hold, how, id, NULL);
	pthread_mutex_unlock(&w->v->space->names.lock);
}

void walk_drop(struct walk *w)
{
	pthread_mutex_lock(&w->v->space->names.lock);
	hold_drop_locked(&w->v->space->holds, &w->hold);
	pthread_mutex_unlock(&w->v->space->names.lock);
}

/* @how: NULL, and @op sees to its holds by itself. */
static int run(struct s3volume *v, struct vcall *call, const char *path, const enum hold_how *how,
	       int (*op)(struct walk *w, void *arg), void *arg)
{
	struct walk *w = malloc(sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	rc = walk_start(w, v, call, path);
	while (rc == 0) {
		if (how)
			walk_hold(w, *how);
		rc = op(w, arg);
		if (how)
			walk_drop(w);
		if (rc != WALK_AGAIN)
			break;
		rc = 0;
	}
	free(w);
	return rc;
}

int walk_run(struct s3volume *v, struct vcall *call, const char *path, int (*op)(struct walk *w, void *arg), void *arg)
{
	return run(v, call, path, NULL, op, arg);
}

int walk_run_held(struct s3volume *v, struct vcall *call, const char *path, enum hold_how how,
		  int (*op)(struct walk *w, void *arg), void *arg)
{
	return run(v, call, path, &how, op, arg);
}
