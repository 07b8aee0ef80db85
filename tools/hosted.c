/*
 * An idle session is found by asking: its broker counts the connections that were ever made, so a program that came and
 * went between two looks is noticed too. Ours is the one connection that does not count.
 *
 * A session has ended when its broker was reaped. What the broker reported before is kept; one that was killed has
 * reported nothing, and what its programs wrote lies in the staging folder (see s3ctl recover).
 */
#include "hosted.h"
#include "asset_report.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "config/assets.h"
#include "config/jtree.h"
#include "start.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define LOOK_MIN_MS  50
#define LOOK_MAX_MS  1000
#define LOOKS_A_TIME 4 /* within the idle time */
#define NS_PER_MS    1000000

static void say_how(struct hosted *h, const char *how)
{
	if (!h->how[0])
		(void)snprintf(h->how, sizeof(h->how), "%s", how);
}

/* Fails as client_hello() does: the broker's end tells why. */
int hosted_new(const struct hosted_plan *plan, struct hosted **ret, struct err *err)
{
	struct start how = { plan->broker, plan->socket, plan->options, plan->option_count, NULL, NULL };
	struct hosted *h = calloc(1, sizeof(*h));
	char routes[WIRE_ROUTES_MAX];
	int control, r;

	if (config_routes(plan->config, routes, sizeof(routes)) < 0) {
		free(h);
		return err_set(err, ENAMETOOLONG, "the mount points are too long");
	}
	if (h) {
		h->routes = strdup(routes);
		h->library = strdup(plan->library);
	}
	if (!h || !h->routes || !h->library) {
		hosted_free(h);
		return err_set(err, ENOMEM, "out of memory");
	}
	client_init(&h->client, -1);
	(void)snprintf(h->id, sizeof(h->id), "%s", plan->id);
	(void)snprintf(h->socket, sizeof(h->socket), "%s", plan->socket);
	h->has_assets = plan->config->asset_count > 0;
	h->idle_ms = plan->config->idle_ms > 0 ? plan->config->idle_ms : 0;
	h->started_ns = clock_now_ns();
	r = start_broker(&how, &h->pid, &control, err);
	if (r < 0) {
		hosted_free(h);
		return r;
	}
	client_init(&h->client, control);
	(void)client_hello(&h->client, NULL);
	*ret = h;
	return 0;
}

struct hosted *hosted_free(struct hosted *h)
{
	if (!h)
		return NULL;
	if (h->pid) {
		kill(h->pid, SIGKILL);
		waitpid(h->pid, NULL, 0);
		(void)unlink(h->socket);
	}
	if (h->client.fd > 0)
		client_deinit(&h->client);
	free(h->routes);
	free(h->library);
	free(h->report);
	free(h->assets);
	free(h);
	return NULL;
}

static void look_later(struct hosted *h)
{
	int64_t pause_ms = h->idle_ms / LOOKS_A_TIME;

	pause_ms = pause_ms < LOOK_MIN_MS ? LOOK_MIN_MS : pause_ms > LOOK_MAX_MS ? LOOK_MAX_MS : pause_ms;
	h->look_ns = h->idle_ms ? clock_now_ns() + pause_ms * NS_PER_MS : 0;
}

void hosted_end(struct hosted *h, const char *how)
{
	struct wire_drain_req request = { .shutdown = 1 };

	if (h->state >= HOSTED_ENDING)
		return;
	say_how(h, how);
	if (h->state == HOSTED_STARTING) { /* nothing was written yet */
		client_deinit(&h->client);
		kill(h->pid, SIGTERM);
	} else if (client_send(&h->client, WIRE_DRAIN, &request, NULL) < 0) {
		client_deinit(&h->client);
	}
	h->looking = false;
	h->look_ns = 0;
	h->state = HOSTED_ENDING;
}

void hosted_kill(struct hosted *h, const char *how)
{
	if (!h->pid)
		return;
	say_how(h, how);
	h->state = HOSTED_ENDING;
	kill(h->pid, SIGKILL);
}

/* The broker leaves it beside its socket before it answers. A line's end is a blank in JSON, but ends our answer. */
static void take_assets(struct hosted *h)
{
	char path[PATH_MAX];
	struct jtree j;

	assets_report_path(h->socket, path, sizeof(path));
	if (jtree_load(&j, path, NULL) < 0)
		return;
	(void)unlink(path);
	h->assets_status = asset_report_say(&j, 0, true);
	h->assets = strndup(j.text, j.len);
	for (char *p = h->assets; p && (p = strpbrk(p, "\r\n"));)
		*p = ' ';
	jtree_deinit(&j);
}

