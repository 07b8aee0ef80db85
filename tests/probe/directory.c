/* Directories: reading, positions, relative opens. Entries are sorted before they are printed. */
#include "probe.h"

#include <dirent.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The rest of a stream; types for those file systems that tell them. */
static void list(const char *what, DIR *d)
{
	char *names[600];
	size_t n = 0;
	struct dirent *e;

	while (n < 600 && (errno = 0, e = readdir(d))) {
		char text[300];
		snprintf(text, sizeof(text), "%s%s", e->d_name,
			 e->d_type == DT_DIR       ? "/"
			 : e->d_type == DT_REG     ? ""
			 : e->d_type == DT_UNKNOWN ? "?"
						   : "!");
		names[n++] = strdup(text);
	}
	qsort(names, n, sizeof(names[0]), by_name);
	printf("%s: %zu:", what, n);
	for (size_t i = 0; i < n; i++) {
		if (n < 30)
			printf(" %s", names[i]);
		free(names[i]);
	}
	printf(" errno %d\n", errno);
}

/* How many are left; which ones depends on the file system's order. */
static long count(DIR *d)
{
	long n = 0;

	while (readdir(d))
		n++;
	return n;
}

static int no_dots(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void positions(void)
{
	struct dirent *e;
	char third[300] = "", again[300] = "";
	long pos;
	DIR *d = opendir(at("many"));

	for (int i = 0; i < 2; i++)
		(void)readdir(d);
	pos = telldir(d);
	e = readdir(d);
	if (e)
		snprintf(third, sizeof(third), "%s", e->d_name);
	say("rest", count(d));
	seekdir(d, pos);
	e = readdir(d);
	if (e)
		snprintf(again, sizeof(again), "%s", e->d_name);
	printf("seekdir: %s\n", *third && strcmp(third, again) == 0 ? "same" : "differs");
	rewinddir(d);
	list("rewinddir", d);
	say("closedir", closedir(d));
}

int main(int argc, char **argv)
{
	struct dirent **found;
	char name[32];
	int fd, n;
	DIR *d;

	probe_begin(argc, argv);
	d = opendir(at(""));
	list("empty", d);
	closedir(d);
	make("b", "1");
	make("a", "2");
	say("mkdir", mkdir(at("sub"), 0755));
	make("sub/x", "3");
	d = opendir(at(""));
	list("three", d);
	say("dirfd", dirfd(d) < 0);
	closedir(d);
	d = opendir(at("sub/"));
	list("sub", d);
	closedir(d);
	say("opendir missing", opendir(at("none")) ? 0 : -1);
	say("opendir file", opendir(at("a")) ? 0 : -1);
	say("mkdir many", mkdir(at("many"), 0755));
	for (int i = 0; i < 25; i++) {
		snprintf(name, sizeof(name), "many/n%03d", i);
		make(name, "");
	}
	positions();
	n = scandir(at("many"), &found, no_dots, alphasort);
	say("scandir", n);
	if (n > 0)
		printf("first %s last %s\n", found[0]->d_name, found[n - 1]->d_name);
	fd = say_ok("open folder", open(at("sub"), O_RDONLY | O_DIRECTORY));
	int rel = say_ok("openat", openat(fd, "x", O_RDONLY));
	say("read", read(rel, name, 5));
	close(rel);
	rel = say_ok("openat ..", openat(fd, "../a", O_RDONLY));
	close(rel);
	rel = say_ok("openat create", openat(fd, "y", O_WRONLY | O_CREAT, 0644));
	say("write", write(rel, "why", 3));
	say("close", close(rel));
	say("mkdirat", mkdirat(fd, "deep", 0755));
	say("unlinkat", unlinkat(fd, "x", 0));
	say("unlinkat folder", unlinkat(fd, "deep", AT_REMOVEDIR));
	say_ok("openat file as folder", openat(rel = open(at("a"), O_RDONLY), "x", O_RDONLY));
	close(rel);
	d = fdopendir(fd);
	list("fdopendir", d);
	closedir(d);
	show("sub/y");
	return 0;
}
