/* Commands about descriptors: opening, reading, writing, sizes, mappings, locks. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAPS 4

static struct {
	unsigned char *p;
	size_t len;
} maps[MAPS];

static sigjmp_buf on_bus;

static size_t length(const char *word)
{
	size_t n = (size_t)number(word);

	return n > BUFFER_BYTES ? BUFFER_BYTES : n;
}

static int fd_of(const char *word)
{
	return (int)number(word);
}

static void do_open(char **w)
{
	answer(open(path(w[0]), (int)number(w[1]), (mode_t)number(w[2])));
}

static void do_openat(char **w)
{
	answer(openat(folder(w[0]), path(w[1]), (int)number(w[2]), (mode_t)number(w[3])));
}

static void do_creat(char **w)
{
	answer(creat(path(w[0]), (mode_t)number(w[1])));
}

static void do_close(char **w)
{
	answer(close(fd_of(w[0])));
}

static void do_dup(char **w)
{
	answer(dup(fd_of(w[0])));
}

static void do_dup2(char **w)
{
	answer(dup2(fd_of(w[0]), fd_of(w[1])));
}

static void do_dup3(char **w)
{
	answer(dup3(fd_of(w[0]), fd_of(w[1]), (int)number(w[2])));
}

static void do_fcntl(char **w)
{
	int cmd = (int)number(w[1]);
	long n = fcntl(fd_of(w[0]), cmd, number(w[2]));

	if (cmd == F_GETFL && n >= 0)
		n &= ~0100000; /* O_LARGEFILE */
	answer(n);
}

static void answer_content(ssize_t n)
{
	if (n < 0)
		answer(n);
	else
		answer_text("ok %zd %016lx", n, hash(buffer, (size_t)n));
}

static void do_read(char **w)
{
	answer_content(read(fd_of(w[0]), buffer, length(w[1])));
}

static void do_pread(char **w)
{
	answer_content(pread(fd_of(w[0]), buffer, length(w[1]), number(w[2])));
}

static void split(size_t n, struct iovec ret[3])
{
	size_t a = n / 3, b = n / 7;

	ret[0] = (struct iovec){ buffer, a };
	ret[1] = (struct iovec){ buffer + a, b };
	ret[2] = (struct iovec){ buffer + a + b, n - a - b };
}

static void do_readv(char **w)
{
	struct iovec v[3];

	split(length(w[1]), v);
	answer_content(readv(fd_of(w[0]), v, 3));
}

static void do_preadv2(char **w)
{
	struct iovec v[3];

	split(length(w[1]), v);
	answer_content(preadv2(fd_of(w[0]), v, 3, number(w[2]), 0));
}

static void do_write(char **w)
{
	fill(buffer, length(w[1]), (unsigned long)number(w[2]));
	answer(write(fd_of(w[0]), buffer, length(w[1])));
}

static void do_pwrite(char **w)
{
	fill(buffer, length(w[1]), (unsigned long)number(w[3]));
	answer(pwrite(fd_of(w[0]), buffer, length(w[1]), number(w[2])));
}

static void do_writev(char **w)
{
	struct iovec v[3];

	split(length(w[1]), v);
	fill(buffer, length(w[1]), (unsigned long)number(w[2]));
	answer(writev(fd_of(w[0]), v, 3));
}

/* flags: 0 or RWF_APPEND, RWF_DSYNC; an offset of -1 is the descriptor's own */
static void do_pwritev2(char **w)
{
	struct iovec v[3];

	split(length(w[1]), v);
	fill(buffer, length(w[1]), (unsigned long)number(w[3]));
	answer(pwritev2(fd_of(w[0]), v, 3, number(w[2]), (int)number(w[4])));
}

/* Data and holes of a folder: each file system has its own idea. */
static void do_lseek(char **w)
{
	int fd = fd_of(w[0]), whence = (int)number(w[2]);
	struct stat st;

	if (whence >= SEEK_DATA && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		answer(-1);
		return;
	}
	answer(lseek(fd, number(w[1]), whence));
}

static void do_ftruncate(char **w)
{
	answer(ftruncate(fd_of(w[0]), number(w[1])));
}

static void do_truncate(char **w)
{
	answer(truncate(path(w[0]), number(w[1])));
}

static void do_fallocate(char **w)
{
	answer(fallocate(fd_of(w[0]), (int)number(w[1]), number(w[2]), number(w[3])));
}

static void do_posix_fallocate(char **w)
{
	errno = posix_fallocate(fd_of(w[0]), number(w[1]), number(w[2]));
	answer(errno ? -1 : 0);
}

