/*
 * vfork and syscall, which C cannot wrap.
 *
 * vfork: the child returns from this function first and goes on to overwrite its frame, so the return address waits in
 * a register over the system call. The mark, vfork_depth, is thread-local: the child sees it raised, because it runs on its
 * parent's thread pointer, other threads of the parent do not. vfork_prepare() and vfork_resume() are in hook_process.c.
 *
 * syscall: numbers whose byte in syscall_routed[] is set are syscall_file()'s, in C, by a jump: the arguments lie as they
 * came. All others are made here, with nothing on the stack, as libc's does it.
 *
 * Other architectures than x86_64: see hook_process.c and hook_syscall.c.
 */
#if defined(__x86_64__)

	.hidden	vfork_prepare
	.hidden	vfork_resume
	.hidden	vfork_depth
	.hidden	syscall_routed
	.hidden	syscall_file
	.hidden	syscall_failed

	.text
	.globl	vfork
	.type	vfork, @function
	.globl	__vfork
	.type	__vfork, @function
__vfork:
vfork:
	subq	$8, %rsp
	call	vfork_prepare
	addq	$8, %rsp
	popq	%rdi
	movq	vfork_depth@gottpoff(%rip), %rdx
	incl	%fs:(%rdx)
	movl	$58, %eax
	syscall
	pushq	%rdi
	testq	%rax, %rax
	jz	1f
	movq	vfork_depth@gottpoff(%rip), %rdx
	decl	%fs:(%rdx)
	movq	%rax, %rdi
	subq	$8, %rsp
	call	vfork_resume
	addq	$8, %rsp
1:	ret
	.size	vfork, .-vfork
	.size	__vfork, .-__vfork

	.globl	syscall
	.type	syscall, @function
syscall:
	cmpq	$512, %rdi
	jae	1f
	leaq	syscall_routed(%rip), %rax
	cmpb	$0, (%rax,%rdi)
	jne	syscall_file
1:	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	movq	8(%rsp), %r9
	syscall
	cmpq	$-4095, %rax
	jae	2f
	ret
2:	movq	%rax, %rdi
	jmp	syscall_failed
	.size	syscall, .-syscall

#elif defined(__aarch64__)

	.text
	.globl	vfork
	.type	vfork, %function
	.globl	__vfork
	.type	__vfork, %function
__vfork:
vfork:
	stp	x29, x30, [sp, #-16]!
	bl	vfork_prepare
	ldp	x29, x30, [sp], #16
	mrs	x9, tpidr_el0
	adrp	x10, :gottprel:vfork_depth
	ldr	x10, [x10, :gottprel_lo12:vfork_depth]
	add	x9, x9, x10
	ldr	w10, [x9]
	add	w10, w10, #1
	str	w10, [x9]
	mov	x0, #0x4111		/* CLONE_VFORK | CLONE_VM | SIGCHLD: 0x4000 + 0x100 + 17 */
	mov	x1, #0
	mov	x2, #0
	mov	x3, #0
	mov	x4, #0
	mov	x8, #220
	svc	#0
	cbz	x0, 1f
	ldr	w10, [x9]
	sub	w10, w10, #1
	str	w10, [x9]
	b	vfork_resume
1:	ret
	.size	vfork, .-vfork
	.size	__vfork, .-__vfork

#endif

	.section .note.GNU-stack, "", %progbits
