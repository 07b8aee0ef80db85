"""Each row of docs/SEMANTICS.md, by a piece of Python that shows it: natively, on a mount of the row's volumes as the row
says, and on one of the others as natively. A row that nobody shows fails."""
import json
import subprocess

import pytest
from differences import DIFFERENCES, TABLE

# name: (the piece, in a function where D is a folder; what it returns or the errno's name on the mount)
SHOWN = {
    "hard-link": ("touch('a'); os.link(at('a'), at('b'))", "EPERM"),
    "fifo": ("os.mkfifo(at('fifo'))", "EPERM"),
    "extended-attributes": ("touch('a'); os.setxattr(at('a'), 'user.x', b'y')", "EOPNOTSUPP"),
    "exchange": ("touch('a'); touch('b'); check(libc.renameat2(-100, at('a').encode(), -100, at('b').encode(), 2))", "EINVAL"),
    "tmpfile": ("os.open(D, os.O_TMPFILE | os.O_RDWR)", "EOPNOTSUPP"),
    "holes": ("f = touch('a'); os.truncate(f, 1 << 20); return os.lseek(os.open(f, os.O_RDONLY), 0, os.SEEK_HOLE)", 1 << 20),
    "mount-point": ("os.rmdir(MOUNT)", "EBUSY"),
    "renamed-open-folder": ("""
        os.mkdir(at('d')); fd = os.open(at('d'), os.O_RDONLY); os.rename(at('d'), at('e')); os.mkdir(at('d')); touch('d/new')
        os.stat('new', dir_fd=fd)""", None),
    "removed-open-folder": ("os.mkdir(at('d')); fd = os.open(at('d'), os.O_RDONLY); os.rmdir(at('d')); os.fchdir(fd)", "ENOENT"),
    "create-dot": ("os.mkdir(at('x/.'))", None),
    "folder-unhooked": ("""
        os.mkdir(at('d'))
        return subprocess.run(['sha1sum'], stdin=os.open(at('d'), os.O_RDONLY), capture_output=True).returncode""", 0),
    "folder-times": ("""
        os.mkdir(at('d')); os.utime(at('d'), (1, 1)); touch('d/a')
        return os.stat(at('d')).st_mtime == 1""", True),
    "folder-links": ("os.mkdir(at('d')); st = os.stat(at('d')); return [st.st_nlink, st.st_size]", [1, 0]),
    "received-descriptor": ("""
        f = touch('a'); os.chmod(f, 0o644); fd = os.open(f, os.O_RDWR); a, b = socket.socketpair()
        socket.send_fds(a, [b'x'], [fd]); os.fchmod(socket.recv_fds(b, 1, 1)[1][0], 0o600)
        return os.stat(f).st_mode & 0o777""", 0o644),
    "received-folder": ("""
        a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [os.open(D, os.O_RDONLY)])
        return os.read(socket.recv_fds(b, 1, 1)[1][0], 1).decode()""", ""),
    "two-errors": ("check(libc.renameat2(-100, at('none/x').encode(), 77, b'x', 0))", "EBADF"),
    "text-busy": ("""
        f = touch('program'); w = os.open(f, os.O_RDWR); os.write(w, b'#!/bin/true\\n'); os.chmod(f, 0o755)
        return subprocess.run([f]).returncode""", 0),
    "implicit-folder": (None, "ENOENT"),
}
ANYWHERE = {"folder-links", "extended-attributes", "tmpfile"}  # may be so natively too: overlayfs, tmpfs

PROLOGUE = """
import ctypes, errno, json, os, socket, subprocess, sys
libc, shown = ctypes.CDLL(None, use_errno=True), {}

def check(rc):
    if rc < 0:
        raise OSError(ctypes.get_errno(), '')

def touch(name):
    open(at(name), 'a').close()
    return at(name)

def at(name):
    return f'{D}/{name}'

def show(name, piece):
    global D
    D = f'{MOUNT}/{name}'
    os.mkdir(D)
    try:
        shown[name] = piece()
    except OSError as e:
        shown[name] = errno.errorcode[e.errno].replace('ENOTSUP', 'EOPNOTSUPP')
    os.chdir('/')
MOUNT = sys.argv[1]
"""


def program():
    text = [PROLOGUE]
    for name, (piece, _) in SHOWN.items():
        if piece:
            lines = piece if piece.startswith("\n") else f"\n        {piece}"
            text.append(f"def piece():{lines.replace(chr(10) + '        ', chr(10) + '    ')}\nshow({name!r}, piece)\n")
    return "".join([*text, "print(json.dumps(shown))\n"])


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_each_row_is_so(request, kind):
    mount = request.getfixturevalue({"file": "files", "s3": "gw"}[kind])
    (mount.scratch / "native").mkdir()
    (mount.scratch / "p.py").write_text(program())
    line = ["/usr/bin/python3", mount.scratch / "p.py"]
    native = json.loads(subprocess.run([*line, mount.scratch / "native"], check=True, capture_output=True).stdout)
    routed = json.loads(mount.run([*line, mount.path()]).out)
    for name, (piece, here) in SHOWN.items():
        if not piece:
            continue
        if kind in TABLE[name].volumes.lower():
            assert routed[name] == here and (name in ANYWHERE or native[name] != here), (name, native[name], routed[name])
        else:
            assert routed[name] == native[name], name


def test_a_folder_without_a_marker(gw):
    gw.put("d/f", b"x")
    r = gw.sh("rm $S3/d/f; ls -d $S3/d")
    assert r.out == "/s3/d\n"
    r = gw.sh("ls -d $S3/d", check=False)
    assert r.status and "No such file" in r.err


def test_no_row_is_without_use():
    assert set(TABLE) == set(SHOWN)
    for name, (_, here) in SHOWN.items():
        row = TABLE[name]
        assert row in DIFFERENCES or row.name in ("implicit-folder", "mount-point", "renamed-open-folder", "create-dot", "folder-times",
                                                  "folder-links", "received-descriptor"), f"the model knows nothing of {name}"
        if row.errnos and isinstance(here, str) and here.startswith("E"):
            assert here in row.errnos, f"{name}: {here} is not what the row says"
