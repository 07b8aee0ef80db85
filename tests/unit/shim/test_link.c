#include "fake_broker.h"
#include "shim/link.h"
#include "shim/lock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

__thread int vfork_depth;

static int stat_path(const char *path, uint64_t *ret_connection)
{
	struct wire_stat_req req = { 0 };
	struct wire_stat_rep rep = { 0 };
	struct link_extra x = { .string = { path }, .fd = -1 };
	int rc = link_call(WIRE_STAT, &req, &rep, &x);

	if (x.fd >= 0)
		close(x.fd);
	if (!rc && ret_connection)
		*ret_connection = rep.attr.size;
	return rc;
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1100; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(link, a_call_and_its_errors)
{
	uint64_t a = 0, b = 0;

	fake_start();
	cr_assert_eq(stat_path("x", &a), 0);
	cr_assert_eq(stat_path("missing", NULL), -ENOENT);
	cr_assert_eq(stat_path("x", &b), 0);
	cr_expect_eq(a, b, "one connection serves one thread");
	cr_expect_eq(fake_connects, 1);
	cr_expect_eq(fake_links, 0);
}

Test(link, none_to_be_had_is_enxio)
{
	setenv(WIRE_ENV_SOCKET, "/nonexistent/socket", 1);
	cr_expect_eq(stat_path("x", NULL), -ENXIO);
}

Test(link, stale_answers_are_thrown_away_with_their_descriptors)
{
	uint64_t a = 0;

	fake_start();
	cr_assert_eq(stat_path("x", NULL), 0);
	usleep(50000);
	int before = open_fds();
	for (int i = 0; i < 5; i++)
		cr_assert_eq(stat_path("stale", &a), 0);
	cr_expect_neq(a, 666);
	usleep(50000);
	cr_expect_eq(open_fds(), before);
}

Test(link, a_posted_request_is_answered_into_nothing)
{
	struct wire_offset_req req = { .file = 1 };

	fake_start();
	for (int i = 0; i < 100; i++)
		link_post(WIRE_OFFSET, &req);
	cr_expect_eq(stat_path("x", NULL), 0);
	cr_expect_eq(fake_connects, 1);
}

Test(link, a_lost_broker_is_eio_and_another_one_is_refused)
{
	fake_start();
	cr_assert_eq(stat_path("x", NULL), 0);
	fake_stop();
	cr_expect_eq(stat_path("x", NULL), -EIO);
	fake_session = 78;
	fake_start();
	cr_expect_eq(stat_path("x", NULL), -EIO);
}

Test(link, the_same_broker_is_found_again)
{
	fake_start();
	cr_expect_eq(stat_path("die", NULL), -EIO, "the request may have been done");
	cr_expect_eq(stat_path("x", NULL), 0);
	cr_expect_eq(fake_connects, 2);
}

Test(link, a_closed_and_reused_number_is_not_written_to)
{
	int pair[2], own = -1;
	char byte;

	fake_start();
	cr_assert_eq(stat_path("x", NULL), 0);
	own = link_next_owned(0);
	cr_assert_geq(own, 0);
	cr_expect(link_owns(own));
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	dup2(pair[0], own);
	cr_expect_not(link_owns(own));
	cr_assert_eq(stat_path("x", NULL), 0);
	cr_expect_lt(recv(pair[1], &byte, 1, 0), 0, "nothing was sent to a foreign socket");
	cr_expect_eq(fcntl(own, F_GETFD), 0, "and it was not closed");
}

static void *slow(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)stat_path("slow", NULL);
}

