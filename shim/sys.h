/**
 * sys.h - system calls without libc: what the shim does for itself.
 *
 * The shim's own calls must not pass through its hooks, must work before libc is initialised, in signal handlers and in
 * vfork children, must not be cancellation points and must not touch errno. So they are inline instructions: each
 * returns what the kernel returned, a value or -errno. Source: syscall(2), "Architecture calling conventions". Registers
 * of arguments are outputs too: the kernel keeps them, valgrind puts a signal mask of its own there.
 */
#ifndef S3SHIM_SHIM_SYS_H
#define S3SHIM_SHIM_SYS_H

#include <sys/syscall.h>

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(ret), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
			 : "a"(n), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
	return x0;
#else
#error "no system call convention for this architecture"
#endif
}

/* SYS(read, fd, buf, n): up to six arguments, pointers and integers alike. */
#define SYS_ARG_(x)                                ((long)(x))
#define SYS0_(n)                                   sys6(n, 0, 0, 0, 0, 0, 0)
#define SYS1_(n, a)                                sys6(n, SYS_ARG_(a), 0, 0, 0, 0, 0)
#define SYS2_(n, a, b)                             sys6(n, SYS_ARG_(a), SYS_ARG_(b), 0, 0, 0, 0)
#define SYS3_(n, a, b, c)                          sys6(n, SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), 0, 0, 0)
#define SYS4_(n, a, b, c, d)                       sys6(n, SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), SYS_ARG_(d), 0, 0)
#define SYS5_(n, a, b, c, d, e)                    sys6(n, SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), SYS_ARG_(d), SYS_ARG_(e), 0)
#define SYS6_(n, a, b, c, d, e, f)                 sys6(n, SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), SYS_ARG_(d), SYS_ARG_(e), SYS_ARG_(f))
#define SYS_PICK_(n, a, b, c, d, e, f, which, ...) which
#define SYS(name, ...) \
	SYS_PICK_(SYS_##name, ##__VA_ARGS__, SYS6_, SYS5_, SYS4_, SYS3_, SYS2_, SYS1_, SYS0_) \
	(SYS_##name, ##__VA_ARGS__)

#endif
