"""A program that speaks to the broker's socket itself, and means harm: rows of threats and what becomes of them. While it
does, a program of its own session and one of another session read on, with right bytes; after each case they still do."""
import array
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import random
import re
import resource
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from conftest import BUILD, TOP
from field import AGAIN, BIG, S3, SECRET, SMALL, VOL, Field, Session, content, wait_for
from peer import HEADER, MESSAGES, PATIENCE, VERSION, Gone, Peer, frame, string
from servers import die_with_parent

LIMITS = {m[1]: int(m[2]) for f in ("broker/limits.h", "base/wire.h")
          for m in re.finditer(r"^#define (\w+) +(\d+)\b", (TOP / "core" / f).read_text(), re.M)}
RESIDENT_MIB_MAX = 400
SPARE_SOCKETS = 160  # to the server, kept for the next request
HUGE = [1, 1 << 31, 1 << 32, 1 << 53, (1 << 63) - 4096, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096, (1 << 64) - 2, (1 << 64) - 1]


@pytest.fixture(scope="module")
def field(versitygw):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = Path(tempfile.mkdtemp(prefix="s3h-", dir="/var/tmp"))
    f = Field(versitygw, folder)
    yield f
    f.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def afterwards(field):
    before = field.mine.descriptors()
    yield
    field.unharmed()
    assert field.mine.resident_mib() < RESIDENT_MIB_MAX
    wait_for(lambda: field.mine.descriptors() <= before + SPARE_SOCKETS, "for descriptors to be given back")


@pytest.fixture
def peer(field):
    with field.mine.peer() as p:
        yield p


def ends(p, data):
    """Send what breaks the protocol: does the broker hang up, and answer nothing?"""
    try:
        p.send(data)
    except Gone:
        return True
    return p.ended()


def header(size, type=3, has_fd=0, status=0, id=1):
    return HEADER.pack(size & 0xFFFFFFFF, type, has_fd, id, status)


def type_of(name):
    return MESSAGES[name].number


# Frames


def wrong_frames():
    good = frame("STAT", "small0")
    bare = MESSAGES["STAT"].request.pack(0, 0)
    stat = type_of("STAT")

    def with_tail(tail):
        return header(HEADER.size + len(bare) + len(tail), stat) + bare + tail

    yield from ((f"size {n}", header(n, stat) + good[16:]) for n in (0, 1, 15, LIMITS["WIRE_REQUEST_MAX"] + 1, 1 << 31, (1 << 32) - 1))
    yield from ((f"type {n}", header(len(good), n) + good[16:]) for n in (0, len(MESSAGES) + 1, 255, 65535))
    yield "a descriptor that is none", header(len(good), stat, has_fd=1) + good[16:]
    yield "a status in a request", header(len(good), stat, status=-5) + good[16:]
    yield "less than the fixed part", header(20, stat) + bytes(4)
    yield "no string", with_tail(b"")
    yield "half a length", with_tail(b"\1\0")
    yield "a string beyond the frame", with_tail(struct.pack("<I", 100) + b"a\0")
    yield "a string of 4 GiB", with_tail(struct.pack("<I", 0xFFFFFFFF) + b"a\0")
    yield "a string without its NUL", with_tail(struct.pack("<I", 2) + b"ab")
    yield "a NUL within a string", with_tail(string(b"small0\0/../secret"))
    yield "a path of 4,096 bytes", with_tail(string("x" * 4096))
    yield "one string more", with_tail(string("a") + string("b"))
    yield "something behind", good[:16].replace(good[:4], struct.pack("<I", len(good) + 1)) + good[16:] + b"\0"
    yield "one string less", header(len(frame("RENAME", "a", "b")), type_of("RENAME")) + frame("RENAME", "a", "b")[16:-6] + b"\xff" * 6
    yield "a size that is too small for the type", header(16, type_of("OPEN"))


WRONG = dict(wrong_frames())


def test_a_wrong_frame_ends_its_connection(field, peer):
    for what, data in WRONG.items():
        with field.mine.peer() as p:
            assert ends(p, data), what
    assert peer.served()


def test_wrong_frames_behind_right_ones_and_in_pieces(field):
    """Answers to what was right come first; then the end."""
    with field.mine.peer() as p:
        p.send(frame("STAT", "small0") * 3 + header(5))
        for _ in range(3):
            assert p.receive().status == 0
        assert p.ended()
    with field.mine.peer() as p:
        for byte in WRONG["a NUL within a string"]:
            p.send(bytes([byte]))
        assert p.ended()


