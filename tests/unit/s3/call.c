/* Calls against a scripted store: what is sent again, what is not, and what is believed. */
#include "s3/credentials.h"
#include "s3/s3.h"
#include "server.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK(headers, body)      "HTTP/1.1 200 OK\r\nConnection: close\r\n" headers "\r\n" body
#define PARTIAL(headers, body) "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n" headers "\r\n" body
#define ERROR(status, code) \
	"HTTP/1.1 " status " x\r\nConnection: close\r\nx-amz-request-id: R1\r\n\r\n<Error><Code>" code \
	"</Code><Message>m</Message></Error>"

static struct server *server;
static struct s3_client *client;
static struct s3_credentials *credentials;
static struct s3_call call;
static char data[65536];
static size_t data_len;
static int headers_seen, done_seen;

static void begin_with(const char *const *answers, struct s3_config *config)
{
	const struct s3_credentials_config keys = { .access_key_id = "AK1", .secret_key = "S" };
	char endpoint[64];

	server = server_new(answers);
	cr_assert_eq(s3_credentials_new(&keys, &credentials, NULL), 0);
	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", server_port(server));
	config->endpoint = endpoint;
	config->credentials = credentials;
	cr_assert_eq(s3_client_new(config, &client, NULL), 0);
	s3_call_init(&call, S3_HEAD_OBJECT, "bkt", "key");
}

static void begin(const char *const *answers)
{
	struct s3_config config = { .checksum = "whenRequired" };

	begin_with(answers, &config);
}

static void end(void)
{
	s3_page_deinit(&call.page);
	s3_client_free(client);
	s3_credentials_free(credentials);
	server_free(server);
}

static int on_data(struct s3_call *c, uint64_t offset, const void *bytes, size_t len, void *arg)
{
	(void)arg;
	cr_assert_eq(offset, c->range_off + data_len, "in order, once");
	memcpy(data + data_len, bytes, len);
	data_len += len;
	return 0;
}

static void on_headers(struct s3_call *c, void *arg)
{
	(void)arg;
	cr_assert_eq(data_len, 0);
	cr_assert_eq(c->status, 0);
	headers_seen++;
}

static void on_done(struct s3_call *c, void *arg)
{
	(void)c, (void)arg;
	done_seen++;
}

static int get(uint64_t off, uint64_t len)
{
	call.op = S3_GET_OBJECT;
	call.range_off = off;
	call.range_len = len;
	call.on_data = on_data;
	call.on_headers = on_headers;
	call.on_done = on_done;
	return s3_run(client, &call);
}

static void assert_sent(int i, const char *text)
{
	cr_assert(strstr(server_request(server, i), text), "request %d has no '%s':\n%s", i, text,
		  server_request(server, i));
}

Test(call, get)
{
	static const char *const answers[] = { OK("ETag: \"e\"\r\nContent-Length: 5\r\n", "hello"), NULL };

	begin(answers);
	cr_assert_eq(get(0, 0), 0, "%s", call.err.text);
	cr_assert_eq(data_len, 5);
	cr_assert_eq(memcmp(data, "hello", 5), 0);
	cr_assert_eq(call.info.size, 5);
	cr_assert_str_eq(call.info.etag, "\"e\"");
	cr_assert_eq(headers_seen, 1);
	cr_assert_eq(done_seen, 1);
	assert_sent(0, "GET /bkt/key HTTP/1.1\r\n");
	assert_sent(0, "uthorization: AWS4-HMAC-SHA256 Credential=AK1/");
	end();
}

Test(call, a_body_that_ends_early_is_gone_on_with)
{
	static const char *const answers[] = {
		PARTIAL("ETag: \"e\"\r\nContent-Length: 6\r\nContent-Range: bytes 10-15/100\r\n", "abc"),
		PARTIAL("ETag: \"e\"\r\nContent-Length: 3\r\nContent-Range: bytes 13-15/100\r\n", "def"), NULL
	};

	begin(answers);
	cr_assert_eq(get(10, 6), 0, "%s", call.err.text);
	cr_assert_eq(data_len, 6);
	cr_assert_eq(memcmp(data, "abcdef", 6), 0);
	cr_assert_eq(headers_seen, 1);
	cr_assert_eq(call.info.size, 100);
	assert_sent(0, "ange: bytes=10-15\r\n");
	assert_sent(1, "ange: bytes=13-15\r\n");
	assert_sent(1, "if-match: \"e\"\r\n");
	end();
}

