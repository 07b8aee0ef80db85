/*
 * A job is in one place at a time:
 *
 *     submitted -> inbox -(thread)-> run() -> sending | line | asleep -> run() or on_done() ... -> nowhere: ended
 *
 * inbox and `stop` are shared, under the lock; all else is the thread's own. http_cancel() only
 * marks the job and wakes the thread, which then looks through its lists; so a job that ends meanwhile is no trouble.
 * Whatever calls back takes the job off its list first, because the callback may free it.
 *
 * Stalls and deadlines are kept here, not by libcurl: its low-speed check has a resolution of seconds, and its clock
 * runs while a transfer waits for a connection.
 */
#include "s3/http.h"

#include "s3/loop.h"
#include "s3/sockets.h"
#include "s3/when.h"

#include "base/clock.h"
#include "base/util.h"

#include <curl/curl.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS       2
#define RECEIVE_MAX   (512 * 1024)
#define UPLOAD_BUFFER (256 * 1024)
#define IDLE_EASY_MAX 64

struct queue {
	struct http_job *first, *last;
};

struct http_thread {
	struct http *http;
	pthread_t id;
	CURLM *multi;
	pthread_mutex_t lock;
	struct queue inbox; /* under the lock */
	bool stop;          /* under the lock */
	struct queue sending, line, asleep;
	int sending_count, limit;
	CURL *idle[IDLE_EASY_MAX];
	int idle_count;
	struct sockets sockets;
	struct loop loop;
	int64_t look_ns;             /* when something may be overdue at the earliest */
	_Atomic bool cancelled_some; /* look at once */
};

struct http {
	struct http_config config;
	CURLSH *share;
	pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
	_Atomic unsigned next;
	int started;
	struct http_thread threads[THREADS];
};

static void push(struct queue *queue, struct http_job *job)
{
	job->next = NULL;
	job->prev = queue->last;
	if (queue->last)
		queue->last->next = job;
	else
		queue->first = job;
	queue->last = job;
}

static void take(struct queue *queue, struct http_job *job)
{
	if (job->prev)
		job->prev->next = job->next;
	else
		queue->first = job->next;
	if (job->next)
		job->next->prev = job->prev;
	else
		queue->last = job->prev;
	job->next = job->prev = NULL;
}

static void look_by(struct http_thread *thread, int64_t ns)
{
	if (ns < thread->look_ns)
		thread->look_ns = ns;
}

/* libcurl's callbacks */

static int stop_with(struct http_exchange *ex, int errnum)
{
	ex->end = HTTP_STOPPED;
	ex->errnum = errnum;
	return errnum;
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
	struct http_exchange *ex = arg;

	ssize_t n = ex->read(ex, to, size * count);
	if (n < 0) {
		stop_with(ex, (int)n);
		return CURL_READFUNC_ABORT;
	}
	return (size_t)n;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http_exchange *ex = arg;

	if (offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	return ex->rewind(ex) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
	struct http_exchange *ex = arg;
	size_t len = size * count;

	int r = ex->on_data ? ex->on_data(ex, data, len) : 0;
	if (r < 0) {
		stop_with(ex, r);
		return len + 1;
	}
	return len;
}

/* One line of a header. Answers of 1xx come before the real one and are passed over. */
static int header_line(struct http_exchange *ex, char *line, size_t len)
{
	long status = 0;

	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
		line[--len] = '\0';
	if (strncmp(line, "HTTP/", 5) == 0) {
		ex->in_headers = true;
		sockets_acknowledge(&ex->thread->sockets, ex->easy);
		return 0;
	}
	if (!ex->in_headers)
		return 0; /* a trailer */
	curl_easy_getinfo(ex->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return 0;
	if (!len) {
		ex->in_headers = false;
		ex->status = (int)status;
		return ex->on_headers ? ex->on_headers(ex) : 0;
	}
	char *colon = strchr(line, ':');
	if (!colon || !ex->on_header)
		return 0;
	*colon++ = '\0';
	for (char *p = line; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return ex->on_header(ex, line, colon + strspn(colon, " \t"));
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	struct http_exchange *ex = arg;
	size_t len = size * count;
	cleanup_free char *line = strndup(data, len);

	int r = line ? header_line(ex, line, strlen(line)) : -ENOMEM;
	if (r < 0) {
		stop_with(ex, r);
		return len + 1;
	}
	return len;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct http_exchange *ex = arg;
	uint64_t bytes = (uint64_t)(down + up);

	(void)down_total, (void)up_total;
	if (bytes != ex->progress_bytes) {
		ex->progress_bytes = bytes;
		ex->progress_ns = clock_now_ns();
	}
	return 0;
}

/* exchanges */

/* The same for the server and for a proxy that is spoken to by TLS. Named authorities are instead of the system's. */
static void set_tls(CURL *easy, const struct http_config *config)
{
	if (config->verify_tls_off) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 0L);
	}
	if (!config->ca_file && !config->ca_path)
		return;
	curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
	curl_easy_setopt(easy, CURLOPT_CAPATH, config->ca_path);
	curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, config->ca_file);
	curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, config->ca_path);
}

