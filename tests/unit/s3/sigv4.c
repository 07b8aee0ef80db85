/* The examples of the Amazon S3 API Reference, "Signature Calculations for the Authorization Header". */
#include "s3/sigv4.h"

#include <criterion/criterion.h>
#include <string.h>

#define H(n, v) \
	{ \
		(char *)n, (char *)v \
	}
#define HOST H("host", "examplebucket.s3.amazonaws.com")
#define DATE H("x-amz-date", "20130524T000000Z")

static const struct sigv4_scope scope = { "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
					  "us-east-1", "20130524T000000Z", NULL };

static void assert_signature(struct sigv4_request *request, const char *expected, struct sigv4_chain *chain)
{
	struct buf authorization = BUF_INIT;

	cr_assert_eq(sigv4_sign(request, &scope, &authorization, chain), 0);
	const char *at = strstr(buf_str(&authorization), "Signature=");
	cr_assert(at);
	cr_assert_str_eq(at + 10, expected);
	buf_deinit(&authorization);
}

Test(sigv4, get_object)
{
	struct sigv4_header headers[] = { HOST, H("range", "bytes=0-9"), H("x-amz-content-sha256", SIGV4_EMPTY_SHA256),
					  DATE };
	struct sigv4_request request = { "GET", "/test.txt", "", headers, 4, SIGV4_EMPTY_SHA256 };

	assert_signature(&request, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", NULL);
}

Test(sigv4, put_object)
{
	static const char hash[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
	struct sigv4_header headers[] = { DATE, H("x-amz-storage-class", "REDUCED_REDUNDANCY"),
					  H("x-amz-content-sha256", hash), HOST,
					  H("date", "Fri, 24 May 2013 00:00:00 GMT") };
	struct sigv4_request request = { "PUT", "/test%24file.text", "", headers, 5, hash };
	char own[SIGV4_HEX_SIZE];

	cr_assert_eq(sigv4_sha256_hex("Welcome to Amazon S3.", 21, own), 0);
	cr_assert_str_eq(own, hash);
	assert_signature(&request, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", NULL);
}

Test(sigv4, bucket_lifecycle)
{
	struct sigv4_header headers[] = { HOST, DATE, H("x-amz-content-sha256", SIGV4_EMPTY_SHA256) };
	struct sigv4_request request = { "GET", "/", "lifecycle=", headers, 3, SIGV4_EMPTY_SHA256 };

	assert_signature(&request, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", NULL);
}

Test(sigv4, list_objects)
{
	struct sigv4_header headers[] = { HOST, DATE, H("x-amz-content-sha256", SIGV4_EMPTY_SHA256) };
	struct sigv4_request request = { "GET", "/", "max-keys=2&prefix=J", headers, 3, SIGV4_EMPTY_SHA256 };

	assert_signature(&request, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", NULL);
}

Test(sigv4, chunked_upload)
{
	struct sigv4_header headers[] = { HOST,
					  DATE,
					  H("x-amz-content-sha256", SIGV4_STREAMING),
					  H("x-amz-storage-class", "REDUCED_REDUNDANCY"),
					  H("content-encoding", "aws-chunked"),
					  H("x-amz-decoded-content-length", "66560"),
					  H("content-length", "66824") };
	struct sigv4_request request = { "PUT", "/examplebucket/chunkObject.txt", "", headers, 7, SIGV4_STREAMING };
	struct sigv4_chain chain;
	char signature[SIGV4_HEX_SIZE];
	static char data[65536];

	headers[0].value = (char *)"s3.amazonaws.com";
	memset(data, 'a', sizeof(data));
	assert_signature(&request, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", &chain);
	cr_assert_eq(sigv4_chunk(&chain, data, 65536, signature), 0);
	cr_assert_str_eq(signature, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
	cr_assert_eq(sigv4_chunk(&chain, data, 1024, signature), 0);
	cr_assert_str_eq(signature, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
	cr_assert_eq(sigv4_chunk(&chain, data, 0, signature), 0);
	cr_assert_str_eq(signature, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
}

Test(sigv4, canonical_request_is_the_documented_text)
{
	struct sigv4_header headers[] = { DATE, HOST, H("x-amz-content-sha256", SIGV4_EMPTY_SHA256) };
	struct sigv4_request request = { "GET", "/", "lifecycle=", headers, 3, SIGV4_EMPTY_SHA256 };
	struct buf text = BUF_INIT;

	sigv4_canonical_request(&request, &text);
	cr_assert_str_eq(buf_str(&text), "GET\n/\nlifecycle=\nhost:examplebucket.s3.amazonaws.com\n"
					 "x-amz-content-sha256:" SIGV4_EMPTY_SHA256 "\nx-amz-date:20130524T000000Z\n\n"
					 "host;x-amz-content-sha256;x-amz-date\n" SIGV4_EMPTY_SHA256);
	buf_deinit(&text);
}