Test(call, an_object_that_changes_meanwhile_is_stale_and_never_a_mix)
{
	static const char *const answers[] = {
		PARTIAL("ETag: \"e\"\r\nContent-Length: 6\r\nContent-Range: bytes 10-15/100\r\n", "abc"),
		PARTIAL("ETag: \"f\"\r\nContent-Length: 3\r\nContent-Range: bytes 13-15/100\r\n", "XYZ"), NULL
	};

	begin(answers);
	cr_assert_eq(get(10, 6), -ESTALE);
	cr_assert_eq(data_len, 3);
	end();
}

Test(call, another_range_than_asked_is_no_data)
{
	static const char *const answers[] = {
		PARTIAL("ETag: \"e\"\r\nContent-Length: 6\r\nContent-Range: bytes 0-5/100\r\n", "abcdef"), NULL
	};
	struct s3_config config = { .max_attempts = 2 };

	begin_with(answers, &config);
	cr_assert_eq(get(10, 6), -EIO);
	cr_assert_eq(data_len, 0);
	cr_assert_eq(server_count(server), 2);
	end();
}

Test(call, a_wrong_checksum_is_an_error)
{
	static const char *const answers[] = {
		OK("ETag: \"e\"\r\nContent-Length: 9\r\nx-amz-checksum-crc32: y/Q5Jg==\r\n", "123456780"), NULL
	};

	begin(answers);
	cr_assert_eq(get(0, 0), -EIO);
	cr_assert(strstr(call.err.text, "checksum"));
	end();
}

Test(call, throttled_is_tried_again)
{
	static const char *const answers[] = { ERROR("503", "SlowDown"), OK("Content-Length: 7\r\nETag: \"e\"\r\n", ""),
					       NULL };

	begin(answers);
	cr_assert_eq(s3_run(client, &call), 0, "%s", call.err.text);
	cr_assert_eq(call.info.size, 7);
	cr_assert_eq(server_count(server), 2);
	end();
}

Test(call, attempts_are_bounded)
{
	static const char *const answers[] = { ERROR("500", "InternalError"), NULL };
	struct s3_config config = { .max_attempts = 2 };

	begin_with(answers, &config);
	call.op = S3_LIST_OBJECTS_V2;
	cr_assert_eq(s3_run(client, &call), -EIO);
	cr_assert_eq(server_count(server), 2);
	cr_assert(strstr(call.err.text, "500 InternalError"));
	cr_assert(strstr(call.err.text, "(2 attempts)"));
	end();
}

Test(call, refusals_are_not)
{
	static const char *const answers[] = { ERROR("403", "AccessDenied"), NULL };

	begin(answers);
	cr_assert_eq(get(0, 0), -EACCES);
	cr_assert_eq(server_count(server), 1);
	cr_assert_str_eq(call.err.text, "GetObject 's3://bkt/key': 403 AccessDenied: access key 'AK1' has no "
					"permission for this (request R1)");
	end();
}

Test(call, region_is_learned_and_remembered)
{
	static const char *const answers[] = {
		"HTTP/1.1 301 x\r\nConnection: close\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 0\r\n\r\n",
		OK("Content-Length: 1\r\nETag: \"e\"\r\n", ""), NULL
	};

	begin(answers);
	cr_assert_eq(s3_run(client, &call), 0, "%s", call.err.text);
	cr_assert_eq(s3_run(client, &call), 0);
	cr_assert_eq(server_count(server), 3);
	assert_sent(0, "/us-east-1/s3/");
	assert_sent(1, "/eu-west-1/s3/");
	assert_sent(2, "/eu-west-1/s3/");
	end();
}

