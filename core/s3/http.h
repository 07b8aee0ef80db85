/**
 * http.h - transfer threads: HTTP/1.1 exchanges on libcurl, each thread one multi handle.
 *
 * A job runs on one thread from beginning to end, so its state needs no lock: http_submit() hands it over, from then on
 * its functions are called there. A job may send exchanges, one at a time, and sleep between them; it ends by doing
 * neither. Connections are kept and reused per thread. Knows nothing of S3.
 */
#ifndef S3SHIM_S3_HTTP_H
#define S3SHIM_S3_HTTP_H

#include "base/clock.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct http;
struct http_exchange;
struct http_thread;

struct http_config {
	bool verify_tls_off;
	const char *ca_file, *ca_path, *proxy, *proxy_user,
	    *proxy_password; /* borrowed until http_free(); NULL: none */
	int connect_timeout_ms;
	int connections; /* exchanges at once, over all threads; more wait in line */
};

struct http_job {
	/* on its thread: after http_submit(), after http_sleep(), and soon after http_cancel() during a sleep */
	void (*run)(struct http_job *job);
	_Atomic bool cancelled; /* read by the job's owner too */
	/* the thread's */
	struct http_thread *thread;
	struct http_job *next, *prev;
	int64_t wake_ns;
	struct http_exchange *exchange;
};

struct http_header {
	const char *name, *value;
};

struct http_exchange {
	/* asked; borrowed until on_done */
	const char *method, *url;
	const struct http_header *headers;
	size_t header_count;
	bool has_body; /* PUT and POST: also with 0 bytes */
	uint64_t body_len;
	bool no_answer_body;  /* HEAD */
	size_t receive_bytes; /* how much of an answer's body to expect: sizes buffers; 0: little */
	int stall_timeout_ms; /* no byte either way for so long: ended */
	int64_t deadline_ns;  /* clock_now_ns() at which it is ended; 0: none */

	/* on the thread; -errno ends the exchange */
	ssize_t (*read)(struct http_exchange *ex, char *to, size_t room); /* the body's next bytes, 0: its end */
	int (*rewind)(struct http_exchange *ex);                          /* the body once more from its start */
	int (*on_header)(struct http_exchange *ex, const char *name, const char *value); /* name in lower case */
	int (*on_headers)(struct http_exchange *ex);                                     /* all there; status is set */
	int (*on_data)(struct http_exchange *ex, const char *data, size_t len);
	void (*on_done)(struct http_exchange *ex); /* nothing of it is touched afterwards */
	void *arg;

	/* came back */
	int status; /* HTTP's; 0: no answer */
	enum http_end {
		HTTP_COMPLETE,
		HTTP_STOPPED, /* a callback's -errno is in errnum */
		HTTP_CANCELLED,
		HTTP_DEADLINE,
		HTTP_STALLED,
		HTTP_CONNECT, /* name, connection, proxy, no TLS at the other end */
		HTTP_TLS,     /* the certificate does not verify, or the option's files are bad: again would not help */
		HTTP_PROXY,   /* the proxy refuses to connect: again would not help */
		HTTP_BROKEN,  /* connection lost, or the answer cut or no HTTP */
	} end;
	int errnum;      /* negative errno; HTTP_STOPPED only */
	char error[256]; /* curl's words */

	/* the thread's */
	struct http_thread *thread;
	void *easy, *list;
	int64_t progress_ns;
	uint64_t progress_bytes;
	bool in_headers;
};

/** http_new() - start the threads. Return: 0; -ENOMEM; -EIO if libcurl or a thread fails. */
int http_new(const struct http_config *config, struct http **ret, struct err *err);
/** http_free() - every job must have ended. NULL is fine. Returns NULL. */
struct http *http_free(struct http *http);

/** http_submit() - any thread. */
void http_submit(struct http *http, struct http_job *job);
/** http_cancel() - end its exchange or sleep soon. Any thread, while the job lives. */
void http_cancel(struct http_job *job);

/** http_send(), http_sleep() - on the job's thread, as the last thing that a callback does with the job. */
void http_send(struct http_job *job, struct http_exchange *ex);
void http_sleep(struct http_job *job, int64_t ms);

/**
 * http_set_proxy() - how the CURL handle @easy gets out; NULL: none is configured
 * Without one libcurl goes by the environment (https_proxy, no_proxy); where there is one, it alone counts.
 */
void http_set_proxy(void *easy, const char *proxy, const char *user, const char *password);

#endif
