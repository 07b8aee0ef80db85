"""Things that die in the middle: the writer, the broker, the server, the network. Nothing hangs, nothing is silent, no
byte is wrong, nothing half-written is in the bucket."""
import os
import signal
import subprocess
import time

import pytest
from conftest import BUILD, S3Mount
from servers import Versitygw

pytestmark = pytest.mark.sanitized


def pids_of(mount, program):
    """Processes of one of our programs that serve this mount."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            argv = open(f"/proc/{pid}/cmdline", "rb").read()
        except OSError:
            continue
        if argv.startswith(str(BUILD / program).encode()) and str(mount.scratch).encode() in argv:
            found.append(int(pid))
    return found


def kept(mount):
    """Contents of what is kept for recovery."""
    return [f.read_bytes() for f in (mount.scratch / "cache").rglob("*") if f.is_file() and not f.is_symlink()]


@pytest.fixture
def private(scratch):
    """A mount on a versitygw of this test alone, which may be killed."""
    with Versitygw() as server:
        yield S3Mount(scratch, server, "fault")


def test_sigkill_of_a_writer(s3, eventually):
    """As on a disk: what it wrote until then is the file."""
    p = s3.start(["/usr/bin/python3", "-c", "import os, signal\nfd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT)\n"
                  "os.write(fd, b'x' * 100000)\nos.kill(os.getpid(), signal.SIGKILL)"])
    r = s3.finish(p)
    assert r.status == -signal.SIGKILL
    assert s3.get("f") == b"x" * 100000


def test_sigkill_of_a_writer_of_many_parts(s3):
    p = s3.start(["/usr/bin/python3", "-c", "import os, signal\nfd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT)\n"
                  "for i in range(50): os.write(fd, bytes([i]) * (1 << 20))\nos.kill(os.getpid(), signal.SIGKILL)"])
    r = s3.finish(p)
    assert r.status == -signal.SIGKILL
    assert s3.get("f") == b"".join(bytes([i]) * (1 << 20) for i in range(50))
    assert s3.uploads() == []


def test_sigkill_of_the_broker(gw, eventually):
    """The program sees EIO and ends; s3run says so, 74; the bucket holds no half object; the staging file is kept and
    `s3ctl recover` lists it."""
    p = gw.start(["/usr/bin/python3", "-c", """
import errno, os, sys
fd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'precious' * 1000)
open('ready', 'w').close()
sys.stdin.readline()
def attempt(what, f, *args):
    try:
        f(*args)
        print(what, 'ok')
    except OSError as e:
        print(what, errno.errorcode[e.errno])
attempt('open', os.open, '/s3/g', os.O_WRONLY | os.O_CREAT)
attempt('close', os.close, fd)
attempt('stat', os.stat, '/s3/f')
attempt('elsewhere', os.stat, '/tmp')
"""])
    eventually((gw.scratch / "ready").exists)
    brokers = pids_of(gw, "s3shimd")
    assert len(brokers) == 1
    os.kill(brokers[0], signal.SIGKILL)
    time.sleep(0.2)
    r = gw.finish(p, b"\n")
    assert r.out.splitlines() == ["open EIO", "close EIO", "stat EIO", "elsewhere ok"]
    assert r.status == 74 and "broker" in r.err, r
    assert gw.keys() == []
    assert b"precious" * 1000 in kept(gw)
    listing = subprocess.run([BUILD / "s3ctl", "recover", "--cache-dir", gw.scratch / "cache"], capture_output=True, text=True,
                             env=gw.base_env())
    assert listing.returncode == 0 and f"s3://{gw.bucket}/f" in listing.stdout, listing


def test_fsync_to_staging_survives_the_broker(gw, eventually):
    """--fsync staging: nothing is sent by fsync, and what it made safe outlives the broker."""
    p = gw.start(["/usr/bin/python3", "-c", """
