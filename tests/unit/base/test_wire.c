/* The wire protocol: what is put is read back the same, and whatever is not as the table says is refused. */
#include "base/util.h"
#include "base/wire.h"

#include <criterion/criterion.h>
#include <string.h>

static _Alignas(8) unsigned char frame[WIRE_REQUEST_MAX];

/* A RENAME of two paths: the message with the most that can be wrong. */
static size_t put_rename(const char *from, const char *to)
{
	struct wire_rename_req q = { .mount = 1, .mount2 = 2, .flags = 3 };
	const char *strings[] = { from, to };
	long n = wire_put_request(frame, sizeof(frame), WIRE_RENAME, 77, &q, strings);

	cr_assert_gt(n, 0);
	return (size_t)n;
}

static struct wire_header header(void)
{
	struct wire_header h;

	memcpy(&h, frame, sizeof(h));
	return h;
}

static void set_header(struct wire_header h)
{
	memcpy(frame, &h, sizeof(h));
}

static void assert_refused(size_t size)
{
	struct wire_request r = { .id = 4711 };

	cr_assert_eq(wire_check_request(frame, size, &r), -EPROTO);
	cr_assert_eq(r.id, 4711, "the output was touched");
}

Test(wire, round_trip_with_two_strings)
{
	size_t n = put_rename("from/here", "");
	struct wire_request r;
	const struct wire_rename_req *q;

	cr_assert_eq(wire_check_request(frame, n, &r), 0);
	cr_assert_eq(r.type, WIRE_RENAME);
	cr_assert_eq(r.id, 77);
	q = r.fixed;
	cr_assert_eq(q->mount, 1);
	cr_assert_eq(q->mount2, 2);
	cr_assert_eq(q->flags, 3);
	cr_assert_str_eq(r.string[0], "from/here");
	cr_assert_str_eq(r.string[1], "");
}

Test(wire, every_message_goes_round)
{
	static const unsigned char zeros[256];
	const char *strings[] = { "a", "b" };

	for (int type = WIRE_NONE + 1; type < WIRE_TYPE_MAX; type++) {
		long n = wire_put_request(frame, sizeof(frame), (enum wire_type)type, 1, zeros, strings);
		struct wire_request r;

		cr_assert_gt(n, 0, "%s", wire_messages[type].name);
		cr_assert_eq(wire_check_request(frame, (size_t)n, &r), 0, "%s", wire_messages[type].name);
		cr_assert_eq(r.type, (enum wire_type)type);
		cr_assert_eq((uintptr_t)r.fixed % 8, 0, "%s is not aligned", wire_messages[type].name);
	}
}

Test(wire, longest_path)
{
	char path[WIRE_PATH_MAX];

	memset(path, 'x', sizeof(path));
	path[WIRE_PATH_MAX - 1] = '\0';
	cr_assert_gt(put_rename(path, path), 2 * (WIRE_PATH_MAX - 1));
}

Test(wire, put_refuses_a_path_that_is_too_long)
{
	char path[WIRE_PATH_MAX + 1];
	const char *strings[] = { path };
	struct wire_stat_req q = { 0 };

	memset(path, 'x', sizeof(path));
	path[WIRE_PATH_MAX] = '\0';
	cr_assert_eq(wire_put_request(frame, sizeof(frame), WIRE_STAT, 1, &q, strings), -ENAMETOOLONG);
}

Test(wire, put_refuses_a_frame_without_room)
{
	struct wire_stat_req q = { 0 };
	const char *strings[] = { "name" };
	long n = wire_put_request(frame, sizeof(frame), WIRE_STAT, 1, &q, strings);

	cr_assert_eq(wire_put_request(frame, (size_t)n, WIRE_STAT, 1, &q, strings), n);
	for (size_t room = 0; room < (size_t)n; room++)
		cr_assert_eq(wire_put_request(frame, room, WIRE_STAT, 1, &q, strings), -ENAMETOOLONG);
}

Test(wire, every_truncation_is_refused)
{
	size_t n = put_rename("abc", "defg");

	for (size_t size = 0; size < n; size++) {
		struct wire_header h = header();

		assert_refused(size); /* the header says more than there is */
		h.size = (uint32_t)size;
		set_header(h);
		assert_refused(size); /* and where it says the same */
		h.size = (uint32_t)n;
		set_header(h);
	}
}

Test(wire, bytes_behind_the_last_string_are_refused)
{
	size_t n = put_rename("abc", "defg");
	struct wire_header h = header();

	h.size++;
	set_header(h);
	frame[n] = 0;
	assert_refused(n + 1);
}

