/* Asynchronous I/O: what libc's threads read and write. */
#include "probe.h"

#include <aio.h>

static long done(struct aiocb *cb)
{
	const struct aiocb *list[] = { cb };

	while (aio_error(cb) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	errno = aio_error(cb);
	return aio_return(cb);
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
	cb.aio_fildes = open(at(""), O_RDONLY | O_DIRECTORY);
	cb.aio_lio_opcode = 0;
	say("of a folder", aio_read(&cb) < 0 ? -1 : done(&cb));
	return 0;
}
