#include "broker/escaped.h"

#include "base/counters.h"
#include "base/log.h"
#include "base/util.h"

#include <string.h>

#define JSON_BYTES KIB(8)

static const char *const words[] = {
#define ESCAPE(NAME, words, remedy) words,
#include "base/escapes.def"
#undef ESCAPE
};

static bool is_new_locked(struct escaped *e, const char *path, uint32_t why)
{
	if (e->count == ESCAPED_MAX)
		return false;
	for (size_t i = 0; i < e->count; i++)
		if (e->at[i].why == why && strcmp(e->at[i].path, path) == 0)
			return false;
	e->at[e->count].path = strdup(path);
	e->at[e->count].why = why;
	return e->at[e->count].path && ++e->count;
}

int escaped_add(struct escaped *e, const char *path, uint32_t why)
{
	bool is_new;

	if (!why || why > ARRAY_SIZE(words))
		return -EINVAL;
	counter_add(COUNTER_escapes, 1);
	pthread_mutex_lock(&e->mutex);
	is_new = is_new_locked(e, path, why);
	pthread_mutex_unlock(&e->mutex);
	if (is_new)
		log_warn("broker", "a program was started that does not see the mounts: '%s' %s", path, words[why - 1]);
	return 0;
}

void escaped_json(struct escaped *e, struct json *j)
{
	const size_t begin = j->len;

	json_put(j, ", \"escaped_programs\": [");
	if (json_rollback(j, begin))
		return;
	pthread_mutex_lock(&e->mutex);
	for (size_t i = 0; i < e->count; i++) {
		size_t mark = j->len;
		json_put(j, "%s{\"program\": ", i ? ", " : "");
		json_string(j, e->at[i].path, strlen(e->at[i].path));
		json_put(j, ", \"why\": \"%s\"}", words[e->at[i].why - 1]);
		j->full = j->full || j->len - begin > JSON_BYTES;
		if (json_rollback(j, mark))
			break;
	}
	pthread_mutex_unlock(&e->mutex);
	json_put(j, "]");
	(void)json_rollback(j, begin);
}

void escaped_deinit(struct escaped *e)
{
	while (e->count)
		free(e->at[--e->count].path);
}