Test(call, a_region_that_nobody_names_is_asked_for)
{
	static const char *const answers[] = {
		ERROR("301", "PermanentRedirect"),
		"HTTP/1.1 400 x\r\nConnection: close\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 0\r\n\r\n",
		OK("Content-Length: 1\r\nETag: \"e\"\r\n", "x"), NULL
	};

	begin(answers);
	cr_assert_eq(get(0, 0), 0, "%s", call.err.text);
	assert_sent(1, "HEAD /bkt HTTP");
	assert_sent(2, "/eu-west-1/s3/");
	end();
}

Test(call, redirects_end)
{
	static const char *const answers[] = {
		"HTTP/1.1 301 x\r\nConnection: close\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 301 x\r\nConnection: close\r\nx-amz-bucket-region: eu-west-2\r\nContent-Length: 0\r\n\r\n",
		NULL
	};

	begin(answers);
	cr_assert_eq(s3_run(client, &call), -EACCES);
	cr_assert_eq(server_count(server), 2);
	end();
}

Test(call, the_stores_clock_is_learned)
{
	static const char *const answers[] = {
		"HTTP/1.1 403 x\r\nConnection: close\r\nDate: Wed, 12 Oct 2039 17:50:30 GMT\r\n\r\n"
		"<Error><Code>RequestTimeTooSkewed</Code></Error>",
		OK("Content-Length: 1\r\nETag: \"e\"\r\n", "x"), NULL
	};

	begin(answers);
	cr_assert_eq(get(0, 0), 0, "%s", call.err.text);
	assert_sent(1, "x-amz-date: 20391012T1750");
	end();
}

Test(call, an_error_within_a_200_is_an_error)
{
	static const char *const answers[] = { ERROR("200", "InternalError"),
					       OK("", "<CopyObjectResult><ETag>&quot;n&quot;"
						      "</ETag></CopyObjectResult>"),
					       NULL };

	begin(answers);
	call.op = S3_COPY_OBJECT;
	call.source_bucket = "src";
	call.source_key = "a b";
	cr_assert_eq(s3_run(client, &call), 0, "%s", call.err.text);
	cr_assert_str_eq(call.info.etag, "\"n\"");
	cr_assert_eq(server_count(server), 2);
	assert_sent(1, "x-amz-copy-source: src/a%20b\r\n");
	end();
}

Test(call, conditions)
{
	static const char *const answers[] = { ERROR("412", "PreconditionFailed"), NULL };

	begin(answers);
	call.op = S3_PUT_OBJECT;
	call.if_none_match = "*";
	cr_assert_eq(s3_run(client, &call), -EEXIST);
	call.if_none_match = NULL;
	call.if_match = "\"e\"";
	cr_assert_eq(s3_run(client, &call), -ESTALE);
	cr_assert_eq(server_count(server), 2);
	end();
}

/* MD5 of "hello" */
#define HELLO_ETAG "\"5d41402abc4b2a76b9719d911017c592\""

Test(call, a_put_whose_answer_was_lost_is_recognised_as_ours)
{
	static const char *const answers[] = { "", ERROR("412", "PreconditionFailed"),
					       OK("Content-Length: 5\r\nETag: " HELLO_ETAG "\r\n", ""), NULL };

	begin(answers);
	call.op = S3_PUT_OBJECT;
	call.if_none_match = "*";
	call.body.memory = "hello";
	call.body.len = 5;
	cr_assert_eq(s3_run(client, &call), 0, "%s", call.err.text);
	cr_assert_str_eq(call.info.etag, HELLO_ETAG);
	assert_sent(2, "HEAD /bkt/key ");
	end();
}

Test(call, and_that_of_somebody_else_is_not)
{
	static const char *const answers[] = { "", ERROR("412", "PreconditionFailed"),
					       OK("Content-Length: 5\r\nETag: \"other\"\r\n", ""), NULL };

	begin(answers);
	call.op = S3_PUT_OBJECT;
	call.if_none_match = "*";
	call.body.memory = "hello";
	call.body.len = 5;
	cr_assert_eq(s3_run(client, &call), -EEXIST);
	end();
}

