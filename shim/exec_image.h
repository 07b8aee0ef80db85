/**
 * exec_image.h - what a program needs before it is started: an image that the kernel can run, and descriptors that it
 * can read, with the shim or without; in the latter case the broker is told.
 */
#ifndef S3SHIM_SHIM_EXEC_IMAGE_H
#define S3SHIM_SHIM_EXEC_IMAGE_H

#include "shim/route.h"
#include "shim/state.h"

#include <stdbool.h>

#define IMAGE_HEAD    256 /* the kernel's BINPRM_BUF_SIZE: a longer `#!` line is cut there */
#define IMAGE_SCRIPTS 5   /* the kernel gives up with ELOOP beyond */

/** The first line of a script: `#!interpreter [argument]`. */
struct script {
	char line[IMAGE_HEAD + 1];
	const char *interpreter; /* into .line */
	const char *argument;    /* NULL: none */
};

/** What image_open() found. */
enum image_kind {
	IMAGE_LEFT = 1,    /* a symlink led out of every mount: start r->path */
	IMAGE_SCRIPT = 2,  /* *ret_script is filled */
	IMAGE_PROGRAM = 3, /* *ret_fd: complete, close-on-exec, can be executed; to be closed by fdtab_close() */
};

/** image_open() - the program that @r names. Return: enum image_kind; -errno as execve(2) has it. */
int image_open(struct route *r, int *ret_fd, struct script *ret_script);

/** image_script() - is the foreign file @path a script? Return: IMAGE_SCRIPT; 0. */
int image_script(const char *path, struct script *ret);

/**
 * image_argv() - arguments for a script's interpreter; @name is the script's. NULL if there is no memory.
 * image_argv_free() - after an exec that failed; in a vfork child the parent's state_vfork_done() does it.
 */
char *const *image_argv(const struct script *s, const char *name, char *const *argv);
void image_argv_free(char *const *argv);

/**
 * image_start() - before @path is started: what it inherits routed is complete where it has to be
 * That is everything if the preload cannot reach the program, and the broker is told that it cannot. @path: as the
 * kernel knows it; "": not known, which is as if it could not. @name: what to call it, where @path is a descriptor's;
 * NULL: by its path. @change: what file actions add; NULL: nothing. Return: 0 or -errno.
 */
int image_start(const char *path, const char *name, const struct state_change *change);

/** What a program on a mount needs from mounts: libraries that its loader cannot find, by inherited descriptors. */
#define IMAGE_LIBRARIES 64
struct image_libraries {
	char text[IMAGE_LIBRARIES * 26]; /* for struct state_change */
	int fd[IMAGE_LIBRARIES];
	int count;
};

/** image_libraries() - of the program on @fd, whose name is @path. image_libraries_close() - after the start. */
void image_libraries(int fd, const char *path, struct image_libraries *ret);
void image_libraries_close(struct image_libraries *l);

/** image_exists() - is there something at @path, routed or not? For a search; a symlink that leads nowhere may count.
 */
bool image_exists(const char *path);

#endif
