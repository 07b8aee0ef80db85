/* Calls that few programs make, and names of calls that headers no longer show. */
#include "probe.h"

#include <dlfcn.h>
#include <mntent.h>
#include <spawn.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>

extern char **environ;

/* linux/openat2.h, which musl-gcc does not find */
struct open_how {
	uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_MAGICLINKS 2

static void attributes(void)
{
	char list[256];
	int fd = open(at("f"), O_RDONLY);

	say("listxattr", listxattr(at("f"), list, sizeof(list)));
	say("flistxattr", flistxattr(fd, list, sizeof(list)));
	say("listxattr missing", listxattr(at("none"), list, sizeof(list)));
	say("getxattr missing", getxattr(at("none"), "user.x", list, sizeof(list)));
	say("getxattr none", getxattr(at("f"), "user.none", list, sizeof(list)) < 0);
	say("getxattr acl", getxattr(at("f"), "system.posix_acl_access", list, sizeof(list)) < 0);
	close(fd);
}

static void second_names(void)
{
	int (*open_)(const char *, int, ...) = (int (*)(const char *, int, ...))(intptr_t)dlsym(RTLD_DEFAULT, "__open");
	ssize_t (*read_)(int, void *, size_t) =
	    (ssize_t(*)(int, void *, size_t))(intptr_t)dlsym(RTLD_DEFAULT, "__read");
	FILE *(*fopen_)(const char *, const char *) =
	    (FILE * (*)(const char *, const char *))(intptr_t)dlsym(RTLD_DEFAULT, "_IO_fopen");
	char buf[8] = "";
	FILE *f;
	int fd;

	if (!open_ || !read_ || !fopen_) /* musl has none of them, or the preload's alone */
		return;
	fd = open_(at("f"), O_RDONLY);
	(void)!read_(fd, buf, 5);
	close(fd);
	if (strcmp(buf, "hello") != 0)
		printf("__open, __read: %s\n", buf);
	f = fopen_(at("f"), "r");
	if (!f || fgetc(f) != 'h')
		printf("_IO_fopen\n");
	if (f)
		fclose(f);
}

static void sockets(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", at("none"));
	say("connect missing", connect(fd, (struct sockaddr *)&un, sizeof(un)));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", at("f"));
	say("connect file", connect(fd, (struct sockaddr *)&un, sizeof(un)));
	say("bind file", bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0);
	close(fd);
}

static void openat2_calls(void)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 0600 };
	long fd = syscall(SYS_openat2, AT_FDCWD, at("two"), &how, sizeof(how));
	struct stat st;

	say_ok("openat2", fd);
	say("write", write((int)fd, "x", 1));
	say("fstat", fstat((int)fd, &st));
	printf("mode %o\n", st.st_mode & 0777);
	say("close", close((int)fd));
	how = (struct open_how){ .flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS };
	say("missing", syscall(SYS_openat2, AT_FDCWD, at("none"), &how, sizeof(how)));
}

static void growing_map(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open(at("big"), O_RDWR | O_CREAT, 0644);
	char *p, *q;

	for (int i = 0; i < 8; i++) {
		char block[4096];
		memset(block, 'a' + i, sizeof(block));
		(void)!write(fd, block, sizeof(block));
	}
	close(fd);
	fd = open(at("big"), O_RDWR);
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mremap(p, page, 8 * page, MREMAP_MAYMOVE);
	printf("mremap: %s\n", q == MAP_FAILED ? errname(errno) : "ok");
	if (q != MAP_FAILED) {
		printf("last page holds %c\n", q[7 * page]);
		q[7 * page] = 'Z';
		say("msync", msync(q, 8 * page, MS_SYNC));
	}
	close(fd);
	fd = open(at("big"), O_RDONLY);
	say("pread", pread(fd, &(char){ 0 }, 1, (off_t)(7 * page)));
	close(fd);
}

static void in_folder(void)
{
	char *args[] = { (char *)"cat", (char *)"f", NULL };
	posix_spawn_file_actions_t actions;
	int fd = open(at(""), O_RDONLY | O_DIRECTORY);
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	say("addfchdir", -posix_spawn_file_actions_addfchdir_np(&actions, fd));
	fflush(stdout);
	errno = posix_spawn(&pid, "/bin/cat", &actions, NULL, args, environ);
	say_child(" cat f", pid);
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
}

int main(int argc, char **argv)
{
	char name[512], *temporary;
	struct mntent *m;
	FILE *f;

	probe_begin(argc, argv);
	make("f", "hello");
	attributes();
	second_names();
	sockets();
	openat2_calls();
	growing_map();
	in_folder();
	say("ftok", ftok(at("f"), 3) != -1);
	say("ftok missing", ftok(at("none"), 3));
	snprintf(name, sizeof(name), "%s", at("tXXXXXX"));
	say("mktemp", access(mktemp(name), F_OK));
	temporary = tempnam(at(""), "pre");
	say("tempnam", temporary && strncmp(temporary, probe_dir, strlen(probe_dir)) == 0);
	free(temporary);
	make("tab", "a b c d 0 0\n");
	f = setmntent(at("tab"), "r");
	m = f ? getmntent(f) : NULL;
	printf("getmntent: %s\n", m ? m->mnt_dir : errname(errno));
	if (f)
		endmntent(f);
	return 0;
}