import os, sys
fd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'precious' * 1000)
os.fsync(fd)
os.sync()
open('ready', 'w').close()
sys.stdin.readline()
"""], options=["--fsync", "staging"])
    eventually((gw.scratch / "ready").exists)
    assert gw.keys() == []
    for pid in pids_of(gw, "s3shimd"):
        os.kill(pid, signal.SIGKILL)
    gw.finish(p, b"\n")
    assert gw.keys() == []
    listing = subprocess.run([BUILD / "s3ctl", "recover", "--cache-dir", gw.scratch / "cache"], capture_output=True, text=True,
                             env=gw.base_env())
    assert f"s3://{gw.bucket}/f" in listing.stdout and b"precious" * 1000 in kept(gw), listing


TWO_FILES = """
import os, sys
fds = [os.open(f'/s3/f{i}', os.O_WRONLY | os.O_CREAT) for i in range(2)]
for i, fd in enumerate(fds): os.write(fd, b'precious%d' % i)
open('ready', 'w').close()
sys.stdin.readline()
for fd in fds: os.close(fd)
open('closed', 'w').close()
sys.stdin.readline()
"""


def test_background_close_does_not_wait_for_the_server(private, eventually):
    p = private.start(["/usr/bin/python3", "-c", TWO_FILES], options=["--commit", "background"])
    eventually((private.scratch / "ready").exists)
    private.server.pause()
    p.stdin.write(b"\n")
    p.stdin.flush()
    eventually((private.scratch / "closed").exists)
    private.server.resume()
    assert private.finish(p, b"\n").status == 0
    assert [private.get(f"f{i}") for i in range(2)] == [b"precious0", b"precious1"]


def recover(mount, *words, check=True):
    argv = [BUILD / "s3ctl", "recover", *words[:2], "--cache-dir", mount.scratch / "cache", *words[2:]]
    r = subprocess.run([str(a) for a in argv], capture_output=True, env={**mount.base_env(), **mount.server.env})
    assert not check or r.returncode == 0, r
    return r


def test_background_loses_nothing_with_the_broker(private, eventually):
    """The broker is killed while closed files wait for their upload: s3ctl recover shows, writes back, drops them."""
    p = private.start(["/usr/bin/python3", "-c", TWO_FILES], options=["--commit", "background"])
    eventually((private.scratch / "ready").exists)
    private.server.pause()
    p.stdin.write(b"\n")
    p.stdin.flush()
    eventually((private.scratch / "closed").exists)
    for pid in pids_of(private, "s3shimd"):
        os.kill(pid, signal.SIGKILL)
    private.server.resume()
    assert private.finish(p, b"\n").status == 74
    names = [f"s3://{private.bucket}/f{i}" for i in range(2)]
    private.client.delete_object(Bucket=private.bucket, Key="f0")  # in case a PUT was on its way
    private.client.delete_object(Bucket=private.bucket, Key="f1")
    assert all(name in recover(private).stdout.decode() for name in names)
    assert recover(private, "cat", names[0]).stdout == b"precious0"
    recover(private, "write", names[0])
    assert private.get("f0") == b"precious0"
    private.put("f1", b"somebody else's")
    r = recover(private, "write", names[1], check=False)
    assert r.returncode == 1 and b"--force" in r.stderr and private.get("f1") == b"somebody else's", r
    recover(private, "write", names[1], "--force")
    assert private.get("f1") == b"precious1"
    assert b"nothing to recover" in recover(private).stdout
    assert kept(private) == [] or not any(b"precious" in k for k in kept(private))


def test_background_uploads_that_fail_are_listed(private, eventually):
    p = private.start(["/usr/bin/python3", "-c", TWO_FILES],
                      options=["--commit", "background", "--deadline", "3s", "--connect-timeout", "1s"])
    eventually((private.scratch / "ready").exists)
    private.server.kill()
    p.stdin.write(b"\n")
    p.stdin.flush()
    eventually((private.scratch / "closed").exists)
    r = private.finish(p, b"\n")
    assert r.status == 74, r
    assert all(f"s3://{private.bucket}/f{i}" in r.err for i in range(2)), r


def test_background_removals_that_fail_are_listed(private, eventually):
    private.put("f0", b"x")
    p = private.start(["bash", "-c", "stat /s3/f0; touch ready; read; rm /s3/f0 && touch removed && ! test -e /s3/f0 && read; exit 0"],
                      options=["--commit", "background", "--ttl", "600s", "--deadline", "3s", "--connect-timeout", "1s"])
    eventually((private.scratch / "ready").exists)
    private.server.kill()
    p.stdin.write(b"\n")
    p.stdin.flush()
    eventually((private.scratch / "removed").exists)
    r = private.finish(p, b"\n")
    assert r.status == 74 and f"s3://{private.bucket}/f0" in r.err, r


def test_sigterm_to_s3run(gw, eventually):
    """The program gets it and ends by it; what it wrote is uploaded all the same, and s3run ends as the program did."""
    p = gw.start(["bash", "-c", "exec 5>/s3/f; echo x >&5; touch ready; while :; do sleep 0.05; done"])
    eventually((gw.scratch / "ready").exists)
    p.send_signal(signal.SIGTERM)
    assert gw.finish(p).status == -signal.SIGTERM
    assert gw.get("f") == b"x\n"


def test_server_gone_while_writing(private, eventually):
    p = private.start(["/usr/bin/python3", "-c", """
