/**
 * listen.h - the daemon of a harness: s3shimd --listen PATH makes sessions on demand, a broker's process each.
 *
 * At PATH (mode 0600, own user and root only) it is asked, a line of JSON each:
 *
 *   {"add": ["--mount", "/s3=s3://b", ...], "id": "x"}   options of s3run and --idle-ms; "id" is optional
 *   {"list": true}
 *   {"end": "x"}                                         answered when every upload is finished or has failed
 *
 * and answers, a line each:
 *
 *   {"session": "x", "socket": "...", "pid": 1, "environment": {"LD_PRELOAD": "...", ...}, "assets": null}
 *   {"sessions": [{"session", "state", "socket", "pid", "seconds", "how"}, ...]}
 *   {"session": "x", "how": "...", "failed": 0, "statistics": {...} or null}
 *   {"error": "sentence", "status": 125, "assets": null} "status": what s3run would have ended with
 *
 * "assets" is the report of --report, of a session that has some.
 *
 * The daemon's own options and environment hold for every session; what "add" says comes behind them. Keys stay with it
 * and its brokers. Sessions listen in PATH.d/, each at a name that nobody can guess. One that ended by itself is listed
 * until its end is asked for, or HISTORY_MAX others have ended after it.
 */
#ifndef S3SHIM_TOOLS_LISTEN_H
#define S3SHIM_TOOLS_LISTEN_H

#include "base/err.h"
#include "config/config.h"

/**
 * listen_run() - until SIGTERM or SIGINT, then drain all sessions; a second one kills their brokers
 * @config: with listen_path; what the daemon itself was told. @argv: its command line, options only.
 * Return: how many uploads failed in all sessions; -errno with a sentence.
 */
int listen_run(const struct config *config, int argc, char **argv, struct err *err);

#endif
