#include "cache/cache.h"

#include "base/counters.h"
#include "base/io.h"
#include "base/util.h"
#include "cache/backend.h"
#include "s3/checksum.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/*
 * An entry's bytes, whatever they lie in:
 *
 *     struct head | place NUL bucket NUL key NUL version NUL etag NUL | 0 to 8 | a CRC64NVME a block | 0 to a page | data
 *
 * The head's own checksum is of everything before the data. It is written last, so what a killed writer left is no
 * entry by its contents either. Names are looked for by a hash, and compared with those in the head.
 *
 * There is one entry a name: the newest version that was read or written. An older one would never be asked for again,
 * unless it was named by its version id, which makes it another name.
 *
 * Why the bytes that were compared are those that are given out: whoever changes the file between a comparison and a
 * copy by the kernel would be believed. So what is taken out goes through a buffer. What is put in may be shared by the
 * file system (copy_file_range): it is compared when it is taken out.
 */
#define MAGIC "s3shimE1"

struct head {
	char magic[8];
	uint64_t head_len, text_len, size; /* bytes: to the data, of the names, of the data */
	uint64_t whole;                    /* the CRC64NVME of the data */
	uint64_t sum;                      /* of the head_len bytes, itself 0 */
};

struct cache {
	struct cache_backend *backend;
};

struct cache_entry {
	_Atomic unsigned refs;
	atomic_bool bad;
	struct cache *cache;
	struct cache_region region;
	struct head *head;
	const char *etag;
	const uint64_t *crcs;
};

struct cache_writer {
	struct cache *cache;
	struct cache_region region;
	struct head *head;
	uint64_t *crcs;
	uint64_t missing; /* blocks */
	bool plain;       /* no copy_file_range() between these two files */
	char *buf;        /* a block */
	uint8_t *have;    /* a bit a block */
};

static uint64_t blocks_of(uint64_t size)
{
	return size / BLOCK_BYTES + (size % BLOCK_BYTES != 0);
}

static size_t block_len(uint64_t size, uint64_t block)
{
	return (size_t)min_u64(BLOCK_BYTES, size - block * BLOCK_BYTES);
}

static uint64_t crcs_at(uint64_t text_len)
{
	return round_up(sizeof(struct head) + text_len, sizeof(uint64_t));
}

static uint64_t head_len_of(uint64_t text_len, uint64_t size)
{
	return round_up(crcs_at(text_len) + blocks_of(size) * sizeof(uint64_t), CACHE_PAGE);
}

/* the cache */

static int opened(struct cache_backend *backend, struct cache **ret, struct err *err)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c) {
		backend->ops->close(backend);
		return err_set(err, ENOMEM, "out of memory");
	}
	c->backend = backend;
	*ret = c;
	return 0;
}

int cache_open_folder(const char *dir, uint64_t max_bytes, struct cache **ret, struct err *err)
{
	struct cache_backend *backend;
	int r = folder_open(dir, max_bytes, &backend, err);

	return r < 0 ? r : opened(backend, ret, err);
}

int cache_open_file(const char *path, uint64_t max_bytes, struct cache **ret, struct err *err)
{
	struct cache_backend *backend;
	int r = onefile_open(path, max_bytes, &backend, err);

	return r < 0 ? r : opened(backend, ret, err);
}

struct cache *cache_close(struct cache *c)
{
	if (c)
		c->backend->ops->close(c->backend);
	free(c);
	return NULL;
}

/* names */

#define NAME_PARTS 4

static void name_parts(const struct cache_name *name, const char *ret[NAME_PARTS])
{
	ret[0] = name->place ? name->place : "";
	ret[1] = name->bucket;
	ret[2] = name->key;
	ret[3] = name->version ? name->version : "";
}

static int hash_name(const struct cache_name *name, uint8_t ret[CACHE_HASH_BYTES])
{
	const char *parts[NAME_PARTS];
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	unsigned int len = 0;
	bool ok = sha && EVP_DigestInit_ex(sha, EVP_sha256(), NULL);

	name_parts(name, parts);
	for (size_t i = 0; ok && i < NAME_PARTS; i++)
		ok = EVP_DigestUpdate(sha, parts[i], strlen(parts[i]) + 1);
	ok = ok && EVP_DigestFinal_ex(sha, ret, &len);
	EVP_MD_CTX_free(sha);
	return ok ? 0 : -ENOMEM;
}

/* The names in a head. Return: where the ETag is; NULL: they are others. */
static const char *text_etag(const struct head *head, const struct cache_name *name)
{
	const char *parts[NAME_PARTS], *p = (const char *)(head + 1), *end = p + head->text_len;

	name_parts(name, parts);
	for (size_t i = 0; i < NAME_PARTS; i++) {
		size_t n = strlen(parts[i]) + 1;
		if ((size_t)(end - p) < n || memcmp(p, parts[i], n) != 0)
			return NULL;
		p += n;
	}
	return p < end && memchr(p, '\0', (size_t)(end - p)) == end - 1 ? p : NULL;
}

