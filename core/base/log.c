#include "base/log.h"
#include "base/util.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES 2048
#define RECENT_LINES   16

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static _Atomic int log_fd = -1;
static _Atomic int log_min = LOG_INFO;

static struct {
	pthread_mutex_t mutex;
	char line[RECENT_LINES][LINE_MAX_BYTES];
	unsigned next;
} recent = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static struct {
	pthread_mutex_t mutex;
	time_t second;
	unsigned lines; /* of that second, written or not */
} flood = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void log_open_fd(int fd, enum log_level min)
{
	log_fd = fd;
	log_min = (int)min;
}

int log_level_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (strcmp(name, level_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

int log_enabled(enum log_level level)
{
	return log_fd >= 0 && (int)level >= log_min;
}

/* Copies @in to @out, control characters as \xNN; leaves room for the newline. */
static size_t escape(char *out, size_t size, const char *in)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (; *in && n + 5 < size; in++) {
		unsigned char c = (unsigned char)*in;
		if (c >= 0x20 && c != 0x7f) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	out[n] = '\0';
	return n;
}

static void remember(const char *line)
{
	pthread_mutex_lock(&recent.mutex);
	(void)snprintf(recent.line[recent.next++ % RECENT_LINES], LINE_MAX_BYTES, "%s", line);
	pthread_mutex_unlock(&recent.mutex);
}

static void write_line(enum log_level level, const char *area, const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	struct timespec now;
	struct tm tm;
	size_t n;
	int saved = errno;

	if (!log_enabled(level) && level < LOG_WARN)
		return;
	(void)vsnprintf(text, sizeof(text) - 128, fmt, ap);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %s %s: ", now.tv_nsec / 1000000, level_names[level],
			      area);
	n += escape(line + n, sizeof(line) - n, text);
	if (level >= LOG_WARN)
		remember(line);
	line[n++] = '\n';
	if (log_enabled(level)) {
		ssize_t written = write(log_fd, line, n);
		(void)written; /* nobody is left to tell */
	}
	errno = saved;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(level, area, fmt, ap);
	va_end(ap);
}

/* Is there room for one more line of this second? *ret_left_out: lines of the seconds before that had none. */
static bool flood_passes(unsigned *ret_left_out)
{
	struct timespec now;
	bool passes;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	*ret_left_out = 0;
	pthread_mutex_lock(&flood.mutex);
	if (flood.second != now.tv_sec) {
		*ret_left_out = flood.lines > LOG_FLOOD_MAX ? flood.lines - LOG_FLOOD_MAX : 0;
		flood.second = now.tv_sec;
		flood.lines = 0;
	}
	passes = flood.lines++ < LOG_FLOOD_MAX;
	pthread_mutex_unlock(&flood.mutex);
	return passes;
}

void log_flood(enum log_level level, const char *area, const char *fmt, ...)
{
	unsigned left_out;
	va_list ap;

	if (!log_enabled(level) && level < LOG_WARN)
		return;
	if (!flood_passes(&left_out))
		return;
	if (left_out)
		log_warn("log", "%u lines were left out, there were too many", left_out);
	va_start(ap, fmt);
	write_line(level, area, fmt, ap);
	va_end(ap);
}

size_t log_recent_errors(char *buf, size_t size)
{
	size_t n = 0;

	if (!size)
		return 0;
	buf[0] = '\0';
	pthread_mutex_lock(&recent.mutex);
	for (unsigned i = 0; i < RECENT_LINES; i++) {
		const char *line = recent.line[(recent.next + i) % RECENT_LINES];
		size_t len = strlen(line);
		if (!len || n + len + 2 > size)
			continue;
		memcpy(buf + n, line, len);
		n += len;
		buf[n++] = '\n';
		buf[n] = '\0';
	}
	pthread_mutex_unlock(&recent.mutex);
	return n;
}
