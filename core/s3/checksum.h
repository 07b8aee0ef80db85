/**
 * checksum.h - CRC32, CRC32C and CRC64NVME: fast, incremental, combinable; and MD5 and base64 as S3 writes them.
 *
 * Source of facts: "Checking object integrity" in the Amazon S3 User Guide; parameters from the CRC catalogue
 * (CRC-32/ISO-HDLC, CRC-32/ISCSI, CRC-64/NVME: reflected, all ones in and out). A value is what the catalogue's check
 * is, so an empty text has 0, and a value can be passed in again to go on. Some 10 GB/s where the machine multiplies
 * without carry (PCLMULQDQ, found at run time), 2 GB/s by tables elsewhere. Stateless, any thread.
 */
#ifndef S3SHIM_S3_CHECKSUM_H
#define S3SHIM_S3_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

enum checksum { CHECKSUM_NONE, CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME, CHECKSUM_MAX };

/** checksum_update() - the checksum of what @sum is the checksum of, followed by @data. Start with 0. */
uint64_t checksum_update(enum checksum kind, uint64_t sum, const void *data, size_t len);

/** checksum_combine() - of A then B, from the checksum of each and the length of B. */
uint64_t checksum_combine(enum checksum kind, uint64_t a, uint64_t b, uint64_t len_b);

/** checksum_update_portable() - the same without the machine's help; for tests. */
uint64_t checksum_update_portable(enum checksum kind, uint64_t sum, const void *data, size_t len);

static inline uint64_t crc64_update(uint64_t sum, const void *data, size_t len)
{
	return checksum_update(CHECKSUM_CRC64NVME, sum, data, len);
}

/** checksum_name() - "CRC64NVME" as in XML and s3_info.checksum; the header is x-amz-checksum-<lower case>. */
const char *checksum_name(enum checksum kind);
/** checksum_parse_name() - by that name in any case. Return: the kind; CHECKSUM_NONE if it is none of ours. */
enum checksum checksum_parse_name(const char *name);

/** checksum_parse() - the value out of "CRC64NVME:<base64>". Return: 0; -EINVAL if it is not of @kind or malformed. */
int checksum_parse(enum checksum kind, const char *text, uint64_t *ret);

#define CHECKSUM_TEXT_MAX 16
/** checksum_base64() - the value as S3 writes it: big endian, base64. */
void checksum_base64(enum checksum kind, uint64_t sum, char ret[CHECKSUM_TEXT_MAX]);

/** checksum_md5_base64() - Content-MD5 of @data. @ret: 25 bytes. Return: 0; -EIO if the library refuses MD5. */
int checksum_md5_base64(const void *data, size_t len, char ret[25]);

#endif
