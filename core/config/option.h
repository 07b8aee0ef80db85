/**
 * option.h - the table made from options.def, and how a value is read.
 *
 * A value stays the text that the user wrote, with the place it came from, until option_store() converts it: so the
 * error can name both. Threads: none.
 */
#ifndef S3SHIM_CONFIG_OPTION_H
#define S3SHIM_CONFIG_OPTION_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	/* char *: option.c counts on these being first, to LIST */
	OPTION_TYPE_STRING,      /* char *, not empty */
	OPTION_TYPE_SECRET,      /* the same; its value is never shown */
	OPTION_TYPE_PATH,        /* char *, made absolute by the current directory */
	OPTION_TYPE_LOG_PATH,    /* the same, or "-" */
	OPTION_TYPE_PORT,        /* char *, 1 to 65535 */
	OPTION_TYPE_SCHEME,      /* char *, "http" or "https" */
	OPTION_TYPE_CHECKSUM,    /* char *, one of three */
	OPTION_TYPE_VERBS,       /* char *, policy.h; an array in the file */
	OPTION_TYPE_LIST,        /* the same */
	OPTION_TYPE_BOOL,        /* bool; the flag alone is true */
	OPTION_TYPE_BOOL_NO,     /* bool; the flag `no-x` alone is false */
	OPTION_TYPE_BOOL_NOT,    /* the same, stored negated */
	OPTION_TYPE_ATTRIBUTES,  /* bool: "list" */
	OPTION_TYPE_COMMIT,      /* bool: "background" */
	OPTION_TYPE_FSYNC,       /* bool: "staging" */
	OPTION_TYPE_EXCL,        /* bool: "open" */
	OPTION_TYPE_AUDIT_FULL,  /* bool: "stop" */
	OPTION_TYPE_SIZE,        /* uint64_t: bytes, or with K M G T, KiB ..., all powers of 1,024 */
	OPTION_TYPE_DURATION,    /* int: milliseconds, or with ms, s, m, h */
	OPTION_TYPE_COUNT,       /* unsigned, 1 to 1,024 */
	OPTION_TYPE_QUOTA,       /* uint64_t, as OPTION_TYPE_SIZE, not 0 */
	OPTION_TYPE_QUOTA_COUNT, /* uint64_t, not 0 */
	OPTION_TYPE_FD,          /* int, not negative */
	OPTION_TYPE_LEVEL,       /* int: enum log_level */
	OPTION_TYPE_MOUNT,       /* not stored: config.c makes the mounts */
};

enum option_group { OPTION_GROUP_SESSION, OPTION_GROUP_MOUNT, OPTION_GROUP_RUN, OPTION_GROUP_DAEMON };

struct option_row {
	const char *key, *env, *flag; /* as in options.def: names separated by blanks, NULL */
	enum option_group group;
	size_t offset; /* in struct config, or struct mount_config for OPTION_GROUP_MOUNT */
	enum option_type type;
	const char *fallback, *unit, *help;
};

/* OPT_bucket, OPT_ttl_ms, ...: by field. */
enum {
#define OPTION(key, env, flag, field, type, fallback, unit, help) OPT_##field,
#define MOUNT_OPTION                                              OPTION
#define RUN_OPTION                                                OPTION
#define DAEMON_OPTION                                             OPTION
#include "config/options.def"
#undef OPTION
#undef MOUNT_OPTION
#undef RUN_OPTION
#undef DAEMON_OPTION
	OPT_MAX
};
extern const struct option_row option_rows[OPT_MAX];

enum setting_level { SETTING_NONE, SETTING_DEFAULT, SETTING_FILE, SETTING_ENV, SETTING_FLAG };

/** What was said of one option, and where: "--ttl", "S3SHIM_TTL", "conf.json:3:14: ttl". */
struct setting {
	enum setting_level level;
	char *text, *where; /* owned; NULL with SETTING_NONE */
};

/** setting_put() - copy; a lower level never replaces a higher one. Return: 0; -ENOMEM. */
int setting_put(struct setting *s, enum setting_level level, const char *text, const char *where);
void setting_deinit(struct setting *s); /* wipes */

/** option_by_flag(), option_by_key() - the row's index, -1 if there is none. @name: @len bytes. */
int option_by_flag(const char *name, size_t len);
int option_by_key(const char *name);

/** option_is_bool() - may the flag stand without a value? */
bool option_is_bool(enum option_type type);

/** option_flag_alone() - what the flag without a value says of the key: "true" or "false". */
const char *option_flag_alone(enum option_type type);

/**
 * option_store() - convert @s and store it into the field of @base (struct config or mount_config, by the row's group)
 * A string that was there is replaced. Return: 0; -EINVAL with a sentence; -ENOMEM.
 */
int option_store(int opt, const struct setting *s, void *base, struct err *err);

/** option_check() - would option_store() take @s? The same errors. */
int option_check(int opt, const struct setting *s, struct err *err);

/** option_parse_duration() - as OPTION_TYPE_DURATION. Return: false where @text is none. */
bool option_parse_duration(const char *text, int *ret_ms);

/** option_shape() - what a value of the type looks like, as in "is not %s". */
const char *option_shape(enum option_type type);

/**
 * option_show() - a stored value for people; secrets are masked
 * @field: where option_store() put it. Return: false where nothing is stored. Texts that are no secret are left out of
 * @buf: they are what @field points to.
 */
bool option_show(int opt, const void *field, char *buf, size_t size);

/** option_path_absolute() - malloc'd; @path made absolute by the current directory. NULL: errno. */
char *option_path_absolute(const char *path);

/**
 * option_nearest() - the name that @name is probably a misspelling of
 * @names: NULL-terminated. Return: one of them, or NULL if none is near.
 */
const char *option_nearest(const char *name, const char *const *names);

/* The same over all flags of the table, and over its keys (mount: those of a mapping's S3 entry only). */
const char *option_nearest_flag(const char *name, char *buf, size_t size);
const char *option_nearest_key(const char *name, bool mount, char *buf, size_t size);

/** option_wipe_free() - overwrite, then free; NULL is fine. */
void option_wipe_free(char *text);

#endif
