#include "broker/drain.h"

#include "base/counters.h"
#include "base/log.h"
#include "base/util.h"
#include "broker/files.h"
#include "broker/json.h"
#include "broker/server.h"
#include "broker/session.h"
#include "object/object.h"
#include "s3/audit.h"
#include "s3/quota.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <utlist.h>

/* Volumes share one object store, so that each may report the failures of all: told once by name and sentence. */
struct failure {
	struct failure *next;
	struct vfailure what;
};

struct failures {
	struct failure *list;
	int count;
};

static void note(void *arg, const struct vfailure *what)
{
	struct failures *all = arg;
	struct failure *f;

	LL_FOREACH (all->list, f) {
		if (strcmp(f->what.name, what->name) == 0 && strcmp(f->what.sentence, what->sentence) == 0)
			return;
	}
	all->count++;
	log_error("broker", "upload of '%s' failed: %s", what->name, what->sentence);
	f = malloc(sizeof(*f));
	if (!f)
		return; /* counted and logged all the same */
	f->what = *what;
	LL_APPEND(all->list, f);
}

static void put_failures(struct json *j, const struct failures *all)
{
	const char *comma = "";
	const struct failure *f;

	json_put(j, ", \"failures\": [");
	for (f = all->list; f; f = f->next) {
		size_t mark = j->len;
		json_put(j, "%s{\"name\": ", comma);
		json_string(j, f->what.name, strlen(f->what.name));
		json_put(j, ", \"sentence\": ");
		json_string(j, f->what.sentence, strlen(f->what.sentence));
		json_put(j, "}");
		if (json_rollback(j, mark))
			break;
		comma = ", ";
	}
}

static void put_sentence(void *arg, const char *sentence)
{
	struct json *j = arg;

	json_put(j, "%s", j->buf[j->len - 1] == '[' ? "" : ", ");
	json_string(j, sentence, strlen(sentence));
}

/* What ended before the session did. */
static void put_ended(struct json *j, const struct broker *b)
{
	char full[PATH_MAX + 128];

	json_put(j, ", \"ended\": [");
	(void)quota_ended(b->quota, put_sentence, j);
	if (audit_ended(b->audit, full, sizeof(full)))
		put_sentence(j, full);
	json_put(j, "]");
}

#define END_BYTES 3 /* "]}" and the NUL: kept back while what is optional is written */

static size_t put_report(struct broker *b, const struct failures *all, char *buf, size_t size)
{
	struct json j;
	int n = counters_json(buf, size - END_BYTES);

	json_init(&j, buf + (n < 0 ? 0 : n), size - END_BYTES - (size_t)(n < 0 ? 0 : n));
	if (n > 0) { /* write on where its closing brace stands */
		j.buf--;
		j.size++;
	}
	json_put(&j, "%s\"files\": %" PRIu64 ", \"seconds\": %.3f", n > 0 ? ", " : "{", counter_get(COUNTER_opens),
		 session_seconds(b));
	escaped_json(&b->escaped, &j);
	put_ended(&j, b);
	put_failures(&j, all);
	j.size += END_BYTES;
	json_put(&j, "]}");
	return (size_t)(j.buf - buf) + j.len;
}

int drain(struct broker *b, bool shutdown, char *buf, size_t size, size_t *ret_len)
{
	struct failures all = { 0 };
	struct failure *f, *tmp;

	for (size_t i = 0; i < b->volume_count; i++)
		(void)volume_drain(b->volumes[i], shutdown, note, &all);
	if (buf)
		*ret_len = put_report(b, &all, buf, size);
	LL_FOREACH_SAFE(all.list, f, tmp)
	{
		free(f);
	}
	return all.count;
}

/* @text is a JSON object of @used bytes; where it did not fit (@used < 0) an empty one stands for it. */
static void put_object(struct json *j, const char *key, int used, const char *text)
{
	size_t mark = j->len;

	json_put(j, ", \"%s\": %s", key, used > 0 ? text : "{}");
	(void)json_rollback(j, mark);
}

static void put_mounts(struct json *j, struct broker *b, char *scratch, size_t size)
{
	json_put(j, ", \"mounts\": [");
	for (size_t i = 0; i < b->volume_count; i++) {
		struct volume *v = b->volumes[i];
		size_t mark = j->len;

		json_put(j, "%s{\"mount\": ", i ? ", " : "");
		json_string(j, v->mount, strlen(v->mount));
		json_put(j, ", \"type\": \"%s\", \"read_only\": %s", v->ops->type, v->read_only ? "true" : "false");
		put_object(j, "volume", volume_status(v, scratch, size), scratch);
		json_put(j, "}");
		if (json_rollback(j, mark))
			break;
	}
	json_put(j, "]");
}

static void put_errors(struct json *j, char *scratch, size_t size)
{
	const char *line = scratch, *end, *comma = "";

	(void)log_recent_errors(scratch, size);
	json_put(j, ", \"errors\": [");
	for (; (end = strchr(line, '\n')); line = end + 1) {
		size_t mark = j->len;
		json_put(j, "%s", comma);
		json_string(j, line, (size_t)(end - line));
		if (json_rollback(j, mark))
			break;
		comma = ", ";
	}
}

#define SCRATCH_BYTES KIB(40)

size_t drain_status(struct broker *b, char *buf, size_t size)
{
	cleanup_free char *scratch = malloc(SCRATCH_BYTES);
	struct json j;

	json_init(&j, buf, size - END_BYTES);
	json_put(&j, "{\"session\": \"%016" PRIx64 "\", \"pid\": %ld, \"seconds\": %.3f", b->session, (long)getpid(),
		 session_seconds(b));
	json_put(&j, ", \"connections\": %zu, \"open_files\": %zu, \"staging\": ", server_count(b->server),
		 files_count(b->files));
	json_string(&j, b->staging.dir, strlen(b->staging.dir));
	if (!scratch) {
		json_put(&j, "}");
		return j.len;
	}
	put_object(&j, "counters", counters_json(scratch, SCRATCH_BYTES), scratch);
	if (b->objects)
		put_object(&j, "objects", object_store_status(b->objects, scratch, SCRATCH_BYTES), scratch);
	escaped_json(&b->escaped, &j);
	if (b->quota)
		put_object(&j, "quotas", quota_json(b->quota, scratch, SCRATCH_BYTES), scratch);
	put_mounts(&j, b, scratch, SCRATCH_BYTES);
	put_errors(&j, scratch, SCRATCH_BYTES);
	j.size += END_BYTES;
	json_put(&j, "]}");
	return j.len;
}
