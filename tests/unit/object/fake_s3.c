#include "fake_s3.h"

#include "s3/checksum.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct s3_client {
	int unused;
};

struct part {
	char *data;
	size_t len;
	char etag[S3_ETAG_MAX];
};

struct thing { /* an object, or an upload under way */
	struct thing *next;
	char key[256], id[64];
	char *data;
	struct s3_info info;
	struct part *parts; /* by number */
};

struct running {
	pthread_t thread;
	struct s3_client *client;
	struct s3_call *call;
	_Atomic bool cancelled;
};

struct fake fake;
static struct s3_client the_client;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thing *objects, *uploads;
static unsigned counts[S3_OP_MAX], serial, under_way, peak;
static uint64_t sent_bytes, got_bytes;

static void free_things(struct thing **list)
{
	while (*list) {
		struct thing *t = *list;

		*list = t->next;
		for (int i = 0; t->parts && i <= S3_PARTS_MAX; i++)
			free(t->parts[i].data);
		free(t->parts);
		free(t->data);
		free(t);
	}
}

static struct thing *find(struct thing *list, const char *key, const char *id)
{
	for (; list; list = list->next)
		if (id ? strcmp(list->id, id) == 0 : key && strcmp(list->key, key) == 0)
			return list;
	return NULL;
}

static void drop(struct thing **list, struct thing *t)
{
	for (; *list; list = &(*list)->next) {
		struct thing *one = t;

		if (*list != t)
			continue;
		*list = t->next;
		one->next = NULL;
		free_things(&one);
		return;
	}
}

static void md5_etag(const void *data, size_t len, char *ret)
{
	char text[25];
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, count = 0, out = 1;

	(void)checksum_md5_base64(data, len, text);
	ret[0] = '"';
	for (const char *p = text; *p && *p != '=' && out < 33; p++) {
		bits = bits << 6 | (unsigned)(strchr(digits, *p) - digits);
		for (count += 6; count >= 4 && out < 33; count -= 4)
			ret[out++] = "0123456789abcdef"[bits >> (count - 4) & 15];
	}
	strcpy(ret + out, "\"");
}

static struct thing *store(const char *key, const void *data, size_t len)
{
	struct thing *t = find(objects, key, NULL);

	if (!t) {
		t = calloc(1, sizeof(*t));
		snprintf(t->key, sizeof(t->key), "%s", key);
		t->next = objects;
		objects = t;
	}
	free(t->data);
	memset(&t->info, 0, sizeof(t->info));
	t->data = malloc(len ? len : 1);
	if (len)
		memcpy(t->data, data, len);
	t->info.size = len;
	t->info.mtime_ns = 1700000000ll * 1000000000 + ++serial;
	md5_etag(t->data, len, t->info.etag);
	return t;
}

void fake_reset(void)
{
	pthread_mutex_lock(&lock);
	free_things(&objects);
	free_things(&uploads);
	memset(&fake, 0, sizeof(fake));
	fake.chunk = 24000;
	memset(counts, 0, sizeof(counts));
	sent_bytes = got_bytes = peak = 0;
	pthread_mutex_unlock(&lock);
}

struct s3_client *fake_client(void)
{
	return &the_client;
}

void fake_put(const char *key, const void *data, size_t len)
{
	pthread_mutex_lock(&lock);
	store(key, data, len);
	pthread_mutex_unlock(&lock);
}

void fake_delete(const char *key)
{
	pthread_mutex_lock(&lock);
	drop(&objects, find(objects, key, NULL));
	pthread_mutex_unlock(&lock);
}

bool fake_is(const char *key, const void *data, size_t len)
{
	struct thing *t;
	bool is;

	pthread_mutex_lock(&lock);
	t = find(objects, key, NULL);
	is = t && t->info.size == len && memcmp(t->data, data, len) == 0;
	pthread_mutex_unlock(&lock);
	return is;
}

bool fake_has(const char *key)
{
	return fake_info(key, NULL);
}

bool fake_info(const char *key, struct s3_info *ret)
{
	struct thing *t;

	pthread_mutex_lock(&lock);
	t = find(objects, key, NULL);
	if (t && ret)
		*ret = t->info;
	pthread_mutex_unlock(&lock);
	return t != NULL;
}

unsigned fake_count(enum s3_op op)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = counts[op];
	pthread_mutex_unlock(&lock);
	return n;
}

unsigned fake_total(void)
{
	unsigned n = 0;

	for (int i = 0; i < S3_OP_MAX; i++)
		n += fake_count((enum s3_op)i);
	return n;
}

void fake_forget_counts(void)
{
	pthread_mutex_lock(&lock);
	memset(counts, 0, sizeof(counts));
	sent_bytes = got_bytes = 0;
	pthread_mutex_unlock(&lock);
}

