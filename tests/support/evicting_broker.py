"""A broker that makes life hard: objects in memory that lose random blocks all the time, by the protocol of wire.h.

The real broker keeps what it has fetched as long as it can; here a grant is worth nothing a moment later, so a shim that
reads without looking at the generation, or moves a shared offset without its lock, sees zeros. An object is what its name
says: "x_400000" has that many bytes of a pattern in which no aligned word is 0; a name without a number is a new file.

    evicting_broker.py LIBRARY SECONDS_BETWEEN_EVICTIONS PROGRAM [ARGUMENT]...

runs the program with the library preloaded and its mount point at /evicting; its exit status is the program's.
"""
import array
import ctypes
import mmap
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

BLOCK = 65536
SLOTS = 1024
COMPLETE, NO_CLAIM = 1, 2
PIN = LOCK = 1
PUNCH = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
KIND_OBJECT = 2
ENDLESS = 2**64 - 1

TABLE = Path(__file__).resolve().parents[2] / "core/base/messages.def"
MESSAGES = dict(enumerate(re.findall(r"^MSG\((\w+),", TABLE.read_text(), re.M), 1))

libc = ctypes.CDLL(None, use_errno=True)
arena_fd = os.memfd_create("arena")
os.ftruncate(arena_fd, SLOTS * 64)
arena = mmap.mmap(arena_fd, SLOTS * 64)
lock = threading.RLock()
objects, descriptions = {}, {}