import errno, os, sys
fd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'precious')
open('ready', 'w').close()
sys.stdin.readline()
try:
    os.close(fd)
    print('ok')
except OSError as e:
    print(errno.errorcode[e.errno])
"""], options=["--deadline", "5s", "--connect-timeout", "1s"])
    eventually((private.scratch / "ready").exists)
    private.server.kill()
    began = time.monotonic()
    r = private.finish(p, b"\n")
    assert time.monotonic() - began < 40, "nothing hangs"
    assert r.out in ("EIO\n", "ETIMEDOUT\n") and r.status == 74, r
    assert f"s3://{private.bucket}/f" in r.err and str(private.scratch / "cache") in r.err, r
    assert b"precious" in kept(private)


def test_server_gone_for_a_moment(private, eventually):
    """Retries outlast a restart, and nobody notices."""
    private.put("f", b"x" * (30 << 20))
    p = private.start(["/usr/bin/python3", "-c", """
import hashlib, sys
f = open('/s3/f', 'rb', buffering=0)
f.read(10)
open('ready', 'w').close()
sys.stdin.readline()
n = 10
while block := f.read(1 << 20):
    assert block == b'x' * len(block)
    n += len(block)
open('/s3/g', 'w').write(str(n))
"""])
    eventually((private.scratch / "ready").exists)
    private.server.kill()
    p.stdin.write(b"\n")
    p.stdin.flush()
    time.sleep(0.7)
    private.server.start_again()
    r = private.finish(p, None)
    assert r.status == 0, r
    assert private.get("g") == str(30 << 20).encode()


def test_server_gone_while_reading(private, eventually):
    private.put("f", b"x" * (60 << 20))
    p = private.start(["/usr/bin/python3", "-c", """
import errno, os, sys
fd = os.open('/s3/f', os.O_RDONLY)
os.read(fd, 10)
open('ready', 'w').close()
sys.stdin.readline()
try:
    block = os.pread(fd, 1 << 20, 59 << 20)
    print('right' if block == b'x' * len(block) else 'WRONG')
except OSError as e:
    print(errno.errorcode[e.errno])
"""], options=["--deadline", "5s", "--connect-timeout", "1s"])
    eventually((private.scratch / "ready").exists)
    private.server.kill()
    r = private.finish(p, b"\n")
    assert r.out in ("EIO\n", "ETIMEDOUT\n", "right\n"), r


def test_server_stops_answering(private, eventually):
    """Connections stay open and nothing comes: the deadline ends the call."""
    private.put("f", b"x")
    p = private.start(["/usr/bin/python3", "-c", """
import os, sys
open('ready', 'w').close()
sys.stdin.readline()
try:
    os.stat('/s3/f')
    print('ok')
except OSError as e:
    import errno
    print(errno.errorcode[e.errno])
"""], options=["--deadline", "3s"])
    eventually((private.scratch / "ready").exists)
    private.server.pause()
    began = time.monotonic()
    try:
        p.stdin.write(b"\n")
        p.stdin.flush()
        line = p.stdout.readline()
    finally:
        private.server.resume()
    assert time.monotonic() - began < 45
    assert line.strip() in (b"EIO", b"ETIMEDOUT")
    private.finish(p, None)


def test_disk_full_of_staging_is_enospc_not_a_hang(gw):
    """RLIMIT_FSIZE of the program bounds the program, as on a disk."""
    r = gw.sh("ulimit -f 100; trap '' XFSZ; dd if=/dev/zero of=$S3/f bs=1K count=200 2>&1 || true; stat -c %s $S3/f")
    assert "File too large" in r.out and r.out.split()[-1] == "102400"


def test_server_that_refuses_some_requests(gw, tmp_path):
    """A proxy that answers 503 SlowDown to every third request and cuts every seventh body."""
    from flaky import Flaky

    data = os.urandom(1 << 20) * 40
    gw.put("f", data)
    with Flaky(gw.server.port) as proxy:
        gw.env = {**gw.env, "S3SHIM_ENDPOINT": f"http://127.0.0.1:{proxy.port}"}
        (gw.scratch / "expected").write_bytes(data)
        r = gw.sh("cmp $S3/f expected; cp expected $S3/g; for i in 1 2 3 4 5; do echo $i >$S3/d$i; done; cat $S3/d*")
    assert r.out == "1\n2\n3\n4\n5\n"
    assert gw.get("g") == data and len(gw.uploads()) <= proxy.cut_creates
    assert r.stats["retries"] > 0 and proxy.refused > 0 and proxy.cut > 0
