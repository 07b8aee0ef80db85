/**
 * rig.h - an S3 volume on a bucket in memory, and a program's calls as shim and broker make them.
 */
#ifndef S3SHIM_TESTS_RIG_H
#define S3SHIM_TESTS_RIG_H

#include "bucket.h"
#include "volume/volume.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>

struct rig {
	struct volume *v;
	struct vcall call;
	_Atomic int gone_status, gone_failed; /* the last status that was not 0; how many were not */
	_Atomic int gone;                     /* files that file_gone told of, and that were freed */
};
extern struct rig rig;

void rig_setup(void); /* ttl 60 s, so that a slow machine does not change a count */
void rig_teardown(void);
/** rig_mount() - another volume instead; zero fields: as above. */
void rig_mount(const struct volume_s3_config *wanted);

/** rig_requests() - since the last question, in all. */
unsigned rig_requests(void);

int rig_open(const char *path, uint32_t flags, uint32_t mode, struct volume_opened *ret);
/** rig_close() - closes, and reports it as the shim does. Return: the status of the upload. */
int rig_close(struct volume_opened *o);
/** rig_write() - create or replace a file of this content. */
int rig_write(const char *path, const char *text, uint32_t flags);
/** rig_read() - the whole file as a string; "errno N" if it cannot be read. */
const char *rig_read(const char *path);
/** rig_ls() - names but `.` and `..`, sorted, each followed by a space and, for folders, a slash before it. */
const char *rig_ls(const char *path);
struct wire_attr rig_stat(const char *path); /* must be there */
int rig_stat_error(const char *path);

#endif