def test_nothing_is_done_before_hello(field):
    for name, m in MESSAGES.items():
        with Peer(field.mine.socket) as p:
            assert name == "HELLO" or ends(p, frame(name, *["small0"] * m.strings)), name


def test_another_version_is_told_so_and_stays_outside(field):
    for version in (0, VERSION - 1, VERSION + 1, 0xFFFFFFFF):
        with Peer(field.mine.socket) as p:
            r = p.call("HELLO", version=version)
            assert r.status == -errno.EPROTO and r.fd < 0
            assert ends(p, frame("STAT", "small0"))


def test_hello_again_and_a_reply_as_a_request(field, peer):
    for _ in range(50):
        peer.call("HELLO", version=VERSION).close()
    peer.call("STAT", "small0")
    assert ends(peer, header(HEADER.size + MESSAGES["STAT"].reply.size, type_of("STAT")) + bytes(MESSAGES["STAT"].reply.size))


def test_the_end_of_the_session_is_not_a_programs_to_say(field, peer):
    for shutdown in (0, 1):
        assert peer.call("DRAIN", shutdown=shutdown).status == -errno.EPERM
    assert peer.served()


def test_halves_of_frames_and_peers_that_are_gone(field):
    whole = frame("OPEN", "big", mount=S3)
    for cut in range(1, len(whole), 3):
        with field.mine.peer() as p:
            p.send(whole[:cut])
            p.sock.shutdown(socket.SHUT_WR)
            assert p.ended()
    for i in range(300):
        with field.mine.peer() as p:
            p.send([whole, frame("STAT", f"nothing{i}"), frame("READDIR", file=1), whole[:9]][i % 4])


# Floods


def answered_hello(sock):
    sock.settimeout(PATIENCE)
    try:
        sock.sendall(frame("HELLO", version=VERSION))
        return bool(sock.recv(1000))
    except (BrokenPipeError, ConnectionResetError):
        return False


def test_ten_thousand_connections(field):
    """As many as the bound allows are served, the others closed at once; the log does not fill the disk."""
    log = field.mine.log.stat().st_size
    room = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    with contextlib.ExitStack() as held:
        socks = []
        for i in range(10000):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(str(field.mine.socket))
            if i < room:
                socks.append(held.enter_context(sock))
            else:
                sock.close()
        served = sum(map(answered_hello, socks))
        assert 0 < served <= LIMITS["LIMIT_CONNECTIONS"]
        assert field.mine.resident_mib() < RESIDENT_MIB_MAX
        assert field.mine.status("Threads") < LIMITS["LIMIT_CONNECTIONS"] + 100
        for reader in field.readers:
            reader.goes_on()
    wait_for(lambda: has_room(field), "for connections to end")
    assert field.mine.log.stat().st_size - log < 1 << 20


def has_room(field):
    try:
        return field.mine.connections() < 20
    except Gone:
        return False


def test_connections_by_connections(field, peer):
    """LINK makes no more of them than connect(2)."""
    links = []
    while True:
        r = peer.call("LINK")
        if r.status:
            break
        links.append(Peer(sock=socket.socket(fileno=r.fd)))
        assert len(links) <= LIMITS["LIMIT_CONNECTIONS"]
    assert r.status == -errno.EMFILE and len(links) > 400
    assert links[0].served() and links[-1].served()
    for p in links:
        p.close()
    wait_for(lambda: has_room(field), "for connections to end")


def test_slow_writers(field, peer):
    """A byte now and then holds a thread that waits, and nobody else."""
    whole = frame("STAT", "small0")
    slow = [field.mine.peer() for _ in range(100)]
    for i in range(len(whole)):
        for p in slow:
            p.send(whole[i:i + 1])
        if i % 10 == 0:
            assert peer.served()
    for p in slow:
        assert p.receive().status == 0
        p.send(whole[:-1])
        p.close()


def fill(p, data, most):
    """Send without reading, until nothing more is taken."""
    p.sock.setblocking(False)
    sent = 0
    while sent < most:
        try:
            sent += p.sock.send(data)
        except BlockingIOError:
            if not select.select([], [p.sock], [], 0.05)[1]:
                break
        except (BrokenPipeError, ConnectionResetError):
            break
    return sent


