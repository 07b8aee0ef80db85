#include "rig.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct rig rig;

static void open_cache(uint64_t max_bytes)
{
	struct err err = ERR_INIT;
	int r = rig.one_file ? cache_open_file(rig.path, max_bytes, &rig.cache, &err)
			     : cache_open_folder(rig.path, max_bytes, &rig.cache, &err);

	cr_assert_eq(r, 0, "%s", err_text(&err));
}

void rig_open(bool one_file, uint64_t max_bytes)
{
	strcpy(rig.dir, "/var/tmp/s3shim-cache-XXXXXX");
	cr_assert(mkdtemp(rig.dir));
	snprintf(rig.path, sizeof(rig.path), "%s/cache", rig.dir);
	rig.one_file = one_file;
	open_cache(max_bytes);
}

void rig_again(uint64_t max_bytes)
{
	cache_close(rig.cache);
	open_cache(max_bytes);
}

void rig_close(void)
{
	char command[128];

	rig.cache = cache_close(rig.cache);
	snprintf(command, sizeof(command), "rm -rf '%s'", rig.dir);
	cr_assert_eq(system(command), 0);
}

struct cache_name rig_name(const char *key)
{
	return (struct cache_name){ "place", "bucket", key, NULL };
}

/* A multiple of 8 bytes at least, from @off, which is one. */
static void bytes_of(const char *key, const char *etag, uint64_t off, size_t len, uint64_t *to)
{
	uint64_t seed = 0;

	for (const char *p = key; *p; p++)
		seed = seed * 31 + (unsigned char)*p;
	for (const char *p = etag; *p; p++)
		seed = seed * 37 + (unsigned char)*p;
	for (size_t i = 0; i < (len + 7) / 8; i++)
		to[i] = (off / 8 + i + 1) * 0x9e3779b97f4a7c15ull ^ seed * 0xff51afd7ed558ccdull;
}

int rig_source(const char *key, const char *etag, size_t size)
{
	int fd = memfd_create("source", MFD_CLOEXEC);
	uint64_t *p;

	cr_assert(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); /* whole pages: there is room for the last 8 */
	cr_assert(p != MAP_FAILED);
	bytes_of(key, etag, 0, size, p);
	munmap(p, size);
	return fd;
}

int rig_put(struct cache *c, const char *key, const char *etag, size_t size)
{
	cleanup_close int fd = rig_source(key, etag, size);

	return rig_put_from(c, key, etag, size, fd);
}

int rig_put_from(struct cache *c, const char *key, const char *etag, size_t size, int fd)
{
	struct cache_name name = rig_name(key);
	struct cache_writer *w;
	int r = cache_begin(c, &name, etag, size, &w);

	if (r < 0)
		return r;
	for (uint64_t b = 0; r == 0 && b * BLOCK_BYTES < size; b++)
		r = cache_writer_block(w, fd, b, NULL);
	if (r == 0)
		return cache_commit(w);
	cache_abort(w);
	return r;
}

bool rig_has(struct cache *c, const char *key, const char *etag, size_t size)
{
	struct cache_name name = rig_name(key);
	struct s3_info info = { .size = size };
	struct cache_entry *e;
	char *buf;
	uint64_t *want;
	bool same = true;

	snprintf(info.etag, sizeof(info.etag), "%s", etag);
	if (cache_find(c, &name, &e) < 0)
		return false;
	buf = malloc(BLOCK_BYTES);
	want = malloc(BLOCK_BYTES);
	same = cache_entry_is(e, &info);
	for (uint64_t off = 0; same && off < size; off += BLOCK_BYTES) {
		int n = cache_entry_read(e, off / BLOCK_BYTES, buf);
		same = n == (int)min_u64(BLOCK_BYTES, size - off);
		bytes_of(key, etag, off, BLOCK_BYTES, want);
		cr_assert(!same || memcmp(buf, want, (size_t)n) == 0, "wrong bytes of %s behind %lu", key, off);
	}
	free(want);
	free(buf);
	cache_entry_unref(e);
	return same;
}

uint64_t rig_on_disk(void)
{
	DIR *dir = rig.one_file ? NULL : opendir(rig.path);
	uint64_t bytes = 0;
	struct dirent *e;
	struct stat st;

	if (rig.one_file)
		return stat(rig.path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
	cr_assert(dir);
	while ((e = readdir(dir)))
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	closedir(dir);
	return bytes;
}

char *rig_entry(char *buf, size_t size)
{
	DIR *dir = opendir(rig.path);
	struct dirent *e;

	buf[0] = '\0';
	while ((e = readdir(dir)))
		if (strlen(e->d_name) == 64)
			snprintf(buf, size, "%s/%s", rig.path, e->d_name);
	closedir(dir);
	return buf;
}
