#include "object/prove.h"

#include "base/util.h"
#include "object/holders.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Reads what comes within a second. */
static bool event_came(int inotify)
{
	struct pollfd pf = { .fd = inotify, .events = POLLIN };
	_Alignas(struct inotify_event) char buf[4096];

	return poll(&pf, 1, 1000) == 1 && read(inotify, buf, sizeof(buf)) > 0;
}

/* Each line is a fact that watch.c stands on. */
static const char *try_leases(int ro, const char *path, int inotify)
{
	int writer, reader;
	bool bad;

	if (fcntl(ro, F_SETLEASE, F_WRLCK) < 0 || fcntl(ro, F_SETLEASE, F_UNLCK) < 0)
		return "no lease is granted on a file that nobody holds";
	writer = open(path, O_RDWR | O_CLOEXEC);
	if (writer < 0)
		return "the file cannot be opened again";
	bad = fcntl(ro, F_SETLEASE, F_RDLCK) == 0;
	close(writer);
	if (bad)
		return "a read lease is granted although there is a writer";
	if (inotify >= 0 && !event_came(inotify))
		return "no event comes when a writer closes";
	for (int i = 0; fcntl(ro, F_SETLEASE, F_RDLCK) < 0; i++) {
		if (i == 100)
			return "no read lease is granted after the last writer closed";
		usleep(1000);
	}
	(void)fcntl(ro, F_SETLEASE, F_UNLCK);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	bad = reader < 0 || fcntl(ro, F_SETLEASE, F_WRLCK) == 0;
	if (reader >= 0)
		close(reader);
	return bad ? "a write lease is granted although there is a reader" : NULL;
}

static const char *try_scans(int ro, const char *path, int own)
{
	struct holders_file f = { .own = { ro, own } };
	struct stat st;
	unsigned found;
	int fd;

	if (fstat(ro, &st) < 0)
		return "the file cannot be looked at";
	f.dev = st.st_dev;
	f.ino = st.st_ino;
	if (holders_look(&f))
		return "a holder is seen of a file that nobody holds";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	found = holders_look(&f);
	if (fd < 0 || found != HOLDERS_ANY)
		return "a reader is not seen as one";
	close(fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	found = holders_look(&f);
	if (fd < 0 || found != (HOLDERS_ANY | HOLDERS_WRITER))
		return "a writer is not seen as one";
	close(fd);
	return NULL;
}

/* A nameless file: a descriptor that reads, and for a memfd its own that writes. */
static int make_file(const char *dir, int *ret_ro, int *ret_own, struct err *err)
{
	char path[PATH_MAX];
	int rw;

	if (dir && snprintf(path, sizeof(path), "%s/.proof-XXXXXX", dir) >= (int)sizeof(path))
		return err_set(err, EOPNOTSUPP, "'%s': %s", dir, strerror(ENAMETOOLONG));
	rw = dir ? mkostemp(path, O_CLOEXEC) : memfd_create("s3shim-proof", MFD_CLOEXEC);
	if (rw < 0)
		return err_set(err, EOPNOTSUPP, "making a file in %s: %s", dir ? dir : "memory", strerror(errno));
	if (dir)
		(void)unlink(path);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", rw);
	*ret_ro = open(path, O_RDONLY | O_CLOEXEC);
	if (*ret_ro < 0 || dir)
		close(steal_fd(&rw)); /* of a file it would count as a writer */
	if (*ret_ro < 0)
		return err_set(err, EOPNOTSUPP, "opening '%s' again: %s", path, strerror(errno));
	*ret_own = rw;
	return 0;
}

static int wrong(const char *what, const char *dir, const char *why, struct err *err)
{
	return err_set(err, EOPNOTSUPP, "%s %s%s%s: %s", what, dir ? "'" : "", dir ? dir : "memfds", dir ? "'" : "",
		       why);
}

int prove_leases(const char *dir, struct err *err)
{
	cleanup_close int in = inotify_init1(IN_CLOEXEC);
	cleanup_close int ro = -1;
	cleanup_close int own = -1;
	const char *why = NULL;
	char path[64];
	int r = make_file(dir, &ro, &own, err);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ro);
	if (in >= 0 && inotify_add_watch(in, path, IN_CLOSE_WRITE) < 0)
		why = "inotify refuses the file";
	if (!why)
		why = try_leases(ro, path, in);
	return why ? wrong("there are no leases on", dir, why, err) : 0;
}

int prove_scans(const char *dir, struct err *err)
{
	cleanup_close int ro = -1;
	cleanup_close int own = -1;
	const char *why;
	char path[64];
	int r = make_file(dir, &ro, &own, err);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ro);
	why = try_scans(ro, path, own);
	return why ? wrong("/proc does not tell who holds", dir, why, err) : 0;
}
