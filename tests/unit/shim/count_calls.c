/*
 * count_calls LIBRARY PROGRAM: run PROGRAM with and without LIBRARY preloaded and compare, by number, the system calls
 * that it makes between its two getppid calls. Status 0 if they are the same and PROGRAM succeeds both times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBERS 512

struct ptrace_info {
	unsigned char op, pad[3];
	unsigned arch;
	unsigned long long ip, sp, nr, args[6];
};

static int run(const char *library, const char *program, unsigned *count)
{
	int status, inside = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (library)
			setenv("LD_PRELOAD", library, 1);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD);
	for (int sig = 0; ptrace(PTRACE_SYSCALL, pid, NULL, sig) == 0 && waitpid(pid, &status, 0) == pid;) {
		struct ptrace_info info = { 0 };
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
		sig = WSTOPSIG(status) == (SIGTRAP | 0x80) || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		ptrace(0x420e /* PTRACE_GET_SYSCALL_INFO */, pid, sizeof(info), &info);
		if (info.op != 1 || info.nr >= NUMBERS)
			continue;
		if (info.nr == SYS_getppid)
			inside = !inside;
		else if (inside)
			count[info.nr]++;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int main(int argc, char **argv)
{
	unsigned without[NUMBERS] = { 0 }, with[NUMBERS] = { 0 }, total = 0;
	int bad;

	if (argc != 3)
		return 2;
	bad = run(NULL, argv[2], without) | run(argv[1], argv[2], with);
	for (int i = 0; i < NUMBERS; i++) {
		total += with[i];
		/* mkstemp asks for random bits once more by chance. */
		if (i != SYS_getrandom && with[i] != without[i]) {
			printf("system call %d: %u without, %u with the shim\n", i, without[i], with[i]);
			bad = 1;
		}
	}
	printf("%u system calls, status %d\n", total, bad);
	return bad || total < 20;
}
