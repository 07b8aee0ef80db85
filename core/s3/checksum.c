/*
 * All three are reflected CRCs, so one engine serves them: the polynomial of degree `width` lies in a 64-bit word with
 * the coefficient of x^i at bit 63 - i (a 32-bit one in the upper half). Bytes of a message, read little endian, then
 * are polynomials in the same order, and a CRC register of 32 bits is the upper half of such a word.
 *
 * Folding (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ"): 128 bits A:B that lie D bits
 * before others are moved onto them as A * (x^(D+64) mod P) + B * (x^D mod P). The carry-less product of two reflected
 * words comes out multiplied by x, hence the exponents D + 63 and D - 1. Constants are computed at first use from the
 * polynomial; the last 16 bytes go through the tables, so no Barrett reduction is needed.
 */
#include "s3/checksum.h"

#include <openssl/evp.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

struct model {
	uint64_t poly; /* reflected, `width` bits, low */
	unsigned width;
	const char *name;
	uint64_t mask, top; /* top: poly as a word of the engine */
	uint64_t table[8][256];
	uint64_t fold128[2], fold512[2];
};

static struct model models[CHECKSUM_MAX] = {
	[CHECKSUM_CRC32] = { .poly = 0xEDB88320, .width = 32, .name = "CRC32" },
	[CHECKSUM_CRC32C] = { .poly = 0x82F63B78, .width = 32, .name = "CRC32C" },
	[CHECKSUM_CRC64NVME] = { .poly = 0x9A6C9329AC4BC9B5, .width = 64, .name = "CRC64NVME" },
};
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int has_clmul;

/* a * b mod P, words of the engine. */
static uint64_t multiply(const struct model *m, uint64_t a, uint64_t b)
{
	uint64_t sum = 0;

	for (uint64_t bit = 1ull << 63; bit; bit >>= 1) {
		if (a & bit)
			sum ^= b;
		/* b *= x: the coefficient of x^(width-1) leaves */
		uint64_t out = b & (1ull << (64 - m->width));
		b = b >> 1;
		if (out)
			b = (b ^ m->top) & (m->mask << (64 - m->width));
	}
	return sum;
}

/* x^n mod P */
static uint64_t power(const struct model *m, uint64_t n)
{
	uint64_t result = 1ull << 63, square = 1ull << 62;

	for (; n; n >>= 1) {
		if (n & 1)
			result = multiply(m, result, square);
		square = multiply(m, square, square);
	}
	return result;
}

static void init_model(struct model *m)
{
	m->mask = UINT64_MAX >> (64 - m->width);
	m->top = m->poly << (64 - m->width);
	for (unsigned i = 0; i < 256; i++) {
		uint64_t v = i;
		for (int bit = 0; bit < 8; bit++)
			v = v & 1 ? v >> 1 ^ m->poly : v >> 1;
		m->table[0][i] = v;
	}
	for (unsigned i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			m->table[t][i] = m->table[t - 1][i] >> 8 ^ m->table[0][m->table[t - 1][i] & 255];
	m->fold128[0] = power(m, 128 + 63);
	m->fold128[1] = power(m, 128 - 1);
	m->fold512[0] = power(m, 512 + 63);
	m->fold512[1] = power(m, 512 - 1);
}

static void init(void)
{
	for (int kind = 1; kind < CHECKSUM_MAX; kind++)
		init_model(&models[kind]);
#ifdef __x86_64__
	has_clmul = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
}

/* @state: the register, inverted already. */
static uint64_t by_tables(const struct model *m, uint64_t state, const unsigned char *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v;
		memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		v = __builtin_bswap64(v);
#endif
		v ^= state;
		state = m->table[7][v & 255] ^ m->table[6][v >> 8 & 255] ^ m->table[5][v >> 16 & 255] ^
			m->table[4][v >> 24 & 255] ^ m->table[3][v >> 32 & 255] ^ m->table[2][v >> 40 & 255] ^
			m->table[1][v >> 48 & 255] ^ m->table[0][v >> 56];
	}
	for (; len; p++, len--)
		state = state >> 8 ^ m->table[0][(state ^ *p) & 255];
	return state;
}

#ifdef __x86_64__
#include <immintrin.h>

__attribute__((target("pclmul,sse4.1"))) static inline __m128i fold(__m128i x, __m128i k, __m128i onto)
{
	return _mm_xor_si128(onto, _mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00), _mm_clmulepi64_si128(x, k, 0x11)));
}

