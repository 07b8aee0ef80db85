/* Commands about directory streams and stdio; slots are the worker's own. */
#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SLOTS 4

static DIR *dirs[SLOTS];
static FILE *files[SLOTS];

static int slot_of(const char *word)
{
	return (int)(number(word) % SLOTS);
}

static void opened_dir(int slot, DIR *d)
{
	if (!d) {
		answer(-1);
		return;
	}
	if (dirs[slot])
		closedir(dirs[slot]);
	dirs[slot] = d;
	answer(dirfd(d));
}

static void do_opendir(char **w)
{
	opened_dir(slot_of(w[0]), opendir(path(w[1])));
}

static void do_fdopendir(char **w)
{
	opened_dir(slot_of(w[0]), fdopendir((int)number(w[1])));
}

/* SLOT COUNT: names in the order of the folder, "end" where it ends */
static void do_readdir(char **w)
{
	DIR *d = dirs[slot_of(w[0])];
	struct dirent *e = NULL;

	if (!d) {
		answer_text("no stream");
		return;
	}
	text_begin("ok");
	errno = 0;
	for (long i = number(w[1]); i > 0 && (e = readdir(d)) != NULL; i--) {
		text_add(" ");
		text_add_name(e->d_name);
	}
	if (!e && errno)
		text_add(" :%s", strerrorname_np(errno));
	else if (!e)
		text_add(" :end");
	text_answer();
}

static void do_rewinddir(char **w)
{
	DIR *d = dirs[slot_of(w[0])];

	if (!d) {
		answer_text("no stream");
		return;
	}
	rewinddir(d);
	answer(0);
}

/* Go back to where the stream is: what comes next is the same. */
static void do_telldir(char **w)
{
	DIR *d = dirs[slot_of(w[0])];

	if (!d) {
		answer_text("no stream");
		return;
	}
	seekdir(d, telldir(d));
	answer(0);
}

static void do_closedir(char **w)
{
	int slot = slot_of(w[0]);

	if (!dirs[slot]) {
		answer_text("no stream");
		return;
	}
	answer(closedir(dirs[slot]));
	dirs[slot] = NULL;
}

static void opened_file(int slot, FILE *f)
{
	if (!f) {
		answer(-1);
		return;
	}
	if (files[slot])
		fclose(files[slot]);
	files[slot] = f;
	answer(fileno(f));
}

static void do_fopen(char **w)
{
	opened_file(slot_of(w[0]), fopen(path(w[1]), w[2]));
}

static void do_fdopen(char **w)
{
	opened_file(slot_of(w[0]), fdopen((int)number(w[1]), w[2]));
}

static FILE *stream(const char *word)
{
	FILE *f = files[slot_of(word)];

	if (!f)
		answer_text("no stream");
	return f;
}

static void do_fread(char **w)
{
	FILE *f = stream(w[0]);
	size_t n;

	if (!f)
		return;
	clearerr(f);
	n = fread(buffer, 1, (size_t)number(w[1]) % BUFFER_BYTES, f);
	if (ferror(f))
		answer_text("err %s after %zu", strerrorname_np(errno), n);
	else
		answer_text("ok %zu %016lx%s", n, hash(buffer, n), feof(f) ? " end" : "");
}

static void do_fwrite(char **w)
{
	FILE *f = stream(w[0]);
	size_t n = (size_t)number(w[1]) % BUFFER_BYTES;

	if (!f)
		return;
	fill(buffer, n, (unsigned long)number(w[2]));
	clearerr(f);
	n = fwrite(buffer, 1, n, f);
	if (ferror(f))
		answer_text("err %s after %zu", strerrorname_np(errno), n);
	else
		answer((long)n);
}

static void do_fseek(char **w)
{
	FILE *f = stream(w[0]);

	if (f)
		answer(fseek(f, number(w[1]), (int)number(w[2])));
}

static void do_ftell(char **w)
{
	FILE *f = stream(w[0]);

	if (f)
		answer(ftell(f));
}

static void do_fflush(char **w)
{
	FILE *f = stream(w[0]);

	if (f)
		answer(fflush(f));
}

static void do_fclose(char **w)
{
	FILE *f = stream(w[0]);

	if (!f)
		return;
	files[slot_of(w[0])] = NULL;
	answer(fclose(f));
}

const struct command commands_streams[] = {
	{ "opendir", 2, do_opendir },     { "fdopendir", 2, do_fdopendir }, { "readdir", 2, do_readdir },
	{ "rewinddir", 1, do_rewinddir }, { "telldir", 1, do_telldir },     { "closedir", 1, do_closedir },
	{ "fopen", 3, do_fopen },         { "fdopen", 3, do_fdopen },       { "fread", 2, do_fread },
	{ "fwrite", 3, do_fwrite },       { "fseek", 3, do_fseek },         { "ftell", 1, do_ftell },
	{ "fflush", 1, do_fflush },       { "fclose", 1, do_fclose },       { NULL, 0, NULL },
};
