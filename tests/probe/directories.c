/* Directory streams: every name once, positions that can be gone back to, changes seen by rewinding. */
#include "probe.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in order, each with its kind. */
static void list(DIR *dir)
{
	char *names[200];
	size_t n = 0;
	struct dirent *e;

	while (dir && n < 200 && (e = readdir(dir))) {
		char text[300];
		snprintf(text, sizeof(text), "%s%s", e->d_name,
			 e->d_type == DT_DIR   ? "/"
			 : e->d_type == DT_LNK ? "@"
					       : "");
		names[n++] = strdup(text);
	}
	qsort(names, n, sizeof(names[0]), by_text);
	printf("%zu:", n);
	for (size_t i = 0; i < n; i++)
		printf(" %s", names[i]);
	printf("\n");
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **found, *e;
	struct stat st;
	char name[32], third[256] = "";
	long pos = 0;
	DIR *dir;
	int fd, n;

	enter(argc, argv);
	ok("opendir missing", opendir("missing") ? 0 : -1);
	put("file", "x");
	ok("opendir file", opendir("file") ? 0 : -1);
	mkdir("d", 0755);
	list(opendir("d"));
	for (n = 0; n < 60; n++) {
		snprintf(name, sizeof(name), "d/name-%02d", n);
		put(name, "x");
	}
	mkdir("d/sub", 0755);
	put("d/sub/deep", "x");
	dir = opendir("d");
	list(dir);
	rewinddir(dir);
	for (n = 0; n < 3 && (e = readdir(dir)); n++) {
		if (n == 2)
			strcpy(third, e->d_name);
		if (n == 1)
			pos = telldir(dir);
	}
	for (n = 0; n < 10; n++)
		e = readdir(dir);
	seekdir(dir, pos);
	e = readdir(dir);
	printf("seekdir comes back: %d\n", e && strcmp(e->d_name, third) == 0);
	for (n = 0; (e = readdir(dir));)
		n += strcmp(e->d_name, "name-07") == 0 && (stat("d/name-07", &st), st.st_ino == e->d_ino);
	printf("d_ino is st_ino: %d\n", n);
	errno = 0;
	printf("end again: %d errno %d\n", readdir(dir) == NULL, errno);
	unlink("d/name-07");
	put("d/later", "x");
	rewinddir(dir);
	list(dir);
	fd = dirfd(dir);
	ok("fstatat by dirfd", fstatat(fd, "later", &st, 0));
	ok("openat by dirfd", openat(fd, "sub/deep", O_RDONLY));
	ok("closedir", closedir(dir));
	fd = open("d", O_RDONLY | O_DIRECTORY);
	dir = fdopendir(fd);
	ok("fdopendir", dir ? 0 : -1);
	list(dir);
	closedir(dir);
	ok("closed with it", fcntl(fd, F_GETFD));
	ok("fdopendir of a file", fdopendir(open("file", O_RDONLY)) ? 0 : -1);
	n = (int)say("scandir", scandir("d", &found, not_hidden, alphasort));
	for (int i = 0; i < n; i += 20)
		printf("%s\n", found[i]->d_name);
	say("scandir missing", scandir("missing", &found, NULL, NULL));
	dir = opendir("d");
	for (n = 0; (e = readdir(dir));)
		if (e->d_name[0] == 'n' && unlinkat(dirfd(dir), e->d_name, 0) == 0)
			n++;
	closedir(dir);
	say("removed while reading", n);
	list(opendir("d"));
	return 0;
}
