/*
 * probe.h - the few words of a probe: a tiny program that makes one family of calls in the folder argv[1] and prints
 * what came of each, "call: result" or "call: ERRNO". It prints nothing that may differ between two folders (inode
 * numbers, times, paths), so its output natively and on a mount must be equal. It links nothing of ours and needs no
 * shim.
 */
#ifndef S3SHIM_PROBE_H
#define S3SHIM_PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *probe_dir;

static inline const char *errname(int e)
{
	static const struct {
		int e;
		const char *name;
	} names[] = {
#define E(x) { x, #x }
		E(EPERM),   E(ENOENT),    E(EINTR),        E(EIO),       E(ENXIO), E(EBADF),  E(EAGAIN),  E(ENOMEM),
		E(EACCES),  E(EFAULT),    E(EBUSY),        E(EEXIST),    E(EXDEV), E(ENODEV), E(ENOTDIR), E(EISDIR),
		E(EINVAL),  E(EMFILE),    E(ENOTTY),       E(ETXTBSY),   E(EFBIG), E(ENOSPC), E(ESPIPE),  E(EROFS),
		E(EPIPE),   E(ERANGE),    E(ENAMETOOLONG), E(ENOTEMPTY), E(ELOOP), E(ENOSYS), E(ESTALE),  E(ENODATA),
		E(ENOEXEC), E(EOVERFLOW), E(EOPNOTSUPP),   E(ECHILD),
#undef E
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].e == e)
			return names[i].name;
	return "E?";
}

/* Print a call's result, or its errno's name if it is negative; returns the result. */
static inline long say(const char *what, long result)
{
	int e = errno;

	if (result < 0)
		printf("%s: %s\n", what, errname(e));
	else
		printf("%s: %ld\n", what, result);
	return result;
}

/* The same for calls whose good result is nobody's business: descriptors, pointers. */
static inline int say_ok(const char *what, long result)
{
	int e = errno;

	printf("%s: %s\n", what, result < 0 ? errname(e) : "ok");
	return (int)result;
}

/* dir/name, in one of eight buffers of the thread that are used in turn. */
static inline const char *at(const char *name)
{
	static __thread char buf[8][PATH_MAX + 512];
	static __thread unsigned next;
	char *p = buf[next++ % 8];

	snprintf(p, sizeof(buf[0]), "%s%s%s", probe_dir, *name ? "/" : "", name);
	return p;
}

/* A file with this content; ends the probe if that fails. */
static inline void make(const char *name, const char *content)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	size_t len = strlen(content);

	if (fd < 0 || write(fd, content, len) != (ssize_t)len || close(fd) < 0) {
		printf("make %s: %s\n", name, errname(errno));
		exit(1);
	}
}

/* What a file holds, by a fresh open. */
static inline void show(const char *name)
{
	char buf[256];
	int fd = open(at(name), O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (n < 0)
		printf("%s holds: %s\n", name, errname(errno));
	else
		printf("%s holds %zd: ", name, n);
	for (ssize_t i = 0; i < n; i++)
		printf(buf[i] >= ' ' && buf[i] <= '~' ? "%c" : "\\%03o", (unsigned char)buf[i]);
	if (n >= 0)
		putchar('\n');
	if (fd >= 0)
		close(fd);
}

/* A child's end, as text. */
static inline void say_child(const char *what, pid_t pid)
{
	int status = 0;

	fflush(stdout);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		printf("%s: %s\n", what, errname(errno));
	else if (WIFSIGNALED(status))
		printf("%s: signal %d\n", what, WTERMSIG(status));
	else
		printf("%s: status %d\n", what, WEXITSTATUS(status));
}

static inline void probe_begin(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		exit(2);
	}
	probe_dir = argv[1];
	umask(022);
}

#endif
