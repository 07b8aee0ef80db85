"""Reading: what is kept and what is dropped, what it costs on the wire, and that no byte is ever wrong."""
import hashlib
import os
import re
import subprocess
import sys
import threading

from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig
from conftest import BUILD
from lying import Lying

CHECKER = BUILD / "tests/checker"
MIB = 1 << 20
PARTS = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)

# Reads a file from end to end, checks the number in each of its blocks, and tells what its file took at most meanwhile.
STREAM = """
import os, sys
fd, at, most = os.open('/s3/big', os.O_RDONLY), 0, 0
while data := os.read(fd, 1 << 18):
    for off in range(0, len(data), 65536):
        assert int.from_bytes(data[off:off + 8], 'little') == (at + off) // 65536 + 1, at + off
    at += len(data)
    if at % (8 << 20) == 0:
        print(at, flush=True)
        sys.stdin.readline()
print('end', flush=True)
"""


def numbered(path, size):
    """A sparse file whose 64 KiB blocks begin with their numbers."""
    with open(path, "wb") as f:
        f.truncate(size)
        for block in range(size // 65536):
            os.pwrite(f.fileno(), (block + 1).to_bytes(8, "little"), block * 65536)


def broker_of(pid):
    """The broker is a child of s3run's, beside the program."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text().strip() == "s3shimd":
            return child
    raise AssertionError("no broker")


def resident(pid):
    """Anonymous and shared memory of a process, in bytes, without the pages of its program and libraries."""
    fields = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return sum(int(fields[k].split()[0]) << 10 for k in ("RssAnon", "RssShmem"))


def stream(mount, size, options, bound):
    """Streams the file; the most that the object's file and the broker took together."""
    p = mount.start(["/usr/bin/python3", "-S", "-c", STREAM], options)
    broker, most = None, 0
    while line := p.stdout.readline().strip():
        if line == b"end":
            break
        broker = broker or broker_of(p.pid)
        program = [c for c in Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split() if c != broker][0]
        files = [os.stat(f"/proc/{program}/fd/{fd}") for fd in os.listdir(f"/proc/{program}/fd") if fd != "0"]
        held = max((s.st_blocks * 512 for s in files if s.st_size == size), default=None)
        assert held is not None, "the object's file is the program's too"
        most = max(most, held + resident(broker))
        p.stdin.write(b"\n")
        p.stdin.flush()
    r = mount.finish(p)
    assert r.status == 0, r
    assert most <= bound, most
    assert r.stats["bytes_down"] == size, "every byte is fetched once"


def test_a_file_larger_than_the_cache_streams_through_it(gw, scratch):
    size = 512 * MIB
    numbered(scratch / "big", size)
    gw.client.upload_file(str(scratch / "big"), gw.bucket, "big", Config=PARTS)
    (scratch / "big").unlink()
    stream(gw, size, ["--memory", "32MiB"], (32 + 128) * MIB)  # in a file
    stream(gw, size, ["--memory", "2GiB"], (64 + 128) * MIB)  # in memory, dropped behind the reader


def test_random_reads_fetch_what_they_touch(gw, scratch):
    """200 preads: a request for each distinct miss, and 64 KiB blocks, nothing else; told by the server's log too."""
    size = 64 * MIB
    numbered(scratch / "big", size)
    gw.client.upload_file(str(scratch / "big"), gw.bucket, "big", Config=PARTS)
    mark = gw.server.mark()
    r = gw.python("""
import os, random
random.seed(4)
fd, touched = os.open('/s3/big', os.O_RDONLY), set()
for _ in range(200):
    block = random.randrange(2, 1024)
    assert int.from_bytes(os.pread(fd, 4096, block * 65536)[:8], 'little') == block + 1
    touched.add(block)
print(len(touched))
""")
    touched = int(r.out)
    assert r.requests["GetObject"] <= touched + 1
    assert r.stats["bytes_down"] <= 1.1 * touched * 65536 + 131072
    assert gw.server.requests(mark)["GetObject"] == r.requests["GetObject"]


def test_advice(gw, scratch):
    size = 64 * MIB
    numbered(scratch / "big", size)
    gw.client.upload_file(str(scratch / "big"), gw.bucket, "big", Config=PARTS)
    r = gw.python("""
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open('/s3/big', os.O_RDONLY)
os.posix_fadvise(fd, 8 << 20, 4 << 20, os.POSIX_FADV_WILLNEED)
assert libc.readahead(fd, ctypes.c_long(32 << 20), ctypes.c_size_t(1 << 20)) == 0
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
for off in [*range(8 << 20, 12 << 20, 65536), *range(32 << 20, 33 << 20, 65536)]:
    assert int.from_bytes(os.pread(fd, 8, off), 'little') == off // 65536 + 1
try: os.posix_fadvise(fd, 0, 0, 99)
except OSError as e: print(e.errno)
""")
    assert r.out == "22\n"
    assert r.requests["GetObject"] == 3  # the open's, and each advice
    assert r.stats["bytes_down"] == (5 << 20) + 131072


def test_a_seek_cancels_what_is_useless(gw, scratch):
    size = 256 * MIB
    numbered(scratch / "big", size)
    gw.client.upload_file(str(scratch / "big"), gw.bucket, "big", Config=PARTS)
    r = gw.python("""
import os
fd = os.open('/s3/big', os.O_RDONLY)
for _ in range(40): os.read(fd, 1 << 20)
for off in range(255 << 20, 200 << 20, -(7 << 20)):
    assert int.from_bytes(os.pread(fd, 8, off), 'little') == off // 65536 + 1
""")
    assert r.stats["bytes_down"] < 160 * MIB


def make(gw, name, number, version, size):
    data = subprocess.run([CHECKER, "make", str(number), str(version), str(size)], check=True, capture_output=True).stdout
    gw.put(name, data)


def test_no_wrong_byte(s3):
    """From a cache that is far too small, of objects that change behind its back. S3SHIM_CHECKER_READS: how many."""
    reads = int(os.environ.get("S3SHIM_CHECKER_READS", "10000"))
    objects, size = 4, 3 * MIB + 4096
    for i in range(objects):
        make(s3, f"r{i + 1}", i + 1, 1, size)
    for i in range(2):
        make(s3, f"w{i + 1}", i + 101, 1, size)
    p = s3.start([CHECKER, "run", "/s3", str(objects), str(size), str(reads)], ["--memory", "1MiB", "--ttl", "100ms"])
    replaced, done = 0, threading.Event()

    def replace():
        nonlocal replaced
        while not done.wait(0.2):
            make(s3, f"r{replaced % objects + 1}", replaced % objects + 1, 2 + replaced % 60000, size)
            replaced += 1

    replacer = threading.Thread(target=replace)
    if s3.server.reads_are_atomic:
        replacer.start()
    try:
        r = s3.finish(p, timeout=60 + reads / 100)
    finally:
        done.set()
        if replacer.ident:
            replacer.join()
    assert r.status == 0, r.out or r
    made, stale = map(int, r.out.split())
    print(f"{made} reads, {replaced} objects replaced, {stale} ESTALE", file=sys.stderr)
    assert made >= reads
    assert r.stats["cache_dropped_bytes"] > 0
    assert bool(stale) == bool(replaced)


def through(gw, lie):
    """The mount's requests pass a liar."""
    proxy = Lying(gw.server.port, lie)
    gw.env = {**gw.env, "S3SHIM_ENDPOINT": f"http://127.0.0.1:{proxy.port}"}
    return proxy


READ_BLOCKS = """
import errno, os, sys
fd, failed = os.open('/s3/big', os.O_RDONLY), 0
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
for block in range(2, 2 + int(sys.argv[1])):
    for attempt in range(3):
        try:
            data = os.pread(fd, 65536, block * 65536)
        except OSError as e:
            assert e.errno in (errno.EIO, errno.ESTALE), e
            failed += 1
            continue
        assert data == (block + 1).to_bytes(8, 'little') + bytes(65528), block
        break
print(failed)
"""


def big(gw, scratch, blocks):
    numbered(scratch / "big", (blocks + 2) * 65536)
    gw.client.upload_file(str(scratch / "big"), gw.bucket, "big", Config=PARTS)


def test_a_cut_answer_is_never_data(gw, scratch):
    """Cut at many offsets of a block; what goes on behind the cut is the rest. S3SHIM_CUTS: how many offsets."""
    cuts = int(os.environ.get("S3SHIM_CUTS", "40"))
    big(gw, scratch, cuts)

    def cut(request, head, body):
        if len(body) != 65536:
            return head, body
        block = int.from_bytes(body[:8], "little") - 3
        return head, body[:1 + block * 65535 // cuts]

    with through(gw, cut) as proxy:
        r = gw.python(READ_BLOCKS, cuts, timeout=60 + cuts)
    assert proxy.lies >= cuts - 1
    assert r.stats["retries"] > 0


def shift(head):
    return re.sub(rb"(?i)(content-range: bytes )(\d+)-(\d+)",
                  lambda m: b"%s%d-%d" % (m[1], int(m[2]) + 65536, int(m[3]) + 65536), head)


def total(head):
    return re.sub(rb"(?i)(content-range: bytes \d+-)(\d+)", lambda m: b"%s%d" % (m[1], int(m[2]) - 1), head)


@pytest.mark.parametrize("lie, errno_name", [
    (shift, "EIO"),
    (total, "EIO"),
    (lambda head: re.sub(rb"(?i)content-range:[^\r]*\r\n", b"", head), "EIO"),
    (lambda head: re.sub(rb"(?i)(etag: *\")....", rb"\1ffff", head), "ESTALE"),
    (lambda head: re.sub(rb" 206 [^\r]*", b" 200 OK", head, count=1), "EIO"),
], ids=["another range", "a shorter range", "no range", "another ETag", "not a part"])
def test_an_answer_to_another_question_is_never_data(gw, scratch, lie, errno_name):
    big(gw, scratch, 4)
    with through(gw, lambda request, head, body: (lie(head), body) if len(body) == 65536 else (head, body)) as proxy:
        r = gw.python("""
import errno, os
fd = os.open('/s3/big', os.O_RDONLY)
try: print(os.pread(fd, 100, 3 * 65536))
except OSError as e: print(errno.errorcode[e.errno])
""", options=["--deadline", "5s"])
    assert r.out.strip() in (errno_name, "ETIMEDOUT")  # it is asked again until the time is over
    assert proxy.lies > 0


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA256"])
def test_a_flipped_bit_is_an_error_never_data(gw, algorithm):
    """An object that comes whole is compared with the checksum that it was stored with, before any of it is shown."""
    data = os.urandom(100_000)
    if algorithm == "CRC64NVME":
        gw.run(["sh", "-c", "cat >/s3/f"], input=data)  # ours; the witness is too old for it
    else:
        gw.put("f", data, ChecksumAlgorithm=algorithm)
    flips = [70_000, 5, 99_999]

    def flip(request, head, body):
        if len(body) != len(data) or not flips:
            return head, body
        at = flips.pop()
        return head, body[:at] + bytes([body[at] ^ 16]) + body[at + 1:]

    with through(gw, flip) as proxy:
        r = gw.python("""
import errno, os, sys
fd, errors = os.open('/s3/f', os.O_RDONLY), 0
for attempt in range(20):
    try: data = os.pread(fd, 100000, 0)
    except OSError as e:
        assert e.errno == errno.EIO, e
        errors += 1
    else: break
print(errors, __import__('hashlib').sha256(data).hexdigest())
""")
    errors, digest = r.out.split()
    assert digest == hashlib.sha256(data).hexdigest()
    assert int(errors) in (2, 3) and proxy.lies == 3  # the open's own, when nobody waits for it, is nobody's error
