#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXTS_MAX 64

static char *texts[TEXTS_MAX];
static size_t text_count;

_Noreturn void fuzz_failed(const char *condition, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

uint8_t fuzz_byte(struct fuzz *f)
{
	return f->at < f->end ? *f->at++ : 0;
}

static char *keep(const void *data, size_t len)
{
	char *text = malloc(len + 1);

	if (!text || text_count == TEXTS_MAX)
		fuzz_failed("room for a text", __FILE__, __LINE__);
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	texts[text_count++] = text;
	return text;
}

char *fuzz_text(struct fuzz *f)
{
	const uint8_t *begin = f->at;

	while (f->at < f->end && *f->at != '\n' && *f->at)
		f->at++;
	char *text = keep(begin, (size_t)(f->at - begin));
	if (f->at < f->end)
		f->at++;
	return text;
}

char *fuzz_rest(struct fuzz *f, size_t *ret_len)
{
	*ret_len = (size_t)(f->end - f->at);
	char *text = keep(f->at, *ret_len);
	f->at = f->end;
	return text;
}

void fuzz_free(void)
{
	while (text_count)
		free(texts[--text_count]);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static char folder[PATH_MAX];

static void remove_folder(void)
{
	(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
	if (!folder[0]) {
		(void)snprintf(folder, sizeof(folder), "%s/s3shim-fuzz-XXXXXX",
			       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		CHECK(mkdtemp(folder));
		(void)atexit(remove_folder);
	}
	return folder;
}

const char *fuzz_file(const char *name, const void *data, size_t len)
{
	static char path[PATH_MAX + 64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", fuzz_folder(), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	(void)close(fd);
	return path;
}