Test(wire, bad_types_are_refused)
{
	static const uint16_t types[] = { WIRE_NONE, WIRE_TYPE_MAX, WIRE_TYPE_MAX + 1, UINT16_MAX };
	size_t n = put_rename("a", "b");

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct wire_header h = header();
		h.type = types[i];
		set_header(h);
		assert_refused(n);
	}
}

Test(wire, what_replies_carry_is_refused_in_a_request)
{
	size_t n = put_rename("a", "b");
	struct wire_header h = header();

	h.has_fd = 1;
	set_header(h);
	assert_refused(n);
	h.has_fd = 0;
	h.status = -1;
	set_header(h);
	assert_refused(n);
}

#define STRING_AT (sizeof(struct wire_header) + sizeof(struct wire_rename_req))

Test(wire, string_lengths_that_do_not_fit_are_refused)
{
	static const uint32_t lengths[] = { 0, 2, 4, 5, 100, WIRE_PATH_MAX, INT32_MAX, UINT32_MAX, UINT32_MAX - 4 };
	size_t n = put_rename("abc", "defg");

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		memcpy(frame + STRING_AT, &lengths[i], sizeof(lengths[i]));
		assert_refused(n);
	}
}

Test(wire, a_nul_inside_a_string_is_refused)
{
	size_t n = put_rename("abc", "defg");

	frame[STRING_AT + 4 + 1] = '\0';
	assert_refused(n);
}

Test(wire, a_string_without_its_nul_is_refused)
{
	size_t n = put_rename("abc", "defg");

	frame[n - 1] = 'x';
	assert_refused(n);
}

Test(wire, a_string_of_path_max_is_refused)
{
	const uint32_t len = WIRE_PATH_MAX;
	struct wire_header h = { .type = WIRE_STAT };
	size_t n = sizeof(h) + sizeof(struct wire_stat_req) + sizeof(len) + len + 1;

	memset(frame, 'x', sizeof(frame));
	h.size = (uint32_t)n;
	set_header(h);
	memcpy(frame + sizeof(h) + sizeof(struct wire_stat_req), &len, sizeof(len));
	frame[n - 1] = '\0';
	assert_refused(n);
}

/* The sum of the fields is the size: nothing between them, nothing behind, so no byte of the stack leaks. */
#define U64(name)  +8
#define U32(name)  +4
#define ATTR(name) +sizeof(struct wire_attr)
#define MSG(NAME, name, strings, req, rep) \
	_Static_assert(sizeof(struct wire_##name##_req) == 0 WIRE_UNPAREN req, #NAME " request is padded"); \
	_Static_assert(sizeof(struct wire_##name##_rep) == 0 WIRE_UNPAREN rep, #NAME " reply is padded");
#include "base/messages.def"
#undef U64
#undef U32
#undef ATTR
#undef MSG

Test(wire, attr_has_no_padding)
{
	cr_assert_eq(sizeof(struct wire_attr), 8 * 8 + 6 * 4);
	cr_assert_eq(sizeof(struct wire_header), 16);
}

Test(wire, dirents_follow_each_other_aligned)
{
	_Alignas(8) char buf[256];
	size_t first = wire_put_dirent(buf, sizeof(buf), 11, 1, 8, "name", 4);
	size_t second = wire_put_dirent(buf + first, sizeof(buf) - first, 12, 2, 4, "longer name", 11);
	const struct wire_dirent *d = (const void *)buf;

	cr_assert_eq(first % 8, 0);
	cr_assert_eq(d->size, first);
	cr_assert_str_eq(d->name, "name");
	d = (const void *)(buf + first);
	cr_assert_eq(d->size, second);
	cr_assert_eq(d->ino, 12);
	cr_assert_eq(d->next, 2);
	cr_assert_eq(d->type, 4);
	cr_assert_eq(d->name_len, 11);
	cr_assert_str_eq(d->name, "longer name");
}

Test(wire, a_dirent_that_does_not_fit_is_left_out)
{
	_Alignas(8) char buf[64];
	char name[257] = { 0 };
	size_t need = wire_put_dirent(buf, sizeof(buf), 1, 1, 8, "name", 4);

	cr_assert_eq(wire_put_dirent(buf, need - 1, 1, 1, 8, "name", 4), 0);
	memset(name, 'x', 256);
	cr_assert_eq(wire_put_dirent(frame, sizeof(frame), 1, 1, 8, name, 256), 0);
	cr_assert_gt(wire_put_dirent(frame, sizeof(frame), 1, 1, 8, name, 255), 255);
}
