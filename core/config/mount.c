#include "config/mount.h"
#include "base/util.h"
#include "config/policy.h"

#include <stdio.h>
#include <string.h>

/* Splits at slashes; *@at moves behind the part. Return: its length, 0 at the end. */
static size_t next_part(const char **at, const char **ret_part)
{
	size_t n;

	*at += strspn(*at, "/");
	*ret_part = *at;
	n = strcspn(*at, "/");
	*at += n;
	return n;
}

static bool is_dots(const char *part, size_t n)
{
	return (n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0);
}

/* The parts joined by single slashes, each with one in front; `.` dropped. NULL: a `..`, or no memory. */
static char *normalise(const char *path, bool *ret_climbs)
{
	char *out = malloc(strlen(path) + 2), *end = out;
	const char *part;
	size_t n;

	*ret_climbs = false;
	if (!out)
		return NULL;
	while ((n = next_part(&path, &part)) > 0) {
		if (n == 2 && is_dots(part, n))
			*ret_climbs = true;
		if (is_dots(part, n))
			continue;
		*end++ = '/';
		memcpy(end, part, n);
		end += n;
	}
	*end = '\0';
	return out;
}

int mount_point(const char *text, const char *where, char **ret, struct err *err)
{
	cleanup_free char *clean = NULL;
	bool climbs;

	if (text[0] != '/')
		return err_set(err, EINVAL, "%s: mount point '%s' must be an absolute path, as in /s3", where, text);
	if (strchr(text, ':'))
		return err_set(err, EINVAL, "%s: mount point '%s' cannot hold a ':'", where, text);
	clean = normalise(text, &climbs);
	if (!clean)
		return err_set(err, ENOMEM, "%s: out of memory", where);
	if (climbs)
		return err_set(err, EINVAL, "%s: mount point '%s' cannot hold '..'", where, text);
	if (!*clean)
		return err_set(
		    err, EINVAL,
		    "%s: a mount point cannot be '/': it would hide every file of the machine; name a folder "
		    "of its own, as in --mount /s3",
		    where);
	*ret = steal_ptr(&clean);
	return 0;
}

int mount_prefix(const char *text, const char *where, char **ret, struct err *err)
{
	const char *begin = text + strspn(text, "/"), *end = text + strlen(text), *at;
	char *copy;

	while (end > begin && end[-1] == '/')
		end--;
	for (at = begin; at < end; at++) {
		size_t n = strcspn(at, "/");
		if (n == 2 && is_dots(at, n))
			return err_set(err, EINVAL, "%s: prefix '%s' cannot climb out of the bucket by '..'", where,
				       text);
		if (n == 0 || is_dots(at, n))
			return err_set(err, EINVAL, "%s: prefix '%s' has an empty part or '.': no path can name it",
				       where, text);
		at += n;
	}
	copy = strndup(begin, (size_t)(end - begin));
	if (!copy)
		return err_set(err, ENOMEM, "%s: out of memory", where);
	*ret = copy;
	return 0;
}

int mount_bucket(const char *text, const char *where, struct err *err)
{
	if (strncmp(text, "s3://", 5) == 0)
		return err_set(err, EINVAL, "%s '%s': give the bucket's name alone, or --mount /s3=%s", where, text,
			       text);
	if (strchr(text, '/'))
		return err_set(err, EINVAL, "%s '%s': a bucket's name has no '/'; give what follows it as --prefix",
			       where, text);
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return err_set(err, EINVAL, "%s '%s': a bucket's name has no blanks", where, text);
	if (!*text)
		return err_set(err, EINVAL, "%s: the bucket's name is empty", where);
	return 0;
}

static int spec_s3(const char *what, const char *where, struct mount_config *m, struct err *err)
{
	size_t n = strcspn(what, "/");
	int r;

	m->type = MOUNT_S3;
	if (n == 0 && what[strspn(what, "/")])
		return err_set(err, EINVAL, "%s: 's3://%s' names no bucket; s3://bucket/prefix, or s3:// for all",
			       where, what);
	if (n) {
		m->bucket = strndup(what, n);
		if (!m->bucket)
			return err_set(err, ENOMEM, "%s: out of memory", where);
		r = mount_bucket(m->bucket, where, err);
		if (r < 0)
			return r;
	}
	return mount_prefix(what + n, where, &m->prefix, err);
}

