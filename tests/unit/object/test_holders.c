#include "object/holders.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int own = -1;
static struct holders_file file;

static void make(void)
{
	struct stat st;

	own = memfd_create("test", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(own, 4096), 0);
	cr_assert_eq(fstat(own, &st), 0);
	file = (struct holders_file){ st.st_dev, st.st_ino, { own, -1 } };
}

static int again(int flags)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", own);
	fd = open(path, flags | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

/* A child that has nothing but what it was forked with, until it is killed. */
static pid_t child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		close(own);
		for (;;)
			pause();
	}
	cr_assert_gt(pid, 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The child has closed what is this process's own by then. */
static bool becomes(unsigned wanted)
{
	for (int i = 0; i < 1000; i++) {
		if (holders_look(&file) == wanted)
			return true;
		usleep(10000);
	}
	return false;
}

TestSuite(holders, .init = make);

Test(holders, nobody)
{
	cr_assert_eq(holders_look(&file), 0);
}

Test(holders, this_process_counts_but_for_its_own)
{
	int r = again(O_RDONLY), w;

	cr_assert_eq(holders_look(&file), HOLDERS_ANY);
	w = again(O_WRONLY);
	cr_assert_eq(holders_look(&file), HOLDERS_ANY | HOLDERS_WRITER);
	file.own[1] = w;
	cr_assert_eq(holders_look(&file), HOLDERS_ANY);
	close(r);
	cr_assert_eq(holders_look(&file), 0);
}

Test(holders, another_process_counts)
{
	int w = again(O_RDWR);
	pid_t pid = child();

	close(w);
	cr_assert_eq(holders_look(&file), HOLDERS_ANY | HOLDERS_WRITER);
	end(pid);
	cr_assert_eq(holders_look(&file), 0);
}

Test(holders, another_process_that_reads)
{
	int r = again(O_RDONLY);
	pid_t pid = child();

	close(r);
	cr_assert(becomes(HOLDERS_ANY));
	end(pid);
	cr_assert_eq(holders_look(&file), 0);
}

Test(holders, mappings)
{
	int w = again(O_RDWR);
	void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, w, 0);
	void *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, w, 0);

	close(w);
	cr_assert_eq(holders_look(&file), HOLDERS_ANY | HOLDERS_WRITER);
	munmap(shared, 4096);
	cr_assert_eq(holders_look(&file), HOLDERS_ANY);
	munmap(private, 4096);
	cr_assert_eq(holders_look(&file), 0);
}
