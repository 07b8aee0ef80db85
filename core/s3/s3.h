/**
 * s3.h - the S3 client: calls on one endpoint, blocking and started side by side.
 *
 * Source of facts: the Amazon S3 API Reference (one page per operation, named below as the API spells it), the AWS
 * General Reference on Signature Version 4, shared knowledge in docs/S3.md. Works against any server of that protocol.
 *
 * Shape: a call is a struct s3_call: what is asked, where bodies come from and go to, what came back. s3_start() hands
 * it to the transfer threads (http.h), s3_wait() blocks for it, s3_run() is both. Every call is signed, retried by
 * class (errors.def), bounded by deadlines, counted (counters.h) and checked against what was asked (length, range,
 * ETag).
 *
 * Threads: a client may be used by any thread. A call belongs to the thread that started it until s3_wait() returned;
 * its callbacks run on a transfer thread and must not block on the network nor start and wait for calls.
 *
 * Errors: negative errno by errors.def, and a sentence in call->err that names operation, object, status, code and
 * request id. -ENOENT not found; -EACCES denied; -ESTALE a condition failed where the base had changed (412 on
 * If-Match); -EEXIST 412 on If-None-Match; -ECANCELED after s3_cancel(); -ETIMEDOUT the deadline; -EIO after retries;
 * -EFBIG; -ENAMETOOLONG; -EDQUOT, -ETIMEDOUT also where a quota of the session has ended (quota.h); -ERANGE 416, with info.size, UINT64_MAX where the server did not say it.
 */
#ifndef S3SHIM_S3_S3_H
#define S3SHIM_S3_S3_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define S3_ETAG_MAX      136          /* with the quotes, as the server sent it */
#define S3_META_MAX      4096         /* bytes of "name\0value\0..." */
#define S3_PART_MIN      (5ull << 20) /* UploadPart: all but the last */
#define S3_PART_MAX      (5ull << 30) /* UploadPart, UploadPartCopy; also PutObject and CopyObject */
#define S3_PARTS_MAX     10000
#define S3_KEY_MAX       1024
#define S3_LIST_MAX      1000
#define S3_DELETE_MAX    1000
#define S3_UPLOAD_ID_MAX 512

struct audit;  /* s3/audit.h */
struct policy; /* config/policy.h */
struct quota;  /* s3/quota.h */
struct s3_client;
struct s3_credentials; /* credentials.h */

/** How to reach a store. Strings are copied by s3_client_new(); NULL or 0 means the default. */
struct s3_config {
	const char *region;     /* default us-east-1 */
	const char *scheme;     /* "https" (default) or "http" */
	const char *endpoint;   /* host[:port], default s3.<region>.amazonaws.com; an URL's scheme overrides .scheme */
	bool path_style;        /* bucket in the path; default: virtual host for AWS, path style for an endpoint */
	bool virtual_host;      /* bucket in the host, for an endpoint too */
	bool unsigned_requests; /* anonymous */
	bool verify_tls_off;
	const char *ca_file, *ca_path;
	const char *proxy; /* URL without user info */
	const char *proxy_user, *proxy_password;
	const char *checksum; /* "crc64nvme" (default), "crc32", "whenRequired" */
	const char *storage_class, *sse, *sse_kms_key_id;
	bool requester_pays;
	int connect_timeout_ms;             /* default 3,000 */
	int stall_timeout_ms;               /* no byte for so long: the attempt is dead; default 30,000 */
	int deadline_ms;                    /* of a call without a body, retries included; default 30,000 */
	int max_attempts;                   /* default 5 */
	int connections;                    /* at most so many at once; default 64 */
	const char *notes_dir;              /* where our multipart uploads are noted (notes.h); NULL: nowhere */
	struct s3_credentials *credentials; /* borrowed; NULL with unsigned_requests */
	struct quota *quota;                /* borrowed; NULL: none */
	struct audit *audit;                /* the same */
};

int s3_client_new(const struct s3_config *config, struct s3_client **ret, struct err *err);
struct s3_client *s3_client_free(struct s3_client *client); /* waits for its calls; NULL is fine; returns NULL */

/** s3_client_place() - what tells this client's store from others: its host, "amazonaws.com" for AWS. Borrowed. */
const char *s3_client_place(const struct s3_client *client);

/** User metadata: names without `x-amz-meta-`, lower case; "name\0value\0", @len bytes in all. */
struct s3_meta {
	char data[S3_META_MAX];
	size_t len;
};
/** s3_meta_get() - the value of @name, NULL if there is none. Borrowed from @meta. */
const char *s3_meta_get(const struct s3_meta *meta, const char *name);
/** s3_meta_set() - set, replace, or with NULL remove. Return: 0; -ENOSPC. */
int s3_meta_set(struct s3_meta *meta, const char *name, const char *value);

/** What a server says of an object. */
struct s3_info {
	uint64_t size;          /* of the whole object, also where a range was asked */
	int64_t mtime_ns;       /* Last-Modified */
	char etag[S3_ETAG_MAX]; /* "" if none came */
	char version_id[128];
	char content_type[128];
	char storage_class[32];
	char checksum[96]; /* "CRC64NVME:<base64>" and so on, of the full object; "" if none came */
	struct s3_meta meta;
};

/** One name of a listing; strings are borrowed from the page. */
struct s3_entry {
	const char *key;  /* decoded; a common prefix ends with the delimiter */
	const char *etag; /* "" for prefixes */
	uint64_t size;
	int64_t mtime_ns;
	bool is_prefix;
};

struct s3_page {
	struct s3_entry *entries; /* objects and prefixes in one array, in the server's order of each kind */
	size_t count;
	bool truncated;
	char *next_token; /* for the next page; NULL at the end */
	void *storage;    /* owns the strings */
};
void s3_page_deinit(struct s3_page *page);

