/* What brokers left behind. */
#include "base/util.h"
#include "broker/staging.h"
#include "ctl.h"
#include "object/recover.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_entry(void *arg, const struct recover_entry *e)
{
	struct ctl *q = arg;
	char when[32];
	time_t seconds = (time_t)(e->mtime_ns / 1000000000);
	struct tm tm;

	if (!q->json) {
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
		printf("%s", q->shown++ ? "\n" : "");
		ctl_put_plain(e->path);
		printf("\n  object: s3://%s/", e->bucket);
		ctl_put_plain(e->key);
		printf(" at ");
		ctl_put_plain(e->endpoint);
		printf("\n  size: %" PRIu64 " bytes, written %s\n  %s%s\n  reason: ", e->size, when,
		       *e->base_etag ? "replaces the version " : "a new object", e->base_etag);
		ctl_put_plain(e->reason);
		printf("\n");
		return;
	}
	printf("%s{\"path\": ", q->shown++ ? ", " : "");
	ctl_put_string(e->path);
	printf(", \"bucket\": ");
	ctl_put_string(e->bucket);
	printf(", \"key\": ");
	ctl_put_string(e->key);
	printf(", \"endpoint\": ");
	ctl_put_string(e->endpoint);
	printf(", \"base_etag\": ");
	ctl_put_string(e->base_etag);
	printf(", \"reason\": ");
	ctl_put_string(e->reason);
	printf(", \"size\": %" PRIu64 ", \"mtime_ns\": %" PRId64 "}", e->size, e->mtime_ns);
}

/* All folders that a broker may have chosen, where none is named; those that are not there hold nothing. */
int ctl_recover(struct ctl *q, struct err *err)
{
	const char *named = q->cache_dir ? q->cache_dir : getenv("S3SHIM_CACHE_DIR");
	char folder[PATH_MAX];
	int r = 0;

	if (q->json)
		printf("[");
	if (named && *named)
		r = recover_list(named, print_entry, q, err);
	for (unsigned i = 0; !(named && *named) && i < STAGING_CANDIDATES && r >= 0; i++)
		if (staging_candidate(i, folder, sizeof(folder)) && access(folder, F_OK) == 0)
			r = recover_list(folder, print_entry, q, err);
	if (q->json)
		printf("]\n");
	else if (r >= 0 && !q->shown)
		printf("nothing to recover\n");
	return r < 0 ? r : 0;
}
