/* Trees and patterns that libc walks inside: glob, ftw, nftw, fts, scandirat. */
#include "probe.h"

#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include <wordexp.h>
#ifdef __GLIBC__
#include <fts.h>
#endif

static char *lines[200];
static int count;

static void add(const char *text)
{
	if (count < 200)
		lines[count++] = strdup(text);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In an order that no file system decides. */
static void flush_lines(const char *what, int rc)
{
	printf("%s: %d, %d\n", what, rc, count);
	qsort(lines, (size_t)count, sizeof(lines[0]), by_text);
	for (int i = 0; i < count; i++) {
		printf("  %s\n", lines[i]);
		free(lines[i]);
	}
	count = 0;
}

static const char *below(const char *path)
{
	size_t len = strlen(probe_dir);

	return strncmp(path, probe_dir, len) == 0 ? path + len : path;
}

static const char *type_name(int type)
{
	return type == FTW_F     ? "F"
	       : type == FTW_D   ? "D"
	       : type == FTW_DNR ? "DNR"
	       : type == FTW_NS  ? "NS"
	       : type == FTW_SL  ? "SL"
	       : type == FTW_DP  ? "DP"
	       : type == FTW_SLN ? "SLN"
				 : "?";
}

static int each(const char *path, const struct stat *st, int type, struct FTW *at_)
{
	char text[PATH_MAX + 64];

	snprintf(text, sizeof(text), "%s %s base %d level %d size %ld", below(path), type_name(type),
		 at_->base - (int)strlen(probe_dir), at_->level, S_ISREG(st->st_mode) ? (long)st->st_size : -1);
	add(text);
	return 0;
}

static int each_here(const char *path, const struct stat *st, int type, struct FTW *at_)
{
	char text[PATH_MAX + 64];

	(void)st;
	snprintf(text, sizeof(text), "%s %s here %d", below(path), type_name(type),
		 access(path + at_->base, F_OK) == 0 || type == FTW_SL);
	add(text);
	return 0;
}

static int each_old(const char *path, const struct stat *st, int type)
{
	char text[PATH_MAX + 64];

	(void)st;
	snprintf(text, sizeof(text), "%s %s", below(path), type_name(type));
	add(text);
	return strstr(path, "stop") != NULL ? 7 : 0;
}

static void patterns(const char *what, const char *pattern, int flags)
{
	glob_t g = { 0 };
	int rc = glob(at(pattern), flags, NULL, &g);

	printf("%s %s: %d", what, pattern, rc);
	for (size_t i = 0; i < g.gl_pathc; i++)
		printf(" %s", below(g.gl_pathv[i]));
	putchar('\n');
	globfree(&g);
}

static void words(const char *what, const char *format, wordexp_t *w, int flags)
{
	char text[2 * PATH_MAX];
	int rc;

	snprintf(text, sizeof(text), format, probe_dir, probe_dir);
	rc = wordexp(text, w, flags);
	printf("wordexp %s: %d, %zu, %d\n", what, rc, w->we_wordc, w->we_wordv[w->we_offs + w->we_wordc] == NULL);
	for (size_t i = 0; i < w->we_offs + w->we_wordc; i++)
		printf("  %s\n", w->we_wordv[i] ? below(w->we_wordv[i]) : "NULL");
}

static void appended(void)
{
	glob_t g = { .gl_offs = 2 };
	int rc = glob(at("t/*.c"), GLOB_DOOFFS, NULL, &g);

	rc += glob(at("t/*.h"), GLOB_DOOFFS | GLOB_APPEND, NULL, &g);
	printf("append: %d, %zu, %d %s %s\n", rc, g.gl_pathc, g.gl_pathv[0] == NULL, below(g.gl_pathv[2]),
	       below(g.gl_pathv[g.gl_pathc + 1]));
	globfree(&g);
}

#ifdef __GLIBC__
static int by_entry(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void fts(const char *what, int options)
{
	char top[PATH_MAX], more[PATH_MAX];
	char *roots[] = { top, more, NULL };
	FTSENT *e;
	FTS *f;

	snprintf(top, sizeof(top), "%s", at("t"));
	snprintf(more, sizeof(more), "%s", at("missing"));
	f = fts_open(roots, options, by_entry);
	printf("%s: %s\n", what, f ? "ok" : errname(errno));
	while (f && (e = fts_read(f))) {
		printf("  %s %s info %d level %d len %d", below(e->fts_path), e->fts_name, e->fts_info, e->fts_level,
		       e->fts_pathlen - (int)strlen(probe_dir));
		if (e->fts_info == FTS_F)
			printf(" size %ld", (long)e->fts_statp->st_size);
		printf(" parent %s\n", e->fts_level > 0 ? e->fts_parent->fts_name : "-");
		if (e->fts_info == FTS_D && strcmp(e->fts_name, "skipped") == 0)
			fts_set(f, e, FTS_SKIP);
		if (e->fts_info == FTS_SL && strcmp(e->fts_name, "link") == 0)
			fts_set(f, e, FTS_FOLLOW);
		if (e->fts_info == FTS_D && e->fts_level == 0) {
			int n = 0;
			for (FTSENT *c = fts_children(f, 0); c; c = c->fts_link)
				n++;
			printf("  children %d\n", n);
		}
	}
	if (f)
		say("fts_close", fts_close(f));
}
#endif

int main(int argc, char **argv)
{
	struct dirent **found;
	wordexp_t w = { 0 };
	int n, fd;

	probe_begin(argc, argv);
	mkdir(at("t"), 0755);
	mkdir(at("t/sub"), 0755);
	mkdir(at("t/skipped"), 0755);
	mkdir(at("t/sub/deep"), 0755);
	make("t/a.c", "a");
	make("t/b.c", "bb");
	make("t/c.h", "");
	make("t/.dot", "");
	make("t/sub/x", "xxx");
	make("t/sub/deep/y", "y");
	make("t/skipped/z", "z");
	symlink("sub", at("t/link"));
	symlink("nothing", at("t/broken"));
	flush_lines("nftw phys", nftw(at("t"), each, 5, FTW_PHYS));
	flush_lines("nftw", nftw(at("t/"), each, 5, 0));
	flush_lines("nftw depth", nftw(at("t"), each, 5, FTW_DEPTH | FTW_PHYS | FTW_MOUNT));
	flush_lines("nftw file", nftw(at("t/a.c"), each, 5, 0));
#ifdef __GLIBC__ /* musl has no FTW_CHDIR */
	flush_lines("nftw chdir", nftw(at("t"), each_here, 5, FTW_PHYS | FTW_CHDIR));
#endif
	flush_lines("ftw", ftw(at("t"), each_old, 5));
	say("ftw missing", ftw(at("none"), each_old, 5));
	make("t/stop", "");
	say("ftw stops", ftw(at("t/stop"), each_old, 5));
	unlink(at("t/stop"));
	count = 0;
	patterns("glob", "t/*.c", 0);
	patterns("glob", "*/*/*", 0);
	patterns("mark", "t/s*", GLOB_MARK);
	patterns("one", "t/[ab].?", 0);
	patterns("none", "t/*.none", 0);
	patterns("nocheck", "t/*.none", GLOB_NOCHECK);
	patterns("plain", "t/a.c", 0);
	patterns("escaped", "t/\\a.c", 0);
	patterns("dots", "t/.d*", 0);
	patterns("folder", "t/*/", 0);
	appended();
	words("two patterns", "x %s/t/*.c y %s/t/?.h", &w, 0);
	words("append", "%s/t/*.c %s/t/*.none", &w, WRDE_APPEND);
	wordfree(&w);
	w.we_offs = 2;
	words("places", "%s/t/[ab].? %s/t/a.c", &w, WRDE_DOOFFS | WRDE_NOCMD);
	wordfree(&w);
	fd = open(at("t"), O_RDONLY | O_DIRECTORY);
#ifdef __GLIBC__
	n = scandirat(fd, "sub", &found, NULL, alphasort);
	for (int i = 0; i < n; i++)
		printf("scandirat %s\n", found[i]->d_name);
	fts("fts physical", FTS_PHYSICAL);
	fts("fts logical", FTS_LOGICAL | FTS_NOCHDIR);
	fts("fts nostat", FTS_PHYSICAL | FTS_NOSTAT | FTS_XDEV | FTS_NOCHDIR);
	unlink(at("t/link")); /* `..` behind a link goes where the text says, there */
	fts("fts dots", FTS_PHYSICAL | FTS_SEEDOT | FTS_COMFOLLOW);
#else
	(void)n, (void)found;
#endif
	close(fd);
	return 0;
}
