#include "object/holders.h"

#include "base/util.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* `flags:` of fdinfo, in octal. What cannot be read has been closed meanwhile. */
static unsigned by_descriptor(int process, const char *number)
{
	char path[64], buf[512];
	const char *flags;
	unsigned long mode;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "fdinfo/%.20s", number);
	fd = openat(process, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : HOLDERS_ANY | HOLDERS_WRITER;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	flags = strstr(buf, "flags:");
	mode = flags ? strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE : O_RDWR;
	return HOLDERS_ANY | (mode == O_RDONLY ? 0u : HOLDERS_WRITER);
}

static unsigned by_descriptors(int process, const struct holders_file *f, bool self)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	unsigned found = 0;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!(found & HOLDERS_WRITER) && (e = readdir(dir))) {
		int number = atoi(e->d_name);

		if (!isdigit((unsigned char)e->d_name[0]) || fstatat(fd, e->d_name, &st, 0) < 0)
			continue;
		if (st.st_dev != f->dev || st.st_ino != f->ino)
			continue;
		if (self && (number == f->own[0] || number == f->own[1]))
			continue;
		found |= by_descriptor(process, e->d_name);
	}
	closedir(dir);
	return found;
}

/* 7f..-7f.. rw-s 00000000 00:01 1234 /memfd:... */
static unsigned by_mappings(int process, const struct holders_file *f)
{
	int fd = openat(process, "maps", O_RDONLY | O_CLOEXEC);
	FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
	unsigned found = 0, major, minor;
	unsigned long ino;
	char *line = NULL, perms[5];
	size_t size = 0;

	if (!maps) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (!(found & HOLDERS_WRITER) && getline(&line, &size, maps) > 0) {
		if (sscanf(line, "%*s %4s %*s %x:%x %lu", perms, &major, &minor, &ino) != 4)
			continue;
		if (ino == f->ino && makedev(major, minor) == f->dev)
			found |= HOLDERS_ANY | (perms[1] == 'w' && perms[3] == 's' ? HOLDERS_WRITER : 0u);
	}
	free(line);
	(void)fclose(maps);
	return found;
}

static unsigned look_once(const struct holders_file *f)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	unsigned found = 0;

	if (!proc)
		return HOLDERS_ANY | HOLDERS_WRITER;
	while (!(found & HOLDERS_WRITER) && (e = readdir(proc))) {
		int process;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		process = openat(dirfd(proc), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0)
			continue;
		found |= by_descriptors(process, f, atoi(e->d_name) == getpid());
		if (!(found & HOLDERS_WRITER))
			found |= by_mappings(process, f);
		close(process);
	}
	closedir(proc);
	return found;
}

unsigned holders_look(const struct holders_file *f)
{
	unsigned found = look_once(f);

	return found & HOLDERS_WRITER ? found : found | look_once(f);
}