def pattern(off, size):
    """The 64-bit word at each offset is odd and a function of the offset."""
    mask = 2**64 - 1
    return b"".join(struct.pack("<Q", (i * 0x9E3779B97F4A7C15 & mask) | 1)
                    for i in range(off // 8, (off + size + 7) // 8))[:size]


def blocks(off, end):
    return range(off // BLOCK, (end + BLOCK - 1) // BLOCK)


class Object:
    def __init__(self, name):
        number = re.search(r"_(\d+)$", name)
        self.name, self.slot, self.gen = name, len(objects), 1
        self.base_end = int(number[1]) if number else 0
        self.contents = [pattern(b * BLOCK, min(BLOCK, self.base_end - b * BLOCK)) for b in blocks(0, self.base_end)]
        self.fd = os.memfd_create(name)
        os.ftruncate(self.fd, self.base_end)
        self.present, self.kept = set(), set()  # kept: pinned or claimed
        self.publish(0 if number else COMPLETE | NO_CLAIM)

    def publish(self, flags=None):
        """Single stores: struct.pack_into() would clear first."""
        at = self.slot * 64
        ctypes.c_uint64.from_buffer(arena, at).value = self.gen
        ctypes.c_uint64.from_buffer(arena, at + 8).value = self.base_end
        if flags is not None:
            ctypes.c_uint32.from_buffer(arena, at + 16).value = flags

    def fill(self, off, end, keep):
        wanted = set(blocks(off, min(end, self.base_end))) if off < self.base_end else set()
        for b in wanted - self.present:
            os.pwrite(self.fd, self.contents[b][:self.base_end - b * BLOCK], b * BLOCK)
        self.present |= wanted
        self.kept |= wanted if keep else set()

    def evict(self):
        candidates = list(self.present - self.kept)
        if candidates:
            self.gen += 1
            self.publish()
            for b in random.sample(candidates, min(8, len(candidates))):
                self.present.discard(b)
                libc.fallocate(self.fd, PUNCH, ctypes.c_long(b * BLOCK), ctypes.c_long(BLOCK))

    def truncate(self, size):
        self.gen += 1
        self.base_end = min(self.base_end, size)
        self.publish()
        os.ftruncate(self.fd, size)


class Description:
    def __init__(self, obj, flags):
        self.obj, self.flags, self.offset = obj, flags, threading.Semaphore()


class Connection:
    def __init__(self, sock):
        self.sock = sock
        threading.Thread(target=self.serve, daemon=True).start()

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def serve(self):
        try:
            while True:
                size, kind, _, number, _ = struct.unpack("<IHHIi", self.take(16))
                handler = getattr(self, MESSAGES[kind].lower(), None)
                body = self.take(size - 16)
                status, fixed, fd, tail = handler(body) if handler else (-38, b"", None, b"")
                header = struct.pack("<IHHIi", 16 + len(fixed + tail), kind, fd is not None, number, status)
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
                self.sock.sendmsg([header + fixed + tail], rights)
                if fd is not None and fd != arena_fd:
                    os.close(fd)
        except (EOFError, OSError):
            pass

    @staticmethod
    def answer(form, *values, fd=None, tail=b""):
        return 0, struct.pack("<" + form, *values), fd, tail

    def hello(self, body):
        version, _ = struct.unpack("<2I", body)
        return self.answer("QQII", 77, SLOTS * 64, version, 1, fd=arena_fd)

    def link(self, _):
        theirs, ours = socket.socketpair()
        Connection(ours)
        return self.answer("Q", 0, fd=theirs.detach())

    def open(self, body):
        _, flags, _, _, size = struct.unpack_from("<5I", body)
        name = body[20:20 + size].decode()
        with lock:
            obj = objects.get(name) or objects.setdefault(name, Object(name))
            if flags & os.O_TRUNC:
                obj.truncate(0)
            number = len(descriptions) + 100
            descriptions[number] = Description(obj, flags)
        fd = os.open(f"/proc/self/fd/{obj.fd}", flags & (os.O_ACCMODE | os.O_APPEND) | os.O_CLOEXEC)
        st = os.fstat(fd)
        return self.answer("9Q2I", number, obj.slot + 1, st.st_dev, st.st_ino, 0, 0, 0, 0, 0, KIND_OBJECT, obj.slot,
                           fd=fd)

    def attach(self, body):
        d = descriptions[struct.unpack("<Q", body)[0]]
        st = os.fstat(d.obj.fd)
        return self.answer("3Q4I", d.obj.slot + 1, st.st_dev, st.st_ino, KIND_OBJECT, d.obj.slot, d.flags, 0,
                           tail=b"/evicting/" + d.obj.name.encode())

    def grant(self, body):
        number, off, size, flags, _ = struct.unpack("<3Q2I", body)
        obj = descriptions[number].obj
        with lock:
            end = os.fstat(obj.fd).st_size
            end = min(off + size, end) if size else end
            if off >= end:
                return self.answer("3Q", off, 0, obj.gen)
            obj.fill(off, end, flags & PIN)
            return self.answer("3Q", off, end - off, obj.gen)

    def claim(self, body):
        number, off, size = struct.unpack("<3Q", body)
        obj = descriptions[number].obj
        with lock:
            obj.fill(off, off + size, True)
            obj.kept |= set(blocks(off, min(off + size, off + BLOCK)))  # what is appended may share the base's last block
            return self.answer("3Q", off, ENDLESS - off if size == ENDLESS else size, obj.gen)

    def offset(self, body):
        number, op, _ = struct.unpack("<Q2I", body)
        if op & LOCK:
            descriptions[number].offset.acquire()
        else:
            descriptions[number].offset.release()
        return self.answer("Q", 0)

    def closed(self, body):
        name = descriptions[struct.unpack("<Q", body)[0]].obj.name
        return (-5 if name.startswith("fails") else 0), struct.pack("<2I", 1, 0), None, b""

    def sync(self, _):
        return self.answer("Q", 0)

    def ftruncate(self, body):
        number, size = struct.unpack("<2Q", body)
        with lock:
            descriptions[number].obj.truncate(size)
        return self.answer("Q", 0)


def evict_for_ever(pause):
    while True:
        time.sleep(pause)
        with lock:
            for obj in list(objects.values()):
                obj.evict()


def accept_for_ever(server):
    while True:
        Connection(server.accept()[0])


def main():
    library, pause, *command = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(64)
        threading.Thread(target=accept_for_ever, args=(server,), daemon=True).start()
        threading.Thread(target=evict_for_ever, args=(float(pause),), daemon=True).start()
        environment = dict(os.environ, LD_PRELOAD=library, S3SHIM_SOCKET=path, S3SHIM_ROUTES="/evicting")
        return subprocess.run(command, env=environment, timeout=100, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
