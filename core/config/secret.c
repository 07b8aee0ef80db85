#include "config/secret.h"
#include "base/util.h"
#include "config/option.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void secret_deinit(struct secret *s)
{
	option_wipe_free(s->text);
	free(s->env);
	free(s->loose);
	*s = (struct secret){ 0 };
}

/* At most SECRET_BYTES_MAX bytes into @buf, which has room for one more. Return: how many; -errno. */
static ssize_t read_all(int fd, char *buf)
{
	ssize_t n, len = 0;

	while ((n = read(fd, buf + len, (size_t)(SECRET_BYTES_MAX + 1 - len))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += n;
		if (len > SECRET_BYTES_MAX)
			return -EFBIG;
	}
	while (len && (buf[len - 1] == '\n' || buf[len - 1] == '\r'))
		len--;
	buf[len] = '\0';
	return len;
}

static int from_file(const struct jtree *j, int node, const char *name, const char *path, struct secret *s,
		     struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char buf[SECRET_BYTES_MAX + 1];
	struct stat st;
	ssize_t len;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return jtree_error(j, node, err, "'%s': file '%s': %s", name, path, strerror(errno));
	len = S_ISREG(st.st_mode) ? read_all(fd, buf) : -EINVAL;
	if (len == -EFBIG)
		r = jtree_error(j, node, err, "'%s': file '%s' is larger than any secret", name, path);
	else if (len < 0)
		r = jtree_error(j, node, err, "'%s': file '%s': %s", name, path, strerror((int)-len));
	else if (!len || memchr(buf, '\0', (size_t)len) || strpbrk(buf, "\r\n"))
		r = jtree_error(j, node, err, "'%s': file '%s' must hold the secret in one line, and nothing else",
				name, path);
	else
		s->text = strdup(buf);
	if (r == 0 && st.st_mode & S_IROTH)
		s->loose = strdup(path);
	explicit_bzero(buf, sizeof(buf));
	return r < 0 || s->text ? r : err_set(err, ENOMEM, "out of memory");
}

static int from_env(const struct jtree *j, int node, const char *name, const char *variable, struct secret *s,
		    struct err *err)
{
	const char *value = getenv(variable);

	if (!value || !*value)
		return jtree_error(j, node, err, "'%s': the environment has no '%s'", name, variable);
	s->text = strdup(value);
	return s->text ? 0 : err_set(err, ENOMEM, "out of memory");
}

/* {"file": "..."} or {"env": "..."} */
static int from_elsewhere(const struct jtree *j, int node, const char *name, const char *folder,
			  enum secret_fetch fetch, struct secret *s, struct err *err)
{
	int key = jtree_first(j, node), value = key < 0 ? -1 : jtree_value(j, key);
	cleanup_free char *kind = key < 0 ? NULL : jtree_text(j, key);
	cleanup_free char *text = NULL, *joined = NULL;
	bool file = kind && strcmp(kind, "file") == 0;

	if (!kind || jtree_next(j, key) >= 0 || (!file && strcmp(kind, "env") != 0))
		return jtree_error(j, node, err,
				   "'%s' is a string, {\"file\": \"path\"} or {\"env\": \"NAME\"}, nothing else", name);
	text = jtree_kind(j, value) == JTREE_STRING ? jtree_text(j, value) : NULL;
	if (!text || !*text || (!file && strchr(text, '=')))
		return jtree_error(j, value, err, "'%s': \"%s\" needs %s", name, kind,
				   file ? "the path of a file" : "the name of an environment variable");
	if (!file && !(s->env = strdup(text)))
		return err_set(err, ENOMEM, "out of memory");
	if (fetch == SECRET_SHAPE || (!file && fetch != SECRET_ALL)) {
		s->text = strdup("-");
		return s->text ? 0 : err_set(err, ENOMEM, "out of memory");
	}
	if (!file)
		return from_env(j, value, name, text, s, err);
	if (text[0] != '/' && asprintf(&joined, "%s/%s", folder, text) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return from_file(j, value, name, joined ? joined : text, s, err);
}

int secret_read(const struct jtree *j, int node, const char *name, const char *folder, enum secret_fetch fetch,
		struct secret *ret, struct err *err)
{
	struct secret s = { 0 };
	int r = 0;

	if (jtree_kind(j, node) == JTREE_STRING) {
		s.text = jtree_text(j, node);
		if (!s.text)
			r = jtree_error(j, node, err, "'%s' holds a character that no text can", name);
		else if (j->mode & S_IROTH)
			s.loose = strdup(j->name);
	} else {
		r = from_elsewhere(j, node, name, folder, fetch, &s, err);
	}
	if (r < 0)
		secret_deinit(&s);
	else
		*ret = s;
	return r;
}