def test_requests_without_reading_the_answers(field, peer):
    requests = [frame("STAT", "small0"), frame("OPEN", "small0"), frame("HELLO", version=VERSION), frame("STATUS"), frame("LINK")]
    many = [field.mine.peer() for _ in range(25)]
    for i, p in enumerate(many):
        fill(p, requests[i % len(requests)] * 100, 1 << 20)
    assert peer.served()
    with field.other.peer() as p:
        assert p.served()
    for reader in field.readers:
        reader.goes_on()
    assert field.mine.resident_mib() < RESIDENT_MIB_MAX
    for p in many:
        p.close()


def test_a_flood_of_descriptors(field):
    """None arrives: newer kernels refuse at the sender, of older ones the broker hangs up."""
    ends = os.pipe()
    fds = array.array("i", [ends[1]] * 200)
    whole = frame("STAT", "small0")
    for sendable in (whole, whole[:5]):
        for first in (True, False):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(str(field.mine.socket))  # perhaps not yet accepted
            p = Peer(sock=sock)
            if not first:
                p.hello()
            try:
                sock.sendmsg([sendable], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            except OSError as e:
                assert e.errno == errno.EPERM or first and e.errno == errno.EPIPE
            else:
                assert p.ended()
            p.close()
    os.close(ends[1])
    assert select.select([ends[0]], [], [], 30)[0] and os.read(ends[0], 1) == b"", "the broker has kept a descriptor"
    os.close(ends[0])


# Messages and pages that change


def test_messages_that_change_while_they_are_read(field):
    """Pages of ours in the broker's socket, by vmsplice(2) and splice(2), and a thread that writes to them: what was checked
    is what is used."""
    libc = ctypes.CDLL(None, use_errno=True)
    page = mmap.mmap(-1, 4096)
    whole, evil, other = frame("STAT", "small0"), frame("STAT", "../../"), frame("READLINK", "x" * 6)
    assert len(whole) == len(evil) == len(other)
    page[:len(whole)] = whole
    iov = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.c_char.from_buffer(page)), len(whole))
    stop = threading.Event()

    def scribble():
        while not stop.is_set():
            for version in (evil, b"\xff" * 20 + whole[20:], whole, other, whole[:-4] + b"\0../", whole):
                page[:len(whole)] = version
    thread = threading.Thread(target=scribble)
    thread.start()
    answered, p = 0, None
    try:
        for _ in range(500):
            if not p:
                p = field.mine.peer()
                p.sock.settimeout(0.5)
            r, w = os.pipe()
            try:
                assert libc.vmsplice(w, iov, 1, 0) == len(whole)
                os.splice(r, p.sock.fileno(), len(whole))
                assert -200 < p.receive().status <= 2
                answered += 1
            except (Gone, BrokenPipeError, ConnectionResetError, TimeoutError):  # a size above ours waits for the rest
                p.close()
                p = None
            finally:
                os.close(r)
                os.close(w)
    finally:
        stop.set()
        thread.join()
    assert answered


@contextlib.contextmanager
def refuses(*errnos):
    with pytest.raises(OSError) as e:
        yield
    assert e.value.errno in errnos


def cannot_change(fd):
    """Not by this descriptor, and not by one that root opens anew."""
    size = os.fstat(fd).st_size
    for again in (False, True):
        if again:
            try:
                fd = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
            except OSError:
                return
        with refuses(errno.EPERM, errno.EBADF):
            os.pwrite(fd, b"x", 0)
        for other in {size + 4096, size // 2} - {size}:
            with refuses(errno.EPERM, errno.EINVAL, errno.EBADF):
                os.ftruncate(fd, other)
        if size:
            with refuses(errno.EPERM, errno.EACCES):
                mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            assert ctypes.CDLL(None).fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(size)) < 0  # PUNCH_HOLE | KEEP_SIZE
        with refuses(errno.EPERM, errno.EBADF, errno.EINVAL):
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        if again:
            os.close(fd)


def test_the_arena_and_folders_cannot_be_written(field, peer):
    hello = peer.call("HELLO", version=VERSION)
    before = os.pread(hello.fd, 4096, 0)
    assert os.fstat(hello.fd).st_size == hello.arena_bytes
    cannot_change(hello.fd)
    assert len(before) == 4096
    hello.close()
    folder = peer.call("OPEN", "", flags=os.O_RDONLY | os.O_DIRECTORY)
    assert folder.status == 0 and folder.kind == 3
    cannot_change(folder.fd)
    assert peer.call("READDIR", file=folder.file, max_bytes=100000).entries >= 5
    folder.close()


