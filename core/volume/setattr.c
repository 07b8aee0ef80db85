#include "volume/s3volume.h"

#include <sys/stat.h>

/*
 * chmod, chown, utimens: into the node at once, to the bucket later (deferred.c), or with an upload that is due anyway.
 * Who may is decided as on a disk; access times are kept for the session alone.
 */

static bool allowed(const struct s3volume *v, const struct vcall *call, const struct node *node,
		    const struct vsetattr *set)
{
	uint32_t owner = node->attr.have & ATTR_UID ? node->attr.uid : v->uid;
	uint32_t group = node->attr.have & ATTR_GID ? node->attr.gid : v->gid;
	uint32_t exact = set->mask & ~(uint32_t)(WIRE_SET_ATIME_NOW | WIRE_SET_MTIME_NOW);

	if (call->uid == 0)
		return true;
	if (call->uid == owner)
		return (!(set->mask & WIRE_SET_UID) || set->uid == owner) &&
		       (!(set->mask & WIRE_SET_GID) || set->gid == group || set->gid == call->gid);
	return !exact &&
	       attr_may(attr_mode(&node->attr, node->kind == NODE_DIR), owner, group, call->uid, call->gid, 2);
}

static void apply_locked(struct s3volume *v, struct node *node, const struct vsetattr *set, bool persist)
{
	const uint32_t kept = ~(uint32_t)(WIRE_SET_ATIME | WIRE_SET_ATIME_NOW);
	struct attr *a = &node->attr;
	int64_t now = s3_now_ns();

	if (set->mask & WIRE_SET_MODE) {
		a->mode = (attr_mode(a, node->kind == NODE_DIR) & S_IFMT) | (set->mode & 07777);
		a->have |= ATTR_MODE;
	}
	if (set->mask & WIRE_SET_UID) {
		a->uid = set->uid;
		a->have |= ATTR_UID;
	}
	if (set->mask & WIRE_SET_GID) {
		a->gid = set->gid;
		a->have |= ATTR_GID;
	}
	if (set->mask & (WIRE_SET_MTIME | WIRE_SET_MTIME_NOW)) {
		a->mtime_ns = set->mask & WIRE_SET_MTIME_NOW ? now : set->mtime_ns;
		a->have |= ATTR_MTIME;
	}
	if (set->mask & (WIRE_SET_ATIME | WIRE_SET_ATIME_NOW)) {
		a->atime_ns = set->mask & WIRE_SET_ATIME_NOW ? now : set->atime_ns;
		a->have |= ATTR_ATIME;
	}
	if (persist && (set->mask & kept))
		deferred_mark_locked(v, node);
}

int s3_set_attr(struct s3volume *v, struct vcall *call, const struct s3key *k, struct node *pinned,
		const struct vsetattr *set)
{
	const uint32_t mtime = WIRE_SET_MTIME | WIRE_SET_MTIME_NOW;
	struct node *node = pinned;
	struct object *o = NULL;
	int64_t touched = 0;
	char id[NAMES_ID_MAX];
	int rc = 0;

	if (k && s3_place(v, k) != POLICY_INSIDE)
		return -EACCES;
	pthread_mutex_lock(&v->space->names.lock);
	if (!node) {
		names_id(k, id);
		node = names_get(&v->space->names, id);
	}
	if (!node) {
		rc = -ENOMEM;
	} else if (!allowed(v, call, node, set)) {
		rc = -EPERM;
	} else {
		if (k && k->place != S3PLACE_KEY)
			node->kind = NODE_DIR;
		apply_locked(v, node, set, !node->detached && (!k || k->place == S3PLACE_KEY));
		touched = node->attr.mtime_ns;
		o = onode_object_locked(node);
	}
	pthread_mutex_unlock(&v->space->names.lock);
	/* an upload that is due anyway carries it */
	if (o && (set->mask & mtime) && object_dirty(o))
		object_touch(o, touched);
	else if (o && (set->mask & mtime))
		object_set_base_mtime(o, touched);
	object_unref(o);
	return rc;
}

struct setattr_arg {
	bool nofollow;
	const struct vsetattr *set;
};

static int do_setattr(struct walk *w, void *arg)
{
	const struct setattr_arg *a = arg;
	struct facts f;
	int rc = lookup(w->v, &w->key, LOOK_META, &f, &w->call->err);

	if (rc)
		return rc;
	if (f.kind == NODE_ABSENT)
		return walk_missing(w);
	if (facts_is_link(&f) && (!a->nofollow || w->must_dir))
		return walk_follow(w);
	if (f.kind == NODE_FILE && w->must_dir)
		return -ENOTDIR;
	if (facts_is_link(&f) && (a->set->mask & WIRE_SET_MODE))
		return -EOPNOTSUPP;
	return s3_set_attr(w->v, w->call, &w->key, NULL, a->set);
}

int s3_setattr(struct volume *v, struct vcall *call, const char *path, bool nofollow, const struct vsetattr *set)
{
	struct setattr_arg a = { nofollow, set };

	return walk_run(s3_of(v), call, path, do_setattr, &a);
}
