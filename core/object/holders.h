/**
 * holders.h - who holds a file, as /proc tells: for systems that grant no leases (gVisor).
 *
 * Every process's descriptors and mappings are looked at, so what is seen is what this process may see: those of its
 * own user, in its own process namespace or below. Not seen: descriptors on their way between two processes. What was
 * handed on, by fork or dup, while it was looked for is found by a second look, which every "nobody" is proven by.
 * Some 3 us a descriptor and 50 us a process.
 *
 * Sources: proc_pid_fd(5), proc_pid_fdinfo(5), proc_pid_maps(5). Threads: any.
 */
#ifndef S3SHIM_OBJECT_HOLDERS_H
#define S3SHIM_OBJECT_HOLDERS_H

#include <stdbool.h>
#include <sys/types.h>

enum { HOLDERS_ANY = 1, HOLDERS_WRITER = 2 };

/** What is asked about; descriptors @own of this process do not count. */
struct holders_file {
	dev_t dev;
	ino_t ino;
	int own[2]; /* -1: none */
};

/** holders_look() - Return: HOLDERS_ANY, with HOLDERS_WRITER if a description or a shared mapping can write; 0: nobody. */
unsigned holders_look(const struct holders_file *f);

#endif
