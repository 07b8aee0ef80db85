#include "base/io.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Return: how many bytes there were; -errno. */
static ssize_t read_what_there_is(int fd, char *to, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, to + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_pread(int fd, void *to, size_t len, uint64_t off, int end_status)
{
	ssize_t n = read_what_there_is(fd, to, len, off);

	if (n < 0)
		return (int)n;
	return (size_t)n < len ? end_status : 0;
}

int io_pread_padded(int fd, void *to, size_t len, uint64_t off)
{
	ssize_t n = read_what_there_is(fd, to, len, off);

	if (n < 0)
		return (int)n;
	memset((char *)to + n, 0, len - (size_t)n);
	return 0;
}

int io_pwrite(int fd, const void *from, size_t len, uint64_t off)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, (const char *)from + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}