/** Where a request's body comes from. len 0: no body. */
struct s3_body {
	const void *memory; /* either bytes that stay until the call has ended, */
	int fd;             /* or a descriptor, read by pread from @offset; -1 with memory */
	uint64_t offset, len;
};

enum s3_op {
	S3_LIST_BUCKETS,              /* -> page: bucket names as keys */
	S3_HEAD_BUCKET,               /* 403 is success: a key without ListBucket; page unused, learns the region */
	S3_HEAD_OBJECT,               /* -> info */
	S3_GET_OBJECT,                /* [range_off, range_off + range_len), len 0: whole; -> info, sink */
	S3_LIST_OBJECTS_V2,           /* prefix, delimiter, token, start_after, max_keys -> page */
	S3_PUT_OBJECT,                /* body -> info.etag */
	S3_DELETE_OBJECT,             /* a missing object is success */
	S3_DELETE_OBJECTS,            /* keys, key_count -> delete_failed */
	S3_COPY_OBJECT,               /* source_bucket, source_key, replace_meta -> info.etag */
	S3_CREATE_MULTIPART_UPLOAD,   /* -> upload_id */
	S3_UPLOAD_PART,               /* upload_id, part, body -> info.etag, info.checksum */
	S3_UPLOAD_PART_COPY,          /* upload_id, part, source_*, range_* -> info.etag */
	S3_COMPLETE_MULTIPART_UPLOAD, /* upload_id, parts, part_count -> info.etag, "" if the server does not say */
	S3_ABORT_MULTIPART_UPLOAD,    /* a missing upload is success */
	S3_LIST_MULTIPART_UPLOADS,    /* prefix, token -> page: keys, upload ids as etags */
	S3_OP_MAX
};

/** s3_op_name() - "GetObject" and so on. */
const char *s3_op_name(enum s3_op op);

struct s3_part {
	unsigned number; /* from 1 */
	char etag[S3_ETAG_MAX];
	char checksum[96]; /* as UploadPart's info.checksum said; "": not known */
	uint64_t len;      /* 0: not known. With all lengths and checksums known, the whole is compared */
};

struct s3_call {
	/* asked: set by the caller; strings, arrays and bodies must live until the call has ended */
	enum s3_op op;
	const char *bucket, *key;
	const char *version_id;
	uint64_t range_off, range_len;        /* S3_GET_OBJECT: 0 length is everything from range_off */
	const char *if_match, *if_none_match; /* as the server wrote them; "*" */
	const char *source_bucket, *source_key, *source_version_id, *source_if_match;
	const struct s3_meta *meta; /* PUT, create, COPY with replace_meta */
	const char *content_type;   /* the same */
	bool replace_meta;          /* COPY: REPLACE instead of COPY */
	const char *prefix, *delimiter, *token, *start_after;
	unsigned max_keys;
	const char *const *keys;
	size_t key_count;
	struct s3_body body;
	const char *upload_id_in;
	unsigned part_number;
	const struct s3_part *parts;
	size_t part_count;
	/* Create, UploadPart, Complete of an upload without UploadPartCopy: the store checks each part and the whole */
	bool full_checksum;

	/* Borrowed; NULL: none. What it does not permit is -EACCES and never sent; an Abort is always permitted. */
	const struct policy *policy;
	/* Part of what was accepted from a program before: goes on when the session's quotas have ended; what it sends was
	 * taken from them then. */
	bool accepted;

	/* callbacks, all optional, on a transfer thread; @arg is the caller's */
	void (*on_headers)(struct s3_call *call, void *arg); /* info is filled; once, before the first data */
	/* The next @len bytes of the object, in order, each byte once even over retries. Return 0, or -errno to stop.
	 */
	int (*on_data)(struct s3_call *call, uint64_t offset, const void *data, size_t len, void *arg);
	void (*on_done)(struct s3_call *call, void *arg); /* the last; status is set; may not free the call */
	void *arg;
	/* or, instead of on_data: where the body goes by pwrite, at sink_offset + (offset - range_off) */
	int sink_fd; /* -1: none */
	uint64_t sink_offset;

	/* came back */
	int status; /* 0 or negative errno */
	int http_status;
	struct s3_info info;
	bool
	    verified; /* known at on_headers: the data is compared with a checksum of the store's, at its end: EBADMSG */
	struct s3_page page; /* the caller's to deinit */
	char upload_id[S3_UPLOAD_ID_MAX];
	size_t delete_failed; /* S3_DELETE_OBJECTS: how many were refused; the first is in err */
	struct err err;

	void *internal; /* the client's while the call runs */
};

/** s3_call_init() - all fields zero, descriptors -1. Big (some 11 KiB): the heap or a thread's own stack. */
void s3_call_init(struct s3_call *call, enum s3_op op, const char *bucket, const char *key);

/** s3_start() - begin. Never fails: what is wrong is the status that s3_wait() returns. */
void s3_start(struct s3_client *client, struct s3_call *call);

/** s3_wait() - until on_done has returned. Return: call->status. Every started call must be waited for. */
int s3_wait(struct s3_client *client, struct s3_call *call);

/** s3_run() - start and wait. */
int s3_run(struct s3_client *client, struct s3_call *call);

/** s3_cancel() - end it soon with -ECANCELED, unless it has ended. Any thread, before s3_wait() returned. */
void s3_cancel(struct s3_client *client, struct s3_call *call);

/**
 * s3_expected_etag_match() - do two ETags name the same bytes? Quotes and W/ are ignored.
 */
bool s3_etag_equal(const char *a, const char *b);

#endif