static void do_fadvise(char **w)
{
	errno = posix_fadvise(fd_of(w[0]), number(w[1]), number(w[2]), (int)number(w[3]));
	answer(errno ? -1 : 0);
}

static void do_readahead(char **w)
{
	answer(readahead(fd_of(w[0]), number(w[1]), length(w[2])));
}

/* On the native side nothing is to be durable, and a busy disk takes its time: NO_SYNC asks for the errors alone. */
static int sync_by(int (*call)(int), int fd)
{
	int flags = getenv("NO_SYNC") ? fcntl(fd, F_GETFL) : 0;

	if (!getenv("NO_SYNC"))
		return call(fd);
	if (flags >= 0 && flags & O_PATH)
		errno = EBADF;
	return flags < 0 || flags & O_PATH ? -1 : 0;
}

static void do_fsync(char **w)
{
	answer(sync_by(fsync, fd_of(w[0])));
}

static void do_fdatasync(char **w)
{
	answer(sync_by(fdatasync, fd_of(w[0])));
}

static void do_syncfs(char **w)
{
	answer(sync_by(syncfs, fd_of(w[0])));
}

static void do_sync(char **w)
{
	(void)w;
	if (!getenv("NO_SYNC"))
		sync();
	answer(0);
}

static void do_sync_file_range(char **w)
{
	answer(sync_file_range(fd_of(w[0]), number(w[1]), number(w[2]), SYNC_FILE_RANGE_WRITE));
}

static off_t *offset(const char *word, off_t *ret)
{
	if (*word == '-')
		return NULL;
	*ret = number(word);
	return ret;
}

/* IN OFFSET|- OUT OFFSET|- LENGTH */
static void do_copy_file_range(char **w)
{
	off_t in = 0, out = 0;
	ssize_t n = copy_file_range(fd_of(w[0]), offset(w[1], &in), fd_of(w[2]), offset(w[3], &out), length(w[4]), 0);

	if (n < 0)
		answer(n);
	else
		answer_text("ok %zd %ld %ld", n, (long)in, (long)out);
}

/* OUT IN OFFSET|- LENGTH */
static void do_sendfile(char **w)
{
	off_t off = 0;
	ssize_t n = sendfile(fd_of(w[0]), fd_of(w[1]), offset(w[2], &off), length(w[3]));

	if (n < 0)
		answer(n);
	else
		answer_text("ok %zd %ld", n, (long)off);
}

/* IN OFFSET|- OUT LENGTH: through a pipe, that holds 64 KiB. */
static void do_splice(char **w)
{
	off_t off = 0;
	int p[2], e;
	ssize_t n;

	if (pipe(p) < 0) {
		answer(-1);
		return;
	}
	n = splice(fd_of(w[0]), offset(w[1], &off), p[1], NULL, length(w[3]), SPLICE_F_NONBLOCK);
	if (n > 0)
		n = splice(p[0], NULL, fd_of(w[2]), NULL, (size_t)n, 0);
	e = errno;
	close(p[0]);
	close(p[1]);
	errno = e;
	answer(n);
}

static void do_fstat(char **w)
{
	struct stat st;

	if (fstat(fd_of(w[0]), &st) < 0) {
		answer(-1);
		return;
	}
	text_begin("ok");
	text_add_stat(&st);
	text_answer();
}

static void do_fchmod(char **w)
{
	answer(fchmod(fd_of(w[0]), (mode_t)number(w[1])));
}

static void do_fchown(char **w)
{
	answer(fchown(fd_of(w[0]), (uid_t)number(w[1]), (gid_t)number(w[2])));
}

static void do_futimens(char **w)
{
	struct timespec t[2] = { { number(w[1]), 5 }, { number(w[1]), number(w[2]) } };

	answer(futimens(fd_of(w[0]), t));
}

/* Mappings: SLOT FD OFFSET LENGTH PROT FLAGS */
static void do_mmap(char **w)
{
	long slot = number(w[0]) % MAPS;
	void *p;

	if (maps[slot].p)
		munmap(maps[slot].p, maps[slot].len);
	maps[slot].p = NULL;
	p = mmap(NULL, (size_t)number(w[3]), (int)number(w[4]), (int)number(w[5]), fd_of(w[1]), number(w[2]));
	if (p == MAP_FAILED) {
		answer(-1);
		return;
	}
	maps[slot].p = p;
	maps[slot].len = (size_t)number(w[3]);
	answer(0);
}

static void caught(int sig)
{
	siglongjmp(on_bus, sig);
}

