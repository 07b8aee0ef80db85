/*
 * signature = HMAC(key, "AWS4-HMAC-SHA256\n" date "\n" scope "\n" SHA256(canonical request)), where the key is a chain
 * of HMACs over day, region, service. A chunked body signs each chunk over the signature before it, the first over the
 * header's ("Transferring Payload in Multiple Chunks").
 */
#include "s3/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void to_hex(const unsigned char raw[32], char ret[SIGV4_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 32; i++) {
		ret[2 * i] = digits[raw[i] >> 4];
		ret[2 * i + 1] = digits[raw[i] & 15];
	}
	ret[64] = '\0';
}

int sigv4_sha256_hex(const void *data, size_t len, char ret[SIGV4_HEX_SIZE])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	size_t md_len;

	if (!EVP_Q_digest(NULL, "SHA256", NULL, data, len, md, &md_len))
		return -EIO;
	to_hex(md, ret);
	return 0;
}

static int hmac(const void *key, size_t key_len, const char *text, size_t len, unsigned char ret[32])
{
	unsigned int ret_len = 32;

	return HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, len, ret, &ret_len) ? 0 : -EIO;
}

static const char *service_of(const struct sigv4_scope *scope)
{
	return scope->service ? scope->service : "s3";
}

static int derive_key(const struct sigv4_scope *scope, unsigned char key[32])
{
	char first[4 + 256];
	int n = snprintf(first, sizeof(first), "AWS4%s", scope->secret_key);

	if (n < 0 || (size_t)n >= sizeof(first))
		return -EIO;
	int r = hmac(first, (size_t)n, scope->date, 8, key);
	OPENSSL_cleanse(first, sizeof(first));
	if (r == 0)
		r = hmac(key, 32, scope->region, strlen(scope->region), key);
	if (r == 0)
		r = hmac(key, 32, service_of(scope), strlen(service_of(scope)), key);
	if (r == 0)
		r = hmac(key, 32, "aws4_request", 12, key);
	return r;
}

static int compare_headers(const void *a, const void *b)
{
	return strcmp(((const struct sigv4_header *)a)->name, ((const struct sigv4_header *)b)->name);
}

static void signed_headers(const struct sigv4_request *request, struct buf *to)
{
	for (size_t i = 0; i < request->header_count; i++)
		buf_printf(to, "%s%s", i ? ";" : "", request->headers[i].name);
}

void sigv4_canonical_request(struct sigv4_request *request, struct buf *to)
{
	if (request->header_count)
		qsort(request->headers, request->header_count, sizeof(*request->headers), compare_headers);
	buf_printf(to, "%s\n%s\n%s\n", request->method, request->path, request->query);
	for (size_t i = 0; i < request->header_count; i++)
		buf_printf(to, "%s:%s\n", request->headers[i].name, request->headers[i].value);
	buf_puts(to, "\n");
	signed_headers(request, to);
	buf_printf(to, "\n%s", request->payload);
}

static int sign_text(const unsigned char key[32], const struct buf *text, char ret[SIGV4_HEX_SIZE])
{
	unsigned char raw[32];

	if (!buf_ok(text))
		return -ENOMEM;
	int r = hmac(key, 32, buf_str(text), text->len, raw);
	if (r == 0)
		to_hex(raw, ret);
	return r;
}

int sigv4_sign(struct sigv4_request *request, const struct sigv4_scope *scope, struct buf *to,
	       struct sigv4_chain *ret_chain)
{
	cleanup_buf struct buf canonical = BUF_INIT, text = BUF_INIT;
	struct sigv4_chain chain;
	char hash[SIGV4_HEX_SIZE];

	sigv4_canonical_request(request, &canonical);
	if (!buf_ok(&canonical))
		return -ENOMEM;
	int r = sigv4_sha256_hex(buf_str(&canonical), canonical.len, hash);
	if (r < 0)
		return r;
	memcpy(chain.date, scope->date, sizeof(chain.date));
	snprintf(chain.scope, sizeof(chain.scope), "%.8s/%s/%s/aws4_request", scope->date, scope->region,
		 service_of(scope));
	buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", chain.date, chain.scope, hash);
	r = derive_key(scope, chain.key);
	if (r == 0)
		r = sign_text(chain.key, &text, chain.previous);
	if (r == 0) {
		buf_printf(to, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=", scope->access_key_id, chain.scope);
		signed_headers(request, to);
		buf_printf(to, ",Signature=%s", chain.previous);
		if (ret_chain)
			*ret_chain = chain;
	}
	sigv4_chain_wipe(&chain);
	return r < 0 ? r : buf_ok(to) ? 0 : -ENOMEM;
}

int sigv4_chunk(struct sigv4_chain *chain, const void *data, size_t len, char ret[SIGV4_HEX_SIZE])
{
	cleanup_buf struct buf text = BUF_INIT;
	char hash[SIGV4_HEX_SIZE];

	int r = sigv4_sha256_hex(data, len, hash);
	if (r < 0)
		return r;
	buf_printf(&text, "AWS4-HMAC-SHA256-PAYLOAD\n%s\n%s\n%s\n" SIGV4_EMPTY_SHA256 "\n%s", chain->date, chain->scope,
		   chain->previous, hash);
	r = sign_text(chain->key, &text, chain->previous);
	if (r == 0)
		memcpy(ret, chain->previous, SIGV4_HEX_SIZE);
	return r;
}

void sigv4_chain_wipe(struct sigv4_chain *chain)
{
	OPENSSL_cleanse(chain, sizeof(*chain));
}
