/**
 * ctl.h - s3ctl's commands, a file each, and what they share.
 *
 * Commands return 0 or a negative errno with a sentence; what they print is complete lines on stdout, or with @json one
 * JSON text. Threads: none.
 */
#ifndef S3SHIM_TOOLS_CTL_H
#define S3SHIM_TOOLS_CTL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** What the command line says. Strings are argv's. */
struct ctl {
	const char *socket, *cache_dir, *older_than;
	bool json, force, long_form, recursive, abort, all;
	char **words; /* behind the command */
	int word_count;
	char **rest; /* sweep: s3run's options, as an argv with the program's name in front */
	int rest_count;
	size_t shown; /* for commas and blank lines */
};

int ctl_status(struct ctl *q, struct err *err);
int ctl_recover(struct ctl *q, struct err *err);
int ctl_config(struct ctl *q, struct err *err);
int ctl_ls(struct ctl *q, struct err *err);
int ctl_cat(struct ctl *q, struct err *err);
int ctl_get(struct ctl *q, struct err *err);
int ctl_put(struct ctl *q, struct err *err);
int ctl_rm(struct ctl *q, struct err *err);
int ctl_sweep(struct ctl *q, struct err *err);

/** ctl_stage() - `s3ctl stage ...`, whose words are its own. Return: the status to exit with, by the assets' classes. */
int ctl_stage(int argc, char **argv);

/** ctl_session() - `s3ctl session ...`, the same. Return: the status to exit with: 125 where there is no session. */
int ctl_session(int argc, char **argv);

/** ctl_take_value() - `--name VALUE` or `--name=VALUE` at argv[*at], which moves on. Return: false: it is another option. */
bool ctl_take_value(char **argv, int argc, int *at, const char *name, const char **ret);

/** ctl_put_string() - a JSON string on stdout; bytes below 0x20 are escaped, others are passed on. */
void ctl_write_string(FILE *to, const char *text);
void ctl_put_string(const char *text);

/** ctl_put_plain() - names come from programs and buckets: no control character reaches the terminal. */
void ctl_put_plain(const char *text);

/** ctl_complain() - a sentence on stderr, for what does not end the command. */
void ctl_complain(const struct err *err);

#endif
