#include "daemon.h"
#include "base/log.h"
#include "base/util.h"
#include "base/wire.h"
#include "broker/broker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define LOG_BYTES_MAX MIB(16)
#define HELLO_WAIT_MS 5000

void daemon_signals(void)
{
	sigset_t held;

	broker_ignore_signals();
	/* A mask is inherited: whatever the program that started us had blocked is not our business. */
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_SETMASK, &held, NULL);
}

static void close_between(unsigned first, unsigned last)
{
	struct rlimit limit;

	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 1048576)
		limit.rlim_cur = 1048576;
	for (unsigned fd = first; fd <= last && fd < limit.rlim_cur; fd++)
		close((int)fd);
}

void daemon_close_inherited(int keep, int keep_too)
{
	unsigned a = keep > 2 ? (unsigned)keep : 2, b = keep_too > 2 ? (unsigned)keep_too : 2;
	unsigned low = a < b ? a : b, high = a < b ? b : a;

	close_between(3, low > 2 ? low - 1 : 2);
	close_between(low + 1, high - 1);
	close_between(high + 1, ~0u);
}

void daemon_stdio(bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		if (null != fd && !(fd == 2 && keep_stderr && fcntl(fd, F_GETFD) >= 0))
			(void)dup2(null, fd);
	if (null > 2)
		close(null);
}

static void warn_of_seccomp(void)
{
	char text[8192];
	const char *line;
	cleanup_close int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = '\0';
	line = strstr(text, "\nSeccomp:");
	if (line && strtol(line + strlen("\nSeccomp:"), NULL, 10) == 2)
		log_info("s3shimd", "a seccomp filter was inherited; what it forbids the broker cannot do either");
}

int daemon_limits(struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0) {
		if (limit.rlim_max != RLIM_INFINITY)
			return err_set(err, EFBIG,
				       "a hard limit on file size of %llu bytes (RLIMIT_FSIZE, ulimit -Hf) holds for "
				       "the broker too, "
				       "and would cut larger files; start it outside of that limit",
				       (unsigned long long)limit.rlim_max);
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_FSIZE, &limit);
	}
	warn_of_seccomp();
	return 0;
}

int daemon_open_log(const char *path)
{
	char old[4096];
	struct stat st;
	int fd;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size > LOG_BYTES_MAX &&
	    snprintf(old, sizeof(old), "%s.old", path) < (int)sizeof(old))
		(void)rename(path, old);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	return fd < 0 ? -errno : fd;
}

int daemon_lock(const char *path, struct err *err)
{
	char name[4096];
	cleanup_close int fd = -1;

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return err_set(err, ENAMETOOLONG, "'%s' is too long", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, errno, "lock '%s': %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int saved = errno;
		return err_set(err, saved, "lock '%s': %s", name, strerror(saved));
	}
	return steal_fd(&fd);
}

bool daemon_answers(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

void daemon_ready(int fd)
{
	if (fd < 0)
		return;
	(void)!write(fd, "1", 1); /* who started us may be gone: nobody waits then */
	close(fd);
}

void daemon_answer_failure(int fd, const struct err *err)
{
	alignas(8) char frame[sizeof(struct wire_header) + sizeof(struct wire_hello_rep) + ERR_TEXT_MAX] = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct wire_header h;
	const char *text = err_text(err);
	size_t tail = sizeof(h) + sizeof(struct wire_hello_rep);

	if (poll(&p, 1, HELLO_WAIT_MS) <= 0 || recv(fd, &h, sizeof(h), MSG_WAITALL) != sizeof(h) ||
	    h.type != WIRE_HELLO)
		return;
	h.status = err->errnum ? -err->errnum : -EIO;
	h.has_fd = 0;
	h.size = (uint32_t)(tail + strlen(text));
	memcpy(frame, &h, sizeof(h));
	memcpy(frame + tail, text, strlen(text));
	(void)send(fd, frame, h.size, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
}
