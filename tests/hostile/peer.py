"""A client of the wire protocol that is not the shim: it says what it likes.

    p = Peer(socket_path).hello()
    r = p.call("STAT", "name", mount=0)         # r.status, r.attr.size, r.tail, r.fd
    p.send(frame("STAT", "name")[:10])          # half a frame
    p.ended()                                   # did the broker hang up?

Messages are read from core/base/messages.def, the broker's own table.
"""
import array
import os
import re
import socket
import struct
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
HEADER = struct.Struct("<IHHIi")
PATIENCE = 60

_row = re.compile(r"MSG\((\w+), \w+, (\d),\s*\(((?:[^()]|\([^()]*\))*)\),\s*\(((?:[^()]|\([^()]*\))*)\)\)")
_sizes = {"U64": "Q", "U32": "I", "ATTR": "QQQqqqQQIIIIII"}
_attr = "ino size blocks atime_ns mtime_ns ctime_ns dev rdev mode nlink uid gid blksize reserved".split()


class Message:
    def __init__(self, number, name, strings, request, reply):
        self.number, self.name, self.strings = number, name, int(strings)
        self.fields, self.request = self._layout(request)
        self.reply_fields, self.reply = self._layout(reply)

    @staticmethod
    def _layout(text):
        fields, layout = [], "<"
        for kind, name in re.findall(r"(U64|U32|ATTR)\((\w+)\)", text):
            fields += _attr if kind == "ATTR" else [name]
            layout += _sizes[kind]
        return fields, struct.Struct(layout)


def _messages():
    text = re.sub(r"/\*.*?\*/", "", (TOP / "core/base/messages.def").read_text(), flags=re.S)
    return {m[0]: Message(i + 1, *m) for i, m in enumerate(_row.findall(text))}


MESSAGES = _messages()
VERSION = int(re.search(r"WIRE_VERSION +(\d+)", (TOP / "core/base/wire.h").read_text())[1])


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def frame(name, *strings, id=1, **fields):
    m = MESSAGES[name]
    fixed = m.request.pack(*(fields.get(f, 0) for f in m.fields))
    tail = b"".join(map(string, strings))
    return HEADER.pack(HEADER.size + len(fixed) + len(tail), m.number, 0, id, 0) + fixed + tail


class Reply:
    def __init__(self, message, status, values, tail, fd):
        self.status, self.tail, self.fd = status, tail, fd
        self.__dict__.update(zip(message.reply_fields, values))

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Gone(Exception):
    """The broker hung up."""


class Peer:
    def __init__(self, path=None, sock=None):
        if sock is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(str(path))  # blocking: with a timeout a full queue would be EAGAIN
        sock.settimeout(PATIENCE)
        self.sock, self._data, self._fds = sock, b"", []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        for fd in self._fds:
            os.close(fd)
        self._fds = []
        self.sock.close()

    def hello(self):
        self.call("HELLO", version=VERSION, pid=os.getpid()).close()
        return self

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Gone from e

    def _receive(self, want):
        while len(self._data) < want:
            try:
                data, control, _, _ = self.sock.recvmsg(1 << 17, socket.CMSG_SPACE(4 * 16))
            except ConnectionResetError as e:
                raise Gone from e
            for level, kind, content in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self._fds += array.array("i", content[: len(content) & ~3])
            if not data:
                raise Gone
            self._data += data

    def receive(self):
        self._receive(HEADER.size)
        size, number, has_fd, _, status = HEADER.unpack_from(self._data)
        self._receive(size)
        data, self._data = self._data[HEADER.size:size], self._data[size:]
        m = next(m for m in MESSAGES.values() if m.number == number)
        values = m.reply.unpack_from(data)
        return Reply(m, status, values, data[m.reply.size:], self._fds.pop(0) if has_fd else -1)

    def call(self, name, *strings, **fields):
        self.send(frame(name, *strings, **fields))
        return self.receive()

    def ended(self):
        """Wait until the broker hangs up; False if it answers something."""
        try:
            self.receive()
            return False
        except Gone:
            return True

    def served(self):
        return self.call("STAT", "", mount=0).status == 0
