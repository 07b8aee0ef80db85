/*
 * Several threads on several connections of one broker over a folder: opens, directories that come and go, offset
 * locks, new connections, connections that end in the middle. Plain, for TSan. Exit status 0: every answer was as
 * expected.
 */
#include "client.h"

#include "base/util.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define THREADS 6
#define ROUNDS  150

static struct session session;
static uint64_t shared_file;
static long in_lock; /* guarded by the offset lock of shared_file alone: two owners at once would show */
static atomic_int failures;

static void check(int got, int expected, const char *what)
{
	if (got == expected)
		return;
	fprintf(stderr, "%s: %d instead of %d\n", what, got, expected);
	atomic_fetch_add(&failures, 1);
}

static int call_offset(int conn, uint32_t op)
{
	struct wire_offset_req q = { .file = shared_file, .op = op };
	struct wire_offset_rep a;

	return client_call(conn, WIRE_OFFSET, &q, &a, NULL, NULL, NULL);
}

static void use_names(int conn, int who, int round)
{
	struct wire_mkdir_req mk = { .mode = 0755 };
	struct wire_mkdir_rep mk_a;
	struct wire_rmdir_req rm = { 0 };
	struct wire_rmdir_rep rm_a;
	struct wire_open_rep opened;
	struct wire_readdir_req rd = { .max_bytes = 4096 };
	struct wire_readdir_rep rd_a;
	char name[64];
	int fd;

	(void)snprintf(name, sizeof(name), "dir-%d-%d", who, round);
	check(client_call(conn, WIRE_MKDIR, &mk, &mk_a, NULL, name, NULL), 0, "mkdir");
	fd = client_open(conn, name, O_RDONLY | O_DIRECTORY, 0, &opened);
	check(fd >= 0, 1, "open of a directory");
	rd.file = opened.file;
	check(client_call(conn, WIRE_READDIR, &rd, &rd_a, NULL, NULL, NULL), 0, "readdir");
	check((int)rd_a.entries, 2, "entries");
	close(fd);
	check(client_call(conn, WIRE_RMDIR, &rm, &rm_a, NULL, name, NULL), 0, "rmdir");
}

static void use_file(int conn, int who)
{
	struct wire_open_rep opened;
	char name[64];
	int fd;

	(void)snprintf(name, sizeof(name), "file-%d", who);
	fd = client_open(conn, name, O_RDWR | O_CREAT | O_TRUNC, 0644, &opened);
	check(fd >= 0 && write(fd, "x", 1) == 1, 1, "a new file");
	close(fd);
}

/* Asks for the lock on a second connection and dies, half of the time with it. */
static void die_in_lock(int round)
{
	struct wire_offset_req q = { .file = shared_file, .op = WIRE_LOCK };
	int conn = client_greeted(&session);

	client_send(conn, WIRE_OFFSET, &q, NULL, NULL);
	if (round % 2)
		(void)usleep(100);
	close(conn);
}

static void *work(void *arg)
{
	int who = (int)(intptr_t)arg, conn = client_greeted(&session);

	for (int round = 0; round < ROUNDS; round++) {
		use_names(conn, who, round);
		use_file(conn, who);
		check(call_offset(conn, WIRE_LOCK), 0, "lock");
		in_lock++;
		check(call_offset(conn, 0), 0, "unlock");
		if (round % 10 == who)
			die_in_lock(round);
		if (round % 25 == 0) {
			close(conn);
			conn = client_greeted(&session);
		}
	}
	close(conn);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	struct wire_open_rep opened;
	int conn, dir;

	session_begin(&session);
	session_run(&session, 0);
	conn = client_greeted(&session);
	dir = client_open(conn, "", O_RDONLY | O_DIRECTORY, 0, &opened);
	check(dir >= 0, 1, "open of the mount point");
	shared_file = opened.file;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) != 0)
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check((int)in_lock, THREADS * ROUNDS, "passages through the lock");
	close(dir);
	close(conn);
	session_end(&session);
	return failures != 0;
}
