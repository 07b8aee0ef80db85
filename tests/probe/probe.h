/**
 * probe.h - what every probe shares. A probe is a tiny program that takes an empty folder, makes one family of calls in
 * it and prints each result; run natively and on a mount, with glibc and with musl, its output must be the same. So
 * nothing is printed that differs by nature: no inode, device, time or address.
 */
#ifndef S3SHIM_TESTS_PROBE_H
#define S3SHIM_TESTS_PROBE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *errno_name(int e)
{
	static const struct {
		int value;
		const char *name;
	} names[] = {
		{ EPERM, "EPERM" },
		{ ENOENT, "ENOENT" },
		{ EBADF, "EBADF" },
		{ EACCES, "EACCES" },
		{ EEXIST, "EEXIST" },
		{ EXDEV, "EXDEV" },
		{ ENOTDIR, "ENOTDIR" },
		{ EISDIR, "EISDIR" },
		{ EINVAL, "EINVAL" },
		{ EFBIG, "EFBIG" },
		{ EROFS, "EROFS" },
		{ ENOTEMPTY, "ENOTEMPTY" },
		{ ELOOP, "ELOOP" },
		{ ERANGE, "ERANGE" },
		{ ENOSPC, "ENOSPC" },
		{ ESPIPE, "ESPIPE" },
		{ ENXIO, "ENXIO" },
		{ ENODEV, "ENODEV" },
		{ ENAMETOOLONG, "ENAMETOOLONG" },
		{ EBUSY, "EBUSY" },
		{ EIO, "EIO" },
		{ EFAULT, "EFAULT" },
		{ EOPNOTSUPP, "EOPNOTSUPP" },
		{ ENOSYS, "ENOSYS" },
		{ ESTALE, "ESTALE" },
		{ ETXTBSY, "ETXTBSY" },
		{ ENOTTY, "ENOTTY" },
	};
	static char number[16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].value == e)
			return names[i].name;
	snprintf(number, sizeof(number), "%d", e);
	return number;
}

/** say() - "what: value", with the errno's name where the value is negative. Returns the value. */
static long say(const char *what, long value)
{
	if (value < 0)
		printf("%s: %ld %s\n", what, value, errno_name(errno));
	else
		printf("%s: %ld\n", what, value);
	fflush(stdout);
	return value;
}

/** ok() - "what: ok" or the errno: for calls whose positive value is arbitrary (descriptors). Returns the value. */
static int ok(const char *what, int value)
{
	if (value < 0)
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: ok\n", what);
	fflush(stdout);
	return value;
}

/** enter() - be in the folder that was given. */
static inline void enter(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		exit(2);
	}
}

/** put() - make a file with this text. */
static inline void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) < 0)
		printf("put %s: %s\n", path, errno_name(errno));
}

/** show() - print what is in a file. */
static inline void show(const char *path)
{
	char text[256];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0) {
		printf("%s: %s\n", path, errno_name(errno));
	} else {
		text[n] = '\0';
		printf("%s: '%s'\n", path, text);
	}
	if (fd >= 0)
		close(fd);
	fflush(stdout);
}

/** size_of() - print a file's size and kind by stat. */
static inline void size_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		printf("stat %s: %s\n", path, errno_name(errno));
	else
		printf("stat %s: %s %ld\n", path,
		       S_ISDIR(st.st_mode)   ? "folder"
		       : S_ISREG(st.st_mode) ? "file"
					     : "other",
		       S_ISREG(st.st_mode) ? (long)st.st_size : 0L);
	fflush(stdout);
}

/** fill() - @n bytes that tell their offset. */
static inline void fill(unsigned char *buf, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (unsigned char)((from + i) * 131 + (from + i) / 251);
}

static inline unsigned long checksum(const unsigned char *buf, size_t n)
{
	unsigned long sum = 5381;

	for (size_t i = 0; i < n; i++)
		sum = sum * 33 + buf[i];
	return sum & 0xffffffff;
}

/* Not every probe uses every word of this header. */
static inline void probe_unused(void)
{
	(void)say;
	(void)ok;
}

#endif