def test_an_object_whose_inode_the_program_spoils(field, peer):
    """At the same uid a program can spoil what its own session holds, nobody else's; the broker does not map it, so a
    truncated file is no SIGBUS."""
    r = peer.call("OPEN", "victim", flags=os.O_RDONLY)
    try:
        fd = os.open(f"/proc/self/fd/{r.fd}", os.O_RDWR)
    except PermissionError:
        fd = -1
    if fd >= 0:
        os.pwrite(fd, b"spoiled" * 100, 0)
        os.ftruncate(fd, 10)
        for name, fields in (("GRANT", {"off": 0, "len": 0, "flags": 1}), ("GRANT", {"off": 4000, "len": 10}), ("FSTAT", {}),
                             ("ADVISE", {"len": 5000, "advice": 3}), ("CLOSED", {}), ("SYNC", {})):
            assert peer.call(name, file=r.file, **fields).status <= 0
        os.ftruncate(fd, 1 << 45)
        peer.call("GRANT", file=r.file, off=1 << 44, len=4096)
        os.ftruncate(fd, 0)
        os.close(fd)
    r.close()
    with field.other.peer() as p:
        q = p.call("OPEN", "victim", flags=os.O_RDONLY)
        assert p.call("GRANT", file=q.file, len=SMALL).status == 0
        assert os.pread(q.fd, SMALL, 0) == content("victim", SMALL)
        q.close()
    assert field.client.get_object(Bucket=field.bucket, Key="inside/victim")["Body"].read() == content("victim", SMALL)


def test_a_file_that_is_truncated_while_it_is_claimed_and_sent(field, peer):
    for i in range(10):
        r = peer.call("OPEN", f"torn{i}", flags=os.O_RDWR | os.O_CREAT, mode=0o644)
        assert r.status == 0
        stop = threading.Event()

        def tear(fd=os.dup(r.fd), stop=stop):
            while not stop.is_set():
                os.ftruncate(fd, 0)
                os.pwrite(fd, b"y" * 5000, 300000)
            os.close(fd)
        thread = threading.Thread(target=tear)
        thread.start()
        for off in (0, 100000, 290000):
            assert peer.call("CLAIM", file=r.file, off=off, len=100000).status == 0
        peer.call("FTRUNCATE", file=r.file, size=123)
        peer.call("SYNC", file=r.file)
        stop.set()
        thread.join()
        r.close()
        peer.call("CLOSED", file=r.file)
        peer.call("UNLINK", f"torn{i}")


# Paths

CLIMBING = ["..", "../..", "../outside/secret", "../../outside/secret", "small0/../../outside/secret", "sub/../../outside/secret",
            "/outside/secret", "//outside/secret", "./../outside/secret", ".", "a//b", "../insider/secret", "../inside.secret", "../rooted",
            "..\\outside\\secret", "..;/outside/secret", "%2e%2e/outside/secret", "..%2foutside%2fsecret", "%2e%2e%2f%2e%2e%2fsecret",
            "%252e%252e/outside/secret", "..%00/outside/secret", "way-out/secret", "way-out/../outside/secret", "straight-out",
            "sub/../way-out/secret", "../inside/../outside/secret", ".../outside", "../" * 1000 + "etc/passwd", "a/" * 600 + "b",
            "x" * 255, "x" * 256, "k" * 1024, "y/" * 2047, "s3://secret/x", "~/secret", "?versionId=1", "?prefix=&list-type=2", "#x",
            "secret?uploads", "a&prefix=outside/", "a b+c%20d", "line\nfeed", "carriage\r\nx-amz-acl: public-read\r\n", "\x01\x02\x7f", "-",
            b"\xff\xfe", b"\xc0\xae\xc0\xae/outside/secret", b"\xe0\x80\xaf../secret", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"caf\xe9",
            "．．／outside", "a\u202etxt", "{}[]|^`\"<>"]

CALLS = {"STAT": {}, "READLINK": {}, "REALPATH": {}, "ACCESS": {"mode": 4}, "STATFS": {}, "TRUNCATE": {"size": 3}, "RMDIR": {},
         "SETATTR": {"mask": 1, "mode": 0o600}, "UNLINK": {}, "MKNOD": {"mode": 0o20666, "rdev": 0x103}, "OPEN": {"flags": os.O_RDONLY},
         "MKDIR": {"mode": 0o755}}


