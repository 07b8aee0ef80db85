#include "shim/cwd.h"
#include "shim/fdtab.h"
#include "shim/link.h"
#include "shim/state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

__thread int vfork_depth;

static int temp(struct stat *st)
{
	char name[] = "/tmp/shim-state-XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	fstat(fd, st);
	return fd;
}

static void routed_as(int fd, uint64_t file, const struct stat *st)
{
	struct desc *d = desc_new(WIRE_KIND_OBJECT, "/mnt/a");

	d->file = file;
	d->dev = st->st_dev;
	d->ino = st->st_ino;
	fdtab_set(fd, d);
	desc_put(d);
}

static void mounts(void)
{
	setenv(WIRE_ENV_ROUTES, "/mnt", 1);
	setenv(WIRE_ENV_SOCKET, "/nonexistent", 1);
}

Test(state, nothing_to_carry_is_nothing)
{
	char buf[256];

	mounts();
	cr_expect_eq(state_format(buf, sizeof(buf)), 0);
}

Test(state, descriptors_and_directory)
{
	char buf[512], want[512];
	struct stat st;

	mounts();
	int fd = temp(&st);
	routed_as(fd, 0xabc, &st);
	cwd_restore("/mnt/50%;x");
	snprintf(want, sizeof(want), "S3SHIM_STATE=1;/mnt/50%%25%%3bx;%x:%lx:%lx:abc", fd, (unsigned long)st.st_dev,
		 (unsigned long)st.st_ino);
	cr_assert_eq(state_format(buf, sizeof(buf)), (long)strlen(want));
	cr_expect_str_eq(buf, want);
	cr_expect_eq(state_format(buf, 40), -E2BIG);
}

Test(state, close_on_exec_stays_behind)
{
	char buf[256];
	struct stat st;

	mounts();
	int fd = temp(&st);
	routed_as(fd, 5, &st);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	cr_expect_eq(state_format(buf, sizeof(buf)), 0);
}

Test(state, loads_what_was_saved_and_is_still_true)
{
	char text[512], buf[512], cwd[WIRE_PATH_MAX];
	struct stat a, b;

	mounts();
	int one = temp(&a), two = temp(&b), copy = dup(one);
	snprintf(text, sizeof(text), "1;/mnt/50%%25%%3bx;%x:%lx:%lx:7,%x:%lx:%lx:7,%x:%lx:%lx:9", one,
		 (unsigned long)a.st_dev, (unsigned long)a.st_ino, copy, (unsigned long)a.st_dev,
		 (unsigned long)a.st_ino, two, (unsigned long)b.st_dev, (unsigned long)b.st_ino + 1);
	setenv(WIRE_ENV_STATE, text, 1);
	state_load();
	cr_expect(fdtab_routed(one));
	cr_expect(fdtab_routed(copy));
	cr_expect_not(fdtab_routed(two), "another inode: not believed");
	cr_assert_not_null(cwd_routed(cwd));
	cr_expect_str_eq(cwd, "/mnt/50%;x");
	cr_assert_gt(state_format(buf, sizeof(buf)), 0);
	cr_expect_not_null(strstr(buf, ":7,"), "one description on two numbers: %s", buf);
}

Test(state, rubbish_is_ignored)
{
	static const char *const rubbish[] = {
		"", "2;;", "1", "1;/mnt", "1;%zz;", "1;;:::", "1;;5:1:1", "1;;ffffffffffff:1:1:1,", "1;;0:1:2:3:4"
	};

	mounts();
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(*rubbish); i++) {
		pid_t pid = fork();
		if (pid == 0) {
			setenv(WIRE_ENV_STATE, rubbish[i], 1);
			state_load();
			_exit(fdtab_routed(0));
		}
		int status = 1;
		waitpid(pid, &status, 0);
		cr_expect_eq(status, 0, "%s", rubbish[i]);
	}
}

static const char *find(char *const *env, const char *name)
{
	for (; *env; env++)
		if (strncmp(*env, name, strlen(name)) == 0)
			return *env + strlen(name);
	return NULL;
}

Test(state, environment_gets_what_it_lost)
{
	char *const empty[] = { NULL }, *const * made;

	mounts();
	state_load();
	made = state_environ(empty);
	cr_assert_neq(made, empty);
	cr_expect_str_eq(find(made, "S3SHIM_ROUTES="), "/mnt");
	cr_expect_str_eq(find(made, "S3SHIM_SOCKET="), "/nonexistent");
	cr_expect_null(find(made, "S3SHIM_STATE="));
	state_environ_free(made, empty);
	made = state_environ(NULL);
	cr_expect_not_null(find(made, "S3SHIM_ROUTES="));
	state_environ_free(made, NULL);
}

Test(state, stale_state_goes_and_other_sessions_get_none)
{
	char routes[] = "S3SHIM_ROUTES=/mnt", socket[] = "S3SHIM_SOCKET=/nonexistent", other[] = "S3SHIM_SOCKET=/other";
	char stale[] = "S3SHIM_STATE=1;/mnt/gone;", preload[] = "LD_PRELOAD=/x/libs3shim.so";
	char *const envp[] = { routes, socket, stale, preload, NULL }, *const nested[] = { routes, other, preload,
											   NULL };
	struct stat st;
	char *const *made;

	mounts();
	state_load();
	made = state_environ(envp);
	cr_expect_null(find(made, "S3SHIM_STATE="));
	state_environ_free(made, envp);
	routed_as(temp(&st), 5, &st);
	made = state_environ(envp);
	cr_expect_not_null(find(made, "S3SHIM_STATE=1;;"));
	state_environ_free(made, envp);
	made = state_environ(nested);
	cr_expect_null(find(made, "S3SHIM_STATE="));
	state_environ_free(made, nested);
}

Test(state, without_mounts_nothing_is_touched)
{
	char *const envp[] = { NULL };

	unsetenv(WIRE_ENV_ROUTES);
	unsetenv(WIRE_ENV_SOCKET);
	cr_expect_eq(state_environ(envp), envp);
}
