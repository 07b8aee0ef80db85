/*
 * A program that does ordinary work between two getppid calls, for count_calls.c: what the kernel sees in between must
 * be the same with the shim and without.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int work(void)
{
	char name[] = "/tmp/shim-foreign-XXXXXX", buf[64];
	struct stat st;
	int fd = mkstemp(name), copy, status, bad = 0;
	FILE *f;
	DIR *d;

	bad |= write(fd, "0123456789", 10) != 10;
	bad |= lseek(fd, 0, SEEK_SET) != 0 || read(fd, buf, sizeof(buf)) != 10;
	bad |= pread(fd, buf, 4, 2) != 4 || buf[0] != '2';
	copy = dup(fd);
	bad |= fstat(copy, &st) || st.st_size != 10 || close(copy);
	bad |= stat(name, &st) || access(name, R_OK) || chmod(name, 0600) || ftruncate(fd, 5) || fsync(fd);
	bad |= syscall(SYS_close, fd) != 0;
	f = fopen(name, "r");
	bad |= !f || fgetc(f) != '0';
	if (f)
		fclose(f);
	bad |= unlink(name) != 0;
	d = opendir("/");
	bad |= !d || !readdir(d);
	if (d)
		closedir(d);
	if (vfork() == 0)
		_exit(7);
	bad |= wait(&status) < 0 || status != 7 << 8;
	bad |= getcwd(buf, sizeof(buf)) == NULL;
	return bad;
}

int main(void)
{
	int bad;

	(void)work(); /* what is bound or allocated once */
	(void)getppid();
	bad = work();
	(void)getppid();
	return bad;
}
