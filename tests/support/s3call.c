/*
 * s3call - the S3 client by itself, for tests: one command over s3.h, its result as one JSON object.
 *
 *     s3call ENDPOINT BUCKET put KEY FILE [IF-MATCH|IF-NONE-MATCH:*]   from a descriptor
 *     s3call ENDPOINT BUCKET put-memory KEY FILE [NAME=VALUE...]       from memory, with metadata
 *     s3call ENDPOINT BUCKET get KEY FILE [OFF [LEN [IF-MATCH]]]
 *     s3call ENDPOINT BUCKET get-parallel KEY FILE PARTSIZE
 *     s3call ENDPOINT BUCKET head KEY | head-bucket | buckets | list PREFIX [DELIM [PAGE]]
 *     s3call ENDPOINT BUCKET copy SRC DST [NAME=VALUE...] | delete KEY | delete-many KEY...
 *     s3call ENDPOINT BUCKET mpu KEY FILE PARTSIZE | mpu-copy SRC DST PARTSIZE | mpu-abort KEY | mpu-list
 *
 * Credentials and region from the environment or shared files; S3CALL_* for what a configuration would say: LOG=1
 * (debug log on stderr), CHECKSUM, UNSIGNED, CA_FILE, INSECURE, VIRTUAL_HOST, ATTEMPTS, STALL_MS, DEADLINE_MS,
 * CONNECT_MS, CONNECTIONS, CANCEL_MS. Exit status: 0, or 1 with {"error": sentence, "errno": n}.
 */
#include "base/counters.h"
#include "base/log.h"
#include "base/util.h"
#include "s3/credentials.h"
#include "s3/s3.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct s3_credentials *credentials;
static struct s3_client *client;
static const char *bucket;
static struct s3_call call;

static void put_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 32)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void field(const char *name, const char *value)
{
	printf("\"%s\": ", name);
	put_string(value);
	printf(", ");
}

static void finish(int status, const struct err *err)
{
	char counters[4096];

	if (status < 0) {
		field("error", err_text(err));
		printf("\"errno\": %d, \"http_status\": %d, ", -status, call.http_status);
	}
	if (counters_json(counters, sizeof(counters)) < 0)
		strcpy(counters, "null");
	printf("\"counters\": %s}\n", counters);
	s3_client_free(client);
	s3_credentials_free(credentials); /* waits for the thread that may be renewing them */
	exit(status < 0);
}

static void run(struct s3_call *c)
{
	int status = s3_run(client, c);

	if (status < 0) {
		call.http_status = c->http_status;
		finish(status, &c->err);
	}
}

static void put_info(const struct s3_info *info)
{
	printf("\"size\": %lu, \"mtime_ns\": %ld, ", (unsigned long)info->size, (long)info->mtime_ns);
	field("etag", info->etag);
	field("content_type", info->content_type);
	field("checksum", info->checksum);
	field("version_id", info->version_id);
	printf("\"meta\": {");
	for (size_t at = 0; at < info->meta.len;) {
		const char *name = info->meta.data + at, *value = name + strlen(name) + 1;
		printf("%s", at ? ", " : "");
		put_string(name);
		printf(": ");
		put_string(value);
		at += (size_t)(value - name) + strlen(value) + 1;
	}
	printf("}, ");
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);

	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 10) : 0;
}

static void set_meta(struct s3_meta *meta, char **pairs)
{
	for (; *pairs; pairs++) {
		char *equals = strchr(*pairs, '=');
		*equals = '\0';
		s3_meta_set(meta, *pairs, equals + 1);
	}
}

static void do_put(char **args)
{
	int fd = open_or_die(args[1], O_RDONLY);

	s3_call_init(&call, S3_PUT_OBJECT, bucket, args[0]);
	call.body = (struct s3_body){ .fd = fd, .len = size_of(fd) };
	if (args[2] && strncmp(args[2], "IF-NONE-MATCH:", 14) == 0)
		call.if_none_match = args[2] + 14;
	else
		call.if_match = args[2];
	run(&call);
	put_info(&call.info);
}

static void do_put_memory(char **args)
{
	static struct s3_meta meta;
	int fd = open_or_die(args[1], O_RDONLY);
	uint64_t len = size_of(fd);
	char *data = malloc(len + 1);

	if (!data || read(fd, data, len) != (ssize_t)len)
		exit(2);
	set_meta(&meta, args + 2);
	s3_call_init(&call, S3_PUT_OBJECT, bucket, args[0]);
	call.body = (struct s3_body){ .memory = data, .fd = -1, .len = len };
	call.meta = &meta;
	run(&call);
	put_info(&call.info);
	free(data);
}

static unsigned headers_seen;

static void on_headers(struct s3_call *c, void *arg)
{
	(void)c, (void)arg;
	headers_seen++;
}