Test(call, a_put_from_a_descriptor_too)
{
	static const char *const answers[] = { "", ERROR("412", "PreconditionFailed"),
					       OK("Content-Length: 5\r\nETag: " HELLO_ETAG "\r\n", ""), NULL };
	FILE *file = tmpfile();

	fputs("..hello..", file);
	fflush(file);
	begin(answers);
	call.op = S3_PUT_OBJECT;
	call.if_none_match = "*";
	call.body.fd = fileno(file);
	call.body.offset = 2;
	call.body.len = 5;
	cr_assert_eq(s3_run(client, &call), 0, "%s", call.err.text);
	assert_sent(0, "5;chunk-signature=");
	end();
	fclose(file);
}

/* MD5 of the MD5 of "hello" */
Test(call, a_completed_upload_whose_answer_was_lost_is_recognised)
{
	static const char *const answers[] = {
		"", ERROR("404", "NoSuchUpload"),
		OK("Content-Length: 5\r\nETag: \"62109206880d38a4010a98e11243924a-1\"\r\n", ""), NULL
	};
	struct s3_part part = { .number = 1, .etag = HELLO_ETAG };

	begin(answers);
	call.op = S3_COMPLETE_MULTIPART_UPLOAD;
	call.upload_id_in = "id";
	call.parts = &part;
	call.part_count = 1;
	cr_assert_eq(s3_run(client, &call), 0, "%s", call.err.text);
	cr_assert_eq(call.info.size, 5);
	end();
}

Test(call, a_refused_head_is_explained)
{
	static const char *const answers[] = { "HTTP/1.1 403 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
					       ERROR("403", "SignatureDoesNotMatch"), NULL };

	begin(answers);
	call.op = S3_HEAD_BUCKET;
	cr_assert_eq(s3_run(client, &call), -EACCES);
	cr_assert(strstr(call.err.text, "the secret key does not match access key 'AK1'"), "%s", call.err.text);
	end();
}

Test(call, head_bucket_without_the_right_to_list_is_fine)
{
	static const char *const answers[] = { "HTTP/1.1 403 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
					       ERROR("403", "AccessDenied"), NULL };

	begin(answers);
	call.op = S3_HEAD_BUCKET;
	cr_assert_eq(s3_run(client, &call), 0, "%s", call.err.text);
	end();
}

Test(call, what_is_gone_is_deleted)
{
	static const char *const answers[] = { ERROR("404", "NoSuchKey"), NULL };

	begin(answers);
	call.op = S3_DELETE_OBJECT;
	cr_assert_eq(s3_run(client, &call), 0);
	end();
}

Test(call, size_of_an_empty_object_by_416)
{
	static const char *const answers[] = { ERROR("416", "InvalidRange"), NULL };

	begin(answers);
	cr_assert_eq(get(0, 65536), -ERANGE);
	cr_assert_eq(call.info.size, 0);
	cr_assert_eq(get(5, 10), -ERANGE);
	cr_assert_eq(call.info.size, UINT64_MAX);
	end();
}

Test(call, cancel)
{
	static const char *const answers[] = { "hang", NULL };

	begin(answers);
	call.on_done = on_done;
	s3_start(client, &call);
	while (server_count(server) == 0)
		;
	s3_cancel(client, &call);
	cr_assert_eq(s3_wait(client, &call), -ECANCELED);
	cr_assert_eq(done_seen, 1);
	end();
}

Test(call, deadline)
{
	static const char *const answers[] = { "hang", NULL };
	struct s3_config config = { .deadline_ms = 200 };

	begin_with(answers, &config);
	cr_assert_eq(s3_run(client, &call), -ETIMEDOUT);
	end();
}

Test(call, a_stalled_attempt_is_tried_again)
{
	static const char *const answers[] = { "hang", OK("Content-Length: 1\r\nETag: \"e\"\r\n", "x"), NULL };
	struct s3_config config = { .stall_timeout_ms = 150 };

	begin_with(answers, &config);
	cr_assert_eq(get(0, 0), 0, "%s", call.err.text);
	cr_assert_eq(server_count(server), 2);
	end();
}

