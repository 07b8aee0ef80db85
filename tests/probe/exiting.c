/* Programs that end without closing: return, exit, _exit, a signal. What they wrote is there afterwards. */
#include "probe.h"

#include <signal.h>

static void leave(const char *name, int how)
{
	char text[32];
	FILE *f;
	pid_t pid;
	int fd;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		snprintf(text, sizeof(text), "left by %d", how);
		if (how < 2) {
			f = fopen(at(name), "w");
			fputs(text, f);
			how == 0 ? exit(5) : _exit(6);
		}
		fd = open(at(name), O_WRONLY | O_CREAT, 0644);
		if (write(fd, text, strlen(text)) < 0)
			_exit(1);
		if (how == 2)
			_exit(7);
		if (how == 3)
			raise(SIGTERM);
		abort();
	}
	say_child(name, pid);
}

/* A killed program's file is finished in its absence: wait until it is seen. */
static void settle(const char *name)
{
	struct stat st;

	for (int i = 0; i < 100 && (stat(at(name), &st) < 0 || st.st_size == 0); i++)
		usleep(50000);
	show(name);
}

int main(int argc, char **argv)
{
	probe_begin(argc, argv);
	leave("exit", 0);
	settle("exit");
	leave("_exit with a stream", 1);
	leave("_exit", 2);
	settle("_exit");
	leave("signal", 3);
	settle("signal");
	FILE *f = fopen(at("never closed"), "w");
	fputs("by main's return", f);
	return 4;
}
