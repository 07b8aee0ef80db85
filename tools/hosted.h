/**
 * hosted.h - one session of the daemon: a broker of its own, watched from its start to how it ended.
 *
 *   STARTING ──► READY ──► ENDING ──► ENDED
 *      └──────────┴──────────┴──────────┘   the broker may fail, end or be killed at any time
 *
 * Nothing here waits: hosted_input() when the connection can be read, hosted_tick() when hosted_due_ms() has passed,
 * hosted_reaped() when the child is gone. One thread.
 */
#ifndef S3SHIM_TOOLS_HOSTED_H
#define S3SHIM_TOOLS_HOSTED_H

#include "base/err.h"
#include "client.h"
#include "config/config.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#define HOSTED_ID_MAX 64

enum hosted_state { HOSTED_STARTING, HOSTED_READY, HOSTED_ENDING, HOSTED_ENDED };

struct hosted {
	struct hosted *prev, *next; /* the daemon's list */
	char id[HOSTED_ID_MAX + 1];
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
	enum hosted_state state;
	pid_t pid;            /* 0: reaped, or never started */
	struct client client; /* of the control connection */
	char *routes, *library;
	bool has_assets;
	int64_t started_ns, ended_ns;
	int idle_ms;          /* without programs and open files; 0: for ever */
	int64_t idle_from_ns; /* 0: somebody was there */
	int64_t look_ns;      /* when to look whether somebody is */
	uint64_t connections; /* ever made, when we looked last */
	bool looking;         /* the request that is not answered yet is a STATUS */
	bool was_ready;
	bool told;         /* who asked for its end has the answer */
	char how[256];     /* it ended, for a sentence: "it was ended when asked" */
	struct err err;    /* errnum set: it could not start, and why */
	unsigned failed;   /* uploads; 1 where nobody can say how many */
	char *assets;      /* what became of them, JSON in one line; NULL: there are none */
	int assets_status; /* what s3run would exit with because of them; 0: none failed */
	char *report;      /* the broker's, JSON; NULL: it left none */
};

/** What a session is made of. */
struct hosted_plan {
	const char *id, *socket, *broker, *library;
	char *const *options; /* all that s3shimd is to be told */
	int option_count;
	const struct config *config; /* what comes of these */
};

/** hosted_new() - start its broker. Return: 0; -errno with a sentence. */
int hosted_new(const struct hosted_plan *plan, struct hosted **ret, struct err *err);
struct hosted *hosted_free(struct hosted *h); /* its broker is killed if it lives; returns NULL */

/** hosted_end() - have every upload finished, then end; @how: why, for a sentence. Nothing where it ends already. */
void hosted_end(struct hosted *h, const char *how);
void hosted_kill(struct hosted *h, const char *how);

void hosted_input(struct hosted *h);
void hosted_reaped(struct hosted *h, int status); /* as of waitpid(2) */

/** hosted_due_ms() - when to call hosted_tick(); -1: never. */
int hosted_due_ms(const struct hosted *h);
void hosted_tick(struct hosted *h);

const char *hosted_state_name(enum hosted_state state);

#endif
