#include "broker/limits.h"

#include "base/util.h"

#include <fcntl.h>
#include <sys/resource.h>

/*
 * Nobody tells how many descriptors a process has. New ones get the lowest free number, so while the number at the border
 * is free, all above it are, but for holes of a moment ago; if it is taken, there may be room below it again, as far as
 * few files are held.
 */
bool limits_descriptors_short(int fd, unsigned keep, size_t held)
{
	struct rlimit limit;
	uint64_t border;
	int at;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	border = limit.rlim_cur - min_u64(keep, limit.rlim_cur / 2);
	if (border > INT32_MAX || 2 * (uint64_t)held < border / 2)
		return false;
	at = fcntl(fd, F_DUPFD_CLOEXEC, (int)border);
	if (at >= 0)
		close(at);
	return (uint64_t)at != border;
}
