/**
 * detect.h - can LD_PRELOAD reach a program? Asked by s3run before it starts one, and by the shim at exec.
 *
 * Follows `#!` lines, `#!/usr/bin/env` included, to the program that the kernel would start, and looks at its ELF
 * header and its file's privileges (execve(2), ld.so(8) "Secure-execution mode"). What fails at exec by itself, a
 * missing interpreter for one, is DETECT_OK here: exec says it best.
 *
 * No allocation, no stdio, no libc but the string functions: files are reached through struct detect_ops, since in
 * the shim libc's names are hooks. Some 10 KiB of stack. Threads: any.
 */
#ifndef S3SHIM_TOOLS_DETECT_H
#define S3SHIM_TOOLS_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#define DETECT_PATH_MAX 4096

/* The ELF machine that the library is for. */
#if defined(__x86_64__)
#define DETECT_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define DETECT_MACHINE EM_AARCH64
#else
#error "which ELF machine is this?"
#endif

enum detect_result {
	DETECT_OK,
#define ESCAPE(NAME, words, remedy) DETECT_##NAME,
#include "base/escapes.def"
#undef ESCAPE
};

struct detect_ops {
	int (*open)(void *arg, const char *path); /* O_RDONLY | O_CLOEXEC | O_NONBLOCK; a descriptor or -errno */
	long (*pread)(void *arg, int fd, void *buf, size_t size, long offset);
	int (*fstat)(void *arg, int fd, struct stat *ret);
	bool (*has_capabilities)(void *arg, int fd); /* xattr security.capability */
	void (*close)(void *arg, int fd);
	bool (*skip)(void *arg, const char *path); /* below a mount point: not looked at; may be NULL */
	void *arg;
	uid_t euid;
	gid_t egid;
	bool no_new_privs;  /* PR_GET_NO_NEW_PRIVS: nothing is gained by exec */
	const char *search; /* PATH, for `#!/usr/bin/env prog` */
};

/**
 * detect_program() - look at the program at @path
 * @ret_which: DETECT_PATH_MAX bytes: the file that the result is about: @path, or an interpreter of it.
 */
enum detect_result detect_program(const struct detect_ops *ops, const char *path, char *ret_which);

#endif