def look(reply, seen):
    """What came back: nothing of the secret in it, and no descriptor that leads to it."""
    assert SECRET not in reply.tail
    if reply.fd >= 0:
        try:
            seen.append(os.readlink(f"/proc/self/fd/{reply.fd}"))
            data = os.pread(reply.fd, 4096, 0)
        except OSError:
            data = b""
        for name in (b"..", b"secret", b"../outside/secret"):
            try:
                fd = os.open(name, os.O_RDONLY, dir_fd=reply.fd)
                data += os.read(fd, 4096) if not os.path.isdir(f"/proc/self/fd/{fd}") else b""
                assert not os.path.isdir(f"/proc/self/fd/{fd}"), "a folder's descriptor leads out"
                os.close(fd)
            except OSError:
                pass
        assert SECRET not in data
        reply.close()
    return reply.status


def usable(path):
    data = path if isinstance(path, bytes) else path.encode()
    return len(data) < 4096 and b"\0" not in data


@pytest.mark.parametrize("mount", [S3, VOL], ids=["s3", "file"])
def test_paths_that_lead_out(field, peer, mount):
    seen = []
    for path in filter(usable, CLIMBING):
        for name, fields in CALLS.items():
            status = look(peer.call(name, path, mount=mount, **fields), seen)
            assert -200 < status <= 2, f"{name} {path!r}: {status}"
        status = look(peer.call("OPEN", path, mount=mount, flags=os.O_RDWR | os.O_CREAT, mode=0o644), seen)
        assert -200 < status <= 2
        for pair in ((path, "taken"), ("small0" if mount == S3 else "file", path)):
            if pair[0] in ("small0", "file") and peer.call("STAT", path, mount=mount).status == -errno.ENOENT:
                continue  # a name like any other, and small0 is the readers'
            look(peer.call("RENAME", *pair, mount=mount, mount2=mount), seen)
            look(peer.call("LINK_NAME", *pair, mount=mount, mount2=mount), seen)
        look(peer.call("SYMLINK", path, "to-it", mount=mount), seen)
        for name, fields in CALLS.items():
            if name not in ("UNLINK", "RMDIR", "MKDIR", "MKNOD"):
                look(peer.call(name, "to-it", mount=mount, **fields), seen)
                look(peer.call(name, "to-it/secret", mount=mount, **fields), seen)
        look(peer.call("UNLINK", "to-it", mount=mount), seen)
    assert not [s for s in seen if "outside" in s or "rooted" in s]
    field.untouched_outside()
    assert field.asked_outside() == []


def test_mounts_that_are_none(field, peer):
    for mount in (3, 4, 255, 256, 1 << 31, (1 << 32) - 1):
        for name, fields in CALLS.items():
            assert peer.call(name, "small0", mount=mount, **fields).status == -errno.EINVAL
        for pair in ((mount, 0), (0, mount), (mount, mount)):
            for name in ("RENAME", "LINK_NAME"):
                assert peer.call(name, "small0", "b", mount=pair[0], mount2=pair[1]).status == -errno.EINVAL
        assert peer.call("SYMLINK", "a", "b", mount=mount).status == -errno.EINVAL
    assert peer.call("RENAME", "small0", "small0", mount=S3, mount2=VOL).status == -errno.EXDEV


def test_no_line_of_the_log_is_forged(field, peer):
    line = "2026-11-21T11:35:52.123Z error broker: forged"
    for path in (f"a\n{line}", f"b\r{line}", f"c\x1b[2J\n{line}\n", "d\x85" + line):
        for name in ("STAT", "OPEN", "MKDIR", "UNLINK", "RMDIR"):
            peer.call(name, path, flags=os.O_RDWR)
    assert ends(peer, header(5))
    wait_for(lambda: b"broke the protocol" in field.mine.log.read_bytes())
    for text in field.mine.log.read_bytes().split(b"\n")[:-1]:
        assert re.match(rb"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) [\w./]+: ", text) and b"\x1b" not in text
        assert not text.startswith(line.encode())


# Numbers


