/* HELLO and LINK: who may speak, the arena, more connections. */
#include "suite.h"

#include <sys/mman.h>

SUITE(greet);

Test(greet, hello_brings_the_arena)
{
	struct wire_hello_req q = { .version = WIRE_VERSION };
	struct wire_hello_rep a;
	const struct wire_slot *slots;

	cr_assert_eq(client_call(conn, WIRE_HELLO, &q, &a, &answer, NULL, NULL), 0);
	cr_assert_eq(a.version, WIRE_VERSION);
	cr_assert_eq(a.mounts, 2);
	cr_assert_neq(a.session, 0);
	cr_assert_eq(a.arena_bytes, WIRE_ARENA_BYTES);
	cr_assert_geq(answer.fd, 0);
	slots = mmap(NULL, a.arena_bytes, PROT_READ, MAP_SHARED, answer.fd, 0);
	cr_assert_neq(slots, MAP_FAILED);
	cr_assert_eq(slots[WIRE_ARENA_SLOTS - 1].reserved[0], 0);
	cr_assert_eq(mmap(NULL, a.arena_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, answer.fd, 0), MAP_FAILED,
		     "a program can write into the arena");
	close(answer.fd);
}

Test(greet, another_version_is_refused_and_stays_ungreeted)
{
	int fd = client_connect(&session, false);
	struct wire_hello_req q = { .version = WIRE_VERSION + 1 };
	struct wire_hello_rep a;
	struct wire_stat_req stat_q = { 0 };
	struct wire_stat_rep stat_a;

	cr_assert_eq(client_call(fd, WIRE_HELLO, &q, &a, &answer, NULL, NULL), -EPROTO);
	cr_assert_eq(answer.fd, -1);
	cr_assert_eq(client_call(fd, WIRE_STAT, &stat_q, &stat_a, NULL, "", NULL), -ECONNRESET);
	close(fd);
}

Test(greet, nothing_comes_before_hello)
{
	int fd = client_connect(&session, false);
	struct wire_stat_req q = { 0 };
	struct wire_stat_rep a;

	cr_assert_eq(client_call(fd, WIRE_STAT, &q, &a, NULL, "", NULL), -ECONNRESET);
	close(fd);
}

Test(greet, the_control_connection_is_answered_too)
{
	int fd = client_connect(&session, true);
	struct wire_hello_req q = { .version = WIRE_VERSION };
	struct wire_hello_rep a;

	cr_assert_eq(client_call(fd, WIRE_HELLO, &q, &a, NULL, NULL, NULL), 0);
	close(fd);
}

Test(greet, link_brings_a_greeted_connection)
{
	struct wire_link_req q = { 0 };
	struct wire_link_rep a;
	struct wire_stat_req stat_q = { 0 };
	struct wire_stat_rep stat_a;

	cr_assert_eq(client_call(conn, WIRE_LINK, &q, &a, &answer, NULL, NULL), 0);
	cr_assert_geq(answer.fd, 0);
	cr_assert(fcntl(answer.fd, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(client_call(answer.fd, WIRE_STAT, &stat_q, &stat_a, NULL, "", NULL), 0);
	close(conn); /* the new one lives on */
	cr_assert_eq(client_call(answer.fd, WIRE_STAT, &stat_q, &stat_a, NULL, "", NULL), 0);
	conn = answer.fd;
}

Test(greet, a_linked_connection_of_control_may_not_drain)
{
	int fd = client_connect(&session, true);
	struct wire_link_req q = { 0 };
	struct wire_link_rep a;
	struct wire_drain_req drain_q = { 0 };
	struct wire_drain_rep drain_a;

	cr_assert_eq(client_call(fd, WIRE_LINK, &q, &a, &answer, NULL, NULL), 0);
	cr_assert_eq(client_call(answer.fd, WIRE_DRAIN, &drain_q, &drain_a, NULL, NULL, NULL), -EPERM);
	close(answer.fd);
	close(fd);
}
