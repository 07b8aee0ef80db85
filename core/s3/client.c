#include "s3/client.h"

#include "base/util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct op ops[S3_OP_MAX] = {
#define O(id, name, method, target, answer, flags) [id] = { name, method, OP_##target, OP_##answer, flags },
#include "s3/ops.def"
#undef O
};

const char *s3_op_name(enum s3_op op)
{
	return op < S3_OP_MAX ? ops[op].name : "?";
}

/* The strings of a struct s3_config, for copying and freeing. */
static const size_t strings[] = {
#define S(field) offsetof(struct s3_config, field)
	S(region),         S(scheme),        S(endpoint), S(ca_file), S(ca_path),        S(proxy),     S(proxy_user),
	S(proxy_password), S(storage_class), S(checksum), S(sse),     S(sse_kms_key_id), S(notes_dir),
#undef S
};

static char **string_at(struct s3_config *config, size_t i)
{
	return (char **)(void *)((char *)config + strings[i]);
}

static int copy_config(struct s3_config *to, const struct s3_config *from)
{
	bool failed = false;

	*to = *from;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		char **at = string_at(to, i);
		*at = *at && **at ? strdup(*at) : NULL;
		failed |= !*at && *string_at((struct s3_config *)(uintptr_t)from, i) &&
			  **string_at((struct s3_config *)(uintptr_t)from, i);
	}
	if (!to->connect_timeout_ms)
		to->connect_timeout_ms = 3000;
	if (!to->stall_timeout_ms)
		to->stall_timeout_ms = 30000;
	if (!to->deadline_ms)
		to->deadline_ms = 30000;
	if (to->max_attempts <= 0)
		to->max_attempts = 5;
	if (to->connections <= 0)
		to->connections = 64;
	if (!to->region && !failed) {
		to->region = strdup("us-east-1");
		failed = !to->region;
	}
	return failed ? -ENOMEM : 0;
}

static int set_checksum(struct s3_client *client, struct err *err)
{
	const char *name = client->config.checksum ? client->config.checksum : "crc64nvme";

	if (strcasecmp(name, "whenRequired") == 0)
		return 0;
	client->checksum = checksum_parse_name(name);
	if (client->checksum == CHECKSUM_NONE)
		return err_set(err, EINVAL, "checksum '%s' is none of crc64nvme, crc32, crc32c, whenRequired", name);
	return 0;
}

static int set_endpoint(struct s3_client *client, struct err *err)
{
	const struct s3_config *config = &client->config;
	char region[REGIONS_NAME_MAX];

	if (strlen(config->region) >= sizeof(region) || strpbrk(config->region, "/ :\r\n"))
		return err_set(err, EINVAL, "region '%s' is no region's name", config->region);
	client->aws = !config->endpoint;
	return uri_parse_endpoint(config->endpoint ? config->endpoint : "s3.amazonaws.com", config->scheme,
				  &client->endpoint, err);
}

static int set_up(struct s3_client *client, const struct s3_config *config, struct err *err)
{
	int r = copy_config(&client->config, config);

	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (!config->credentials && !config->unsigned_requests)
		return err_set(err, EINVAL, "a client needs credentials, or unsigned requests");
	r = set_checksum(client, err);
	if (r == 0)
		r = set_endpoint(client, err);
	if (r < 0)
		return r;
	const struct http_config http = { .verify_tls_off = config->verify_tls_off,
					  .ca_file = client->config.ca_file,
					  .ca_path = client->config.ca_path,
					  .proxy = client->config.proxy,
					  .proxy_user = client->config.proxy_user,
					  .proxy_password = client->config.proxy_password,
					  .connect_timeout_ms = client->config.connect_timeout_ms,
					  .connections = client->config.connections };
	return http_new(&http, &client->http, err);
}

int s3_client_new(const struct s3_config *config, struct s3_client **ret, struct err *err)
{
	struct s3_client *client = calloc(1, sizeof(*client));

	if (!client)
		return err_set(err, ENOMEM, "out of memory");
	pthread_mutex_init(&client->lock, NULL);
	pthread_cond_init(&client->idle, NULL);
	regions_init(&client->regions);
	retry_bucket_init(&client->bucket);
	int r = set_up(client, config, err);
	if (r < 0) {
		s3_client_free(client);
		return r;
	}
	*ret = client;
	return 0;
}

struct s3_client *s3_client_free(struct s3_client *client)
{
	if (!client)
		return NULL;
	pthread_mutex_lock(&client->lock);
	while (client->calls)
		pthread_cond_wait(&client->idle, &client->lock);
	pthread_mutex_unlock(&client->lock);
	http_free(client->http);
	regions_deinit(&client->regions);
	char *password = (char *)(uintptr_t)client->config.proxy_password;
	if (password)
		explicit_bzero(password, strlen(password));
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		free(*string_at(&client->config, i));
	pthread_cond_destroy(&client->idle);
	pthread_mutex_destroy(&client->lock);
	free(client);
	return NULL;
}

const char *s3_client_place(const struct s3_client *client)
{
	return client->aws ? "amazonaws.com" : client->endpoint.host;
}

void s3_call_init(struct s3_call *call, enum s3_op op, const char *bucket, const char *key)
{
	memset(call, 0, sizeof(*call));
	call->op = op;
	call->bucket = bucket;
	call->key = key;
	call->body.fd = -1;
	call->sink_fd = -1;
}

void s3_start(struct s3_client *client, struct s3_call *call)
{
	pthread_mutex_lock(&client->lock);
	client->calls++;
	pthread_mutex_unlock(&client->lock);
	call_start(client, call);
}

int s3_wait(struct s3_client *client, struct s3_call *call)
{
	int status = call_wait(call);

	pthread_mutex_lock(&client->lock);
	if (--client->calls == 0)
		pthread_cond_broadcast(&client->idle);
	pthread_mutex_unlock(&client->lock);
	return status;
}

int s3_run(struct s3_client *client, struct s3_call *call)
{
	s3_start(client, call);
	return s3_wait(client, call);
}

void s3_cancel(struct s3_client *client, struct s3_call *call)
{
	(void)client;
	call_cancel(call);
}