void http_set_proxy(void *easy, const char *proxy, const char *user, const char *password)
{
	if (!proxy)
		return;
	curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	if (user)
		curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, user);
	if (password)
		curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, password);
}

static void set_connection(CURL *easy, const struct http *http)
{
	const struct http_config *config = &http->config;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_SHARE, http->share);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	set_tls(easy, config);
	http_set_proxy(easy, config->proxy, config->proxy_user, config->proxy_password);
}

static int set_headers(CURL *easy, struct http_exchange *ex)
{
	/* curl adds these by itself unless they are given empty */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	cleanup_free char *line = NULL;

	ex->list = list;
	for (size_t i = 0; list && i < ex->header_count; i++) {
		const struct http_header *h = &ex->headers[i];
		free(steal_ptr(&line));
		/* "name;" is how curl is told of an empty value */
		if (asprintf(&line, *h->value ? "%s: %s" : "%s;", h->name, h->value) < 0) {
			line = NULL;
			return -ENOMEM;
		}
		list = curl_slist_append(ex->list, line);
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, ex->list);
	return list ? 0 : -ENOMEM;
}

static void set_exchange(CURL *easy, struct http_job *job, struct http_exchange *ex)
{
	size_t receive = ex->receive_bytes < 16384 ? 16384 : min_u64(ex->receive_bytes, RECEIVE_MAX);

	curl_easy_setopt(easy, CURLOPT_URL, ex->url);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, ex->error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)receive);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, ex);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, ex);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, ex);
	if (ex->no_answer_body)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else if (ex->has_body) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE,
				 (long)max_u64(16384, min_u64(ex->body_len, UPLOAD_BUFFER)));
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)ex->body_len);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, ex);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, ex);
	}
	if (!ex->no_answer_body)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, ex->method);
}

static void release_easy(struct http_thread *thread, struct http_exchange *ex)
{
	if (ex->easy && thread->idle_count < IDLE_EASY_MAX)
		thread->idle[thread->idle_count++] = ex->easy;
	else if (ex->easy)
		curl_easy_cleanup(ex->easy);
	curl_slist_free_all(ex->list);
	ex->easy = ex->list = NULL;
}

/* @job is on no list. */
static void begin_exchange(struct http_thread *thread, struct http_job *job)
{
	struct http_exchange *ex = job->exchange;

	ex->thread = thread;
	ex->progress_ns = clock_now_ns();
	ex->easy = thread->idle_count ? thread->idle[--thread->idle_count] : curl_easy_init();
	if (ex->easy) {
		curl_easy_reset(ex->easy);
		set_connection(ex->easy, thread->http);
		sockets_watch(&thread->sockets, ex->easy);
		set_exchange(ex->easy, job, ex);
		if (set_headers(ex->easy, ex) == 0 && curl_multi_add_handle(thread->multi, ex->easy) == CURLM_OK) {
			push(&thread->sending, job);
			thread->sending_count++;
			look_by(thread, ex->progress_ns + (int64_t)ex->stall_timeout_ms * 1000000);
			return;
		}
	}
	release_easy(thread, ex);
	stop_with(ex, -ENOMEM);
	job->exchange = NULL;
	ex->on_done(ex);
}

static void end_exchange(struct http_thread *thread, struct http_job *job)
{
	struct http_exchange *ex = job->exchange;

	take(&thread->sending, job);
	thread->sending_count--;
	curl_multi_remove_handle(thread->multi, ex->easy);
	release_easy(thread, ex);
	job->exchange = NULL;
	ex->on_done(ex);
}