static uint64_t locked_value(const uint64_t *p)
{
	uint64_t v;

	pthread_mutex_lock(&lock);
	v = *p;
	pthread_mutex_unlock(&lock);
	return v;
}

unsigned fake_peak(void)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = peak;
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t fake_sent_bytes(void)
{
	return locked_value(&sent_bytes);
}

uint64_t fake_got_bytes(void)
{
	return locked_value(&got_bytes);
}

unsigned fake_uploads_open(void)
{
	unsigned n = 0;

	pthread_mutex_lock(&lock);
	for (struct thing *t = uploads; t; t = t->next)
		n++;
	pthread_mutex_unlock(&lock);
	return n;
}

static int refuse(struct s3_call *c, int status, int http, const char *what)
{
	c->http_status = http;
	return err_set(&c->err, -status, "%s '%s': %d %s", s3_op_name(c->op), c->key ? c->key : "", http, what);
}

static int check_conditions(struct s3_call *c, const struct thing *t)
{
	char bare[S3_ETAG_MAX];

	if ((c->if_match || c->if_none_match) && fake.no_conditions)
		return refuse(c, -EIO, 501, "NotImplemented");
	if (c->if_none_match && t)
		return refuse(c, -EEXIST, 412, "PreconditionFailed");
	if (!c->if_match)
		return 0;
	if (!t)
		return refuse(c, -ENOENT, 404, "NoSuchKey");
	snprintf(bare, sizeof(bare), "%s", t->info.etag);
	if (fake.bare_etags && c->op != S3_GET_OBJECT) {
		memmove(bare, bare + 1, strlen(bare));
		bare[strlen(bare) - 1] = '\0';
	}
	return strcmp(bare, c->if_match) == 0 ? 0 : refuse(c, -ESTALE, 412, "PreconditionFailed");
}

static char *read_body(const struct s3_body *b)
{
	char *data = malloc(b->len ? b->len : 1);

	if (b->memory)
		memcpy(data, b->memory, b->len);
	else
		for (uint64_t done = 0; done < b->len;) {
			ssize_t n = pread(b->fd, data + done, b->len - done, (off_t)(b->offset + done));

			if (n <= 0)
				break;
			done += (uint64_t)n;
		}
	return data;
}

static void set_meta(struct thing *t, const struct s3_call *c)
{
	if (c->meta)
		t->info.meta = *c->meta;
	if (c->content_type)
		snprintf(t->info.content_type, sizeof(t->info.content_type), "%s", c->content_type);
}

static int do_put_locked(struct s3_call *c, char *data)
{
	struct thing *t = find(objects, c->key, NULL);
	int r = check_conditions(c, t);

	if (r < 0)
		return r;
	sent_bytes += c->body.len;
	t = store(c->key, data, c->body.len);
	set_meta(t, c);
	strcpy(c->info.etag, t->info.etag);
	return 0;
}

static int do_part_locked(struct s3_call *c, const char *data, size_t len)
{
	struct thing *u = find(uploads, NULL, c->upload_id_in);
	struct part *p;

	if (!u)
		return refuse(c, -ENOENT, 404, "NoSuchUpload");
	p = &u->parts[c->part_number];
	free(p->data);
	p->data = malloc(len ? len : 1);
	memcpy(p->data, data, len);
	p->len = len;
	snprintf(p->etag, sizeof(p->etag), "\"part%u\"", ++serial);
	strcpy(c->info.etag, p->etag);
	if (c->op == S3_UPLOAD_PART)
		sent_bytes += len;
	return 0;
}

static int do_part_copy_locked(struct s3_call *c)
{
	struct thing *t = find(objects, c->source_key, NULL);

	if (!t)
		return refuse(c, -ENOENT, 404, "NoSuchKey");
	if (c->source_if_match && strcmp(c->source_if_match, t->info.etag) != 0)
		return refuse(c, -ESTALE, 412, "PreconditionFailed");
	if (c->range_off + c->range_len > t->info.size)
		return refuse(c, -EINVAL, 400, "InvalidRange");
	return do_part_locked(c, t->data + c->range_off, c->range_len);
}

