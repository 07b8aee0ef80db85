#include "assets/fetch.h"

#include "base/util.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>

#define SLICE_BYTES MIB(64)

static int from_s3(struct asset_check *check, int fd, struct err *err, int *ret_http)
{
	struct s3_call *call = calloc(1, sizeof(*call));

	if (!call)
		return err_set(err, ENOMEM, "out of memory");
	s3_call_init(call, S3_GET_OBJECT, check->asset->bucket, check->asset->key);
	call->version_id = check->asset->version_id;
	call->if_match = check->etag;
	call->sink_fd = fd;
	int r = s3_run(check->client, call);
	*err = call->err;
	*ret_http = call->http_status;
	if (r == -ERANGE && check->size == 0)
		r = 0; /* an empty object has no range */
	free(call);
	return r;
}

static int from_file(struct asset_check *check, int fd, struct err *err)
{
	cleanup_close int from = open(check->asset->path, O_RDONLY | O_CLOEXEC);
	uint64_t left = check->size;

	if (from < 0)
		return err_set(err, errno, "%s", strerror(errno));
	while (left) {
		ssize_t n = sendfile(fd, from, NULL, min_u64(left, SLICE_BYTES));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "%s", strerror(errno));
		if (n == 0)
			return err_set(err, ESTALE, "the file became shorter");
		left -= (uint64_t)n;
	}
	return 0;
}

int asset_fetch(struct asset_check *check, int fd)
{
	struct err err = ERR_INIT;
	int http_status = 0;
	int r = check->asset->bucket ? from_s3(check, fd, &err, &http_status) : from_file(check, fd, &err);

	if (r < 0)
		preflight_fail(check, &err, http_status);
	return r;
}