static enum http_end end_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return HTTP_COMPLETE;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT: /* connecting: no other of curl's timeouts is set */
	case CURLE_PROXY:
	case CURLE_SSL_CONNECT_ERROR: /* no TLS spoken there, or cut off while shaking hands */
		return HTTP_CONNECT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ENGINE_INITFAILED:
		return HTTP_TLS;
	default:
		return HTTP_BROKEN;
	}
}

/* A proxy that does not let us through to a TLS server says so by the status of CONNECT; its headers are not shown. */
static bool refused_by_proxy(CURL *easy)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
	return status / 100 == 4;
}

static void collect_finished(struct http_thread *thread)
{
	int left;

	for (CURLMsg *msg; (msg = curl_multi_info_read(thread->multi, &left));) {
		struct http_job *job = NULL;
		CURLcode code = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&job);
		struct http_exchange *ex = job->exchange;
		if (ex->end == HTTP_COMPLETE)
			ex->end = code != CURLE_OK && refused_by_proxy(msg->easy_handle) ? HTTP_PROXY : end_of(code);
		if (ex->end != HTTP_COMPLETE && !ex->error[0])
			snprintf(ex->error, sizeof(ex->error), "%s", curl_easy_strerror(code));
		end_exchange(thread, job);
	}
}

/* the thread */

/* Why @job's exchange must end now, HTTP_COMPLETE if it may go on; *next_ns is lowered to when to look again. */
static enum http_end overdue(const struct http_job *job, bool sending, int64_t now, int64_t *next_ns)
{
	const struct http_exchange *ex = job->exchange;
	int64_t stall_ns = ex->progress_ns + (int64_t)ex->stall_timeout_ms * 1000000;

	if (job->cancelled)
		return HTTP_CANCELLED;
	if (ex->deadline_ns && ex->deadline_ns <= now)
		return HTTP_DEADLINE;
	if (sending && stall_ns <= now)
		return HTTP_STALLED;
	if (ex->deadline_ns && ex->deadline_ns < *next_ns)
		*next_ns = ex->deadline_ns;
	if (sending && stall_ns < *next_ns)
		*next_ns = stall_ns;
	return HTTP_COMPLETE;
}

/* One job that is overdue or cancelled is ended. Callbacks change the lists, so: true, start again. */
static bool end_one_overdue(struct http_thread *thread, int64_t now, int64_t *next_ns)
{
	for (struct http_job *job = thread->sending.first; job; job = job->next) {
		enum http_end end = overdue(job, true, now, next_ns);
		if (end != HTTP_COMPLETE) {
			job->exchange->end = end;
			end_exchange(thread, job);
			return true;
		}
	}
	for (struct http_job *job = thread->line.first; job; job = job->next) {
		enum http_end end = overdue(job, false, now, next_ns);
		if (end != HTTP_COMPLETE) {
			struct http_exchange *ex = job->exchange;
			take(&thread->line, job);
			job->exchange = NULL;
			ex->end = end;
			ex->on_done(ex);
			return true;
		}
	}
	for (struct http_job *job = thread->asleep.first; job; job = job->next) {
		if (job->wake_ns <= now || job->cancelled) {
			take(&thread->asleep, job);
			job->run(job);
			return true;
		}
		if (job->wake_ns < *next_ns)
			*next_ns = job->wake_ns;
	}
	return false;
}

static void start_line(struct http_thread *thread)
{
	while (thread->line.first && thread->sending_count < thread->limit) {
		struct http_job *job = thread->line.first;
		take(&thread->line, job);
		begin_exchange(thread, job);
	}
}

/* Return: false when the thread shall end. */
static bool take_inbox(struct http_thread *thread)
{
	pthread_mutex_lock(&thread->lock);
	struct queue inbox = thread->inbox;
	thread->inbox = (struct queue){ NULL, NULL };
	bool stop = thread->stop;
	pthread_mutex_unlock(&thread->lock);
	while (inbox.first) {
		struct http_job *job = inbox.first;
		take(&inbox, job);
		job->run(job);
	}
	return !stop;
}

static void look(struct http_thread *thread)
{
	int64_t now, next_ns;

	do {
		start_line(thread);
		now = clock_now_ns();
		next_ns = now + 60000000000;
	} while (end_one_overdue(thread, now, &next_ns));
	thread->look_ns = next_ns;
}

static void *thread_main(void *arg)
{
	struct http_thread *thread = arg;

	while (take_inbox(thread)) {
		start_line(thread);
		loop_run(&thread->loop, thread->look_ns);
		collect_finished(thread);
		if (atomic_exchange(&thread->cancelled_some, false) || thread->look_ns <= clock_now_ns())
			look(thread);
	}
	return NULL;
}