static int do_complete_locked(struct s3_call *c)
{
	struct thing *u = find(uploads, NULL, c->upload_id_in), *t;
	size_t size = 0, at = 0;
	char *data;
	int r;

	if (!u)
		return refuse(c, -ENOENT, 404, "NoSuchUpload");
	r = check_conditions(c, find(objects, c->key, NULL));
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->part_count; i++) {
		struct part *p = &u->parts[c->parts[i].number];

		if (!p->data || strcmp(p->etag, c->parts[i].etag) != 0)
			return refuse(c, -EINVAL, 400, "InvalidPart");
		if (i + 1 < c->part_count && p->len < S3_PART_MIN)
			return refuse(c, -EINVAL, 400, "EntityTooSmall");
		size += p->len;
	}
	data = malloc(size ? size : 1);
	for (size_t i = 0; i < c->part_count; i++) {
		struct part *p = &u->parts[c->parts[i].number];

		memcpy(data + at, p->data, p->len);
		at += p->len;
	}
	t = store(c->key, data, size);
	free(data);
	t->info.meta = u->info.meta;
	memcpy(t->info.content_type, u->info.content_type, sizeof(t->info.content_type));
	snprintf(t->info.etag, sizeof(t->info.etag), "\"multi%u-%zu\"", ++serial, c->part_count);
	strcpy(c->info.etag, t->info.etag);
	drop(&uploads, u);
	return 0;
}

static int do_create_locked(struct s3_call *c)
{
	struct thing *u = calloc(1, sizeof(*u));

	snprintf(u->key, sizeof(u->key), "%s", c->key);
	snprintf(u->id, sizeof(u->id), "upload-%u", ++serial);
	u->parts = calloc(S3_PARTS_MAX + 1, sizeof(*u->parts));
	set_meta(u, c);
	u->next = uploads;
	uploads = u;
	strcpy(c->upload_id, u->id);
	return 0;
}

static int do_copy_locked(struct s3_call *c)
{
	struct thing *t = find(objects, c->source_key, NULL);
	char etag[S3_ETAG_MAX];
	char *data;

	if (!t)
		return refuse(c, -ENOENT, 404, "NoSuchKey");
	if (c->source_if_match && strcmp(c->source_if_match, t->info.etag) != 0)
		return refuse(c, -ESTALE, 412, "PreconditionFailed");
	data = malloc(t->info.size + 1);
	memcpy(data, t->data, t->info.size);
	strcpy(etag, t->info.etag);
	t = store(c->key, data, t->info.size);
	strcpy(t->info.etag, etag);
	free(data);
	set_meta(t, c);
	c->info = t->info;
	return 0;
}

/* The body is copied under the lock and delivered without it. */
static int do_get(struct running *run, bool body)
{
	struct s3_call *c = run->call;
	uint64_t len, done = 0;
	struct thing *t;
	char *data;
	int r;

	pthread_mutex_lock(&lock);
	t = find(objects, c->key, NULL);
	r = t ? check_conditions(c, t) : refuse(c, -ENOENT, 404, "NoSuchKey");
	if (r == 0 && body && c->range_len && c->range_off >= t->info.size) {
		c->info.size = t->info.size;
		r = refuse(c, -ERANGE, 416, "InvalidRange");
	}
	if (r < 0) {
		pthread_mutex_unlock(&lock);
		return r;
	}
	c->info = t->info;
	c->http_status = c->range_len ? 206 : 200;
	len = t->info.size - c->range_off;
	if (c->range_len && c->range_len < len)
		len = c->range_len;
	data = malloc(len ? len : 1);
	memcpy(data, t->data + c->range_off, len);
	if (body)
		got_bytes += len;
	pthread_mutex_unlock(&lock);
	if (body && c->on_headers)
		c->on_headers(c, c->arg);
	while (body && r == 0 && done < len) {
		size_t n = fake.chunk < len - done ? fake.chunk : len - done;

		if (run->cancelled)
			r = -ECANCELED;
		else
			r = c->on_data(c, c->range_off + done, data + done, n, c->arg);
		done += n;
		if (fake.chunk_delay_us)
			usleep(fake.chunk_delay_us);
	}
	free(data);
	return r;
}

static int perform(struct running *run)
{
	struct s3_call *c = run->call;
	char *body = NULL;
	int r;

	if (c->op == S3_GET_OBJECT || c->op == S3_HEAD_OBJECT)
		return do_get(run, c->op == S3_GET_OBJECT);
	if (c->op == S3_PUT_OBJECT || c->op == S3_UPLOAD_PART)
		body = read_body(&c->body);
	pthread_mutex_lock(&lock);
	switch (c->op) {
	case S3_PUT_OBJECT:
		r = do_put_locked(c, body);
		break;
	case S3_UPLOAD_PART:
		r = do_part_locked(c, body, c->body.len);
		break;
	case S3_UPLOAD_PART_COPY:
		r = do_part_copy_locked(c);
		break;
	case S3_CREATE_MULTIPART_UPLOAD:
		r = do_create_locked(c);
		break;
	case S3_COMPLETE_MULTIPART_UPLOAD:
		r = do_complete_locked(c);
		break;
	case S3_ABORT_MULTIPART_UPLOAD:
		drop(&uploads, find(uploads, NULL, c->upload_id_in));
		r = 0;
		break;
	case S3_COPY_OBJECT:
		r = do_copy_locked(c);
		break;
	default:
		r = refuse(c, -ENOSYS, 501, "NotImplemented");
	}
	pthread_mutex_unlock(&lock);
	free(body);
	return r;
}

