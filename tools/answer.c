#include "answer.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/util.h"
#include "base/wire.h"
#include "broker/json.h"
#include "hosted.h"
#include "talk.h"

#include <limits.h>
#include <string.h>
#include <utlist.h>

#define LIST_ROW 1024 /* bytes of one session in a list, at most */

/* A line of at most @size bytes. Return: false: there is no memory for it. */
static bool begin(struct talk *t, struct json *j, size_t size)
{
	char *text = malloc(size);

	if (!text)
		t->gone = true;
	else
		json_init(j, text, size);
	return text;
}

static void say(struct talk *t, struct json *j)
{
	talk_say(t, j->buf, j->len);
	free(j->buf);
}

static size_t length(const char *json)
{
	return json ? strlen(json) : 0;
}

static const char *or_null(const char *json)
{
	return json ? json : "null";
}

static void put_member(struct json *j, const char *name, const char *value)
{
	json_put(j, "\"%s\": ", name);
	json_string(j, value, strlen(value));
}

void answer_error(struct talk *t, int status, const char *sentence, const char *assets)
{
	struct json j;

	if (!begin(t, &j, ERR_TEXT_MAX * 6 + length(assets) + 128))
		return;
	json_put(&j, "{");
	put_member(&j, "error", sentence);
	json_put(&j, ", \"status\": %d, \"assets\": %s}", status, or_null(assets));
	say(t, &j);
}

void answer_started(struct talk *t, const struct hosted *h)
{
	struct json j;

	if (!begin(t, &j, WIRE_ROUTES_MAX * 6 + PATH_MAX * 12 + 1024 + length(h->assets)))
		return;
	json_put(&j, "{");
	put_member(&j, "session", h->id);
	json_put(&j, ", ");
	put_member(&j, "socket", h->socket);
	json_put(&j, ", \"pid\": %ld, \"environment\": {", (long)h->pid);
	put_member(&j, "LD_PRELOAD", h->library);
	json_put(&j, ", ");
	put_member(&j, WIRE_ENV_SOCKET, h->socket);
	json_put(&j, ", ");
	put_member(&j, WIRE_ENV_ROUTES, h->routes);
	json_put(&j, "}, \"assets\": %s}", or_null(h->assets));
	say(t, &j);
}

void answer_ended(struct talk *t, struct hosted *h)
{
	struct json j;

	if (!begin(t, &j, length(h->report) + 2048))
		return;
	json_put(&j, "{");
	put_member(&j, "session", h->id);
	json_put(&j, ", ");
	put_member(&j, "how", h->how);
	json_put(&j, ", \"failed\": %u, \"statistics\": %s}", h->failed, or_null(h->report));
	say(t, &j);
	h->told = true;
}

static void put_row(struct json *j, const struct hosted *h)
{
	int64_t until_ns = h->state == HOSTED_ENDED ? h->ended_ns : clock_now_ns();

	json_put(j, "{");
	put_member(j, "session", h->id);
	json_put(j, ", \"state\": \"%s\", ", hosted_state_name(h->state));
	put_member(j, "socket", h->socket);
	json_put(j, ", \"pid\": %ld, \"seconds\": %.3f, ", (long)h->pid, (double)(until_ns - h->started_ns) / 1e9);
	put_member(j, "how", h->how);
	json_put(j, "}");
}

void answer_list(struct talk *t, const struct hosted *sessions)
{
	const struct hosted *h;
	size_t count = 0;
	struct json j;

	DL_COUNT(sessions, h, count);
	if (!begin(t, &j, count * LIST_ROW + 64))
		return;
	json_put(&j, "{\"sessions\": [");
	DL_FOREACH (sessions, h) {
		json_put(&j, "%s", h == sessions ? "" : ", ");
		put_row(&j, h);
	}
	json_put(&j, "]}");
	say(t, &j);
}
