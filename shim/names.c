#include "shim/names.h"
#include "shim/shim.h"

/* Where a redirect goes: on inside a mount (0), or out of all (@left). */
static int follow(struct route *r, const struct link_extra *x, int left)
{
	int rc = x->tail_len < WIRE_PATH_MAX ? route_redirect(r, x->tail) : -ENAMETOOLONG;

	if (rc < 0)
		return rc;
	return rc == ROUTE_MOUNT ? 0 : left;
}

int names_call(struct route *r, enum wire_type type, void *req, uint32_t *mount, void *rep, struct link_extra *x)
{
	char to[WIRE_PATH_MAX];
	struct link_extra own = { .tail = to, .tail_room = sizeof(to), .fd = -1 };
	int rc;

	if (!x)
		x = &own;
	if (!x->tail) {
		x->tail = to;
		x->tail_room = sizeof(to);
	}
	do {
		*mount = r->mount;
		x->string[wire_messages[type].strings - 1] = r->rel;
		rc = link_call(type, req, rep, x);
		if (rc <= 0)
			break;
		rc = follow(r, x, NAMES_LEFT);
	} while (!rc);
	if (x->tail == to)
		x->tail = NULL;
	return rc;
}

int names_call_pair(struct route *from, struct route *to, enum wire_type type, uint32_t flags)
{
	/* LINK_NAME's request and reply have RENAME's shape. */
	_Static_assert(sizeof(struct wire_rename_req) == sizeof(struct wire_link_name_req), "one shape for two names");
	struct wire_rename_req req = { .flags = flags };
	struct wire_rename_rep rep;
	char tail[WIRE_PATH_MAX];
	int rc;

	do {
		struct link_extra x = {
			.string = { from->rel, to->rel }, .tail = tail, .tail_room = sizeof(tail), .fd = -1
		};
		req.mount = from->mount;
		req.mount2 = to->mount;
		rc = link_call(type, &req, &rep, &x);
		if (rc <= 0)
			return rc;
		rc = rc == WIRE_REDIRECT_1 ? follow(from, &x, NAMES_LEFT) : follow(to, &x, NAMES_LEFT_2);
	} while (!rc);
	return rc;
}

int names_stat(struct route *r, uint32_t flags, struct wire_attr *ret)
{
	struct wire_stat_req req = { .flags = flags };
	struct wire_stat_rep rep;
	int rc = names_call(r, WIRE_STAT, &req, &req.mount, &rep, NULL);

	if (!rc)
		*ret = rep.attr;
	return rc;
}

int names_realpath(struct route *r, struct wire_attr *ret_attr, char *ret)
{
	struct wire_realpath_req req = { 0 };
	struct wire_realpath_rep rep;
	struct link_extra x = { .tail = ret, .tail_room = WIRE_PATH_MAX, .fd = -1 };
	int rc = names_call(r, WIRE_REALPATH, &req, &req.mount, &rep, &x);

	if (!rc)
		*ret_attr = rep.attr;
	return rc;
}
