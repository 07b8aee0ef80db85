#include "base/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd = -1;

static void make(void)
{
	fd = memfd_create("test", MFD_CLOEXEC);
	cr_assert_eq(io_pwrite(fd, "0123456789", 10, 3), 0);
}

TestSuite(io, .init = make);

Test(io, reads_what_was_written)
{
	char buf[13];

	cr_assert_eq(io_pread(fd, buf, sizeof(buf), 0, -EIO), 0);
	cr_assert_eq(memcmp(buf,
			    "\0\0\0"
			    "0123456789",
			    sizeof(buf)),
		     0);
}

Test(io, says_that_the_file_ends)
{
	char buf[8] = "........";

	cr_assert_eq(io_pread(fd, buf, sizeof(buf), 8, -EBADMSG), -EBADMSG);
	cr_assert_eq(memcmp(buf, "56789...", sizeof(buf)), 0);
	cr_assert_eq(io_pread(fd, buf, 0, 100, -EBADMSG), 0);
}

Test(io, pads_with_zeros)
{
	char buf[8] = "........";

	cr_assert_eq(io_pread_padded(fd, buf, sizeof(buf), 8), 0);
	cr_assert_eq(memcmp(buf, "56789\0\0\0", sizeof(buf)), 0);
	cr_assert_eq(io_pread_padded(fd, buf, sizeof(buf), 100), 0);
	cr_assert_eq(memcmp(buf, "\0\0\0\0\0\0\0\0", sizeof(buf)), 0);
}

Test(io, errors)
{
	int ro = open("/dev/null", O_RDONLY | O_CLOEXEC), wo = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char buf[1];

	cr_assert_eq(io_pwrite(ro, "x", 1, 0), -EBADF);
	cr_assert_eq(io_pread(wo, buf, 1, 0, -EIO), -EBADF);
	cr_assert_eq(io_pread_padded(wo, buf, 1, 0), -EBADF);
	close(ro);
	close(wo);
}
