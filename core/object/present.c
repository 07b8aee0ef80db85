#include "object/present.h"

#include "base/util.h"

#include <string.h>

/* A chunk is 128 blocks, 8 MiB: what one GET of a readahead fetches. */
#define CHUNK_BLOCKS 128u
#define WORDS        (CHUNK_BLOCKS / 64)
_Static_assert(WORDS == 2, "anything(), has_droppable()");

struct present_chunk {
	uint64_t here[WORDS], known[WORDS], busy[WORDS], pinned[WORDS];
	uint64_t used;
	uint64_t crc[CHUNK_BLOCKS];
};

static bool bit(const uint64_t *words, uint64_t block)
{
	uint64_t i = block % CHUNK_BLOCKS;

	return words[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *words, uint64_t block, bool on)
{
	uint64_t i = block % CHUNK_BLOCKS, mask = 1ull << (i % 64);

	words[i / 64] = on ? words[i / 64] | mask : words[i / 64] & ~mask;
}

static const struct present_chunk *chunk_of(const struct present *p, uint64_t block)
{
	return block < p->blocks ? p->chunks[block / CHUNK_BLOCKS] : NULL;
}

static struct present_chunk *make_chunk(struct present *p, uint64_t block)
{
	struct present_chunk **c = &p->chunks[block / CHUNK_BLOCKS];

	if (!*c)
		*c = calloc(1, sizeof(**c));
	return *c;
}

uint64_t present_blocks(uint64_t bytes)
{
	return bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES != 0);
}

