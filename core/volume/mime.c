#include "volume/attr.h"

#include "base/util.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * /etc/mime.types, read once: "type/subtype ext ext ...", '#' begins a comment. Its strings live as long as the
 * process.
 */
#define MIME_FILE    "/etc/mime.types"
#define DEFAULT_TYPE "binary/octet-stream"

struct type {
	const char *ext, *type;
};

static const struct type builtin[] = {
	{ "avif", "image/avif" },
	{ "bz2", "application/x-bzip2" },
	{ "c", "text/x-csrc" },
	{ "css", "text/css" },
	{ "csv", "text/csv" },
	{ "gif", "image/gif" },
	{ "gz", "application/gzip" },
	{ "h", "text/x-chdr" },
	{ "htm", "text/html" },
	{ "html", "text/html" },
	{ "ico", "image/x-icon" },
	{ "jpeg", "image/jpeg" },
	{ "jpg", "image/jpeg" },
	{ "js", "text/javascript" },
	{ "json", "application/json" },
	{ "log", "text/plain" },
	{ "md", "text/markdown" },
	{ "mp3", "audio/mpeg" },
	{ "mp4", "video/mp4" },
	{ "pdf", "application/pdf" },
	{ "png", "image/png" },
	{ "py", "text/x-python" },
	{ "svg", "image/svg+xml" },
	{ "tar", "application/x-tar" },
	{ "tsv", "text/tab-separated-values" },
	{ "txt", "text/plain" },
	{ "wasm", "application/wasm" },
	{ "wav", "audio/x-wav" },
	{ "webm", "video/webm" },
	{ "webp", "image/webp" },
	{ "xml", "application/xml" },
	{ "xz", "application/x-xz" },
	{ "yaml", "application/yaml" },
	{ "yml", "application/yaml" },
	{ "zip", "application/zip" },
	{ "zst", "application/zstd" },
};

static struct type *types;
static size_t type_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int by_ext(const void *a, const void *b)
{
	return strcasecmp(((const struct type *)a)->ext, ((const struct type *)b)->ext);
}

static void add(const char *ext, const char *type, size_t *room)
{
	if (type_count == *room) {
		size_t want = *room ? *room * 2 : 1024;
		struct type *more = realloc(types, want * sizeof(*types));

		if (!more)
			return;
		types = more;
		*room = want;
	}
	types[type_count++] = (struct type){ ext, type };
}

static void load(void)
{
	FILE *f = fopen(MIME_FILE, "re");
	size_t room = 0, cap = 0;
	char *line = NULL;

	while (f && getline(&line, &cap, f) > 0) {
		char *save = NULL, *type, *ext;

		line[strcspn(line, "#\r\n")] = 0;
		type = strtok_r(line, " \t", &save);
		ext = type ? strtok_r(NULL, " \t", &save) : NULL;
		if (!ext)
			continue;
		for (; ext; ext = strtok_r(NULL, " \t", &save))
			add(ext, type, &room);
		line = NULL; /* kept: the table points into it */
		cap = 0;
	}
	free(line);
	if (f)
		fclose(f);
	if (types)
		qsort(types, type_count, sizeof(*types), by_ext);
}

const char *attr_content_type(const char *name)
{
	const char *dot = strrchr(name, '.');
	struct type wanted = { dot ? dot + 1 : "", NULL };
	const struct type *t;

	if (!dot || dot == name)
		return DEFAULT_TYPE;
	pthread_once(&once, load);
	t = types ? bsearch(&wanted, types, type_count, sizeof(*types), by_ext) : NULL;
	if (!t)
		t = bsearch(&wanted, builtin, ARRAY_SIZE(builtin), sizeof(builtin[0]), by_ext);
	return t ? t->type : DEFAULT_TYPE;
}
