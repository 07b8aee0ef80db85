#include "object/recover.h"

#include "base/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/*
 * A session's folder holds `lock`, flock(2)ed while its broker lives, and pairs of `<id>.data` and `<id>.journal`
 * (stage.h). A folder whose lock can be had is of a broker that is gone; a data file without a journal was only read,
 * or its upload is confirmed.
 */
#define JOURNAL_MAX 16384

struct journal {
	char text[JOURNAL_MAX]; /* the values are in here, decoded */
	const char *bucket, *key, *endpoint, *base_etag, *reason;
	uint64_t base_end, missing_off, missing_end;
};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void decode(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
			*to++ = (char)(hex(s[1]) * 16 + hex(s[2]));
			s += 3;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static int parse(struct journal *j, const char *path)
{
	const struct {
		const char *key;
		const char **value;
	} fields[] = { { "bucket=", &j->bucket },
		       { "key=", &j->key },
		       { "endpoint=", &j->endpoint },
		       { "base_etag=", &j->base_etag },
		       { "reason=", &j->reason } };
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, j->text, sizeof(j->text) - 1);
	char *save = NULL;

	if (n < 0)
		return -errno;
	j->text[n] = '\0';
	j->bucket = j->key = j->endpoint = j->base_etag = j->reason = "";
	j->base_end = j->missing_off = j->missing_end = 0;
	for (char *line = strtok_r(j->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "base_end=", 9) == 0)
			j->base_end = strtoull(line + 9, NULL, 10);
		if (strncmp(line, "missing=", 8) == 0)
			(void)sscanf(line + 8, "%" SCNu64 "-%" SCNu64, &j->missing_off, &j->missing_end);
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			size_t len = strlen(fields[i].key);

			if (strncmp(line, fields[i].key, len) != 0)
				continue;
			decode(line + len);
			*fields[i].value = line + len;
		}
	}
	return j->bucket[0] && j->key[0] ? 0 : -EINVAL;
}

/* Is something missing of the base's bytes? They are holes in the data. */
static bool is_partial(int fd, uint64_t base_end, uint64_t size)
{
	off_t hole = lseek(fd, 0, SEEK_HOLE);

	return hole >= 0 && (uint64_t)hole < min_u64(base_end, size);
}

static void show(const char *dir, const char *journal_name, void (*each)(void *, const struct recover_entry *),
		 void *arg, int *count)
{
	char path[PATH_MAX], journal[PATH_MAX];
	int stem = (int)(strlen(journal_name) - strlen(".journal"));
	cleanup_free struct journal *j = malloc(sizeof(*j));
	cleanup_close int fd = -1;
	struct recover_entry e;
	struct stat st;

	if (!j || snprintf(journal, sizeof(journal), "%s/%s", dir, journal_name) >= (int)sizeof(journal) ||
	    snprintf(path, sizeof(path), "%s/%.*s.data", dir, stem, journal_name) >= (int)sizeof(path))
		return;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || parse(j, journal) < 0)
		return;
	e = (struct recover_entry){ .path = path,
				    .bucket = j->bucket,
				    .key = j->key,
				    .endpoint = j->endpoint,
				    .base_etag = j->base_etag,
				    .reason = j->reason,
				    .size = (uint64_t)st.st_size,
				    .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
				    .base_end = j->base_end,
				    .missing_off = j->missing_off,
				    .missing_end = j->missing_end };
	e.partial = e.missing_off < min_u64(e.missing_end, e.size) || is_partial(fd, e.base_end, e.size);
	(*count)++;
	each(arg, &e);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

/* The folder of a broker that is gone, with its lock held: nothing but the lock in it? */
static void remove_if_empty(const char *dir)
{
	DIR *d = opendir(dir);
	char lock[PATH_MAX];
	struct dirent *e;
	bool empty = d != NULL;

	while (empty && (e = readdir(d)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, "lock") == 0;
	if (d)
		closedir(d);
	if (empty && snprintf(lock, sizeof(lock), "%s/lock", dir) < (int)sizeof(lock) && unlink(lock) == 0)
		(void)rmdir(dir);
}

static void walk_session(const char *dir, void (*each)(void *, const struct recover_entry *), void *arg, int *count)
{
	char path[PATH_MAX];
	cleanup_close int lock = -1;
	struct dirent *e;
	DIR *d;

	if (snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path))
		return;
	lock = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0)
		return; /* its broker is alive */
	d = opendir(dir);
	if (!d)
		return;
	while ((e = readdir(d)))
		if (ends_with(e->d_name, ".journal"))
			show(dir, e->d_name, each, arg, count);
	closedir(d);
	remove_if_empty(dir);
}

int recover_drop(const struct recover_entry *e, struct err *err)
{
	size_t stem = strlen(e->path) - strlen(".data");
	char journal[PATH_MAX];

	if (snprintf(journal, sizeof(journal), "%.*s.journal", (int)stem, e->path) >= (int)sizeof(journal))
		return err_set(err, ENAMETOOLONG, "'%s': %s", e->path, strerror(ENAMETOOLONG));
	if (unlink(e->path) < 0 || unlink(journal) < 0)
		return err_set(err, errno, "removing '%s': %s", e->path, strerror(errno));
	return 0;
}

int recover_list(const char *cache_dir, void (*each)(void *arg, const struct recover_entry *e), void *arg,
		 struct err *err)
{
	DIR *d = opendir(cache_dir);
	char path[PATH_MAX];
	struct dirent *e;
	int count = 0;

	if (!d)
		return err_set(err, errno, "'%s': %s", cache_dir, strerror(errno));
	while ((e = readdir(d)))
		if (strncmp(e->d_name, "session-", 8) == 0 &&
		    snprintf(path, sizeof(path), "%s/%s", cache_dir, e->d_name) < (int)sizeof(path))
			walk_session(path, each, arg, &count);
	closedir(d);
	return count;
}