Test(link, threads_take_further_connections)
{
	pthread_t t[24];
	struct timeval a, b;

	fake_start();
	cr_assert_eq(stat_path("x", NULL), 0);
	gettimeofday(&a, NULL);
	for (int i = 0; i < 24; i++)
		pthread_create(&t[i], NULL, slow, NULL);
	for (int i = 0; i < 24; i++) {
		void *ret = (void *)1;
		pthread_join(t[i], &ret);
		cr_expect_eq(ret, NULL);
	}
	gettimeofday(&b, NULL);
	cr_expect_leq(fake_connects + fake_links, 16);
	cr_expect_lt((b.tv_sec - a.tv_sec) * 1000 + (b.tv_usec - a.tv_usec) / 1000, 1500,
		     "24 calls of 200 ms, 16 at once");
}

static _Atomic int handled;
static _Atomic int handler_rc = 1;

static void on_alarm(int sig)
{
	(void)sig;
	handler_rc = stat_path("x", NULL);
	handled++;
}

Test(link, a_handler_may_call_and_the_call_goes_on)
{
	struct itimerval soon = { .it_value = { .tv_usec = 50000 } };

	fake_start();
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &soon, NULL);
	cr_expect_eq(stat_path("slow", NULL), 0);
	cr_expect_eq(handled, 1);
	cr_expect_eq(handler_rc, 0);
}

static sigjmp_buf out;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(out, 1);
}

Test(link, jumping_out_loses_nothing)
{
	struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	uint64_t a = 0, b = 0;

	fake_start();
	signal(SIGALRM, jump);
	for (volatile int i = 0; i < 5; i++) {
		if (!sigsetjmp(out, 1)) {
			setitimer(ITIMER_REAL, &soon, NULL);
			(void)stat_path("slow", NULL);
			cr_expect(0, "the alarm comes first");
		}
	}
	cr_assert_eq(stat_path("x", &a), 0);
	cr_assert_eq(stat_path("x", &b), 0);
	cr_expect_leq(fake_connects + fake_links, 16);
}

Test(link, a_forked_child_takes_the_spare)
{
	int status = 1;
	uint64_t mine = 0, theirs = 0;
	pid_t pid;

	fake_start();
	cr_assert_eq(stat_path("x", &mine), 0);
	link_spare();
	cr_expect_eq(fake_links, 1);
	pid = fork();
	if (pid == 0)
		_exit(stat_path("x", &theirs) || theirs == mine || theirs != 2 ? 1 : 0);
	link_spare_done();
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0);
	cr_expect_eq(fake_connects, 1, "no connect was needed");
	cr_expect_eq(stat_path("x", &theirs), 0);
	cr_expect_eq(theirs, mine, "the parent keeps its own");
}

Test(link, an_unannounced_child_connects_by_itself)
{
	int status = 1;
	uint64_t mine = 0, theirs = 0;
	pid_t pid;

	fake_start();
	cr_assert_eq(stat_path("x", &mine), 0);
	pid = (pid_t)SYS(clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		SYS(exit_group, stat_path("x", &theirs) || theirs == mine);
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0);
	cr_expect_eq(fake_connects, 2);
}

Test(link, a_vfork_child_has_one_of_its_own)
{
	uint64_t mine = 0, theirs = 0;

	fake_start();
	cr_assert_eq(stat_path("x", &mine), 0);
	link_spare();
	vfork_depth = 1; /* as the stub has it: the same memory */
	cr_expect_eq(stat_path("x", &theirs), 0);
	vfork_depth = 0;
	link_spare_done();
	cr_expect_neq(theirs, mine);
	cr_expect_eq(stat_path("x", &theirs), 0);
	cr_expect_eq(theirs, mine);
}

Test(link, no_room_for_a_descriptor_is_emfile)
{
	fake_start();
	cr_assert_eq(stat_path("x", NULL), 0);
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	cr_expect_eq(stat_path("fd", NULL), -EMFILE);
	cr_expect_eq(stat_path("x", NULL), 0);
}

Test(link, connections_are_high_and_close_on_exec)
{
	fake_start();
	cr_assert_eq(stat_path("x", NULL), 0);
	int own = link_next_owned(0);
	cr_expect_geq(own, 512);
	cr_expect_eq(fcntl(own, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(link_next_owned(own + 1), -1);
}
