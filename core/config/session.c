#include "config/config.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Makes @path where it is missing; it must be a folder of ours that nobody else may write to. */
static int own_folder(const char *path, mode_t forbidden, struct err *err)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "folder '%s' cannot be made: %s", path, strerror(errno));
	if (lstat(path, &st) < 0)
		return err_set(err, errno, "folder '%s': %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "'%s' is in the way: it is no folder", path);
	if (st.st_uid != geteuid())
		return err_set(err, EPERM,
			       "folder '%s' belongs to user %u, not to you; set XDG_RUNTIME_DIR to one of yours", path,
			       (unsigned)st.st_uid);
	if (st.st_mode & forbidden)
		return err_set(err, EPERM, "folder '%s' is open to others (mode %04o); chmod 700 it", path,
			       (unsigned)(st.st_mode & 07777));
	return 0;
}

int config_session_dir(char *buf, size_t size, struct err *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[4096];
	int n, r;

	/* An XDG_RUNTIME_DIR that su or a container left behind is missing or somebody else's: as if it were not set.
	 */
	if (runtime && runtime[0] == '/' && access(runtime, W_OK | X_OK) == 0) {
		n = snprintf(path, sizeof(path), "%s/s3shim", runtime);
		if (n > 0 && (size_t)n < sizeof(path) && own_folder(path, 077, NULL) == 0)
			goto found;
	}
	n = snprintf(path, sizeof(path), "/tmp/s3shim-%u", (unsigned)geteuid());
	r = own_folder(path, 077, err);
	if (r < 0)
		return r;
found:
	if ((size_t)n >= size)
		return err_set(err, ENAMETOOLONG, "the path of the folder '%s' is too long", path);
	memcpy(buf, path, (size_t)n + 1);
	return 0;
}

/* mkdir -p, 0700 for what is missing. */
static int make_folders(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			*p = '/';
			return -errno;
		}
		*p = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int config_log_default(const char *name, char *buf, size_t size, struct err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char folder[4096] = "";
	int n = 0, r;

	if (state && state[0] == '/')
		n = snprintf(folder, sizeof(folder), "%s/s3shim", state);
	else if (home && home[0] == '/')
		n = snprintf(folder, sizeof(folder), "%s/.local/state/s3shim", home);
	if (n <= 0 || (size_t)n >= sizeof(folder) || make_folders(folder) < 0 || access(folder, W_OK | X_OK) < 0) {
		r = config_session_dir(folder, sizeof(folder), err);
		if (r < 0)
			return r;
	}
	n = snprintf(buf, size, "%s/%s.log", folder, name);
	if (n < 0 || (size_t)n >= size)
		return err_set(err, ENAMETOOLONG, "the path of the log in '%s' is too long", folder);
	return 0;
}