static void greeted(struct hosted *h, const struct client_reply *reply)
{
	if (h->has_assets)
		take_assets(h);
	if (reply->status < 0) {
		(void)err_set(&h->err, -reply->status, "%s", reply->tail_len ? reply->tail : strerror(-reply->status));
		say_how(h, "it could not start");
		h->state = HOSTED_ENDING;
		client_deinit(&h->client);
		return;
	}
	h->state = HOSTED_READY;
	h->was_ready = true;
	look_later(h);
}

static uint64_t number(const struct jtree *j, int node, const char *key)
{
	int at = jtree_get(j, node, key);
	cleanup_free char *text = at < 0 ? NULL : jtree_text(j, at);

	return text ? strtoull(text, NULL, 10) : 0;
}

/* {"connections": now, ours among them, "open_files": ..., "counters": {"connections": ever}} */
static void looked(struct hosted *h, const struct client_reply *reply)
{
	int64_t now_ns = clock_now_ns();
	uint64_t ever = 0;
	bool idle = false;
	struct jtree j;

	h->looking = false;
	if (reply->status == 0 && jtree_parse(&j, "status", reply->tail, reply->tail_len, NULL) == 0) {
		ever = number(&j, jtree_get(&j, 0, "counters"), "connections");
		idle = number(&j, 0, "connections") <= 1 && !number(&j, 0, "open_files") && ever == h->connections;
		jtree_deinit(&j);
	}
	h->connections = ever;
	if (!idle)
		h->idle_from_ns = 0;
	else if (!h->idle_from_ns)
		h->idle_from_ns = now_ns;
	else if (now_ns - h->idle_from_ns >= (int64_t)h->idle_ms * NS_PER_MS) {
		hosted_end(h, "it was idle");
		return;
	}
	look_later(h);
}

static void drained(struct hosted *h, const struct client_reply *reply)
{
	const struct wire_drain_rep *rep = reply->fixed;

	if (reply->status == 0) {
		h->failed = rep->failed;
		h->report = strndup(reply->tail, reply->tail_len);
	}
	client_deinit(&h->client);
}

void hosted_input(struct hosted *h)
{
	struct client_reply reply;
	int r = client_receive(&h->client, &reply, NULL);

	if (r == CLIENT_MORE)
		return;
	if (r < 0)
		client_deinit(&h->client); /* the child's end says more */
	else if (h->state == HOSTED_STARTING)
		greeted(h, &reply);
	else if (h->looking)
		looked(h, &reply);
	else if (h->state == HOSTED_ENDING)
		drained(h, &reply);
}

static void tell_end(struct hosted *h, int status)
{
	char how[sizeof(h->how)];

	if (WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "its broker was killed by signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		(void)snprintf(how, sizeof(how), "its broker ended with status %d", WEXITSTATUS(status));
	/* Without a report it did not end as it was asked to; by status 0 it says that nothing was lost (s3shimd.c). */
	if (h->was_ready && !h->report) {
		h->how[0] = '\0';
		h->failed = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
	}
	say_how(h, how);
	if (!h->was_ready && !h->err.errnum)
		(void)err_set(&h->err, EIO, "the session could not start: %s; the log may say why", h->how);
}

void hosted_reaped(struct hosted *h, int status)
{
	h->pid = 0;
	if (h->client.fd >= 0) /* what it said last may still be there to be read */
		hosted_input(h);
	if (h->client.fd >= 0)
		client_deinit(&h->client);
	tell_end(h, status);
	(void)unlink(h->socket);
	h->look_ns = 0;
	h->ended_ns = clock_now_ns();
	h->state = HOSTED_ENDED;
	log_info("s3shimd", "session '%s' has ended: %s", h->id, h->how);
}

int hosted_due_ms(const struct hosted *h)
{
	int64_t left_ns = h->look_ns - clock_now_ns();

	if (!h->look_ns)
		return -1;
	return left_ns <= 0 ? 0 : (int)(left_ns / NS_PER_MS) + 1;
}

void hosted_tick(struct hosted *h)
{
	struct wire_status_req request = { 0 };

	if (h->state != HOSTED_READY || hosted_due_ms(h) != 0)
		return;
	if (!h->looking)
		h->looking = client_send(&h->client, WIRE_STATUS, &request, NULL) == 0;
	look_later(h);
}

const char *hosted_state_name(enum hosted_state state)
{
	static const char *const names[] = { "starting", "ready", "ending", "ended" };

	return names[state];
}