/* SLOT OFFSET LENGTH [SEED]: reads or writes a part of a mapping; behind the file's end that is a signal. */
static void touch(char **w, bool writing)
{
	long slot = number(w[0]) % MAPS;
	size_t off = (size_t)number(w[1]), len = length(w[2]);
	int sig;

	if (!maps[slot].p || off >= maps[slot].len) {
		answer_text("no mapping");
		return;
	}
	if (len > maps[slot].len - off)
		len = maps[slot].len - off;
	signal(SIGBUS, caught);
	signal(SIGSEGV, caught);
	sig = sigsetjmp(on_bus, 1);
	if (sig) {
		answer_text("signal %d", sig);
	} else if (writing) {
		fill(buffer, len, (unsigned long)number(w[3]));
		memcpy(maps[slot].p + off, buffer, len);
		answer((long)len);
	} else {
		memcpy(buffer, maps[slot].p + off, len);
		answer_content((ssize_t)len);
	}
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
}

static void do_mread(char **w)
{
	touch(w, false);
}

static void do_mwrite(char **w)
{
	touch(w, true);
}

static void do_msync(char **w)
{
	long slot = number(w[0]) % MAPS;
	int flags = getenv("NO_SYNC") ? MS_ASYNC : (int)number(w[1]);

	if (maps[slot].p)
		answer(msync(maps[slot].p, maps[slot].len, flags));
	else
		answer_text("no mapping");
}

static void do_munmap(char **w)
{
	long slot = number(w[0]) % MAPS;

	if (maps[slot].p)
		answer(munmap(maps[slot].p, maps[slot].len));
	else
		answer_text("no mapping");
	maps[slot].p = NULL;
}

static void do_flock(char **w)
{
	answer(flock(fd_of(w[0]), (int)number(w[1]) | LOCK_NB));
}

/* FD COMMAND TYPE START LENGTH; never one that waits */
static void do_lock(char **w)
{
	struct flock l = {
		.l_type = (short)number(w[2]), .l_whence = SEEK_SET, .l_start = number(w[3]), .l_len = number(w[4])
	};

	if (fcntl(fd_of(w[0]), (int)number(w[1]), &l) < 0)
		answer(-1);
	else
		answer_text("ok %d %ld %ld", l.l_type, (long)l.l_start, (long)l.l_len);
}

static void do_close_range(char **w)
{
	answer(close_range((unsigned)number(w[0]), (unsigned)number(w[1]), (int)number(w[2])));
}

const struct command commands_data[] = {
	{ "open", 3, do_open },
	{ "openat", 4, do_openat },
	{ "creat", 2, do_creat },
	{ "close", 1, do_close },
	{ "close_range", 3, do_close_range },
	{ "dup", 1, do_dup },
	{ "dup2", 2, do_dup2 },
	{ "dup3", 3, do_dup3 },
	{ "fcntl", 3, do_fcntl },
	{ "read", 2, do_read },
	{ "pread", 3, do_pread },
	{ "readv", 2, do_readv },
	{ "preadv2", 3, do_preadv2 },
	{ "write", 3, do_write },
	{ "pwrite", 4, do_pwrite },
	{ "writev", 3, do_writev },
	{ "pwritev2", 5, do_pwritev2 },
	{ "lseek", 3, do_lseek },
	{ "ftruncate", 2, do_ftruncate },
	{ "truncate", 2, do_truncate },
	{ "fallocate", 4, do_fallocate },
	{ "posix_fallocate", 3, do_posix_fallocate },
	{ "fadvise", 4, do_fadvise },
	{ "readahead", 3, do_readahead },
	{ "fsync", 1, do_fsync },
	{ "fdatasync", 1, do_fdatasync },
	{ "syncfs", 1, do_syncfs },
	{ "sync", 0, do_sync },
	{ "sync_file_range", 3, do_sync_file_range },
	{ "copy_file_range", 5, do_copy_file_range },
	{ "sendfile", 4, do_sendfile },
	{ "splice", 4, do_splice },
	{ "fstat", 1, do_fstat },
	{ "fchmod", 2, do_fchmod },
	{ "fchown", 3, do_fchown },
	{ "futimens", 3, do_futimens },
	{ "mmap", 6, do_mmap },
	{ "mread", 3, do_mread },
	{ "mwrite", 4, do_mwrite },
	{ "msync", 2, do_msync },
	{ "munmap", 1, do_munmap },
	{ "flock", 2, do_flock },
	{ "lock", 5, do_lock },
	{ NULL, 0, NULL },
};
