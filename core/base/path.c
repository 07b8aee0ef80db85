#include "base/path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

long path_normalise(const char *base, const char *path, char *ret, size_t size)
{
	size_t n = 0;

	for (int round = path[0] == '/' ? 1 : 0; round < 2; round++) {
		const char *p = round ? path : base;
		while (*p) {
			size_t len = 0;
			while (*p == '/')
				p++;
			while (p[len] && p[len] != '/')
				len++;
			if (len == 2 && p[0] == '.' && p[1] == '.') {
				while (n && ret[--n] != '/')
					;
			} else if (len && !(len == 1 && p[0] == '.')) {
				if (n + len + 2 > size)
					return -ENAMETOOLONG;
				ret[n++] = '/';
				memcpy(ret + n, p, len);
				n += len;
			}
			p += len;
		}
	}
	if (!n)
		ret[n++] = '/';
	ret[n] = '\0';
	return (long)n;
}

const char *path_up_behind_name(const char *path, const char *from)
{
	bool name = false;

	for (const char *at = path; *at;) {
		size_t len = 0;
		while (at[len] && at[len] != '/')
			len++;
		if (len == 2 && at[0] == '.' && at[1] == '.') {
			if (name && at >= from)
				return at;
			name = false;
		} else if (len && !(len == 1 && at[0] == '.')) {
			name = true;
		}
		at += len;
		while (*at == '/')
			at++;
	}
	return NULL;
}