Test(call, nobody_there)
{
	struct s3_config config = { .max_attempts = 1 };
	static const char *const answers[] = { "", NULL };

	begin_with(answers, &config);
	server_free(server);
	cr_assert_eq(s3_run(client, &call), -EIO);
	cr_assert(strstr(call.err.text, "cannot reach the store at '127.0.0.1:"), "%s", call.err.text);
	server = server_new(answers);
	end();
}

Test(call, impossible_calls_are_refused_before_they_are_sent)
{
	static const char *const answers[] = { "", NULL };
	static char long_key[S3_KEY_MAX + 2];

	begin(answers);
	memset(long_key, 'k', S3_KEY_MAX + 1);
	call.key = long_key;
	cr_assert_eq(s3_run(client, &call), -ENAMETOOLONG);
	call.key = "";
	cr_assert_eq(s3_run(client, &call), -EINVAL);
	call.key = "k";
	call.if_match = "x\r\nHost: evil";
	cr_assert_eq(s3_run(client, &call), -EINVAL);
	call.if_match = NULL;
	call.op = S3_PUT_OBJECT;
	call.meta = &(struct s3_meta){ "host: evil\0x", 13 };
	cr_assert_eq(s3_run(client, &call), -EINVAL);
	cr_assert_eq(server_count(server), 0);
	end();
}

Test(call, callers_refusal_ends_the_call)
{
	static const char *const answers[] = { OK("ETag: \"e\"\r\nContent-Length: 5\r\n", "hello"), NULL };

	begin(answers);
	call.op = S3_GET_OBJECT;
	call.sink_fd = 100000; /* no such descriptor */
	cr_assert_eq(s3_run(client, &call), -EBADF);
	cr_assert_eq(server_count(server), 1);
	end();
}

/* A profile in a file of its own, which a test may change. */
static void profile(const char *path, const char *id)
{
	FILE *file = fopen(path, "w");

	fprintf(file, "[default]\naws_access_key_id=%s\naws_secret_access_key=S\n", id);
	fclose(file);
}

static int rotate_on_data(struct s3_call *c, uint64_t offset, const void *bytes, size_t len, void *arg)
{
	profile(getenv("AWS_SHARED_CREDENTIALS_FILE"), "AK2");
	return on_data(c, offset, bytes, len, arg);
}

Test(call, keys_that_expire_in_the_middle_of_a_stream_are_renewed_and_it_goes_on)
{
	static const char *const answers[] = {
		PARTIAL("ETag: \"e\"\r\nContent-Length: 6\r\nContent-Range: bytes 10-15/100\r\n", "abc"),
		ERROR("400", "ExpiredToken"),
		PARTIAL("ETag: \"e\"\r\nContent-Length: 3\r\nContent-Range: bytes 13-15/100\r\n", "def"), NULL
	};
	char path[] = "/tmp/s3callXXXXXX";

	begin(answers);
	s3_client_free(client);
	s3_credentials_free(credentials);
	close(mkstemp(path));
	setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	profile(path, "AK1");
	const struct s3_credentials_config none = { .profile = "default" };
	char endpoint[64];
	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", server_port(server));
	cr_assert_eq(s3_credentials_new(&none, &credentials, NULL), 0);
	const struct s3_config config = { .checksum = "whenRequired",
					  .endpoint = endpoint,
					  .credentials = credentials };
	cr_assert_eq(s3_client_new(&config, &client, NULL), 0);
	call.on_data = rotate_on_data;
	call.op = S3_GET_OBJECT;
	call.range_off = 10;
	call.range_len = 6;
	cr_assert_eq(s3_run(client, &call), 0, "%s", call.err.text);
	cr_assert_eq(memcmp(data, "abcdef", 6), 0);
	cr_assert_eq(server_count(server), 3);
	assert_sent(1, "Credential=AK1/");
	assert_sent(2, "Credential=AK2/");
	unlink(path);
	end();
}

Test(call, keys_that_nobody_replaces_are_refused_at_once)
{
	static const char *const answers[] = { ERROR("403", "InvalidAccessKeyId"), NULL };

	begin(answers);
	cr_assert_eq(get(0, 0), -EACCES);
	cr_assert_eq(server_count(server), 1);
	end();
}
