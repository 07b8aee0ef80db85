/**
 * worker.h - a process that makes the calls that it is told to, one a line, and answers what came of each.
 *
 * Commands come on a socket, a line of words separated by single blanks; `%` and two hexadecimal digits are a byte of a
 * word. A path that begins with `@` is below the root that the worker was started with. An answer is one line: "ok" and
 * what the call returned, or "err" and errno's name. Nothing is answered that may differ between two folders by itself:
 * no inode number, no current time, no order of names.
 */
#ifndef S3SHIM_TESTS_MODEL_WORKER_H
#define S3SHIM_TESTS_MODEL_WORKER_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct command {
	const char *name;
	int words;                /* that it wants behind its name */
	void (*run)(char **word); /* answers once */
};

/* One table for each file; the last row has no name. */
extern const struct command commands_data[], commands_names[], commands_streams[], commands_process[];

long number(const char *word); /* decimal, 0x or 0 in front */
int folder(const char *word);  /* a descriptor, - is AT_FDCWD */
/* The path of a word, in one of four buffers that are used in turn. */
const char *path(const char *word);

void answer(long result); /* a call's result: negative is errno's name */
void answer_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text that grows and is answered as it is; names in it are escaped, the root is `@`. */
void text_begin(const char *first);
void text_add(const char *format, ...) __attribute__((format(printf, 1, 2)));
void text_add_name(const char *name);
void text_answer(void);

#define BUFFER_BYTES (16u << 20)
extern unsigned char *buffer; /* for content; BUFFER_BYTES */
void fill(unsigned char *p, size_t n, unsigned long seed);
unsigned long hash(const unsigned char *p, size_t n);

/* Attributes that two folders have in common. */
void text_add_stat(const struct stat *st);

/* Channels of processes that may yet be made; their numbers are the same everywhere. */
#define CHANNEL_FIRST 200
#define CHANNELS      8
extern int self; /* this process's channel */
extern const char *root;
extern char **worker_argv;

#endif
