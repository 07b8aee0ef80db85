/* Asynchronous I/O: what libc's threads read and write. */
#include "probe.h"

#include <aio.h>
#include <sys/syscall.h>

static long done(struct aiocb *cb)
{
	const struct aiocb *list[] = { cb };

	while (aio_error(cb) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	errno = aio_error(cb);
	return aio_return(cb);
}

/* linux/aio_abi.h, which musl-gcc does not find */
struct request {
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t opcode;
	int16_t priority;
	uint32_t fd;
	uint64_t buf, bytes;
	int64_t offset;
	uint64_t reserved;
	uint32_t flags, resfd;
};

struct event {
	uint64_t data, obj;
	int64_t res, res2;
};

static void native(void)
{
	unsigned long context = 0;
	char got[8] = "", put[] = "IN";
	int fd = open(at("f"), O_RDWR);
	struct request read_it = { .fd = (uint32_t)fd, .buf = (uintptr_t)got, .bytes = 4, .offset = 5 };
	struct request write_it = { .opcode = 1, .fd = (uint32_t)fd, .buf = (uintptr_t)put, .bytes = 2, .offset = 1 };
	struct request *one[] = { &read_it }, *two[] = { &write_it };
	struct event e[2];

	say("io_setup", syscall(SYS_io_setup, 4, &context));
	say("io_submit", syscall(SYS_io_submit, context, 1L, one));
	say("io_getevents", syscall(SYS_io_getevents, context, 1L, 1L, e, NULL));
	printf("got %ld %s\n", (long)e[0].res, got);
	say("io_submit", syscall(SYS_io_submit, context, 1L, two));
	say("io_getevents", syscall(SYS_io_getevents, context, 1L, 1L, e, NULL));
	syscall(SYS_io_destroy, context);
	say("close", close(fd));
	show("f");
}

int main(int argc, char **argv)
{
	char buf[32] = "", other[8] = "";
	struct aiocb cb = { 0 }, second = { 0 };
	struct aiocb *list[] = { &cb, NULL, &second };

	probe_begin(argc, argv);
	make("f", "what was there before");
	cb.aio_fildes = say_ok("open", open(at("f"), O_RDWR));
	cb.aio_buf = buf;
	cb.aio_nbytes = sizeof(buf);
	cb.aio_offset = 5;
	say("aio_read", aio_read(&cb));
	say("read", done(&cb));
	printf("got %.16s\n", buf);
	cb.aio_buf = memcpy(buf, "THAT", 4);
	cb.aio_nbytes = 4;
	cb.aio_offset = 0;
	say("aio_write", aio_write(&cb));
	say("written", done(&cb));
	say("aio_fsync", aio_fsync(O_SYNC, &cb));
	say("synced", done(&cb));
	cb.aio_lio_opcode = LIO_WRITE;
	cb.aio_offset = 21;
	second.aio_fildes = cb.aio_fildes;
	second.aio_lio_opcode = LIO_READ;
	second.aio_buf = other;
	second.aio_nbytes = 3;
	second.aio_offset = 5;
	say("lio_listio", lio_listio(LIO_WAIT, list, 3, NULL));
	say("first", aio_return(&cb));
	say("second", aio_return(&second));
	printf("got %.3s\n", other);
	say("close", close(cb.aio_fildes));
	show("f");
	native();
	cb.aio_fildes = open(at(""), O_RDONLY | O_DIRECTORY);
	cb.aio_lio_opcode = 0;
	say("of a folder", aio_read(&cb) < 0 ? -1 : done(&cb));
	return 0;
}
