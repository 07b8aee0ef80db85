/*
 * marker.c - a preload in which every symbol of hooks.def answers with a mark: it sets marker_last to its own name,
 * returns -1, and does nothing. See reached.c.
 */
__attribute__((visibility("default"))) const char *volatile marker_last;

#define HOOK(family, name) \
	__asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n" \
		"	leaq 1f(%rip), %rax\n" \
		"	movq marker_last@GOTPCREL(%rip), %rdx\n" \
		"	movq %rax, (%rdx)\n" \
		"	movq $-1, %rax\n" \
		"	ret\n" \
		"1:	.string \"" #name "\"\n" \
		".size " #name ", .-" #name "\n");
#include "shim/hooks.def"