int mount_spec(const char *text, const char *where, struct mount_config *m, struct err *err)
{
	const char *equals = strchr(text, '='), *what = equals + 1;
	cleanup_free char *point = strndup(text, (size_t)(equals - text));
	int r;

	if (!point)
		return err_set(err, ENOMEM, "%s: out of memory", where);
	r = mount_point(point, where, &m->mount, err);
	if (r < 0)
		return r;
	if (strncmp(what, "s3://", 5) == 0)
		return spec_s3(what + 5, where, m, err);
	if (strncmp(what, "file:", 5) == 0 && what[5]) {
		const char *folder = what + 5;
		/* file:///x, as a URL has it */
		if (strncmp(folder, "///", 3) == 0)
			folder += 2;
		m->type = MOUNT_FILE;
		m->path = option_path_absolute(folder);
		return m->path ? 0 : err_set(err, ENOMEM, "%s: out of memory", where);
	}
	return err_set(err, EINVAL, "%s '%s': behind '=' goes s3://bucket/prefix, s3:// or file:/folder", where, text);
}

struct expansion {
	char letter;
	const char *name;
	const char *text; /* "" if the user has none */
	size_t len;
};

static void split_user(const char *user, struct expansion e[3])
{
	const char *at = user ? strrchr(user, '@') : NULL, *back = user ? strchr(user, '\\') : NULL;

	e[0] = (struct expansion){ 'u', "user name", user ? user : "", user ? strlen(user) : 0 };
	e[1] = (struct expansion){ 'd', "domain", "", 0 };
	e[2] = (struct expansion){ 'f', "full name", e[0].text, e[0].len };
	if (at) {
		e[0].len = (size_t)(at - user);
		e[1].text = at + 1;
	} else if (back) {
		e[1].text = user;
		e[0].text = back + 1;
		e[0].len = strlen(back + 1);
	}
	e[1].len = at ? strlen(at + 1) : back ? (size_t)(back - user) : 0;
}

static int check_expansion(const struct expansion *e, const char *path, const char *where, struct err *err)
{
	if (!e->len)
		return err_set(err, EINVAL, "%s: %%%c in '%s' is empty: the %s is not known; give it by --user %s",
			       where, e->letter, path, e->name, e->letter == 'd' ? "NAME@DOMAIN" : "NAME");
	if (memchr(e->text, '/', e->len) || memmem(e->text, e->len, "..", 2))
		return err_set(err, EINVAL, "%s: the %s '%.*s' cannot stand in '%s': it holds '/' or '..'", where,
			       e->name, (int)e->len, e->text, path);
	if (is_dots(e->text, e->len))
		return err_set(err, EINVAL, "%s: the %s '.' cannot stand in '%s': it names no folder of its own", where,
			       e->name, path);
	return 0;
}

static int check_folder(const char *path, const char *where, struct err *err)
{
	bool drive = (path[0] | 32) >= 'a' && (path[0] | 32) <= 'z' && path[1] == ':';

	if (strncmp(path, "\\\\", 2) == 0 || (strncmp(path, "//", 2) == 0 && path[2] && path[2] != '/'))
		return err_set(err, EINVAL,
			       "%s: '%s' is the name of a Windows share (UNC); mount the share and give its folder",
			       where, path);
	if (drive)
		return err_set(err, EINVAL, "%s: '%s' is a path of Windows; a folder here begins with '/'", where,
			       path);
	if (path[0] != '/')
		return err_set(err, EINVAL, "%s: folder '%s' must be an absolute path", where, path);
	return 0;
}

int mount_expand(const char *path, const char *user, bool expand, const char *where, char **ret, struct err *err)
{
	struct expansion e[3];
	cleanup_free char *out = malloc((strlen(path) + 1) * (user ? strlen(user) + 1 : 1));
	char *end = out;
	int r = check_folder(path, where, err);

	if (r < 0 || !out)
		return r < 0 ? r : err_set(err, ENOMEM, "%s: out of memory", where);
	split_user(user, e);
	for (const char *p = path; *p; p++) {
		const struct expansion *found = NULL;
		if (*p != '%' || p[1] == '%') {
			p += *p == '%';
			*end++ = *p;
			continue;
		}
		p++;
		for (size_t i = 0; i < ARRAY_SIZE(e); i++)
			if (*p == e[i].letter)
				found = &e[i];
		if (!found)
			return err_set(err, EINVAL, "%s: '%s': after '%%' goes u, d, f or %%", where, path);
		if (!expand)
			continue;
		r = check_expansion(found, path, where, err);
		if (r < 0)
			return r;
		memcpy(end, found->text, found->len);
		end += found->len;
	}
	*end = '\0';
	if (!expand)
		strcpy(out, path);
	*ret = steal_ptr(&out);
	return 0;
}

