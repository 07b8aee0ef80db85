"""A server that keeps its connections open and says nothing: every call ends by itself, with an error, and what was written
is kept. How long each takes is not asserted, but what the deadline allows in the worst case, many times over."""
import pytest
from test_faults import private  # noqa: F401, a fixture

pytestmark = pytest.mark.sanitized

CALLS = """
import errno, os, sys, threading
fd = os.open('/s3/open', os.O_RDONLY); os.pread(fd, 10, 0)
w = os.open('/s3/w', os.O_WRONLY | os.O_CREAT); os.write(w, b'accepted')
s = os.open('/s3/s', os.O_WRONLY | os.O_CREAT); os.write(s, b'accepted')
open('ready', 'w').close()
sys.stdin.readline()
def t(name, f):
    try: f(); r = 'ok'
    except OSError as e: r = errno.errorcode[e.errno]
    os.write(1, b'%s %s\\n' % (name.encode(), r.encode()))
calls = {
    'stat': lambda: os.stat('/s3/a/x'), 'open': lambda: os.open('/s3/a/y', os.O_RDONLY), 'pread': lambda: os.pread(fd, 10, 20 << 20),
    'listdir': lambda: os.listdir('/s3/d'), 'mkdir': lambda: os.mkdir('/s3/n'), 'unlink': lambda: os.unlink('/s3/u'),
    'truncate': lambda: os.truncate('/s3/t', 5), 'close': lambda: os.close(w),
    'create': lambda: os.open('/s3/c/new', os.O_CREAT | os.O_WRONLY), 'rmdir': lambda: os.rmdir('/s3/e'),
    'symlink': lambda: os.symlink('x', '/s3/l'), 'fsync': lambda: os.fsync(s),
}
threads = [threading.Thread(target=t, args=i) for i in calls.items()]
for x in threads: x.start()
for x in threads: x.join()
open('done', 'w').close()
"""


def test_nothing_hangs(private, eventually):  # noqa: F811
    private.put("open", b"x" * (40 << 20))
    for key in ("u", "t", "d/f"):
        private.put(key, b"0123456789")
    private.put("e/", b"")
    p = private.start(["/usr/bin/python3", "-c", CALLS], options=["--deadline", "3s", "--ttl", "600s"])
    eventually((private.scratch / "ready").exists, seconds=60)
    private.server.pause()
    try:
        p.stdin.write(b"\n")
        p.stdin.flush()
        eventually((private.scratch / "done").exists, seconds=120)
    finally:
        private.server.resume()
    r = private.finish(p, None)
    got = dict(line.split() for line in r.out.splitlines())
    assert set(got.values()) <= {"ETIMEDOUT", "EIO"} and len(got) == 12, got  # EIO: a new connection came to nothing
    for name in ("w", "s"):
        kept = [line.split("kept in '")[1].split("'")[0] for line in r.err.splitlines() if f"/{name} was not uploaded" in line]
        assert private.keys().count(name) or open(kept[0]).read() == "accepted", r
