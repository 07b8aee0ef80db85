/**
 * asset_report.h - what s3run says of the assets: to a person on stderr, or with --report to a file and nobody else.
 *
 * Threads: none.
 */
#ifndef S3SHIM_TOOLS_ASSET_REPORT_H
#define S3SHIM_TOOLS_ASSET_REPORT_H

#include "base/err.h"
#include "config/config.h"
#include "config/jtree.h"

/**
 * asset_report_take() - what the broker of @socket_path has left there is told, and removed
 * @status: 0 the broker is ready; else what s3run would end with, for the reason in @err.
 * Return: @status, or the exit status by the assets that failed; @err is emptied where everything was told.
 */
int asset_report_take(const struct config *config, const char *socket_path, int status, struct err *err);

/**
 * asset_report_say() - a line on stderr for each asset that failed, by the report at @node; without what differs from run
 * to run. @silent: none. Return: the status to exit with for the first; 0: none failed.
 */
int asset_report_say(const struct jtree *j, int node, bool silent);

/** asset_report_fail() - there is no list of assets, for the reason in @err. Return: the status to exit with. */
int asset_report_fail(const struct config *config, struct err *err);

/** asset_report_write() - into the file of --report. Return: false where it cannot be, told on stderr. */
bool asset_report_write(const struct config *config, const char *text, size_t len);

#endif
