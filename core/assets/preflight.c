#include "assets/preflight.h"

#include "base/util.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t done;
	size_t left;
};

static void fail(struct asset_check *check, enum asset_class class, const char *sentence)
{
	check->class = class;
	snprintf(check->sentence, sizeof(check->sentence), "%s", sentence);
}

void preflight_init(struct asset_check *check, const struct asset_config *asset)
{
	*check = (struct asset_check){ .asset = asset };
	if (asset->class != ASSET_OK)
		fail(check, asset->class, asset->problem);
}

static enum asset_class class_of(int errnum, int http_status)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
		return ASSET_not_found;
	case EACCES:
	case EPERM:
		return ASSET_denied;
	case ETIMEDOUT:
	case ECANCELED:
		return ASSET_timed_out;
	case ENOKEY:
	case EINVAL:
	case ENOTSUP:
		return ASSET_configuration;
	case ECONNREFUSED:
		return ASSET_unreachable;
	default:
		return http_status ? ASSET_transient : ASSET_unreachable;
	}
}

void preflight_fail(struct asset_check *check, const struct err *err, int http_status)
{
	const char *text = err_text(err), *begin = strstr(text, "': ");
	size_t len;
	char *id;

	fail(check, class_of(err->errnum, http_status),
	     begin && check->asset->bucket && http_status ? begin + 3 : text);
	id = strstr(check->sentence, " (request ");
	if (!id)
		return;
	len = strcspn(id + 10, ")");
	snprintf(check->request_id, sizeof(check->request_id), "%.*s", (int)len, id + 10);
	memmove(id, id + 10 + len + 1, strlen(id + 10 + len + 1) + 1);
}

static void check_size(struct asset_check *check, const struct config *config)
{
	char text[128];

	if (!config->asset_max_bytes || check->size <= config->asset_max_bytes)
		return;
	snprintf(text, sizeof(text), "it has %lu bytes, more than ASSET_S3_MAX_BYTES, which is %lu",
		 (unsigned long)check->size, (unsigned long)config->asset_max_bytes);
	fail(check, ASSET_too_large, text);
}

static void check_local(struct asset_check *check, const struct config *config)
{
	const char *path = check->asset->path;
	struct err err = ERR_INIT;
	struct stat st;

	if (stat(path, &st) < 0 || access(path, R_OK) < 0) {
		err_set(&err, errno, "%s", strerror(errno));
		preflight_fail(check, &err, 0);
	} else if (!S_ISREG(st.st_mode)) {
		fail(check, ASSET_malformed, "it is no ordinary file");
	} else {
		check->size = (uint64_t)st.st_size;
		check->mtime_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
		check_size(check, config);
	}
}

static void on_done(struct s3_call *call, void *arg)
{
	struct wait *wait = arg;

	(void)call;
	pthread_mutex_lock(&wait->lock);
	wait->left--;
	pthread_cond_signal(&wait->done);
	pthread_mutex_unlock(&wait->lock);
}

static void take_answer(struct asset_check *check, const struct s3_call *call, const struct config *config)
{
	if (call->status < 0) {
		preflight_fail(check, &call->err, call->http_status);
		if (check->class == ASSET_timed_out)
			fail(check, ASSET_timed_out, "no answer within ASSET_S3_TIMEOUT_SECONDS");
		return;
	}
	check->size = call->info.size;
	check->mtime_ns = call->info.mtime_ns;
	snprintf(check->etag, sizeof(check->etag), "%s", call->info.etag);
	snprintf(check->checksum, sizeof(check->checksum), "%s", call->info.checksum);
	snprintf(check->version_id, sizeof(check->version_id), "%s", call->info.version_id);
	check_size(check, config);
}

static bool is_asked(const struct asset_check *check)
{
	return check->class == ASSET_OK && check->asset->bucket;
}

/* Until all have ended, or the time is up and the rest were told to end. */
static void wait_all(struct wait *wait, struct asset_check *checks, size_t count, struct s3_call *calls,
		     unsigned timeout_s)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_s ? timeout_s : 30;
	pthread_mutex_lock(&wait->lock);
	while (wait->left && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&wait->done, &wait->lock, &until);
	pthread_mutex_unlock(&wait->lock);
	for (size_t i = 0; i < count; i++) {
		if (!is_asked(&checks[i]))
			continue;
		if (r == ETIMEDOUT)
			s3_cancel(checks[i].client, &calls[i]);
		s3_wait(checks[i].client, &calls[i]);
	}
}

int preflight(struct asset_check *checks, size_t count, const struct config *config)
{
	struct s3_call *calls = calloc(count ? count : 1, sizeof(*calls));
	struct wait wait = { .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_condattr_t monotonic;
	int failed = 0;

	if (!calls)
		return -ENOMEM;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&wait.done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (size_t i = 0; i < count; i++)
		wait.left += is_asked(&checks[i]);
	for (size_t i = 0; i < count; i++) {
		const struct asset_config *a = checks[i].asset;
		if (!is_asked(&checks[i]))
			continue;
		s3_call_init(&calls[i], S3_HEAD_OBJECT, a->bucket, a->key);
		calls[i].version_id = a->version_id;
		calls[i].on_done = on_done;
		calls[i].arg = &wait;
		s3_start(checks[i].client, &calls[i]);
	}
	wait_all(&wait, checks, count, calls, config->asset_timeout_s);
	for (size_t i = 0; i < count; i++) {
		if (is_asked(&checks[i]))
			take_answer(&checks[i], &calls[i], config);
		else if (checks[i].class == ASSET_OK)
			check_local(&checks[i], config);
		failed += checks[i].class != ASSET_OK;
	}
	pthread_cond_destroy(&wait.done);
	free(calls);
	return failed;
}
