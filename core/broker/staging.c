#include "broker/staging.h"

#include "base/log.h"
#include "base/util.h"
#include "object/watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

bool staging_candidate(unsigned index, char *buf, size_t size)
{
	static const struct {
		const char *variable, *fixed, *below;
		bool shared; /* with other users: the name carries the uid */
	} table[STAGING_CANDIDATES] = {
		{ "XDG_CACHE_HOME", NULL, "s3shim", false },
		{ "HOME", NULL, ".cache/s3shim", false },
		{ NULL, "/var/tmp", "s3shim", true },
		{ "TMPDIR", NULL, "s3shim", true },
	};
	const char *root;
	int n;

	if (index >= ARRAY_SIZE(table))
		return false;
	root = table[index].variable ? getenv(table[index].variable) : table[index].fixed;
	if (!root || root[0] != '/')
		return false;
	if (table[index].shared)
		n = snprintf(buf, size, "%s/%s-%u", root, table[index].below, (unsigned)geteuid());
	else
		n = snprintf(buf, size, "%s/%s", root, table[index].below);
	return n > 0 && (size_t)n < size;
}

static int make_folders(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -errno;
		*p = '/';
	}
	return mkdir(part, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* A folder that others may write to could be swapped under us; one that the user named is the user's choice. */
static int check_ours(const char *base, struct err *err)
{
	struct stat st;

	if (lstat(base, &st) < 0)
		return err_set(err, errno, "'%s': %s", base, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return err_set(err, EPERM, "'%s': not a folder that only its owner, this user, can write to", base);
	return 0;
}

static int check_fit(const char *base, struct err *err)
{
	struct statfs fs;
	uint64_t free_bytes;

	if (statfs(base, &fs) < 0)
		return err_set(err, errno, "'%s': %s", base, strerror(errno));
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		return err_set(err, EOPNOTSUPP, "'%s': is in memory (tmpfs)", base);
	free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	if (free_bytes < STAGING_FREE_BYTES)
		return err_set(err, ENOSPC, "'%s': only %" PRIu64 " MiB are free", base, free_bytes >> 20);
	return 0;
}

static bool only_lock_left(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool r = true;

	if (!dir) {
		cleanup_close_p(&fd);
		return false;
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, STAGING_LOCK) != 0)
			r = false;
	closedir(dir);
	return r;
}

/* Removes what a killed broker left, if it holds nothing: only who has the lock may look. */
static void sweep_one(int base_fd, const char *name)
{
	cleanup_close int dir = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int lock = dir < 0 ? -1 : openat(dir, STAGING_LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0 || !only_lock_left(dir))
		return;
	(void)unlinkat(dir, STAGING_LOCK, 0);
	(void)unlinkat(base_fd, name, AT_REMOVEDIR);
}

static void sweep(const char *base)
{
	DIR *dir = opendir(base);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)))
		if (strncmp(e->d_name, STAGING_SESSION, strlen(STAGING_SESSION)) == 0)
			sweep_one(dirfd(dir), e->d_name);
	closedir(dir);
}

/* @dir is new and ours: put a locked lock into it. */
static int make_lock(const char *dir, int *ret_fd)
{
	cleanup_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = -1;

	if (dir_fd < 0)
		return -errno;
	fd = openat(dir_fd, STAGING_LOCK, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int make_session(struct staging *s, const char *base, struct err *err)
{
	char fresh[PATH_MAX], final[PATH_MAX];
	uint64_t id;
	int lock = -1, r;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return err_set(err, EIO, "no random numbers");
	if ((size_t)snprintf(fresh, sizeof(fresh), "%s/.new-%016" PRIx64, base, id) >= sizeof(fresh) ||
	    (size_t)snprintf(final, sizeof(final), "%s/" STAGING_SESSION "%016" PRIx64, base, id) >= sizeof(final))
		return err_set(err, ENAMETOOLONG, "'%s': path too long", base);
	if (mkdir(fresh, 0700) < 0)
		return err_set(err, errno, "'%s' is not writable: %s", base, strerror(errno));
	r = make_lock(fresh, &lock);
	if (r == 0 && rename(fresh, final) < 0)
		r = -errno;
	if (r < 0) {
		char path[PATH_MAX + sizeof(STAGING_LOCK)];
		(void)snprintf(path, sizeof(path), "%s/" STAGING_LOCK, fresh);
		(void)unlink(path);
		(void)rmdir(fresh);
		cleanup_close_p(&lock);
		return err_set(err, -r, "'%s' is not writable: %s", base, strerror(-r));
	}
	memcpy(s->dir, final, sizeof(final));
	s->lock_fd = lock;
	return 0;
}

static int try_base(struct staging *s, const char *base, bool chosen, const struct watch *watch, struct err *err)
{
	int r = make_folders(base);

	if (r < 0)
		return err_set(err, -r, "'%s' cannot be made: %s", base, strerror(-r));
	if (chosen && ((r = check_ours(base, err)) < 0 || (r = check_fit(base, err)) < 0))
		return r;
	sweep(base);
	r = make_session(s, base, err);
	if (r < 0)
		return r;
	r = watch ? watch_prove(watch, s->dir, err) : 0;
	if (r < 0) {
		staging_close(s);
		return err_wrap(err, "'%s'", base);
	}
	return 0;
}

int staging_open(struct staging *s, const char *base, const struct watch *watch, struct err *err)
{
	char path[PATH_MAX], reasons[ERR_TEXT_MAX] = "";

	if (base) {
		if (try_base(s, base, false, watch, err) == 0)
			return 0;
		return err_wrap(err, "the cache folder");
	}
	for (unsigned i = 0; i < STAGING_CANDIDATES; i++) {
		struct err why = ERR_INIT;
		size_t n = strlen(reasons);

		if (!staging_candidate(i, path, sizeof(path)))
			continue;
		if (try_base(s, path, true, watch, &why) == 0)
			return 0;
		(void)snprintf(reasons + n, sizeof(reasons) - n, "%s%s", n ? "; " : "", err_text(&why));
	}
	return err_set(err, ENOENT, "%s", reasons[0] ? reasons : "no folder is named by the environment");
}

bool staging_notes(const char *base, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/uploads", base);

	return n > 0 && (size_t)n < size;
}

bool staging_base(const struct staging *s, char *buf, size_t size)
{
	const char *slash = strrchr(s->dir, '/');
	int n = slash ? snprintf(buf, size, "%.*s", (int)(slash - s->dir), s->dir) : -1;

	return n > 0 && (size_t)n < size;
}

void staging_close(struct staging *s)
{
	cleanup_close int dir = -1;

	if (s->lock_fd < 0)
		return;
	dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && only_lock_left(dir)) {
		(void)unlinkat(dir, STAGING_LOCK, 0);
		(void)rmdir(s->dir);
	} else {
		log_warn("broker", "files are left for recovery in '%s'", s->dir);
	}
	cleanup_close_p(&s->lock_fd);
	*s = (struct staging)STAGING_INIT;
}
