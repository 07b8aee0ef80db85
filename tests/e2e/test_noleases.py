"""On a kernel that grants no leases, as gVisor: who holds a file is looked up in /proc."""
import os
import subprocess

import pytest
from conftest import BUILD, LIBRARY


@pytest.fixture
def mount(gw):
    gw.under = [BUILD / "tests/noleases"]
    return gw


def test_close_waits_for_the_upload(mount, eventually):
    p = mount.start(["bash", "-c", "echo x >/s3/f; touch ready; read line"])
    eventually((mount.scratch / "ready").exists, 30)
    assert mount.get("f") == b"x\n"
    assert "there are no leases" in mount.finish(p, b"\n").log


def test_programs(mount):
    data = os.urandom(3 << 20)
    (mount.scratch / "data").write_bytes(data)
    r = mount.sh("""
cp data $S3/copy; cmp data $S3/copy
mkdir $S3/d; tar cf $S3/d/t.tar data; tar xf $S3/d/t.tar -C $S3/d; cmp data $S3/d/data
seq 1000 | sort -r >$S3/sorted; head -1 $S3/sorted; mv $S3/sorted $S3/d/; rm $S3/d/t.tar; ls $S3 $S3/d
""")
    assert r.out.split() == ["999", "/s3:", "copy", "d", "/s3/d:", "data", "sorted"]
    assert mount.get("copy") == mount.get("d/data") == data


def test_the_last_of_several_writers_counts(mount):
    """A description that is shared: by a child that goes on, by a duplicate, by one that was killed."""
    mount.python("""
import os, signal, sys, time
fd = os.open('/s3/shared', os.O_WRONLY | os.O_CREAT)
if os.fork() == 0:
    time.sleep(1)
    os.write(fd, b'child')
    os._exit(0)
os.close(fd)
os.wait()
fd = os.open('/s3/dup', os.O_WRONLY | os.O_CREAT)
other = os.dup(fd)
os.close(fd)
os.write(other, b'dup')
os.close(other)
if os.fork() == 0:
    fd = os.open('/s3/killed', os.O_WRONLY | os.O_CREAT)
    os.write(fd, b'killed')
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
""")
    assert [mount.get(k) for k in ("shared", "dup", "killed")] == [b"child", b"dup", b"killed"]


def test_written_through_a_mapping_behind_the_close(mount):
    mount.python("""
import mmap, os
fd = os.open('/s3/f', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 5)
m = mmap.mmap(fd, 5)
os.close(fd)
m[:] = b'bytes'
m.close()
""")
    assert mount.get("f") == b"bytes"


def test_a_bare_program(mount):
    env = {**mount.base_env(), "LD_PRELOAD": str(LIBRARY), "S3SHIM_BUCKET": mount.bucket, "S3SHIM_MOUNT": "/s3",
           "S3SHIM_CACHE_DIR": str(mount.scratch / "cache")}
    subprocess.run([*mount.under, "bash", "-c", "echo bare >/s3/f"], env=env, timeout=60, check=True)
    assert mount.get("f") == b"bare\n"