def test_offsets_up_to_the_end_of_numbers(field, peer):
    reader = peer.call("OPEN", "small1", flags=os.O_RDONLY)
    writer = peer.call("OPEN", "numbers", flags=os.O_RDWR | os.O_CREAT, mode=0o644)
    folder = peer.call("OPEN", "", flags=os.O_RDONLY | os.O_DIRECTORY)
    assert reader.status == writer.status == folder.status == 0
    for file in (reader.file, writer.file, folder.file):
        for off in [0, *HUGE]:
            for length in [0, *HUGE]:
                answers = [peer.call("GRANT", file=file, off=off, len=length, flags=length & 1),
                           peer.call("ADVISE", file=file, off=off, len=length, advice=length & 7),
                           peer.call("READDIR", file=file, pos=off, max_bytes=length & 0xFFFFFFFF)]
                if off > 1 << 40 or length > 1 << 40:  # what is within bounds is done, and takes its space
                    answers += [peer.call("CLAIM", file=file, off=off, len=length),
                                peer.call("FALLOCATE", file=file, off=off, len=length, mode=0),
                                peer.call("FALLOCATE", file=file, off=off, len=length, mode=3)]
                assert all(-200 < a.status <= 0 for a in answers)
        for size in HUGE[4:]:
            assert peer.call("FTRUNCATE", file=file, size=size).status < 0
        peer.call("FALLOCATE", file=file, off=0, len=1, mode=0xFFFFFFFF)
        for flags in (2, 1 << 31, 0xFFFFFFFF):
            assert peer.call("GRANT", file=file, len=1, flags=flags).status == -errno.EINVAL
            assert peer.call("OFFSET", file=file, op=flags & ~1).status == -errno.EINVAL
        assert peer.call("FSETATTR", file=file, mask=0xFFFFFFFF).status == -errno.EINVAL
        peer.call("FSETATTR", file=file, mask=0x18, atime_ns=1 << 63, mtime_ns=(1 << 63) - 1)
        assert peer.call("FSTAT", file=file).status == 0
    for size in HUGE[4:]:
        assert peer.call("TRUNCATE", "numbers", size=size).status < 0
    for mode in (0, 0xFFFFFFFF, 0o170000):
        peer.call("MKNOD", "node", mode=mode, rdev=(1 << 64) - 1)
        peer.call("OPEN", "numbers", flags=mode, mode=mode).close()
        peer.call("OPEN", "numbers", mount=VOL, flags=mode, mode=mode).close()
    for r in (reader, writer, folder):
        r.close()
    peer.call("CLOSED", file=writer.file)
    assert peer.call("UNLINK", "numbers").status in (0, -errno.ENOENT)


# Open files