/* bytes */

static uint64_t head_sum(struct head *head)
{
	uint64_t was = head->sum, sum;

	head->sum = 0;
	sum = crc64_update(0, head, head->head_len);
	head->sum = was;
	return sum;
}

/* Return: 0 and the whole head, malloc'd; -EBADMSG: it is none; negative errno. */
static int read_head(const struct cache_region *r, struct head **ret)
{
	struct head begin, *head;
	int rc = r->len < sizeof(begin) ? -EBADMSG : io_pread(r->fd, &begin, sizeof(begin), r->off, -EBADMSG);

	if (rc < 0)
		return rc;
	if (memcmp(begin.magic, MAGIC, sizeof(begin.magic)) != 0 || begin.text_len > r->len || begin.size > r->len ||
	    begin.head_len != head_len_of(begin.text_len, begin.size) ||
	    begin.head_len + round_up(begin.size, CACHE_PAGE) != r->len)
		return -EBADMSG;
	head = malloc(begin.head_len);
	if (!head)
		return -ENOMEM;
	rc = io_pread(r->fd, head, begin.head_len, r->off, -EBADMSG);
	/* it may have changed since */
	if (rc == 0 && (memcmp(head, &begin, sizeof(begin)) != 0 || head_sum(head) != head->sum))
		rc = -EBADMSG;
	if (rc == 0)
		*ret = head;
	else
		free(head);
	return rc;
}

/* entries */

static void entry_bad(struct cache_entry *e)
{
	if (atomic_exchange(&e->bad, true))
		return;
	counter_add(COUNTER_shared_cache_thrown_away, 1);
	e->cache->backend->ops->drop(e->cache->backend, &e->region);
}

int cache_find(struct cache *c, const struct cache_name *name, struct cache_entry **ret)
{
	struct cache_entry *e = calloc(1, sizeof(*e));
	uint8_t hash[CACHE_HASH_BYTES];
	int r = e ? hash_name(name, hash) : -ENOMEM;

	if (r == 0)
		r = c->backend->ops->find(c->backend, hash, &e->region);
	if (r < 0) {
		if (r == -EBADMSG)
			counter_add(COUNTER_shared_cache_thrown_away, 1);
		free(e);
		return r == -EBADMSG ? -ENOENT : r;
	}
	e->cache = c;
	e->refs = 1;
	r = read_head(&e->region, &e->head);
	if (r == 0 && !(e->etag = text_etag(e->head, name)))
		r = -EBADMSG;
	if (r < 0) {
		if (r == -EBADMSG)
			entry_bad(e);
		cache_entry_unref(e);
		return r == -EBADMSG ? -ENOENT : r;
	}
	e->crcs = (const uint64_t *)(const void *)((const char *)e->head + crcs_at(e->head->text_len));
	*ret = e;
	return 0;
}

struct cache_entry *cache_entry_ref(struct cache_entry *e)
{
	atomic_fetch_add(&e->refs, 1);
	return e;
}

struct cache_entry *cache_entry_unref(struct cache_entry *e)
{
	if (!e || atomic_fetch_sub(&e->refs, 1) != 1)
		return NULL;
	e->cache->backend->ops->put(e->cache->backend, &e->region, false);
	free(e->head);
	free(e);
	return NULL;
}

bool cache_entry_is(struct cache_entry *e, const struct s3_info *info)
{
	uint64_t crc;

	if (e->head->size != info->size || !info->etag[0] || strcmp(e->etag, info->etag) != 0)
		return false;
	if (checksum_parse(CHECKSUM_CRC64NVME, info->checksum, &crc) == 0 && crc != e->head->whole)
		entry_bad(e);
	return !e->bad;
}

int cache_entry_read(struct cache_entry *e, uint64_t block, void *to)
{
	size_t len;
	int r;

	if (block >= blocks_of(e->head->size))
		return 0;
	len = block_len(e->head->size, block);
	r = io_pread(e->region.fd, to, len, e->region.off + e->head->head_len + block * BLOCK_BYTES, -EBADMSG);
	if (r == 0 && crc64_update(0, to, len) != e->crcs[block])
		r = -EBADMSG;
	if (r < 0) {
		entry_bad(e); /* of a disk that fails no more is asked either */
		return r;
	}
	counter_add(COUNTER_shared_cache_bytes, len);
	return (int)len;
}

int cache_entry_copy(struct cache_entry *e, int fd)
{
	cleanup_free char *buf = malloc(BLOCK_BYTES);
	int n = buf ? 0 : -ENOMEM;

	for (uint64_t b = 0; n >= 0 && b < blocks_of(e->head->size); b++) {
		n = cache_entry_read(e, b, buf);
		if (n > 0) {
			int r = io_pwrite(fd, buf, (size_t)n, b * BLOCK_BYTES);
			n = r < 0 ? r : n;
		}
	}
	return n < 0 ? n : 0;
}

/* writers */

