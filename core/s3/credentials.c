/*
 * The chain, first come first served, and the keys of the source that it found. Under the lock:
 *
 *     fresh    until advise_s            keys are given
 *     advised  until must_s              keys are given, and a renewal is begun
 *     must     until they expire         -EAGAIN while a renewal runs; after it failed, keys are given
 *     refused  by the store, or expired  -EAGAIN while a renewal runs; after it failed, its error is
 *
 * A renewal is a thread of its own, at most one; `renewing` is true from before it is made until its last act under the
 * lock. So nobody else asks the source, and whoever waits does so by asking again, on no thread of the transfers. After
 * a failure the next renewal waits: 1 s, 2 s, ... 60 s. Expiry is compared with the wall clock each time, since timers
 * miss a suspended machine.
 */
#include "s3/credentials.h"
#include "s3/credentials/provider.h"
#include "s3/credentials/sts.h"
#include "base/clock.h"

#include "base/log.h"
#include "base/util.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ADVISE_S    900
#define MUST_S      600
#define PAUSE_S_MAX 60
#define SAME_KEYS_S 5

struct provider {
	int (*get)(const struct provider_ask *ask, struct s3_keys *ret, struct err *err);
	bool renewable;
	const char *where;
};

static const struct provider providers[] = {
#define P(name, renewable, where) { provider_##name, renewable, where },
#include "s3/credentials/providers.def"
#undef P
};

struct s3_credentials {
	/* constant once made */
	struct s3_credentials_config config; /* strings are this struct's */
	struct provider_ask ask;
	char profile[256], region[64], sts_region[64];
	const struct provider *source;
	_Atomic bool stop;
	pthread_mutex_t lock;
	/* under the lock */
	struct s3_keys keys;
	int64_t advise_s, must_s; /* INT64_MAX: never */
	bool refused, renewing, has_thread;
	pthread_t thread;
	int64_t retry_ns; /* no renewal before; monotonic */
	int64_t same_ns;  /* none because of a refusal before: the source had nothing new */
	int pause_s;
	struct err failure; /* of the last renewal; errnum 0: it did not fail */
};

static const size_t strings[] = {
#define S(field) offsetof(struct s3_credentials_config, field)
	S(access_key_id), S(secret_key), S(session_token),  S(passwd_file), S(bucket),
	S(profile),       S(role_arn),   S(region),         S(ca_file),     S(ca_path),
	S(proxy),         S(proxy_user), S(proxy_password),
#undef S
};

static char **string_at(struct s3_credentials_config *config, size_t i)
{
	return (char **)(void *)((char *)config + strings[i]);
}

static int copy_config(struct s3_credentials_config *to, const struct s3_credentials_config *from)
{
	int r = 0;

	*to = *from;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		char **at = string_at(to, i), *value = *at;
		*at = value && *value ? strdup(value) : NULL;
		if (value && *value && !*at)
			r = -ENOMEM;
	}
	return r;
}

/* sources */

static int assume(const struct s3_credentials *c, struct s3_keys *keys, struct err *err)
{
	const struct sts_role role = { .arn = c->config.role_arn,
				       .session_name = provider_env("AWS_ROLE_SESSION_NAME") };
	struct s3_keys base = *keys;

	int r = sts_assume_role(&c->ask, &role, &base, keys, err);
	explicit_bzero(&base, sizeof(base));
	return r;
}

/* New keys of @source, by the role where one is asked for. Return: as a provider. */
static int ask_source(const struct s3_credentials *c, const struct provider *source, struct s3_keys *ret,
		      struct err *err)
{
	int r = source->get(&c->ask, ret, err);

	if (r == PROVIDER_FOUND && c->config.role_arn)
		r = assume(c, ret, err);
	if (r == PROVIDER_FOUND && ret->expires_s && ret->expires_s <= (int64_t)time(NULL)) {
		explicit_bzero(ret, sizeof(*ret));
		r = err_set(err, EACCES, "%s: the keys that it gives have expired: check the clock", source->where);
	}
	return r;
}

static int find(struct s3_credentials *c, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(providers); i++) {
		int r = ask_source(c, &providers[i], &c->keys, err);
		if (r < 0)
			return r;
		c->source = &providers[i];
		if (r == PROVIDER_FOUND)
			return 0;
	}
	return err_set(err, ENOKEY,
		       "no credentials: tried the options, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, profile '%s' "
		       "in the shared files, web identity, container and instance; set one of them, or ask for "
		       "unsigned requests",
		       c->profile);
}

/* When to renew, from when the keys were got. */
static void plan_locked(struct s3_credentials *c)
{
	int64_t now = (int64_t)time(NULL), life = c->keys.expires_s - now;

	c->advise_s = c->must_s = INT64_MAX;
	if (!c->keys.expires_s)
		return;
	c->advise_s = c->keys.expires_s - (life / 4 < ADVISE_S ? life / 4 : ADVISE_S);
	c->must_s = c->keys.expires_s - (life / 8 < MUST_S ? life / 8 : MUST_S);
}

/* renewal */

static void pause_locked(struct s3_credentials *c)
{
	c->pause_s = c->pause_s ? c->pause_s * 2 : 1;
	if (c->pause_s > PAUSE_S_MAX)
		c->pause_s = PAUSE_S_MAX;
	c->retry_ns = clock_now_ns() + (int64_t)c->pause_s * 1000000000;
}

