#include "volume/attr.h"

#include "base/util.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NS INT64_C(1000000000)

static bool parse_u32(const char *s, int base, uint32_t *ret)
{
	unsigned long long v;
	char *end;

	if (!s || s[0] < '0' || s[0] > '9')
		return false;
	errno = 0;
	v = strtoull(s, &end, base);
	if (*end || errno || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* "1700000000", "1700000000.25", "-1.5": seconds, into ns. */
static bool parse_seconds(const char *s, int64_t *ret_ns)
{
	bool minus;
	int64_t ns = 0, unit = NS / 10;
	long long sec;
	char *end;

	if (!s || !*s)
		return false;
	minus = *s == '-';
	errno = 0;
	sec = strtoll(s, &end, 10);
	if (errno || end == s || sec > INT64_MAX / NS - 1 || sec < INT64_MIN / NS + 1)
		return false;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
			ns += (*end - '0') * unit;
	if (*end)
		return false;
	*ret_ns = sec * NS + (minus ? -ns : ns);
	return true;
}

/* "1700000000123456789ns", or milliseconds. */
static bool parse_aws_time(const char *s, int64_t *ret_ns)
{
	long long v;
	char *end;

	if (!s || !*s)
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || end == s)
		return false;
	if (strcmp(end, "ns") == 0) {
		*ret_ns = v;
		return true;
	}
	if ((*end && strcmp(end, "ms") != 0) || v > INT64_MAX / 1000000 || v < INT64_MIN / 1000000)
		return false;
	*ret_ns = v * 1000000;
	return true;
}

static bool plausible(uint32_t mode)
{
	uint32_t type = mode & S_IFMT;

	return mode <= 0177777 && (type == 0 || type == S_IFREG || type == S_IFDIR || type == S_IFLNK ||
				   type == S_IFIFO || type == S_IFSOCK || type == S_IFCHR || type == S_IFBLK);
}

static void first_u32(const struct s3_meta *meta, struct attr *a, unsigned bit, uint32_t *field, const char *name,
		      int base)
{
	uint32_t v;

	if ((a->have & bit) || !parse_u32(s3_meta_get(meta, name), base, &v))
		return;
	if (bit == ATTR_MODE && !plausible(v))
		return;
	*field = v;
	a->have |= bit;
}

static void first_time(const struct s3_meta *meta, struct attr *a, unsigned bit, int64_t *field, const char *name,
		       bool (*parse)(const char *, int64_t *))
{
	int64_t ns;

	if (!(a->have & bit) && parse(s3_meta_get(meta, name), &ns)) {
		*field = ns;
		a->have |= bit;
	}
}

void attr_from_meta(const struct s3_meta *meta, struct attr *ret)
{
	struct attr a = { 0 };

	first_u32(meta, &a, ATTR_MODE, &a.mode, "file-permissions", 8);
	first_u32(meta, &a, ATTR_MODE, &a.mode, "mode", 10);
	first_u32(meta, &a, ATTR_MODE, &a.mode, "goog-reserved-posix-mode", 8);
	first_u32(meta, &a, ATTR_UID, &a.uid, "file-owner", 10);
	first_u32(meta, &a, ATTR_UID, &a.uid, "uid", 10);
	first_u32(meta, &a, ATTR_UID, &a.uid, "goog-reserved-posix-uid", 10);
	first_u32(meta, &a, ATTR_GID, &a.gid, "file-group", 10);
	first_u32(meta, &a, ATTR_GID, &a.gid, "gid", 10);
	first_u32(meta, &a, ATTR_GID, &a.gid, "goog-reserved-posix-gid", 10);
	first_time(meta, &a, ATTR_MTIME, &a.mtime_ns, "file-mtime", parse_aws_time);
	first_time(meta, &a, ATTR_MTIME, &a.mtime_ns, "mtime", parse_seconds);
	first_time(meta, &a, ATTR_MTIME, &a.mtime_ns, "goog-reserved-file-mtime", parse_seconds);
	first_time(meta, &a, ATTR_ATIME, &a.atime_ns, "file-atime", parse_aws_time);
	first_time(meta, &a, ATTR_ATIME, &a.atime_ns, "atime", parse_seconds);
	*ret = a;
}

static int set(struct s3_meta *meta, bool always, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int set(struct s3_meta *meta, bool always, const char *name, const char *fmt, ...)
{
	char value[64];
	va_list ap;

	if (!always && !s3_meta_get(meta, name))
		return 0;
	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	return s3_meta_set(meta, name, value);
}

/* Floor division, so that -1.5 s is -2 s and 500,000,000 ns, is written with its sign. */
static int set_seconds(struct s3_meta *meta, const char *name, int64_t ns)
{
	uint64_t abs = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

	return set(meta, false, name, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", abs / (uint64_t)NS,
		   abs % (uint64_t)NS);
}

int attr_to_meta(const struct attr *a, struct s3_meta *meta)
{
	int rc = 0;

	if (a->have & ATTR_MODE) {
		rc |= set(meta, true, "file-permissions", "0%o", a->mode);
		rc |= set(meta, false, "mode", "%u", a->mode);
		rc |= set(meta, false, "goog-reserved-posix-mode", "%o", a->mode & 07777);
	}
	if (a->have & ATTR_UID) {
		rc |= set(meta, true, "file-owner", "%u", a->uid);
		rc |= set(meta, false, "uid", "%u", a->uid);
		rc |= set(meta, false, "goog-reserved-posix-uid", "%u", a->uid);
	}
	if (a->have & ATTR_GID) {
		rc |= set(meta, true, "file-group", "%u", a->gid);
		rc |= set(meta, false, "gid", "%u", a->gid);
		rc |= set(meta, false, "goog-reserved-posix-gid", "%u", a->gid);
	}
	if (a->have & ATTR_MTIME) {
		rc |= set(meta, true, "file-mtime", "%" PRId64 "ns", a->mtime_ns);
		rc |= set_seconds(meta, "mtime", a->mtime_ns);
		rc |= set(meta, false, "goog-reserved-file-mtime", "%" PRId64, a->mtime_ns / NS);
	}
	return rc ? -ENOSPC : 0;
}

uint32_t attr_mode(const struct attr *a, bool dir)
{
	uint32_t mode = a->have & ATTR_MODE ? a->mode : 0;

	if (dir)
		return S_IFDIR | (a->have & ATTR_MODE ? mode & 07777 : 0755);
	if (!(a->have & ATTR_MODE))
		return S_IFREG | 0644;
	/* a file that claims to be a directory is an object all the same */
	if (!(mode & S_IFMT) || (mode & S_IFMT) == S_IFDIR)
		return S_IFREG | (mode & 07777);
	return mode;
}

bool attr_may(uint32_t mode, uint32_t owner, uint32_t group, uint32_t uid, uint32_t gid, uint32_t want)
{
	uint32_t bits = uid == owner ? mode >> 6 : gid == group ? mode >> 3 : mode;

	if (uid == 0)
		return !(want & 1) || (mode & 0111) || S_ISDIR(mode);
	return (want & ~bits & 7) == 0;
}