static void writer_free(struct cache_writer *w, bool undo)
{
	if (w->region.fd >= 0)
		w->cache->backend->ops->put(w->cache->backend, &w->region, undo);
	free(w->head);
	free(w->buf);
	free(w->have);
	free(w);
}

static bool same_version(struct cache *c, const struct cache_name *name, const char *etag, uint64_t size)
{
	struct cache_entry *e;
	bool same;

	if (cache_find(c, name, &e) < 0)
		return false;
	same = e->head->size == size && strcmp(e->etag, etag) == 0;
	cache_entry_unref(e);
	return same;
}

static int make_head(struct cache_writer *w, const struct cache_name *name, const char *etag, uint64_t size)
{
	const char *parts[NAME_PARTS];
	uint64_t text_len = strlen(etag) + 1;
	char *p;

	name_parts(name, parts);
	for (size_t i = 0; i < NAME_PARTS; i++)
		text_len += strlen(parts[i]) + 1;
	w->head = calloc(1, head_len_of(text_len, size));
	if (!w->head)
		return -ENOMEM;
	memcpy(w->head->magic, MAGIC, sizeof(w->head->magic));
	w->head->head_len = head_len_of(text_len, size);
	w->head->text_len = text_len;
	w->head->size = size;
	p = (char *)(w->head + 1);
	for (size_t i = 0; i < NAME_PARTS; i++)
		p = stpcpy(p, parts[i]) + 1;
	strcpy(p, etag);
	w->crcs = (uint64_t *)(void *)((char *)w->head + crcs_at(text_len));
	w->missing = blocks_of(size);
	w->have = calloc(w->missing / 8 + 1, 1);
	w->buf = malloc(BLOCK_BYTES);
	return w->have && w->buf ? 0 : -ENOMEM;
}

int cache_begin(struct cache *c, const struct cache_name *name, const char *etag, uint64_t size,
		struct cache_writer **ret)
{
	struct cache_writer *w;
	uint8_t hash[CACHE_HASH_BYTES];
	int r;

	if (!etag[0])
		return -EINVAL;
	if (size > (uint64_t)INT64_MAX / 2)
		return -EFBIG;
	if (same_version(c, name, etag, size))
		return -EEXIST;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->cache = c;
	w->region = (struct cache_region)CACHE_REGION_NONE;
	r = hash_name(name, hash);
	if (r == 0)
		r = make_head(w, name, etag, size);
	if (r == 0)
		r = c->backend->ops->begin(c->backend, hash, w->head->head_len + round_up(size, CACHE_PAGE),
					   &w->region);
	if (r < 0)
		writer_free(w, true);
	else
		*ret = w;
	return r;
}

bool cache_writer_has(const struct cache_writer *w, uint64_t block)
{
	return w->have[block / 8] >> (block % 8) & 1;
}

bool cache_writer_whole(const struct cache_writer *w)
{
	return w->missing == 0;
}

/* By the file system, where it can: it shares the blocks, or copies within the kernel. */
static bool copy_range(struct cache_writer *w, int fd, uint64_t from, uint64_t to, size_t len)
{
	off_t in = (off_t)from, out = (off_t)to;

	while (len && !w->plain) {
		ssize_t n = copy_file_range(fd, &in, w->region.fd, &out, len, 0);
		if (n <= 0)
			w->plain = true;
		else
			len -= (size_t)n;
	}
	return len == 0;
}

int cache_writer_block(struct cache_writer *w, int fd, uint64_t block, const uint64_t *crc)
{
	uint64_t from = block * BLOCK_BYTES, to = w->region.off + w->head->head_len + from, sum;
	size_t len = block_len(w->head->size, block);
	int r = io_pread(fd, w->buf, len, from, -EBADMSG);

	if (r < 0)
		return r;
	sum = crc64_update(0, w->buf, len);
	if (crc && *crc != sum)
		return -EBADMSG;
	if (!copy_range(w, fd, from, to, len))
		r = io_pwrite(w->region.fd, w->buf, len, to);
	if (r < 0)
		return r;
	w->crcs[block] = sum;
	if (!cache_writer_has(w, block))
		w->missing--;
	w->have[block / 8] |= (uint8_t)(1u << (block % 8));
	return 0;
}

int cache_commit(struct cache_writer *w)
{
	uint64_t size = w->head->size;
	int r = w->missing ? -EINVAL : 0;

	for (uint64_t b = 0; r == 0 && b < blocks_of(size); b++)
		w->head->whole = checksum_combine(CHECKSUM_CRC64NVME, w->head->whole, w->crcs[b], block_len(size, b));
	w->head->sum = head_sum(w->head);
	if (r == 0)
		r = io_pwrite(w->region.fd, w->head, w->head->head_len, w->region.off);
	if (r == 0)
		r = w->cache->backend->ops->commit(w->cache->backend, &w->region);
	writer_free(w, r < 0);
	if (r == 0)
		counter_add(COUNTER_shared_cache_stored_bytes, size);
	return r;
}

void cache_abort(struct cache_writer *w)
{
	if (w)
		writer_free(w, true);
}
