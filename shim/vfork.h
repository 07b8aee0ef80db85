/**
 * vfork.h - are we a vfork child? It shares our memory with its suspended parent, but not its descriptors and folder.
 */
#ifndef S3SHIM_SHIM_VFORK_H
#define S3SHIM_SHIM_VFORK_H

#include <stdbool.h>

/* Raised by the vfork stub (hook_process.c) in the child, lowered when the parent resumes. */
extern __thread int vfork_depth __attribute__((tls_model("initial-exec")));

static inline bool vfork_child(void)
{
	return vfork_depth != 0;
}

#endif
