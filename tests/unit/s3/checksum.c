#include "s3/checksum.h"

#include <criterion/criterion.h>
#include <string.h>

static const char check[] = "123456789";

Test(checksum, catalogue_values)
{
	cr_assert_eq(checksum_update(CHECKSUM_CRC32, 0, check, 9), 0xCBF43926u);
	cr_assert_eq(checksum_update(CHECKSUM_CRC32C, 0, check, 9), 0xE3069283u);
	cr_assert_eq(checksum_update(CHECKSUM_CRC64NVME, 0, check, 9), 0xAE8B14860A799888u);
}

Test(checksum, nothing_is_zero)
{
	cr_assert_eq(checksum_update(CHECKSUM_CRC32C, 0, check, 0), 0);
}

static void fill(unsigned char *data, size_t len)
{
	unsigned x = 12345;

	for (size_t i = 0; i < len; i++) {
		x = x * 1103515245 + 12345;
		data[i] = (unsigned char)(x >> 16);
	}
}

/* Every length around the folding's steps, and misaligned. */
Test(checksum, fast_is_portable)
{
	static unsigned char data[1200];

	fill(data, sizeof(data));
	for (enum checksum kind = CHECKSUM_CRC32; kind < CHECKSUM_MAX; kind++)
		for (size_t len = 0; len < 1000; len++)
			cr_assert_eq(checksum_update(kind, 0x1234567, data + len % 17, len),
				     checksum_update_portable(kind, 0x1234567, data + len % 17, len),
				     "kind %d, %zu bytes", kind, len);
}

Test(checksum, goes_on_in_pieces)
{
	static unsigned char data[100000];

	fill(data, sizeof(data));
	for (enum checksum kind = CHECKSUM_CRC32; kind < CHECKSUM_MAX; kind++) {
		uint64_t sum = 0;
		for (size_t at = 0, n = 1; at < sizeof(data); at += n, n = n * 3 % 7919) {
			n = n < sizeof(data) - at ? n : sizeof(data) - at;
			sum = checksum_update(kind, sum, data + at, n);
		}
		cr_assert_eq(sum, checksum_update(kind, 0, data, sizeof(data)));
	}
}

Test(checksum, combines)
{
	static unsigned char data[70000];
	static const size_t cuts[] = { 0, 1, 63, 64, 65536, 69999, 70000 };

	fill(data, sizeof(data));
	for (enum checksum kind = CHECKSUM_CRC32; kind < CHECKSUM_MAX; kind++) {
		uint64_t whole = checksum_update(kind, 0, data, sizeof(data));
		for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
			uint64_t a = checksum_update(kind, 0, data, cuts[i]);
			uint64_t b = checksum_update(kind, 0, data + cuts[i], sizeof(data) - cuts[i]);
			cr_assert_eq(checksum_combine(kind, a, b, sizeof(data) - cuts[i]), whole);
		}
	}
}

Test(checksum, base64_is_big_endian)
{
	char text[CHECKSUM_TEXT_MAX];

	checksum_base64(CHECKSUM_CRC64NVME, 0, text);
	cr_assert_str_eq(text, "AAAAAAAAAAA=");
	checksum_base64(CHECKSUM_CRC32, 0xCBF43926u, text);
	cr_assert_str_eq(text, "y/Q5Jg==");
}

Test(checksum, parses_what_it_writes)
{
	uint64_t sum = 1;

	cr_assert_eq(checksum_parse(CHECKSUM_CRC32, "CRC32:y/Q5Jg==", &sum), 0);
	cr_assert_eq(sum, 0xCBF43926u);
	cr_assert_lt(checksum_parse(CHECKSUM_CRC32C, "CRC32:y/Q5Jg==", &sum), 0);
	cr_assert_lt(checksum_parse(CHECKSUM_CRC32, "CRC32:y/Q5Jg==-3", &sum), 0);
	cr_assert_lt(checksum_parse(CHECKSUM_CRC32, "", &sum), 0);
}

Test(checksum, md5)
{
	char text[25];

	cr_assert_eq(checksum_md5_base64("", 0, text), 0);
	cr_assert_str_eq(text, "1B2M2Y8AsgTpgAmY7PhCfg==");
}
