"""random_calls.py FOLDER SEED STEPS: random calls below FOLDER, each printed with its result or errno; then the tree.

Deterministic for a seed as long as results are: it decides from its own model (names, open files), never from what the
file system says. Prints nothing that may differ between two folders.
"""
import errno
import os
import random
import stat
import sys
import zlib

top, seed, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
NAMES = ["a", "b", "c", "dir", "dir/x", "dir/y", "dir/sub", "dir/sub/z", "other", "other/w", "with space"]
open_files = {}  # label: fd
labels = iter(range(10**9))


def at(name):
    return os.path.join(top, name)


def data(n):
    return rng.randbytes(n)


def any_name():
    return rng.choice(NAMES)


def any_file():
    return rng.choice(sorted(open_files)) if open_files else None


def size():
    return rng.choice([0, 1, 10, 100, 4096, 5000, 65536, 70000, 200000])


def checksum(block):
    return f"{len(block)}:{zlib.crc32(block):08x}"


def call(text, function, *args):
    try:
        result = function(*args)
    except OSError as e:
        result = errno.errorcode[e.errno]
    print(f"{text}: {result}")


def do_open():
    name = any_name()
    flags = rng.choice([os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_CREAT, os.O_RDWR,
                        os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                        os.O_WRONLY | os.O_APPEND | os.O_CREAT])
    label = next(labels)

    def go():
        open_files[label] = os.open(at(name), flags, 0o644)
        return f"file {label}"

    if len(open_files) < 8:
        call(f"open {name} {flags:#o}", go)


def with_file(function):
    def go():
        label = any_file()
        if label is not None:
            function(label, open_files[label])
    return go


@with_file
def do_close(label, fd):
    del open_files[label]
    call(f"close {label}", os.close, fd)


@with_file
def do_read(label, fd):
    n = size()
    call(f"read {label} {n}", lambda: checksum(os.read(fd, n)))


@with_file
def do_pread(label, fd):
    n, off = size(), rng.randrange(300000)
    call(f"pread {label} {n} at {off}", lambda: checksum(os.pread(fd, n, off)))


@with_file
def do_write(label, fd):
    block = data(size())
    call(f"write {label} {len(block)}", os.write, fd, block)


@with_file
def do_pwrite(label, fd):
    block, off = data(size()), rng.randrange(300000)
    call(f"pwrite {label} {len(block)} at {off}", os.pwrite, fd, block, off)


@with_file
def do_seek(label, fd):
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        return  # where a folder's offset may be is every file system's own
    off, whence = rng.randrange(-1000, 200000), rng.choice([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])
    call(f"lseek {label} {off} {whence}", os.lseek, fd, off, whence)


@with_file
def do_ftruncate(label, fd):
    n = rng.randrange(250000)
    call(f"ftruncate {label} {n}", os.ftruncate, fd, n)


@with_file
def do_fstat(label, fd):
    call(f"fstat {label}", lambda: describe(os.fstat(fd)))


def describe(st):
    return "folder" if stat.S_ISDIR(st.st_mode) else f"file {st.st_size} {st.st_mode:o}"


@with_file
def do_fsync(label, fd):
    call(f"fsync {label}", os.fsync, fd)


def do_stat():
    name = any_name()
    call(f"stat {name}", lambda: describe(os.stat(at(name))))


def do_listdir():
    name = rng.choice(["", "dir", "dir/sub", "other"])
    call(f"listdir '{name}'", lambda: sorted(os.listdir(at(name))))


def do_unlink():
    name = any_name()
    call(f"unlink {name}", os.unlink, at(name))


def do_mkdir():
    name = rng.choice(["dir", "dir/sub", "other", "a"])
    call(f"mkdir {name}", os.mkdir, at(name))


def do_rmdir():
    name = rng.choice(["dir", "dir/sub", "other", "a"])
    call(f"rmdir {name}", os.rmdir, at(name))


def do_rename():
    a, b = any_name(), any_name()
    call(f"rename {a} {b}", os.rename, at(a), at(b))


def do_truncate():
    name, n = any_name(), rng.randrange(150000)
    call(f"truncate {name} {n}", os.truncate, at(name), n)


def do_slurp():
    name = any_name()
    call(f"slurp {name}", lambda: checksum(open(at(name), "rb").read()))


WEIGHTS = {do_open: 8, do_close: 5, do_read: 6, do_pread: 5, do_write: 8, do_pwrite: 6, do_seek: 3, do_ftruncate: 2,
           do_fstat: 2, do_fsync: 1, do_stat: 4, do_listdir: 3, do_unlink: 3, do_mkdir: 4, do_rmdir: 2, do_rename: 4,
           do_truncate: 2, do_slurp: 4}
for _ in range(steps):
    rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]()
for label in sorted(open_files):
    call(f"close {label}", os.close, open_files[label])
for base, dirs, names in sorted(os.walk(top)):
    print(base[len(top):], sorted(dirs), [(n, checksum(open(os.path.join(base, n), "rb").read())) for n in sorted(names)])
