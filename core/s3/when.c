#include "s3/when.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int from_parts(int year, int month, int day, int hour, int minute, int second, int64_t *ret_ns)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_sec = second };

	if (year < 1900 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
	    minute < 0 || minute > 59 || second < 0 || second > 60)
		return -EINVAL;
	*ret_ns = (int64_t)timegm(&tm) * 1000000000;
	return 0;
}

int when_parse_http(const char *text, int64_t *ret_ns)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int day, year, hour, minute, second;
	char month[4], zone[4];

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3s", &day, month, &year, &hour, &minute, &second,
		   zone) != 7 ||
	    strcmp(zone, "GMT") != 0)
		return -EINVAL;
	const char *at = strstr(months, month);
	if (!at || (at - months) % 3 != 0 || strlen(month) != 3)
		return -EINVAL;
	return from_parts(year, (int)(at - months) / 3 + 1, day, hour, minute, second, ret_ns);
}

int when_parse_iso(const char *text, int64_t *ret_ns)
{
	int year, month, day, hour, minute, second;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) != 6)
		return -EINVAL;
	return from_parts(year, month, day, hour, minute, second, ret_ns);
}

void when_basic(int64_t seconds, char ret[WHEN_BASIC_SIZE])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(ret, WHEN_BASIC_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}
