/* Peers that break the protocol lose their connection, and nothing else happens. */
#include "suite.h"

#include <sys/socket.h>

SUITE(frames);

static struct wire_stat_req stat_q;

/* A frame of STAT "" as it should be, to be spoiled. */
static size_t good_frame(char *frame)
{
	const char *strings[] = { "" };
	long n = wire_put_request(frame, WIRE_REQUEST_MAX, WIRE_STAT, 42, &stat_q, strings);

	cr_assert_gt(n, 0);
	return (size_t)n;
}

static void assert_served(int fd)
{
	struct wire_stat_rep a;

	cr_assert_eq(client_call(fd, WIRE_STAT, &stat_q, &a, NULL, "", NULL), 0);
}

/* Send it on a connection of its own: cut off, while the first one goes on. */
static void assert_cut_off(const char *frame, size_t size)
{
	int fd = client_greeted(&session);

	cr_assert_eq(send(fd, frame, size, MSG_NOSIGNAL), (ssize_t)size);
	cr_assert(client_ended(fd));
	close(fd);
	assert_served(conn);
}

Test(frames, a_frame_in_single_bytes)
{
	_Alignas(8) char frame[WIRE_REQUEST_MAX];
	size_t n = good_frame(frame);
	struct wire_stat_rep a;

	for (size_t i = 0; i < n; i++)
		cr_assert_eq(send(conn, frame + i, 1, 0), 1);
	cr_assert_eq(client_receive(conn, WIRE_STAT, &a, NULL), 0);
}

Test(frames, several_frames_at_once)
{
	_Alignas(8) char frame[WIRE_REQUEST_MAX];
	char all[1024];
	size_t n = good_frame(frame);
	struct wire_stat_rep a;

	cr_assert_neq(n % 8, 0, "the second frame is to begin unaligned");
	for (int i = 0; i < 5; i++)
		memcpy(all + (size_t)i * n, frame, n);
	cr_assert_eq(send(conn, all, 5 * n, 0), (ssize_t)(5 * n));
	for (int i = 0; i < 5; i++)
		cr_assert_eq(client_receive(conn, WIRE_STAT, &a, NULL), 0);
}

Test(frames, half_a_frame_and_the_end)
{
	_Alignas(8) char frame[WIRE_REQUEST_MAX];
	size_t n = good_frame(frame);

	for (size_t i = 1; i < n; i += 5) {
		int fd = client_greeted(&session);
		cr_assert_eq(send(fd, frame, i, 0), (ssize_t)i);
		shutdown(fd, SHUT_WR);
		cr_assert(client_ended(fd));
		close(fd);
	}
	assert_served(conn);
}

Test(frames, sizes_out_of_bounds)
{
	static const uint32_t sizes[] = { 0, 1, 15, WIRE_REQUEST_MAX + 1, INT32_MAX, UINT32_MAX };
	_Alignas(8) char frame[WIRE_REQUEST_MAX];
	size_t n = good_frame(frame);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		memcpy(frame, &sizes[i], sizeof(sizes[i]));
		assert_cut_off(frame, n);
	}
}

Test(frames, a_size_that_is_not_the_messages)
{
	_Alignas(8) char frame[WIRE_REQUEST_MAX] = { 0 };
	uint32_t size = (uint32_t)good_frame(frame) + 1;

	memcpy(frame, &size, sizeof(size));
	assert_cut_off(frame, size);
}

Test(frames, types_that_are_none)
{
	static const uint16_t types[] = { 0, WIRE_TYPE_MAX, UINT16_MAX };
	_Alignas(8) char frame[WIRE_REQUEST_MAX];
	size_t n = good_frame(frame);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		memcpy(frame + offsetof(struct wire_header, type), &types[i], sizeof(types[i]));
		assert_cut_off(frame, n);
	}
}

Test(frames, the_largest_frame_is_read)
{
	struct wire_rename_req q = { 0 };
	struct wire_rename_rep a;
	char path[WIRE_PATH_MAX];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	cr_assert_eq(client_call(conn, WIRE_RENAME, &q, &a, NULL, path, path), -ENAMETOOLONG);
}

/* Newer kernels refuse at the sender, older ones deliver none and the broker hangs up. */
Test(frames, sent_descriptors_are_not_accepted)
{
	_Alignas(8) char frame[WIRE_REQUEST_MAX];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { frame, good_frame(frame) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fd = client_greeted(&session), pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pipe_fds[1], sizeof(int));
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		cr_assert_eq(errno, EPERM);
	else
		cr_assert(client_ended(fd));
	close(pipe_fds[1]);
	cr_assert(client_ended(pipe_fds[0]) || read(pipe_fds[0], frame, 1) == 0, "the broker holds the descriptor");
	close(pipe_fds[0]);
	close(fd);
	assert_served(conn);
}

Test(frames, a_reader_that_is_gone_is_no_matter)
{
	struct wire_stat_rep a;

	for (int i = 0; i < 20; i++) {
		int fd = client_greeted(&session);
		client_send(fd, WIRE_STAT, &stat_q, "", NULL);
		close(fd);
	}
	cr_assert_eq(client_call(conn, WIRE_STAT, &stat_q, &a, NULL, "", NULL), 0);
}

/* Answers with descriptors wait until earlier ones were read; then all of them come. */
Test(frames, descriptors_do_not_pile_up_unread)
{
	struct wire_open_req q = { .flags = O_RDONLY | O_DIRECTORY };
	struct wire_open_rep a;
	int fd = client_greeted(&session);

	for (int i = 0; i < 100; i++)
		client_send(fd, WIRE_OPEN, &q, "", NULL);
	usleep(100000);
	assert_served(conn);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(client_receive(fd, WIRE_OPEN, &a, NULL), 0);
	cr_assert_eq(a.file, 100);
	close(fd);
}
