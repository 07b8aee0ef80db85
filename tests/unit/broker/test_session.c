/* The session: listening, its end, its cap, what tools ask. */
#include "suite.h"

#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

SUITE(session_life);

static const struct wire_hello_req hello_q = { .version = WIRE_VERSION };
static char socket_path[512];

static void listen_there(void)
{
	struct err err = ERR_INIT;

	session_path(&session, 1, "socket", socket_path, sizeof(socket_path));
	cr_assert_eq(broker_listen(session.broker, socket_path, &err), 0, "%s", err_text(&err));
}

static int connect_there(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, socket_path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int hello(int fd)
{
	struct wire_hello_rep a;

	return client_call(fd, WIRE_HELLO, &hello_q, &a, NULL, NULL, NULL);
}

Test(session_life, listens_for_its_user_alone)
{
	struct stat st;
	int fd;

	listen_there();
	session_run(&session, 0);
	cr_assert_eq(stat(socket_path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	fd = connect_there();
	cr_assert_geq(fd, 0);
	cr_assert_eq(hello(fd), 0);
	close(fd);
}

Test(session_life, a_stale_socket_is_replaced_and_a_live_one_is_not)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct err err = ERR_INIT;
	int stale = socket(AF_UNIX, SOCK_STREAM, 0);

	session_path(&session, 1, "socket", addr.sun_path, sizeof(addr.sun_path));
	cr_assert_eq(bind(stale, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(stale, 1), 0);
	cr_assert_eq(broker_listen(session.broker, addr.sun_path, &err), -EADDRINUSE);
	cr_assert_not_null(strstr(err_text(&err), "another broker"), "%s", err_text(&err));
	close(stale);
	listen_there();
}

Test(session_life, ends_with_the_control_connection)
{
	int control = client_connect(&session, true);

	listen_there();
	session_run(&session, 0);
	cr_assert_eq(hello(control), 0);
	close(control);
	cr_assert_eq(session_join(&session), 0);
	cr_assert(client_ended(conn));
	cr_assert_neq(access(socket_path, F_OK), 0, "the socket's file stays");
}

Test(session_life, ends_when_idle_but_not_before)
{
	int fd;

	listen_there();
	session_run(&session, 300);
	fd = connect_there();
	cr_assert_eq(hello(fd), 0);
	usleep(600000);
	cr_assert_eq(hello(fd), 0, "it ended with a connection open");
	close(fd);
	close(conn);
	conn = -1;
	cr_assert_eq(session_join(&session), 0);
	cr_assert_lt(connect_there(), 0);
}

Test(session_life, open_files_keep_it)
{
	struct wire_open_rep a;
	struct wire_attach_req q;
	struct wire_attach_rep attach_a;
	int dir = client_open(conn, "", O_RDONLY | O_DIRECTORY, 0, &a), fd;

	q.file = a.file;
	listen_there();
	session_run(&session, 100);
	close(conn);
	usleep(500000);
	fd = connect_there();
	cr_assert_geq(fd, 0);
	cr_assert_eq(hello(fd), 0);
	cr_assert_eq(client_call(fd, WIRE_ATTACH, &q, &attach_a, NULL, NULL, NULL), 0);
	close(dir);
	close(fd);
	conn = -1;
	cr_assert_eq(session_join(&session), 0);
}

static void await_service(void)
{
	int served = -1;

	for (int i = 0; i < 500 && served != 0; i++) {
		int fd = connect_there();

		served = hello(fd);
		close(fd);
		if (served != 0)
			usleep(10000);
	}
	cr_assert_eq(served, 0);
}

Test(session_life, connections_are_capped)
{
	int fds[520], served = 0;
	struct wire_link_req link_q = { 0 };
	struct wire_link_rep link_a;

	listen_there();
	session_run(&session, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_there();
		cr_assert_geq(fds[i], 0);
		served += hello(fds[i]) == 0;
	}
	cr_assert_eq(served, 511, "512 with the suite's own, not %d", served);
	cr_assert_eq(client_call(conn, WIRE_LINK, &link_q, &link_a, NULL, NULL, NULL), -EMFILE);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	await_service(); /* there is room again once their threads are gone */
}

Test(session_life, no_descriptors_left_drops_the_peer_alone)
{
	struct rlimit before, low;
	int fd, waiting, next = dup(0);

	close(next);
	listen_there();
	session_run(&session, 0);
	waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)waiting + 1;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	while ((fd = dup(0)) >= 0) /* fill holes below the limit */
		continue;
	{
		struct sockaddr_un addr = { .sun_family = AF_UNIX };
		strcpy(addr.sun_path, socket_path);
		cr_assert_eq(connect(waiting, (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
	cr_assert(client_ended(waiting));
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(waiting);
	await_service(); /* a connection that comes while the last one is turned away may go with it */
}

Test(session_life, drain_is_for_control)
{
	struct wire_drain_req q = { .shutdown = 1 };
	struct wire_drain_rep a;

	cr_assert_eq(client_call(conn, WIRE_DRAIN, &q, &a, &answer, NULL, NULL), -EPERM);
	cr_assert_eq(answer.tail_len, 0);
}

Test(session_life, drain_reports)
{
	int control = client_connect(&session, true);
	struct wire_drain_req q = { .shutdown = 1 };
	struct wire_drain_rep a;

	cr_assert_eq(client_call(control, WIRE_DRAIN, &q, &a, &answer, NULL, NULL), 0);
	cr_assert_eq(a.failed, 0);
	cr_assert_eq(strncmp(answer.tail, "{\"requests\": {", 14), 0, "%s", answer.tail);
	cr_assert_not_null(strstr(answer.tail, "\"bytes_up\": 0"));
	cr_assert_not_null(strstr(answer.tail, ", \"files\": 0, \"seconds\": "));
	cr_assert_not_null(strstr(answer.tail, ", \"failures\": []}"));
	close(control);
}

Test(session_life, status_tells_mounts_and_files)
{
	struct wire_status_req q = { 0 };
	struct wire_status_rep a;
	struct wire_open_rep opened;
	int dir = client_open(conn, "", O_RDONLY | O_DIRECTORY, 0, &opened);

	cr_assert_eq(client_call(conn, WIRE_STATUS, &q, &a, &answer, NULL, NULL), 0);
	cr_assert_not_null(strstr(answer.tail, "\"connections\": 1, \"open_files\": 1"), "%s", answer.tail);
	cr_assert_not_null(strstr(answer.tail, "{\"mount\": \"/work\", \"type\": \"File\", \"read_only\": false"));
	cr_assert_not_null(strstr(answer.tail, "\"errors\": ["));
	cr_assert_eq(answer.tail[answer.tail_len - 1], '}');
	close(dir);
}

Test(session_life, one_session_one_id)
{
	int fd = client_greeted(&session);
	struct wire_hello_rep a, b;

	cr_assert_eq(client_call(conn, WIRE_HELLO, &hello_q, &a, NULL, NULL, NULL), 0);
	cr_assert_eq(client_call(fd, WIRE_HELLO, &hello_q, &b, NULL, NULL, NULL), 0);
	cr_assert_eq(a.session, b.session);
	close(fd);
}
