#include "broker/failed.h"
#include "broker/files.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct failed f;

Test(failed, what_was_added_is_found_and_nothing_else)
{
	failed_add(&f, 10, -EIO);
	failed_add(&f, 3, -ESTALE);
	failed_add(&f, 7, -ENOSPC);
	cr_assert_eq(failed_find(&f, 3), -ESTALE);
	cr_assert_eq(failed_find(&f, 7), -ENOSPC);
	cr_assert_eq(failed_find(&f, 10), -EIO);
	for (uint64_t id = 1; id < 12; id++)
		if (id != 3 && id != 7 && id != 10)
			cr_assert_eq(failed_find(&f, id), 0);
}

Test(failed, neighbours_are_one_span)
{
	failed_add(&f, 5, -EIO);
	failed_add(&f, 7, -EIO);
	failed_add(&f, 6, -EIO);
	failed_add(&f, 8, -ESTALE);
	cr_assert_eq(f.count, 2);
	cr_assert_eq(failed_find(&f, 6), -EIO);
	cr_assert_eq(failed_find(&f, 8), -ESTALE);
	cr_assert_eq(failed_find(&f, 9), 0);
}

Test(failed, memory_is_bounded_and_no_failure_is_lost)
{
	for (uint64_t i = 0; i < 20000; i++)
		failed_add(&f, (i * 7919) % 20000 * 3 + 1, -EIO);
	cr_assert_leq(f.count, FAILED_MAX);
	for (uint64_t i = 0; i < 20000; i++)
		cr_assert_eq(failed_find(&f, i * 3 + 1), -EIO);
	cr_assert_eq(failed_find(&f, 0), 0);
	cr_assert_eq(failed_find(&f, 60001), 0);
}

static void nothing(struct vfile *vf)
{
	(void)vf;
}

Test(failed, a_forgotten_description_answers_with_its_status_for_ever)
{
	static const struct volume_ops ops = { .type = "test", .file_free = nothing };
	struct volume v = { .ops = &ops };
	struct vfile lost = { .volume = &v }, kept = { .volume = &v };
	struct files *files;
	uint64_t lost_id, kept_id;

	cr_assert_eq(files_new(&files), 0);
	cr_assert_eq(files_add(files, &(struct description){ .vfile = &lost, .sent = -1, .path = "/s3/a" }, &lost_id),
		     0);
	cr_assert_eq(files_add(files, &(struct description){ .vfile = &kept, .sent = -1, .path = "/s3/b" }, &kept_id),
		     0);
	files_gone(files, &lost, -ESTALE);
	files_gone(files, &kept, 0);
	for (int asked = 0; asked < 2; asked++) {
		cr_assert_null(files_get(files, lost_id));
		cr_assert_eq(files_ended(files, lost_id), -ESTALE);
		cr_assert_eq(files_ended(files, kept_id), 0);
		cr_assert_eq(files_ended(files, kept_id + 1), -EBADF, "there never was such");
	}
	files_free(files);
}