static void do_get(char **args)
{
	s3_call_init(&call, S3_GET_OBJECT, bucket, args[0]);
	call.sink_fd = open_or_die(args[1], O_RDWR | O_CREAT | O_TRUNC);
	call.range_off = number(args[2]);
	call.range_len = args[2] ? number(args[3]) : 0;
	call.if_match = args[2] && args[3] ? args[4] : NULL;
	call.on_headers = on_headers;
	s3_start(client, &call);
	if (getenv("S3CALL_CANCEL_MS")) {
		usleep((unsigned)number(getenv("S3CALL_CANCEL_MS")) * 1000);
		s3_cancel(client, &call);
	}
	int status = s3_wait(client, &call);
	printf("\"headers_seen\": %u, ", headers_seen);
	put_info(&call.info);
	finish(status, &call.err);
}

static void do_get_parallel(char **args)
{
	uint64_t part = number(args[2]);

	s3_call_init(&call, S3_HEAD_OBJECT, bucket, args[0]);
	run(&call);
	int fd = open_or_die(args[1], O_RDWR | O_CREAT | O_TRUNC);
	size_t count = (size_t)((call.info.size + part - 1) / part);
	struct s3_call *calls = calloc(count, sizeof(*calls));
	for (size_t i = 0; i < count; i++) {
		s3_call_init(&calls[i], S3_GET_OBJECT, bucket, args[0]);
		calls[i].range_off = i * part;
		calls[i].range_len = part;
		calls[i].if_match = call.info.etag;
		calls[i].sink_fd = fd;
		calls[i].sink_offset = i * part;
		s3_start(client, &calls[i]);
	}
	int status = 0;
	for (size_t i = 0; i < count; i++) {
		int r = s3_wait(client, &calls[i]);
		if (r < 0 && status == 0) {
			status = r;
			call.err = calls[i].err;
		}
	}
	free(calls);
	if (status < 0)
		finish(status, &call.err);
	put_info(&call.info);
}

static void simple(enum s3_op op, const char *key)
{
	s3_call_init(&call, op, bucket, key);
	run(&call);
	put_info(&call.info);
}

static void list_pages(struct s3_call *c)
{
	cleanup_free char *token = NULL;
	const char *comma = "";
	unsigned pages = 0;

	printf("\"entries\": [");
	do {
		c->token = token;
		int status = s3_run(client, c);
		if (status < 0) {
			printf("], ");
			finish(status, &c->err);
		}
		for (size_t i = 0; i < c->page.count; i++, comma = ", ") {
			const struct s3_entry *e = &c->page.entries[i];
			printf("%s{", comma);
			field("key", e->key);
			field("etag", e->etag);
			printf("\"size\": %lu, \"mtime_ns\": %ld, \"is_prefix\": %s}", (unsigned long)e->size,
			       (long)e->mtime_ns, e->is_prefix ? "true" : "false");
		}
		pages++;
		free(steal_ptr(&token));
		token = c->page.next_token ? strdup(c->page.next_token) : NULL;
		s3_page_deinit(&c->page);
	} while (token);
	printf("], \"pages\": %u, ", pages);
}

static void do_list(char **args)
{
	s3_call_init(&call, S3_LIST_OBJECTS_V2, bucket, NULL);
	call.prefix = args[0];
	call.delimiter = args[0] ? args[1] : NULL;
	call.max_keys = args[0] && args[1] ? (unsigned)number(args[2]) : 0;
	list_pages(&call);
}

static void do_copy(char **args)
{
	static struct s3_meta meta;

	set_meta(&meta, args + 2);
	s3_call_init(&call, S3_COPY_OBJECT, bucket, args[1]);
	call.source_bucket = bucket;
	call.source_key = args[0];
	call.replace_meta = args[2] != NULL;
	call.meta = &meta;
	run(&call);
	put_info(&call.info);
}

static void do_delete_many(char **args)
{
	s3_call_init(&call, S3_DELETE_OBJECTS, bucket, NULL);
	call.keys = (const char *const *)args;
	while (args[call.key_count])
		call.key_count++;
	run(&call);
	printf("\"delete_failed\": %zu, ", call.delete_failed);
	field("first_refused", call.err.text);
}

static const char *create(const char *key)
{
	static struct s3_call c;

	s3_call_init(&c, S3_CREATE_MULTIPART_UPLOAD, bucket, key);
	run(&c);
	return c.upload_id;
}

/* All parts side by side, then Complete. */
static void upload_parts(const char *key, uint64_t size, uint64_t part, const struct s3_call *model)
{
	const char *id = create(key);
	size_t count = (size_t)((size + part - 1) / part);
	struct s3_call *calls = calloc(count, sizeof(*calls));
	struct s3_part *parts = calloc(count, sizeof(*parts));

	for (size_t i = 0; i < count; i++) {
		uint64_t len = min_u64(part, size - i * part);
		calls[i] = *model;
		calls[i].upload_id_in = id;
		calls[i].part_number = (unsigned)i + 1;
		calls[i].body.offset = i * part;
		calls[i].body.len = len;
		calls[i].range_off = i * part;
		calls[i].range_len = len;
		s3_start(client, &calls[i]);
	}
	int status = 0;
	for (size_t i = 0; i < count; i++) {
		int r = s3_wait(client, &calls[i]);
		if (r < 0 && status == 0) {
			status = r;
			call.err = calls[i].err;
		}
		parts[i].number = (unsigned)i + 1;
		memcpy(parts[i].etag, calls[i].info.etag, sizeof(parts[i].etag));
		parts[i].len = calls[i].op == S3_UPLOAD_PART ? calls[i].body.len : 0;
		memcpy(parts[i].checksum, calls[i].info.checksum, sizeof(parts[i].checksum));
	}
	if (status < 0)
		finish(status, &call.err);
	s3_call_init(&call, S3_COMPLETE_MULTIPART_UPLOAD, bucket, key);
	call.upload_id_in = id;
	call.parts = parts;
	call.part_count = count;
	run(&call);
	put_info(&call.info);
	free(calls);
	free(parts);
}

