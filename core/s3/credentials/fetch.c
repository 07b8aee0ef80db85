#include "s3/credentials/fetch.h"
#include "s3/http.h"

#include "base/util.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define TRIES    3
#define PAUSE_MS 200

static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
	struct fetch_answer *answer = arg;
	size_t len = size * count;

	if (len > FETCH_BODY_MAX - answer->len)
		return len + 1;
	memcpy(answer->body + answer->len, data, len);
	answer->len += len;
	answer->body[answer->len] = '\0';
	return len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const _Atomic bool *stop = arg;

	(void)a, (void)b, (void)c, (void)d;
	return stop && *stop;
}

static void set_route(CURL *easy, const struct s3_credentials_config *config, bool direct)
{
	if (config->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
	if (config->ca_path)
		curl_easy_setopt(easy, CURLOPT_CAPATH, config->ca_path);
	if (direct)
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	else
		http_set_proxy(easy, config->proxy, config->proxy_user, config->proxy_password);
}

static void set_request(CURL *easy, const struct fetch *fetch, struct fetch_answer *answer)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_URL, fetch->url);
	if (fetch->body)
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fetch->body);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, fetch->method);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)fetch->connect_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)fetch->total_ms);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
}

static int failed(const struct fetch *fetch, CURLcode code, bool connected, bool stopped, struct err *err)
{
	const char *host = strstr(fetch->url, "://");
	int errnum = EIO;

	if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT)
		errnum = ECONNREFUSED;
	else if (code == CURLE_OPERATION_TIMEDOUT)
		errnum = connected ? ETIMEDOUT : ECONNREFUSED;
	else if (stopped)
		errnum = ECANCELED;
	host = host ? host + 3 : fetch->url;
	return err_set(err, errnum, "'%.*s': %s", (int)strcspn(host, "/?"), host, curl_easy_strerror(code));
}

static struct curl_slist *header_list(const struct fetch *fetch)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *longer = list;

	for (size_t i = 0; longer && i < FETCH_HEADERS_MAX && fetch->headers[i]; i++) {
		longer = curl_slist_append(list, fetch->headers[i]);
		list = longer ? longer : list;
	}
	if (!longer)
		curl_slist_free_all(list);
	return longer;
}

int fetch_run(const struct provider_ask *ask, const struct fetch *fetch, struct fetch_answer *ret, struct err *err)
{
	struct fetch_answer answer = { .body = malloc(FETCH_BODY_MAX + 1) };
	struct curl_slist *headers = header_list(fetch);
	CURL *easy = curl_easy_init();
	int r = err_set(err, ENOMEM, "out of memory");
	curl_off_t connect_us = 0;
	long status = 0;

	if (answer.body && headers && easy) {
		answer.body[0] = '\0';
		set_route(easy, ask->config, fetch->direct);
		set_request(easy, fetch, &answer);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(easy, CURLOPT_XFERINFODATA, (void *)(uintptr_t)ask->stop);
		CURLcode code = curl_easy_perform(easy);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect_us);
		answer.status = (int)status;
		r = code == CURLE_OK ? 0 : failed(fetch, code, connect_us > 0, ask->stop && *ask->stop, err);
	}
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	if (r < 0)
		fetch_answer_deinit(&answer);
	else
		*ret = answer;
	return r;
}

void fetch_answer_deinit(struct fetch_answer *answer)
{
	if (answer->body)
		explicit_bzero(answer->body, FETCH_BODY_MAX + 1);
	free(answer->body);
	*answer = (struct fetch_answer){ .body = NULL };
}

int fetch_retry(const struct provider_ask *ask, const struct fetch *fetch, struct fetch_answer *ret, struct err *err)
{
	for (int left = TRIES - 1, pause_ms = PAUSE_MS;; left--, pause_ms *= 2) {
		int r = fetch_run(ask, fetch, ret, err);
		bool again = r == -ETIMEDOUT || r == -EIO || (r == 0 && (ret->status / 100 == 5 || ret->status == 429));
		if (!again || !left)
			return r;
		if (r == 0)
			fetch_answer_deinit(ret);
		usleep((useconds_t)pause_ms * 1000);
	}
}