/* the outside */

void http_submit(struct http *http, struct http_job *job)
{
	struct http_thread *thread = &http->threads[http->next++ % THREADS];

	job->thread = thread;
	pthread_mutex_lock(&thread->lock);
	push(&thread->inbox, job);
	pthread_mutex_unlock(&thread->lock);
	loop_wake(&thread->loop);
}

void http_cancel(struct http_job *job)
{
	struct http_thread *thread = job->thread;

	job->cancelled = true;
	if (!thread)
		return;
	thread->cancelled_some = true;
	loop_wake(&thread->loop);
}

void http_send(struct http_job *job, struct http_exchange *ex)
{
	ex->status = 0;
	ex->end = HTTP_COMPLETE;
	ex->error[0] = '\0';
	ex->progress_bytes = 0;
	ex->in_headers = false;
	job->exchange = ex;
	push(&job->thread->line, job);
	if (ex->deadline_ns)
		look_by(job->thread, ex->deadline_ns);
	if (job->cancelled)
		look_by(job->thread, 0);
}

void http_sleep(struct http_job *job, int64_t ms)
{
	job->wake_ns = clock_now_ns() + ms * 1000000;
	push(&job->thread->asleep, job);
	look_by(job->thread, job->cancelled ? 0 : job->wake_ns);
}

static void share_lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *arg)
{
	(void)easy, (void)access;
	pthread_mutex_lock(&((struct http *)arg)->share_locks[data]);
}

static void share_unlock(CURL *easy, curl_lock_data data, void *arg)
{
	(void)easy;
	pthread_mutex_unlock(&((struct http *)arg)->share_locks[data]);
}

static int init_share(struct http *http)
{
	for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&http->share_locks[i], NULL);
	http->share = curl_share_init();
	if (!http->share)
		return -ENOMEM;
	curl_share_setopt(http->share, CURLSHOPT_LOCKFUNC, share_lock);
	curl_share_setopt(http->share, CURLSHOPT_UNLOCKFUNC, share_unlock);
	curl_share_setopt(http->share, CURLSHOPT_USERDATA, http);
	curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
	curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	return 0;
}

static int start_thread(struct http *http, struct http_thread *thread)
{
	thread->http = http;
	thread->limit = http->config.connections / THREADS > 0 ? http->config.connections / THREADS : 1;
	pthread_mutex_init(&thread->lock, NULL);
	thread->multi = curl_multi_init();
	if (!thread->multi)
		return -ENOMEM;
	curl_multi_setopt(thread->multi, CURLMOPT_MAXCONNECTS, (long)thread->limit);
	int r = loop_init(&thread->loop, thread->multi);
	if (r < 0) {
		curl_multi_cleanup(thread->multi);
		return r;
	}
	/* signals are the program's other threads' matter; a blocked SIGPIPE is an EPIPE for OpenSSL */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread->id, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0) {
		pthread_setname_np(thread->id, "s3-transfer");
	} else {
		loop_deinit(&thread->loop);
		curl_multi_cleanup(thread->multi);
	}
	return -r;
}

static void stop_thread(struct http_thread *thread)
{
	pthread_mutex_lock(&thread->lock);
	thread->stop = true;
	pthread_mutex_unlock(&thread->lock);
	loop_wake(&thread->loop);
	pthread_join(thread->id, NULL);
	while (thread->idle_count)
		curl_easy_cleanup(thread->idle[--thread->idle_count]);
	loop_deinit(&thread->loop);
	curl_multi_cleanup(thread->multi);
	pthread_mutex_destroy(&thread->lock);
}

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_new(const struct http_config *config, struct http **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return err_set(err, ENOMEM, "out of memory");
	pthread_once(&once, init_curl);
	http->config = *config;
	int r = init_share(http);
	for (; r == 0 && http->started < THREADS; http->started += r == 0)
		r = start_thread(http, &http->threads[http->started]);
	if (r < 0) {
		http_free(http);
		return err_set(err, -r, "cannot start transfer threads");
	}
	*ret = http;
	return 0;
}

struct http *http_free(struct http *http)
{
	if (!http)
		return NULL;
	while (http->started)
		stop_thread(&http->threads[--http->started]);
	if (http->share)
		curl_share_cleanup(http->share);
	for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&http->share_locks[i]);
	free(http);
	return NULL;
}