/* @len: 64 at least */
__attribute__((target("pclmul,sse4.1"))) static uint64_t by_clmul(const struct model *m, uint64_t state,
								  const unsigned char *p, size_t len)
{
	const __m128i k512 = _mm_loadu_si128((const void *)m->fold512),
		      k128 = _mm_loadu_si128((const void *)m->fold128);
	__m128i x[4];
	unsigned char rest[16];

	for (int i = 0; i < 4; i++)
		x[i] = _mm_loadu_si128((const void *)(p + 16 * i));
	x[0] = _mm_xor_si128(x[0], _mm_set_epi64x(0, (long long)state));
	for (p += 64, len -= 64; len >= 64; p += 64, len -= 64)
		for (int i = 0; i < 4; i++)
			x[i] = fold(x[i], k512, _mm_loadu_si128((const void *)(p + 16 * i)));
	for (int i = 1; i < 4; i++)
		x[0] = fold(x[0], k128, x[i]);
	for (; len >= 16; p += 16, len -= 16)
		x[0] = fold(x[0], k128, _mm_loadu_si128((const void *)p));
	_mm_storeu_si128((void *)rest, x[0]);
	return by_tables(m, by_tables(m, 0, rest, 16), p, len);
}
#endif

uint64_t checksum_update_portable(enum checksum kind, uint64_t sum, const void *data, size_t len)
{
	pthread_once(&once, init);
	const struct model *m = &models[kind];
	return by_tables(m, sum ^ m->mask, data, len) ^ m->mask;
}

uint64_t checksum_update(enum checksum kind, uint64_t sum, const void *data, size_t len)
{
	if (kind == CHECKSUM_NONE)
		return 0;
#ifdef __x86_64__
	pthread_once(&once, init);
	const struct model *m = &models[kind];
	if (has_clmul && len >= 64)
		return by_clmul(m, sum ^ m->mask, data, len) ^ m->mask;
#endif
	return checksum_update_portable(kind, sum, data, len);
}

uint64_t checksum_combine(enum checksum kind, uint64_t a, uint64_t b, uint64_t len_b)
{
	pthread_once(&once, init);
	const struct model *m = &models[kind];
	unsigned shift = 64 - m->width;

	/* x^(8 n) as the square chain of x^8, so that 8 * len_b cannot overflow */
	uint64_t result = 1ull << 63, square = power(m, 8);
	for (uint64_t n = len_b; n; n >>= 1) {
		if (n & 1)
			result = multiply(m, result, square);
		square = multiply(m, square, square);
	}
	return (multiply(m, result, a << shift) >> shift) ^ b;
}

const char *checksum_name(enum checksum kind)
{
	return kind == CHECKSUM_NONE ? "" : models[kind].name;
}

enum checksum checksum_parse_name(const char *name)
{
	for (int kind = 1; kind < CHECKSUM_MAX; kind++)
		if (strcasecmp(name, models[kind].name) == 0)
			return (enum checksum)kind;
	return CHECKSUM_NONE;
}

void checksum_base64(enum checksum kind, uint64_t sum, char ret[CHECKSUM_TEXT_MAX])
{
	unsigned bytes = models[kind].width / 8;
	unsigned char raw[8];

	for (unsigned i = 0; i < bytes; i++)
		raw[i] = (unsigned char)(sum >> (8 * (bytes - 1 - i)));
	EVP_EncodeBlock((unsigned char *)ret, raw, (int)bytes);
}

int checksum_parse(enum checksum kind, const char *text, uint64_t *ret)
{
	size_t name = strlen(checksum_name(kind)), bytes = kind == CHECKSUM_NONE ? 0 : models[kind].width / 8;
	unsigned char raw[CHECKSUM_TEXT_MAX];
	uint64_t sum = 0;

	if (!bytes || strncmp(text, checksum_name(kind), name) != 0 || text[name] != ':' ||
	    strlen(text + name + 1) != (bytes + 2) / 3 * 4 ||
	    EVP_DecodeBlock(raw, (const unsigned char *)text + name + 1, (int)strlen(text + name + 1)) < (int)bytes)
		return -EINVAL;
	for (size_t i = 0; i < bytes; i++)
		sum = sum << 8 | raw[i];
	*ret = sum;
	return 0;
}

int checksum_md5_base64(const void *data, size_t len, char ret[25])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	size_t md_len;

	if (!EVP_Q_digest(NULL, "MD5", NULL, data, len, md, &md_len) || md_len != 16)
		return -EIO;
	EVP_EncodeBlock((unsigned char *)ret, md, 16);
	return 0;
}
