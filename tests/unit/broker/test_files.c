/* OPEN and the messages on open descriptions, on a folder. */
#include "suite.h"

#include <stdio.h>

SUITE(files);

static uint64_t open_dir(const char *path, int *ret_fd)
{
	struct wire_open_rep a;

	*ret_fd = client_open(conn, path, O_RDONLY | O_DIRECTORY, 0, &a);
	cr_assert_geq(*ret_fd, 0);
	cr_assert_eq(a.kind, WIRE_KIND_DIR);
	cr_assert_neq(a.file, 0);
	return a.file;
}

Test(files, open_brings_a_descriptor_that_works)
{
	struct wire_open_rep a;
	struct stat st;
	char buf[8] = { 0 };
	int fd = client_open(conn, "new", O_RDWR | O_CREAT | O_EXCL, 0640, &a);

	cr_assert_geq(fd, 0);
	cr_assert_eq(a.kind, WIRE_KIND_NATIVE);
	cr_assert_eq(a.file, 0, "nothing is to be asked of a native file");
	cr_assert_eq(a.slot, WIRE_NO_SLOT);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(a.dev, st.st_dev);
	cr_assert_eq(a.ino, st.st_ino);
	cr_assert_eq(write(fd, "hello", 5), 5);
	cr_assert_eq(pread(fd, buf, sizeof(buf), 0), 5);
	cr_assert_str_eq(buf, "hello");
	close(fd);
}

Test(files, a_failed_open_brings_none)
{
	struct wire_open_req q = { .flags = O_RDONLY };
	struct wire_open_rep a;

	cr_assert_eq(client_call(conn, WIRE_OPEN, &q, &a, &answer, "missing", NULL), -ENOENT);
	cr_assert_eq(answer.fd, -1);
}

Test(files, unknown_ids_are_ebadf)
{
	static const enum wire_type types[] = { WIRE_ATTACH, WIRE_GRANT,    WIRE_ADVISE,    WIRE_CLAIM,     WIRE_OFFSET,
						WIRE_CLOSED, WIRE_SYNC,     WIRE_FTRUNCATE, WIRE_FALLOCATE, WIRE_CLONE,
						WIRE_FSTAT,  WIRE_FSETATTR, WIRE_READDIR };
	uint64_t q[16] = { 4711 }, a[16]; /* `file` is the first field of each */

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		cr_assert_eq(client_call(conn, types[i], q, a, NULL, NULL, NULL), -EBADF, "%s",
			     wire_messages[types[i]].name);
	q[0] = 0;
	cr_assert_eq(client_call(conn, WIRE_GRANT, q, a, NULL, NULL, NULL), -EBADF);
	cr_assert_eq(client_call(conn, WIRE_SYNC, q, a, NULL, NULL, NULL), 0, "0 is everything");
}

Test(files, readdir_lists_the_folder)
{
	static const char *const expected[] = { ".", "..", "a", "b" };
	char path[512];
	struct wire_readdir_req q = { .max_bytes = 65536 };
	struct wire_readdir_rep a;
	size_t seen = 0, at = 0;
	int fd;

	session_path(&session, 0, "a", path, sizeof(path));
	cr_assert_eq(mkdir(path, 0755), 0);
	session_path(&session, 0, "b", path, sizeof(path));
	cr_assert_eq(mkdir(path, 0755), 0);
	q.file = open_dir("", &fd);
	cr_assert_eq(client_call(conn, WIRE_READDIR, &q, &a, &answer, NULL, NULL), 0);
	cr_assert_eq(a.entries, 4);
	cr_assert(a.end);
	while (at < answer.tail_len) {
		_Alignas(8) char record[512];
		const struct wire_dirent *d = (const void *)record;
		uint16_t size;

		memcpy(&size, answer.tail + at + offsetof(struct wire_dirent, size), sizeof(size));
		memcpy(record, answer.tail + at, size);
		for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
			seen += strcmp(d->name, expected[i]) == 0;
		at += size;
	}
	cr_assert_eq(seen, 4);
	close(fd);
}

Test(files, readdir_never_exceeds_a_reply)
{
	struct wire_readdir_req q = { .max_bytes = UINT32_MAX };
	struct wire_readdir_rep a;
	char name[300], path[512];
	int fd;

	for (int i = 0; i < 700; i++) { /* 250 bytes each: more than one reply holds */
		memset(name, 'x', 250);
		snprintf(name + 230, 20, "%d", i);
		session_path(&session, 0, name, path, sizeof(path));
		cr_assert_eq(mkdir(path, 0755), 0);
	}
	q.file = open_dir("", &fd);
	cr_assert_eq(client_call(conn, WIRE_READDIR, &q, &a, &answer, NULL, NULL), 0);
	cr_assert_not(a.end);
	cr_assert_gt(a.entries, 0);
	close(fd);
}

Test(files, attach_tells_what_open_told)
{
	struct wire_open_rep opened;
	struct wire_attach_req q;
	struct wire_attach_rep a;
	int fd;

	open_dir("", &fd);
	close(fd);
	fd = client_open(conn, "", O_RDONLY | O_DIRECTORY, 0, &opened);
	q.file = opened.file;
	cr_assert_eq(client_call(conn, WIRE_ATTACH, &q, &a, &answer, NULL, NULL), 0);
	cr_assert_str_eq(answer.tail, "/work");
	cr_assert_eq(a.dev, opened.dev);
	cr_assert_eq(a.ino, opened.ino);
	cr_assert_eq(a.kind, WIRE_KIND_DIR);
	cr_assert_eq(a.flags, O_RDONLY | O_DIRECTORY);
	close(fd);
}

Test(files, an_id_ends_with_the_last_descriptor)
{
	struct wire_attach_req q;
	struct wire_attach_rep a;
	int fd, r = 0, other = client_greeted(&session);
	uint64_t again;

	q.file = open_dir("", &fd);
	cr_assert_eq(client_call(other, WIRE_ATTACH, &q, &a, NULL, NULL, NULL), 0, "known to the whole session");
	close(fd);
	for (int i = 0; i < 500 && r == 0; i++) {
		usleep(10000);
		r = client_call(conn, WIRE_ATTACH, &q, &a, NULL, NULL, NULL);
	}
	cr_assert_eq(r, -EBADF);
	again = open_dir("", &fd);
	cr_assert_gt(again, q.file, "an id was used again");
	close(fd);
	close(other);
}

Test(files, ranges_that_wrap_are_refused)
{
	struct wire_grant_req grant = { .off = UINT64_MAX, .len = 2 };
	struct wire_claim_req claim = { .off = (uint64_t)INT64_MAX, .len = 2 };
	struct wire_fallocate_req fall = { .off = UINT64_MAX - 1, .len = 4 };
	struct wire_ftruncate_req tr = { .size = (uint64_t)INT64_MAX + 1 };
	struct wire_grant_rep a;
	uint64_t reserved[4];
	int fd;
	uint64_t id = open_dir("", &fd);

	grant.file = claim.file = fall.file = tr.file = id;
	cr_assert_eq(client_call(conn, WIRE_GRANT, &grant, &a, NULL, NULL, NULL), -EINVAL);
	cr_assert_eq(client_call(conn, WIRE_CLAIM, &claim, &a, NULL, NULL, NULL), -EINVAL);
	cr_assert_eq(client_call(conn, WIRE_FALLOCATE, &fall, reserved, NULL, NULL, NULL), -EINVAL);
	cr_assert_eq(client_call(conn, WIRE_FTRUNCATE, &tr, reserved, NULL, NULL, NULL), -EINVAL);
	close(fd);
}