static void renewed_locked(struct s3_credentials *c, const struct s3_keys *keys)
{
	bool same = strcmp(keys->access_key_id, c->keys.access_key_id) == 0 &&
		    strcmp(keys->secret_key, c->keys.secret_key) == 0 &&
		    strcmp(keys->session_token, c->keys.session_token) == 0;
	unsigned generation = c->keys.generation + !same;

	log_debug("s3", "keys of '%s' from %s", keys->access_key_id, c->source->where);
	c->keys = *keys;
	c->keys.generation = generation;
	c->failure.errnum = 0;
	c->pause_s = 0;
	c->retry_ns = 0;
	c->same_ns = same ? clock_now_ns() + (int64_t)SAME_KEYS_S * 1000000000 : 0;
	plan_locked(c);
}

static void failed_locked(struct s3_credentials *c, const struct err *err)
{
	c->failure = *err;
	if (!c->failure.errnum)
		c->failure.errnum = EACCES;
	pause_locked(c);
	log_warn("s3", "the keys of '%s' could not be renewed, going on with them while they last: %s",
		 c->keys.access_key_id, err_text(err));
}

static void *renew(void *arg)
{
	struct s3_credentials *c = arg;
	struct err err = ERR_INIT;
	struct s3_keys keys;

	int r = ask_source(c, c->source, &keys, &err);
	if (r == PROVIDER_NONE)
		err_set(&err, EACCES, "%s: there are no keys any more", c->source->where);
	pthread_mutex_lock(&c->lock);
	if (r == PROVIDER_FOUND)
		renewed_locked(c, &keys);
	else
		failed_locked(c, &err);
	c->refused &= r != PROVIDER_FOUND;
	c->renewing = false;
	pthread_mutex_unlock(&c->lock);
	explicit_bzero(&keys, sizeof(keys));
	return NULL;
}

/* A thread that has ended but was not joined does nothing behind its unlocking. */
static void begin_locked(struct s3_credentials *c)
{
	sigset_t all, before;

	if (c->renewing || clock_now_ns() < c->retry_ns)
		return;
	if (c->has_thread)
		pthread_join(c->thread, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	c->has_thread = pthread_create(&c->thread, NULL, renew, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->renewing = c->has_thread;
	if (!c->has_thread) {
		err_set(&c->failure, EAGAIN, "cannot start a thread to renew the keys");
		pause_locked(c);
	}
}

/* Return: 0 if the keys may be used, -EAGAIN, -EACCES. */
static int state_locked(struct s3_credentials *c, struct err *err)
{
	int64_t now = (int64_t)time(NULL);

	if (now < c->advise_s && !c->refused)
		return 0;
	begin_locked(c);
	if (now < c->must_s && !c->refused)
		return 0;
	if (c->renewing)
		return -EAGAIN;
	if (now < c->keys.expires_s && !c->refused)
		return 0;
	return err_set(err, EACCES, "the keys have expired, and no others came: %s", err_text(&c->failure));
}

/* the outside */

static int set_up(struct s3_credentials *c, const struct s3_credentials_config *config, struct err *err)
{
	const char *asked = config->profile && *config->profile ? config->profile : NULL;
	const char *named = asked ? asked : provider_env("AWS_PROFILE");
	const char *region = provider_env("AWS_REGION");

	if (copy_config(&c->config, config) < 0)
		return err_set(err, ENOMEM, "out of memory");
	snprintf(c->profile, sizeof(c->profile), "%s", named ? named : "default");
	if (!region)
		region = provider_env("AWS_DEFAULT_REGION");
	if (region)
		snprintf(c->region, sizeof(c->region), "%s", region);
	else
		provider_profile_region(c->profile, c->region, sizeof(c->region));
	region = c->config.region ? c->config.region : c->region[0] ? c->region : "us-east-1";
	snprintf(c->sts_region, sizeof(c->sts_region), "%s", region);
	c->ask = (struct provider_ask){ .config = &c->config,
					.profile = c->profile,
					.profile_by_option = asked,
					.profile_named = named,
					.region = c->sts_region,
					.stop = &c->stop };
	int r = find(c, err);
	if (r == 0)
		plan_locked(c);
	return r;
}

int s3_credentials_new(const struct s3_credentials_config *config, struct s3_credentials **ret, struct err *err)
{
	struct s3_credentials *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	int r = set_up(c, config, err);
	if (r < 0) {
		s3_credentials_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct s3_credentials *s3_credentials_free(struct s3_credentials *c)
{
	if (!c)
		return NULL;
	c->stop = true;
	if (c->has_thread)
		pthread_join(c->thread, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		char *text = *string_at(&c->config, i);
		if (text)
			explicit_bzero(text, strlen(text));
		free(text);
	}
	pthread_mutex_destroy(&c->lock);
	explicit_bzero(c, sizeof(*c));
	free(c);
	return NULL;
}

int s3_credentials_get(struct s3_credentials *c, struct s3_keys *ret, struct err *err)
{
	pthread_mutex_lock(&c->lock);
	int r = state_locked(c, err);
	if (r == 0)
		*ret = c->keys;
	pthread_mutex_unlock(&c->lock);
	return r;
}

bool s3_credentials_refused(struct s3_credentials *c, unsigned generation)
{
	bool again = true;

	pthread_mutex_lock(&c->lock);
	if (c->keys.generation == generation && !c->refused) {
		again = (c->source->renewable || c->config.role_arn) && clock_now_ns() >= c->retry_ns &&
			clock_now_ns() >= c->same_ns;
		c->refused = again;
	}
	pthread_mutex_unlock(&c->lock);
	return again;
}

const char *s3_credentials_region(const struct s3_credentials *c)
{
	return c->region;
}