static void do_mpu(char **args)
{
	struct s3_call model;

	s3_call_init(&model, S3_UPLOAD_PART, bucket, args[0]);
	model.body.fd = open_or_die(args[1], O_RDONLY);
	upload_parts(args[0], size_of(model.body.fd), number(args[2]), &model);
}

static void do_mpu_copy(char **args)
{
	struct s3_call model;

	s3_call_init(&call, S3_HEAD_OBJECT, bucket, args[0]);
	run(&call);
	s3_call_init(&model, S3_UPLOAD_PART_COPY, bucket, args[1]);
	model.source_bucket = bucket;
	model.source_key = args[0];
	model.source_if_match = call.info.etag;
	upload_parts(args[1], call.info.size, number(args[2]), &model);
}

static void do_mpu_abort(char **args)
{
	const char *id = create(args[0]);

	s3_call_init(&call, S3_ABORT_MULTIPART_UPLOAD, bucket, args[0]);
	call.upload_id_in = id;
	run(&call);
	run(&call);
}

static void do_other(const char *what, char **args)
{
	if (strcmp(what, "head") == 0)
		simple(S3_HEAD_OBJECT, args[0]);
	else if (strcmp(what, "head-bucket") == 0)
		simple(S3_HEAD_BUCKET, NULL);
	else if (strcmp(what, "delete") == 0)
		simple(S3_DELETE_OBJECT, args[0]);
	else if (strcmp(what, "buckets") == 0 || strcmp(what, "mpu-list") == 0) {
		s3_call_init(&call, *what == 'b' ? S3_LIST_BUCKETS : S3_LIST_MULTIPART_UPLOADS, bucket, NULL);
		list_pages(&call);
	} else {
		exit(2);
	}
}

static int env_int(const char *name)
{
	return (int)number(getenv(name));
}

static void connect_client(const char *endpoint)
{
	const struct s3_credentials_config none = { .profile = NULL };
	struct err err = ERR_INIT;
	int r = 0;

	if (getenv("S3CALL_LOG"))
		log_open_fd(2, LOG_DEBUG);
	if (!getenv("S3CALL_UNSIGNED"))
		r = s3_credentials_new(&none, &credentials, &err);
	const struct s3_config config = {
		.endpoint = strcmp(endpoint, "aws") == 0 ? NULL : endpoint,
		.region = credentials ? s3_credentials_region(credentials) : NULL,
		.unsigned_requests = getenv("S3CALL_UNSIGNED") != NULL,
		.verify_tls_off = getenv("S3CALL_INSECURE") != NULL,
		.virtual_host = getenv("S3CALL_VIRTUAL_HOST") != NULL,
		.ca_file = getenv("S3CALL_CA_FILE"),
		.checksum = getenv("S3CALL_CHECKSUM"),
		.max_attempts = env_int("S3CALL_ATTEMPTS"),
		.stall_timeout_ms = env_int("S3CALL_STALL_MS"),
		.deadline_ms = env_int("S3CALL_DEADLINE_MS"),
		.connect_timeout_ms = env_int("S3CALL_CONNECT_MS"),
		.connections = env_int("S3CALL_CONNECTIONS"),
		.credentials = credentials,
	};
	if (r == 0)
		r = s3_client_new(&config, &client, &err);
	if (r < 0)
		finish(r, &err);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
		void (*run)(char **args);
	} commands[] = {
		{ "put", 2, do_put },
		{ "put-memory", 2, do_put_memory },
		{ "get", 2, do_get },
		{ "get-parallel", 3, do_get_parallel },
		{ "list", 0, do_list },
		{ "copy", 2, do_copy },
		{ "delete-many", 1, do_delete_many },
		{ "mpu", 3, do_mpu },
		{ "mpu-copy", 3, do_mpu_copy },
		{ "mpu-abort", 1, do_mpu_abort },
	};

	if (argc < 4) {
		fprintf(stderr, "usage: s3call ENDPOINT BUCKET COMMAND ...\n");
		return 2;
	}
	printf("{");
	connect_client(argv[1]);
	bucket = argv[2];
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[3], commands[i].name) == 0 && argc - 4 >= commands[i].args) {
			commands[i].run(argv + 4);
			finish(0, NULL);
		}
	}
	do_other(argv[3], argv + 4);
	finish(0, NULL);
}