static bool is_key_option(int opt)
{
	return opt == OPT_access_key_id || opt == OPT_secret_key || opt == OPT_session_token || opt == OPT_passwd_file;
}

/* @from: where the keys of @m come from. */
static int check_pair(const struct mount_config *m, const struct setting *from, struct err *err)
{
	const struct setting *there = &from[m->access_key_id ? OPT_access_key_id : OPT_secret_key];

	if (!m->access_key_id == !m->secret_key)
		return 0;
	return err_set(err, EINVAL, "%s is there without '%s'; a key has both", there->where,
		       m->access_key_id ? "secretKey" : "accessKeyId");
}

static bool is_policy_option(int opt)
{
	return opt == OPT_verbs || opt == OPT_allow_buckets || opt == OPT_allow_prefixes;
}

static bool is_file_option(int opt)
{
	return opt == OPT_read_only || opt == OPT_verbs;
}

/* What the mount says besides can only narrow what the session says. */
static int join_policy(int opt, const struct setting *own, const struct setting *session, struct mount_config *m,
		       struct err *err)
{
	cleanup_free char *both = policy_join(session->text, own->text);
	const struct setting joined = { own->level, both, own->where };

	return both ? option_store(opt, &joined, m, err) : err_set(err, ENOMEM, "out of memory");
}

int mount_fill(struct mount_config *m, const struct setting *own, const struct setting *session, struct err *err)
{
	bool own_keys = own && (own[OPT_access_key_id].text || own[OPT_secret_key].text ||
				own[OPT_session_token].text || own[OPT_profile].text || own[OPT_passwd_file].text);

	for (int i = 0; i < OPT_MAX; i++) {
		const struct setting *s = own && own[i].text ? &own[i] : &session[i];
		int r;
		if (option_rows[i].group != OPTION_GROUP_MOUNT || i == OPT_bucket || i == OPT_prefix)
			continue;
		if (m->type == MOUNT_FILE && !is_file_option(i))
			continue;
		if (own_keys && is_key_option(i))
			s = &own[i];
		if (!s->text)
			continue;
		if (is_policy_option(i) && own && own[i].text && session[i].text)
			r = join_policy(i, &own[i], &session[i], m, err);
		else
			r = option_store(i, s, m, err);
		if (r < 0)
			return r;
	}
	return check_pair(m, own_keys ? own : session, err);
}

int mount_add(struct config *config, struct mount_config *m, const char *where, struct err *err)
{
	struct mount_config *grown;

	for (size_t i = 0; i < config->mount_count; i++)
		if (strcmp(config->mounts[i].mount, m->mount) == 0)
			return err_set(err, EINVAL, "%s: mount point '%s' is given twice", where, m->mount);
	if (config->mount_count == MOUNT_COUNT_MAX)
		return err_set(err, EINVAL, "%s: more than %d mounts", where, MOUNT_COUNT_MAX);
	grown = reallocarray(config->mounts, config->mount_count + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "%s: out of memory", where);
	config->mounts = grown;
	grown[config->mount_count++] = *m;
	*m = (struct mount_config){ 0 };
	return 0;
}

int mount_policy(const struct mount_config *m, bool default_deny, struct policy **ret, struct err *err)
{
	const struct policy_text text = { .verbs = m->verbs,
					  .buckets = m->allow_buckets,
					  .prefixes = m->allow_prefixes,
					  .default_deny = default_deny,
					  .all_buckets = m->type == MOUNT_S3 && !m->bucket };

	return policy_new(&text, ret, err);
}

void mount_deinit(struct mount_config *m)
{
	char **const texts[] = { &m->mount,         &m->path,           &m->bucket,        &m->prefix,
				 &m->region,        &m->scheme,         &m->endpoint,      &m->profile,
				 &m->access_key_id, &m->secret_key,     &m->session_token, &m->proxy_scheme,
				 &m->proxy_host,    &m->proxy_port,     &m->proxy_user,    &m->proxy_password,
				 &m->ca_file,       &m->ca_path,        &m->checksum,      &m->storage_class,
				 &m->sse,           &m->sse_kms_key_id, &m->passwd_file,   &m->role_arn,
				 &m->verbs,         &m->allow_buckets,  &m->allow_prefixes };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		option_wipe_free(*texts[i]);
	*m = (struct mount_config){ 0 };
}