static size_t chunks_for(uint64_t blocks)
{
	return (size_t)((blocks + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS);
}

int present_init(struct present *p, uint64_t size)
{
	uint64_t blocks = present_blocks(size);
	struct present_chunk **chunks = calloc(chunks_for(blocks) + 1, sizeof(struct present_chunk *));
	uint64_t *fell = calloc(chunks_for(blocks) / 64 + 1, sizeof(*fell));

	if (!chunks || !fell) {
		free(chunks);
		free(fell);
		return -ENOMEM;
	}
	*p = (struct present){
		.size = size, .blocks = blocks, .chunk_count = chunks_for(blocks), .chunks = chunks, .fell = fell
	};
	return 0;
}

void present_deinit(struct present *p)
{
	for (size_t i = 0; i < p->chunk_count; i++)
		free(p->chunks[i]);
	free(p->chunks);
	free(p->fell);
	memset(p, 0, sizeof(*p));
}

bool present_has(const struct present *p, uint64_t block)
{
	const struct present_chunk *c = chunk_of(p, block);

	return c && bit(c->here, block);
}

bool present_crc(const struct present *p, uint64_t block, uint64_t *ret)
{
	const struct present_chunk *c = chunk_of(p, block);

	if (!c || !bit(c->here, block) || !bit(c->known, block))
		return false;
	*ret = c->crc[block % CHUNK_BLOCKS];
	return true;
}

int present_set(struct present *p, uint64_t block, const uint64_t *crc)
{
	struct present_chunk *c;

	if (block >= p->blocks)
		return 0;
	c = make_chunk(p, block);
	if (!c)
		return -ENOMEM;
	set_bit(c->here, block, true);
	set_bit(c->busy, block, false);
	set_bit(c->known, block, crc != NULL);
	if (crc)
		c->crc[block % CHUNK_BLOCKS] = *crc;
	return 0;
}

bool present_busy(const struct present *p, uint64_t block)
{
	const struct present_chunk *c = chunk_of(p, block);

	return c && bit(c->busy, block);
}

int present_set_busy(struct present *p, uint64_t block, bool busy)
{
	struct present_chunk *c;

	if (block >= p->blocks || (!busy && !p->chunks[block / CHUNK_BLOCKS]))
		return 0;
	c = make_chunk(p, block);
	if (!c)
		return -ENOMEM;
	set_bit(c->busy, block, busy);
	return 0;
}

uint64_t present_next_missing(struct present *p, uint64_t from, uint64_t to)
{
	bool from_low = from <= p->low;
	uint64_t b = max_u64(from, p->low);

	to = min_u64(to, p->blocks);
	while (b < to) {
		const struct present_chunk *c = p->chunks[b / CHUNK_BLOCKS];
		uint64_t gaps;

		if (!c)
			break;
		gaps = ~c->here[b % CHUNK_BLOCKS / 64] >> (b % 64);
		if (gaps) {
			b += (uint64_t)__builtin_ctzll(gaps);
			break;
		}
		b = round_down(b, 64) + 64;
	}
	b = min_u64(b, to);
	if (from_low && b > p->low)
		p->low = b;
	return max_u64(b, from);
}

int present_pin(struct present *p, uint64_t from, uint64_t to)
{
	for (uint64_t b = from; b < min_u64(to, p->blocks); b++) {
		struct present_chunk *c = make_chunk(p, b);

		if (!c)
			return -ENOMEM;
		set_bit(c->pinned, b, true);
	}
	return 0;
}

static bool droppable(const struct present_chunk *c, uint64_t block)
{
	return bit(c->here, block) && !bit(c->pinned, block);
}

static bool anything(const uint64_t *words)
{
	return words[0] | words[1];
}

bool present_drop(struct present *p, uint64_t from, uint64_t to, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t b = from, stop, i;
	struct present_chunk *c = NULL;

	to = min_u64(to, p->blocks);
	while (b < to) {
		c = p->chunks[b / CHUNK_BLOCKS];
		if (c && droppable(c, b))
			break;
		b = c ? b + 1 : round_down(b, CHUNK_BLOCKS) + CHUNK_BLOCKS;
	}
	if (b >= to)
		return false;
	stop = min_u64(to, round_down(b, CHUNK_BLOCKS) + CHUNK_BLOCKS);
	for (i = b; i < stop && droppable(c, i); i++)
		set_bit(c->here, i, false);
	p->low = min_u64(p->low, b);
	p->fell[b / CHUNK_BLOCKS / 64] |= 1ull << (b / CHUNK_BLOCKS % 64);
	if (!anything(c->here) && !anything(c->busy) && !anything(c->pinned)) {
		p->chunks[b / CHUNK_BLOCKS] = NULL;
		free(c);
	}
	*ret_from = b;
	*ret_to = i;
	return true;
}

bool present_fell(const struct present *p, uint64_t block)
{
	uint64_t i = block / CHUNK_BLOCKS;

	return block < p->blocks && p->fell[i / 64] >> (i % 64) & 1;
}

void present_use(struct present *p, uint64_t from, uint64_t to, uint64_t stamp)
{
	to = min_u64(to, p->blocks);
	for (uint64_t i = from / CHUNK_BLOCKS; i < chunks_for(to); i++)
		if (p->chunks[i])
			p->chunks[i]->used = stamp;
}

static bool has_droppable(const struct present_chunk *c)
{
	return (c->here[0] & ~c->pinned[0]) | (c->here[1] & ~c->pinned[1]);
}

bool present_oldest(const struct present *p, uint64_t limit, uint64_t *ret_from, uint64_t *ret_to)
{
	size_t best = p->chunk_count;

	for (size_t i = 0; i < p->chunk_count; i++) {
		const struct present_chunk *c = p->chunks[i];

		if (c && c->used < limit && (best == p->chunk_count || c->used < p->chunks[best]->used) &&
		    has_droppable(c))
			best = i;
	}
	if (best == p->chunk_count)
		return false;
	*ret_from = best * CHUNK_BLOCKS;
	*ret_to = min_u64(*ret_from + CHUNK_BLOCKS, p->blocks);
	return true;
}

void present_read_ahead_is_over(struct present *p)
{
	for (size_t i = 0; i < p->chunk_count; i++)
		if (p->chunks[i])
			p->chunks[i]->used &= ~PRESENT_AHEAD;
}

static void merge_chunk(struct present_chunk *to, const struct present_chunk *from)
{
	for (unsigned i = 0; i < CHUNK_BLOCKS; i++) {
		if (!bit(from->here, i))
			continue;
		set_bit(to->here, i, true);
		set_bit(to->known, i, bit(from->known, i));
		to->crc[i] = from->crc[i];
	}
}

/* Blocks of the last chunk that lie behind the end: they may become part of the base again. */
static void clear_behind(struct present *p)
{
	struct present_chunk *c = p->blocks % CHUNK_BLOCKS ? p->chunks[p->blocks / CHUNK_BLOCKS] : NULL;

	for (uint64_t b = p->blocks; c && b % CHUNK_BLOCKS; b++) {
		set_bit(c->here, b, false);
		set_bit(c->known, b, false);
	}
}

int present_rebase(struct present *p, const struct present *sent, uint64_t size)
{
	struct present next;

	if (present_init(&next, size) < 0)
		return -ENOMEM;
	/* All that can fail comes first, in a map that holds what p lacks. */
	for (size_t i = 0; i < next.chunk_count; i++) {
		bool old = i < p->chunk_count && p->chunks[i], new = i < sent->chunk_count && sent->chunks[i];

		if (!old && new && !make_chunk(&next, i * CHUNK_BLOCKS)) {
			present_deinit(&next);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < next.chunk_count; i++) {
		if (i < p->chunk_count && p->chunks[i])
			next.chunks[i] = steal_ptr(&p->chunks[i]);
		if (i < sent->chunk_count && sent->chunks[i])
			merge_chunk(next.chunks[i], sent->chunks[i]);
	}
	clear_behind(&next);
	present_deinit(p);
	*p = next;
	return 0;
}
