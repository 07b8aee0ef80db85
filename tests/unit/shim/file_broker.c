/*
 * file_broker ROOT: the fake broker for a folder, at $S3SHIM_SOCKET, until it is killed. As s3shimd, with
 * `--bare SOCKET --ready-fd N`, for the folder $S3SHIM_BUCKET; its pid and what it inherited go to $S3SHIM_BUCKET.log.
 */
#include "fake_broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void bare(const char *socket, int ready)
{
	char log[4096];
	FILE *f;

	setenv("S3SHIM_SOCKET", socket, 1);
	setenv("S3SHIM_ROUTES", getenv("S3SHIM_MOUNT"), 1);
	fake_root = getenv("S3SHIM_BUCKET");
	snprintf(log, sizeof(log), "%s.log", fake_root);
	f = fopen(log, "a");
	fprintf(f, "%d %s\n", getpid(), getenv("LD_PRELOAD") || getenv("S3SHIM_STATE") ? "preloaded" : "clean");
	fclose(f);
	fake_start();
	(void)!write(ready, "1", 1);
	close(ready);
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "--bare") == 0) {
		bare(argv[2], atoi(argv[4]));
	} else if (argc == 2) {
		fake_root = argv[1];
		fake_start();
		puts("ready");
		fflush(stdout);
	} else {
		return 2;
	}
	(void)!freopen("/dev/null", "r+", stdin);
	(void)!freopen("/dev/null", "w", stdout);
	(void)!freopen("/dev/null", "w", stderr);
	for (;;)
		pause();
}
