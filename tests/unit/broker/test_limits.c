/* What a session may hold: beyond it is an error, and room again when something is given back. */
#include "broker/files.h"
#include "broker/limits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static void free_nothing(struct vfile *f)
{
	(void)f;
}

static const struct volume_ops ops = { .file_free = free_nothing };
static struct volume volume = { .ops = &ops };
static struct vfile vfiles[LIMIT_FILES + 1];

Test(limits, open_files)
{
	struct description d = { .path = (char *)"/s3/x", .sent = -1 };
	struct files *files;
	uint64_t id;

	cr_assert_eq(files_new(&files), 0);
	for (size_t i = 0; i <= LIMIT_FILES; i++) {
		vfiles[i].volume = &volume;
		d.vfile = &vfiles[i];
		cr_assert_eq(files_add(files, &d, &id), i < LIMIT_FILES ? 0 : -ENFILE);
	}
	cr_assert_eq(files_count(files), LIMIT_FILES);
	cr_assert_eq(files_find(files, &vfiles[0]), 1);
	files_gone(files, &vfiles[0], 0);
	cr_assert_eq(files_find(files, &vfiles[0]), 0);
	cr_assert_eq(files_add(files, &d, &id), 0);
	files_free(files);
}

Test(limits, descriptors)
{
	struct rlimit limit = { 100, 100 };
	int any = open("/dev/null", O_RDONLY), last = any;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_not(limits_descriptors_short(any, 20, 40));
	while (last < 85)
		last = dup(any);
	cr_assert(limits_descriptors_short(any, 20, 40));
	cr_assert_not(limits_descriptors_short(any, 10, 50));
	cr_assert_not(limits_descriptors_short(any, 20, 3), "few files: there is room below");
	for (; last >= 80; last--)
		close(last);
	cr_assert_not(limits_descriptors_short(any, 20, 40));
}
