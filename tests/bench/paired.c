/*
 * paired.c - what a preload costs a program's whole run: paired ROUNDS VARIABLE=VALUE... -- PROGRAM [ARGUMENT]...
 *
 * Starts it ROUNDS times without and with these variables in its environment, taking turns in who is first, and prints
 * the milliseconds from start to end as JSON: medians, and their ratio. For bench.py.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VARIABLES_MAX 8

extern char **environ;

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double run(char **argv, char **env, posix_spawn_file_actions_t *quiet)
{
	double began = now_ms();
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], quiet, NULL, argv, env) || waitpid(pid, &status, 0) < 0 || status) {
		fprintf(stderr, "paired: '%s' does not work\n", argv[0]);
		exit(1);
	}
	return now_ms() - began;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	char *env[2][256] = { { NULL } };
	posix_spawn_file_actions_t quiet;
	int rounds = argc > 1 ? atoi(argv[1]) : 0, at = 2, n = 0;
	double *ms[2];

	for (char **e = environ; *e && n < 200; e++, n++)
		env[0][n] = env[1][n] = *e;
	for (; at < argc && strcmp(argv[at], "--") != 0 && at < 2 + VARIABLES_MAX; at++)
		env[1][n++] = argv[at];
	argv += at + 1;
	if (rounds < 1 || at >= argc - 1)
		return 2;
	ms[0] = calloc((size_t)rounds, sizeof(double));
	ms[1] = calloc((size_t)rounds, sizeof(double));
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	for (int i = -2; i < rounds; i++) /* two to warm up */
		for (int turn = 0; turn < 2; turn++) {
			int side = turn ^ (i & 1);
			ms[side][i < 0 ? 0 : i] = run(argv, env[side], &quiet);
		}
	qsort(ms[0], (size_t)rounds, sizeof(double), by_size);
	qsort(ms[1], (size_t)rounds, sizeof(double), by_size);
	printf("{\"plain\": %.4f, \"preloaded\": %.4f, \"ratio\": %.3f}\n", ms[0][rounds / 2], ms[1][rounds / 2],
	       ms[1][rounds / 2] / ms[0][rounds / 2]);
	return 0;
}
