#include "s3/permit.h"

#include "base/util.h"
#include "config/policy.h"

#include <string.h>

static unsigned verbs_of(enum s3_op op)
{
	switch (op) {
	case S3_GET_OBJECT:
		return POLICY_READ;
	case S3_LIST_BUCKETS:
	case S3_LIST_OBJECTS_V2:
	case S3_LIST_MULTIPART_UPLOADS:
		return POLICY_LIST;
	case S3_DELETE_OBJECT:
	case S3_DELETE_OBJECTS:
		return POLICY_DELETE;
	case S3_PUT_OBJECT:
	case S3_COPY_OBJECT:
	case S3_CREATE_MULTIPART_UPLOAD:
	case S3_UPLOAD_PART:
	case S3_UPLOAD_PART_COPY:
	case S3_COMPLETE_MULTIPART_UPLOAD:
		return POLICY_WRITE;
	default:
		return 0;
	}
}

static int refuse(const struct s3_call *call, const char *what, const char *bucket, const char *key, struct err *err)
{
	return err_set(err, EACCES, "%s 's3://%s/%s': the session's policy does not permit %s", s3_op_name(call->op),
		       bucket ? bucket : "", key ? key : "", what);
}

static bool is_inside(const struct s3_call *call, const char *bucket, const char *key)
{
	return policy_place(call->policy, bucket, key) == POLICY_INSIDE;
}

static int check_keys(const struct s3_call *call, struct err *err)
{
	for (size_t i = 0; i < call->key_count; i++)
		if (!is_inside(call, call->bucket, call->keys[i]))
			return refuse(call, "this place", call->bucket, call->keys[i], err);
	return 0;
}

/* A copy of an object onto itself changes its attributes alone. */
static int check_source(const struct s3_call *call, unsigned verbs, struct err *err)
{
	bool itself = strcmp(call->source_bucket, call->bucket) == 0 && strcmp(call->source_key, call->key) == 0;

	if (!itself && !(verbs & POLICY_READ))
		return refuse(call, "to read", call->source_bucket, call->source_key, err);
	if (!is_inside(call, call->source_bucket, call->source_key))
		return refuse(call, "this place", call->source_bucket, call->source_key, err);
	return 0;
}

int permit_check(const struct s3_call *call, struct err *err)
{
	unsigned verbs = policy_verbs(call->policy), needed = verbs_of(call->op);
	const char *name = call->key ? call->key : call->prefix ? call->prefix : "";
	int r;

	if (!call->policy || call->op == S3_ABORT_MULTIPART_UPLOAD)
		return 0;
	if ((verbs & needed) != needed || (call->op == S3_HEAD_OBJECT && !verbs))
		return refuse(call, "it", call->bucket, name, err);
	if (call->op == S3_LIST_BUCKETS)
		return 0;
	if (call->op == S3_HEAD_BUCKET || call->op == S3_DELETE_OBJECTS)
		r = policy_place(call->policy, call->bucket, "") == POLICY_OUTSIDE
			? refuse(call, "this bucket", call->bucket, "", err)
			: check_keys(call, err);
	else
		r = is_inside(call, call->bucket, name) ? 0 : refuse(call, "this place", call->bucket, name, err);
	return r == 0 && call->source_key ? check_source(call, verbs, err) : r;
}