def test_opens_of_one_object_without_end(field, peer):
    """While one descriptor is held, nobody learns that others were closed; yet the broker does not grow with each open.
    S3SHIM_HOSTILE_OPENS=1000000 says how many."""
    held = peer.call("OPEN", "small2", flags=os.O_RDONLY)
    before, ids = field.mine.resident_mib(), set()
    request = frame("OPEN", "small2", flags=os.O_RDONLY)
    opens = int(os.environ.get("S3SHIM_HOSTILE_OPENS", "20000"))
    for _ in range(opens // 50):
        peer.send(request * 50)
        for _ in range(50):
            r = peer.receive()
            assert r.status == 0
            ids.add(r.file)
            r.close()
    assert len(ids) <= 1100
    assert field.mine.resident_mib() < before + 8
    assert peer.call("GRANT", file=r.file, len=SMALL).status == 0
    assert os.pread(held.fd, SMALL, 0) == content("small2", SMALL)
    held.close()


def test_as_many_files_as_there_are_descriptors(field):
    """A session that has few descriptors: who opens what he can is refused, others are served."""
    with Few(field) as few, few.peer() as p:
        refused, held, objects = set(), [], []
        for i in range(1500):
            r = p.call("OPEN", ("small0", "", "sub")[i % 3], flags=os.O_RDONLY)
            refused |= {r.status} - {0}
            held += [r] if r.status == 0 else []
            objects += [r] if r.status == 0 and r.kind == 2 else []
        assert refused == {-errno.ENFILE} and len(held) > 100
        with few.peer() as q:
            assert q.call("STAT", "small1").status == 0 and q.call("STAT", "big").status == 0
            assert q.call("GRANT", file=objects[0].file, off=0, len=SMALL).status == 0
        for r in held:
            r.close()
        wait_for(lambda: few.descriptors() < 180, "for descriptors to be given back")
        with few.peer() as q:
            r = wait_for(lambda: opened(q, "big"), "for room")
            assert q.call("GRANT", file=r.file, off=0, len=BIG).status == 0
            assert os.pread(r.fd, BIG, 0) == content("big", BIG)
            r.close()


def opened(p, name):
    r = p.call("OPEN", name, flags=os.O_RDONLY)
    return r if r.status == 0 else None


class Few(Session):
    """A broker that may have 400 descriptors."""

    def __init__(self, field):
        field.client.put_object(Bucket=field.bucket, Key="inside/sub/x", Body=b"x")
        super().__init__(field.folder, "few", [f"/s3=s3://{field.bucket}/inside"], field.server.env, prefix=["prlimit", "--nofile=400:400", "--"])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


# Handles of others


def test_handles_that_are_nobodys(field, peer):
    for file in (0, (1 << 64) - 1, 1 << 63, 1 << 40):
        for name in ("ATTACH", "GRANT", "ADVISE", "CLAIM", "OFFSET", "CLOSED", "FTRUNCATE", "FALLOCATE", "FSTAT", "FSETATTR", "READDIR", "CLONE"):
            assert peer.call(name, file=file, len=1).status == -errno.EBADF, name
        assert peer.call("SYNC", file=file).status == (-errno.EBADF if file else 0)


def test_handles_of_another_session(field, peer):
    mine = peer.call("OPEN", "small0", flags=os.O_RDONLY)
    with field.other.peer() as p:
        for name in ("ATTACH", "GRANT", "CLAIM", "FSTAT", "FTRUNCATE"):
            assert p.call(name, file=mine.file + (1 << 30), len=1).status == -errno.EBADF
    mine.close()


def test_a_handle_that_is_used_by_two_and_closed_by_one(field, peer):
    with field.mine.peer() as p:
        r = p.call("OPEN", "victim", flags=os.O_RDONLY)
        assert peer.call("GRANT", file=r.file, len=10).status == 0
        assert peer.call("FTRUNCATE", file=r.file, size=0).status < 0
        assert peer.call("CLAIM", file=r.file, len=10).status <= 0
        assert peer.call("CLOSED", file=r.file).status == 0
        assert p.call("GRANT", file=r.file, len=10).status == 0
        r.close()


def test_the_lock_of_an_offset_does_not_outlive_its_owner(field, peer):
    r = peer.call("OPEN", "small0", flags=os.O_RDONLY)
    with field.mine.peer() as p:
        assert p.call("OFFSET", file=r.file, op=1).status == 0
        assert p.call("OFFSET", file=r.file, op=1).status == -errno.EDEADLK
        waiting = [field.mine.peer() for _ in range(50)]
        for w in waiting:
            w.send(frame("OFFSET", file=r.file, op=1))
        for w in waiting[::2]:
            w.close()
    alive = waiting[1::2]
    while alive:
        ready = select.select([w.sock for w in alive], [], [], 60)[0]
        assert ready, "the lock was not handed on"
        for w in [w for w in alive if w.sock in ready]:
            assert w.receive().status == 0
            w.close()
            alive.remove(w)
    assert peer.call("OFFSET", file=r.file, op=1).status == 0
    assert peer.call("OFFSET", file=r.file, op=0).status == 0
    assert peer.call("OFFSET", file=r.file, op=0).status == -errno.EPERM
    r.close()


# The whole


def test_requests_at_random(field):
    """Right frames of every type with fields that are anything; what it may write it writes below its own folder."""
    chance = random.Random(7)
    paths = ["", "small0", "big", "m", "m/a", "m/b", "m/c/d", "..", "m/../small1", b"m/\xff", "m/" + "z" * 255, "to-it"]
    own = ["m", "m/a", "m/b", "m/c", "m/c/d", "m/e"]
    numbers = [0, 0, 0, 1, 2, 3, 4096, 70000, *HUGE]
    files, peers = [0], [field.mine.peer() for _ in range(4)]
    changing = {"UNLINK", "RMDIR", "RENAME", "TRUNCATE", "SETATTR", "SYMLINK", "MKNOD", "MKDIR", "LINK_NAME"}
    names = [n for n in MESSAGES if n not in ("DRAIN", "HELLO", "LINK", "SYNC")]
    for i in range(1500):
        p, name = chance.choice(peers), chance.choice(names)
        m = MESSAGES[name]
        fields = {f: chance.choice(numbers) & 0xFFFFFFFF for f in m.fields}
        fields = {f: chance.choice(numbers) if f in ("off", "len", "size", "pos", "atime_ns", "mtime_ns", "rdev") else v for f, v in fields.items()}
        for f in ("mount", "mount2"):
            if f in fields:
                fields[f] = chance.choice([S3, S3, AGAIN, VOL, 3])
        for f in ("file", "source"):
            if f in fields:
                fields[f] = chance.choice(files)
        if name in ("TRUNCATE", "FTRUNCATE", "FALLOCATE", "CLAIM"):
            for f in ("size", "off", "len"):  # a terabyte of zeros would be uploaded
                if f in fields and 70000 < fields[f] < 1 << 62:
                    fields[f] = 1 << 63
        strings = [chance.choice(own if name in changing else paths) for _ in range(m.strings)]
        if name == "OPEN":
            fields["flags"] = chance.choice([0, 0, os.O_DIRECTORY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0xFFFFFFFF])
            fields["mode"] = 0o644
            if fields["flags"]:
                strings = [chance.choice(own)]
        if name in ("FSETATTR", "SETATTR"):
            fields["mask"] = chance.choice([0, 1, 16, 64, 128])
        r = p.call(name, *strings, id=i, **fields)
        assert -200 < r.status <= 2, (name, strings, fields, r.status)
        if name == "OPEN" and r.status == 0 and fields["flags"]:
            files = [*files[-30:], r.file]
        if r.fd >= 0 and chance.random() < 0.3 and fields["flags"] & 3:
            try:
                os.pwrite(r.fd, b"z" * 100, chance.choice([0, 5000]))
            except OSError:
                pass
        r.close()
        if chance.random() < 0.01:
            p.close()
            peers[peers.index(p)] = field.mine.peer()
    for p in peers:
        p.close()
    field.untouched_outside()


def test_the_buckets_names_choose_no_server(field):
    """Where every bucket is a folder, a program names them: none of its names is a host."""
    session = Session(field.folder, "every", ["/all=s3://"], field.server.env)
    mark = field.server.mark()
    try:
        with session.peer() as p:
            for path in ("169.254.169.254/latest/meta-data/iam", "localhost:1/x", "metadata.google.internal/x", "a@127.0.0.1/x", "[::1]/x",
                         "..%2f/x", "b?x=1/y", "evil.example#/x"):
                for name in ("STAT", "OPEN", "READLINK"):
                    r = p.call(name, path)
                    assert r.status < 0
                    r.close()
    finally:
        session.stop()
    asked = {(bucket, key) for _, bucket, key, _ in field.server.requests(mark, detail=True) if key.startswith("latest")}
    assert asked <= {("169.254.169.254", "latest/meta-data/iam")}


NOBODY = 65534

LOOK = """
import ctypes, os, sys
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(*[int(sys.argv[2])] * 3)
    os.setresuid(*[int(sys.argv[2])] * 3)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: as it would be, had it always had this uid
for name in ("environ", "mem", "maps", "fd/0", "exe", "cwd"):
    try:
        path = f"/proc/{sys.argv[1]}/{name}"
        os.readlink(path) if name in ("exe", "cwd") else open(path, "rb").read(0 if name == "mem" else 1)
        print(name)
    except OSError:
        pass
if ctypes.CDLL(None).ptrace(16, int(sys.argv[1]), 0, 0) == 0:
    print("ptrace")
"""


def what_is_seen_of(pid):
    return subprocess.run(["/usr/bin/python3", "-c", LOOK, str(pid), str(NOBODY)], capture_output=True, text=True, check=True).stdout.split()


def test_a_program_of_the_same_uid_does_not_see_into_the_broker(field):
    """Neither its environment, memory nor descriptors; of another process of that uid it does see them."""
    folder, root = field.folder / "same", os.getuid() == 0
    folder.mkdir()
    shutil.copy(BUILD / "s3shimd", folder)
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"] if root else []
    if root:
        os.chmod(field.folder, 0o711)
        os.chown(folder, NOBODY, NOBODY)
        (folder / "same.cache").mkdir(mode=0o700)
        os.chown(folder / "same.cache", NOBODY, NOBODY)
    session = Session(folder, "same", [f"/s3=s3://{field.bucket}/inside"], field.server.env, prefix=prefix, program=folder / "s3shimd")
    sleeper = subprocess.Popen([*prefix, "sleep", "1000"], preexec_fn=die_with_parent)
    try:
        wait_for(lambda: Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n")
        assert "environ" in what_is_seen_of(sleeper.pid)
        assert what_is_seen_of(session.process.pid) == []
    finally:
        sleeper.kill()
        sleeper.wait()
        session.stop()


def test_at_last_nothing_outside_was_touched(field):
    field.untouched_outside()
    assert field.asked_outside() == []
