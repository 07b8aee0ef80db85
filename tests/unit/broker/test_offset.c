/* The lock of a shared offset: first come, first served, left by who dies. */
#include "suite.h"

#include <poll.h>

static uint64_t file;
static int file_fd;

static void begin(void)
{
	struct wire_open_rep a;

	suite_begin();
	file_fd = client_open(conn, "", O_RDONLY | O_DIRECTORY, 0, &a);
	cr_assert_geq(file_fd, 0);
	file = a.file;
}

static void end(void)
{
	close(file_fd);
	suite_end();
}

TestSuite(offset, .init = begin, .fini = end);

static int call_offset(int fd, uint32_t op)
{
	struct wire_offset_req q = { .file = file, .op = op };
	struct wire_offset_rep a;

	return client_call(fd, WIRE_OFFSET, &q, &a, NULL, NULL, NULL);
}

static void ask(int fd)
{
	struct wire_offset_req q = { .file = file, .op = WIRE_LOCK };

	client_send(fd, WIRE_OFFSET, &q, NULL, NULL);
}

static int told(int fd)
{
	struct wire_offset_rep a;

	return client_receive(fd, WIRE_OFFSET, &a, NULL);
}

static bool is_waiting(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 100) == 0;
}

Test(offset, take_and_leave)
{
	cr_assert_eq(call_offset(conn, WIRE_LOCK), 0);
	cr_assert_eq(call_offset(conn, 0), 0);
	cr_assert_eq(call_offset(conn, WIRE_LOCK), 0);
	cr_assert_eq(call_offset(conn, 0), 0);
}

Test(offset, misuse)
{
	cr_assert_eq(call_offset(conn, 0), -EPERM);
	cr_assert_eq(call_offset(conn, 4), -EINVAL);
	cr_assert_eq(call_offset(conn, WIRE_LOCK), 0);
	cr_assert_eq(call_offset(conn, WIRE_LOCK), -EDEADLK);
}

Test(offset, others_wait_in_order)
{
	int b = client_greeted(&session), c = client_greeted(&session);

	cr_assert_eq(call_offset(conn, WIRE_LOCK), 0);
	ask(b);
	cr_assert(is_waiting(b));
	ask(c);
	cr_assert(is_waiting(c));
	cr_assert_eq(call_offset(conn, 0), 0);
	cr_assert_eq(told(b), 0);
	cr_assert(is_waiting(c));
	cr_assert_eq(call_offset(b, 0), 0);
	cr_assert_eq(told(c), 0);
	close(b);
	close(c);
}

Test(offset, left_on_another_connection)
{
	int b = client_greeted(&session);

	cr_assert_eq(call_offset(conn, WIRE_LOCK), 0);
	ask(b);
	cr_assert(is_waiting(b));
	cr_assert_eq(call_offset(conn, 0), 0);
	cr_assert_eq(told(b), 0);
	cr_assert_eq(call_offset(conn, 0), 0);
	cr_assert_eq(call_offset(b, WIRE_LOCK), 0);
	close(b);
}

Test(offset, the_owners_end_releases)
{
	int b = client_greeted(&session);

	cr_assert_eq(call_offset(b, WIRE_LOCK), 0);
	ask(conn);
	cr_assert(is_waiting(conn));
	close(b);
	cr_assert_eq(told(conn), 0);
}

Test(offset, a_waiter_that_dies_leaves_the_queue)
{
	int b = client_greeted(&session), c = client_greeted(&session);

	cr_assert_eq(call_offset(conn, WIRE_LOCK), 0);
	ask(b);
	cr_assert(is_waiting(b));
	ask(c);
	cr_assert(is_waiting(c));
	close(b);
	cr_assert_eq(call_offset(conn, 0), 0);
	cr_assert_eq(told(c), 0);
	close(c);
}

Test(offset, the_sessions_end_frees_waiters)
{
	int b = client_greeted(&session);

	cr_assert_eq(call_offset(conn, WIRE_LOCK), 0);
	ask(b);
	cr_assert(is_waiting(b));
	session_run(&session, 0);
	broker_stop(session.broker);
	cr_assert_eq(session_join(&session), 0);
	close(b);
}