static bool shall_fail(const struct s3_call *c)
{
	bool fail;

	pthread_mutex_lock(&lock);
	counts[c->op]++;
	under_way++;
	peak = under_way > peak ? under_way : peak;
	fail = c->op == fake.fail_op && fake.fail_times != 0;
	if (fail && fake.fail_times > 0)
		fake.fail_times--;
	pthread_mutex_unlock(&lock);
	return fail;
}

static void *call_main(void *arg)
{
	struct running *run = arg;
	struct s3_call *c = run->call;
	bool fail = shall_fail(c);

	for (unsigned waited = 0; waited < fake.delay_us && !run->cancelled; waited += 500)
		usleep(500);
	if (run->cancelled)
		c->status = err_set(&c->err, ECANCELED, "cancelled");
	else if (!fail || fake.lose_answer)
		c->status = perform(run);
	if (fail)
		c->status = refuse(c, fake.fail_status, fake.fail_http ? fake.fail_http : 500, "InjectedFailure");
	pthread_mutex_lock(&lock);
	under_way--;
	pthread_mutex_unlock(&lock);
	if (c->on_done)
		c->on_done(c, c->arg);
	return NULL;
}

void s3_call_init(struct s3_call *call, enum s3_op op, const char *bucket, const char *key)
{
	memset(call, 0, sizeof(*call));
	call->op = op;
	call->bucket = bucket;
	call->key = key;
	call->body.fd = call->sink_fd = -1;
}

void s3_start(struct s3_client *client, struct s3_call *call)
{
	struct running *run = calloc(1, sizeof(*run));

	run->client = client;
	run->call = call;
	call->internal = run;
	if (pthread_create(&run->thread, NULL, call_main, run))
		abort();
}

int s3_wait(struct s3_client *client, struct s3_call *call)
{
	struct running *run = call->internal;

	(void)client;
	pthread_join(run->thread, NULL);
	free(run);
	return call->status;
}

int s3_run(struct s3_client *client, struct s3_call *call)
{
	s3_start(client, call);
	return s3_wait(client, call);
}

void s3_cancel(struct s3_client *client, struct s3_call *call)
{
	struct running *run = call->internal;

	(void)client;
	run->cancelled = true;
}

const char *s3_op_name(enum s3_op op)
{
	static const char *const names[S3_OP_MAX] = {
		[S3_HEAD_OBJECT] = "HeadObject",
		[S3_GET_OBJECT] = "GetObject",
		[S3_PUT_OBJECT] = "PutObject",
		[S3_COPY_OBJECT] = "CopyObject",
		[S3_CREATE_MULTIPART_UPLOAD] = "CreateMultipartUpload",
		[S3_UPLOAD_PART] = "UploadPart",
		[S3_UPLOAD_PART_COPY] = "UploadPartCopy",
		[S3_COMPLETE_MULTIPART_UPLOAD] = "CompleteMultipartUpload",
		[S3_ABORT_MULTIPART_UPLOAD] = "AbortMultipartUpload",
	};

	return names[op] ? names[op] : "Other";
}

const char *s3_client_place(const struct s3_client *client)
{
	(void)client;
	return "fake";
}

bool s3_etag_equal(const char *a, const char *b)
{
	while (*a == '"' || *b == '"') {
		a += *a == '"';
		b += *b == '"';
	}
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (!*a || strcmp(a, "\"") == 0) && (!*b || strcmp(b, "\"") == 0);
}

const char *s3_meta_get(const struct s3_meta *meta, const char *name)
{
	for (size_t i = 0; i < meta->len;) {
		const char *n = meta->data + i, *v = n + strlen(n) + 1;

		if (strcmp(n, name) == 0)
			return v;
		i += strlen(n) + strlen(v) + 2;
	}
	return NULL;
}

int s3_meta_set(struct s3_meta *meta, const char *name, const char *value)
{
	struct s3_meta out = { .len = 0 };

	for (size_t i = 0; i < meta->len;) {
		const char *n = meta->data + i;
		size_t len = strlen(n) + strlen(n + strlen(n) + 1) + 2;

		if (strcmp(n, name) != 0) {
			memcpy(out.data + out.len, n, len);
			out.len += len;
		}
		i += len;
	}
	if (value)
		out.len +=
		    (size_t)snprintf(out.data + out.len, sizeof(out.data) - out.len, "%s%c%s", name, 0, value) + 1;
	*meta = out;
	return 0;
}

void s3_page_deinit(struct s3_page *page)
{
	memset(page, 0, sizeof(*page));
}
