#include "volume/dots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_up(const char *p, size_t len)
{
	return len == 2 && p[0] == '.' && p[1] == '.';
}

/* "<head>/<tail>" as the redirect; @head may end in a slash. */
static int redirect_to(struct vcall *call, const char *head, const char *tail)
{
	char to[2 * WIRE_PATH_MAX];
	size_t len = strlen(head);
	int n;

	while (len && head[len - 1] == '/')
		len--;
	n = snprintf(to, sizeof(to), "%.*s/%s", (int)len, head, tail);
	if (n >= WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(call->redirect, to, (size_t)n + 1);
	return VOLUME_REDIRECT;
}

/* The folder above @at, which is not "". @rest follows, with the `..` that is about it as its first component. */
static int up(struct volume *v, struct vcall *call, char *at, const char *rest)
{
	struct wire_attr attr;
	char real[WIRE_PATH_MAX];
	char *slash;
	int rc = v->ops->realpath(v, call, at, &attr, real);

	if (rc == VOLUME_REDIRECT) {
		memcpy(real, call->redirect, sizeof(real));
		return redirect_to(call, real, rest);
	}
	if (rc)
		return rc;
	if (!S_ISDIR(attr.mode))
		return -ENOTDIR;
	if (!real[0]) /* a symlink to the mount point itself */
		return redirect_to(call, v->mount, rest);
	slash = strrchr(real, '/');
	*(slash ? slash : real) = '\0';
	memcpy(at, real, sizeof(real));
	return 0;
}

int dots_resolve(struct volume *v, struct vcall *call, const char *path)
{
	char at[WIRE_PATH_MAX] = "";
	size_t n = 0;
	int rc;

	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (is_up(p, len) && !n)
			return redirect_to(call, v->mount, p);
		if (is_up(p, len)) {
			rc = up(v, call, at, p);
			if (rc)
				return rc;
			n = strlen(at);
		} else {
			if (n + len + 2 > sizeof(at))
				return -ENAMETOOLONG;
			n += (size_t)snprintf(at + n, sizeof(at) - n, "%s%.*s", n ? "/" : "", (int)len, p);
		}
		p += len;
		if (*p == '/' && !p[1] && n && n + 1 < sizeof(at))
			at[n++] = '/', at[n] = '\0';
		p += *p == '/';
	}
	return redirect_to(call, v->mount, at);
}
