/**
 * report.h - what became of the assets, for a harness and for a person. Stateless.
 *
 *     {"status": 66, "sentence": "", "assets": [
 *       {"index": 0, "source": "s3://b/k", "target": "/tmp/x", "class": "ok", "size": 5, "etag": "...", "version_id": "",
 *        "sentence": "", "request_id": ""}, ...]}
 *
 * status: 0, or the exit status by the class of the first asset, in the order of the file, that has failed.
 */
#ifndef S3SHIM_ASSETS_REPORT_H
#define S3SHIM_ASSETS_REPORT_H

#include "assets/preflight.h"
#include "s3/buf.h"

/** report_status() - of all. */
int report_status(const struct asset_check *checks, size_t count);

/** report_json() - append; @sentence: what failed beside the assets, with @status, "" and 0: nothing. */
void report_json(const struct asset_check *checks, size_t count, int status, const char *sentence, struct buf *to);

/** report_line() - of one failure: "asset 0 's3://b/k' for '/tmp/x': not found: ...", without a newline. */
void report_line(const struct asset_check *check, size_t index, struct buf *to);

#endif
