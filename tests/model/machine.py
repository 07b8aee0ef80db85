"""The model: random calls of several processes, made natively and on a mount; what differs must be a row of
docs/SEMANTICS.md.

A rule is a row of CALLS: a command of worker.c, what its words are drawn from, how often, and what it does to the
descriptors that the model knows. What a call must answer nobody says: the native side does.
"""
import os
import urllib.parse

from differences import DIFFERENCES, TABLE
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from pair import STATIC_SUM, Hang, Pair

KIB, MIB = 1 << 10, 1 << 20
BLOCK, PART = 64 * KIB, 5 * MIB

NAMES = 4 * ["a", "d", "d/a"] + 2 * ["b", "c", "e", "d/b", "d/e"] + ["l", "d/e/a", "d/l", "e/a", "sp ace", "\u00fc", "d/+&?"]
FORMS = ["@/{}"] * 12 + ["{}"] * 4 + ["@/{}/", "@//{}", "@/./{}", "@/d/../{}", "@/l/{}", "../{}", "@/d/{}"]
PATHS = [f.format(n) for f in FORMS for n in NAMES] + ["@", "@/", ".", "..", "", "@/" + 200 * "n", "@/" + 256 * "n"]
TARGETS = ["a", "d", "e/a", "nowhere", "l", "@/a", "@/d", "@/d/e", "./b", "e"]
SIZES = [0, 1, 2, 100, 4095, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 200_000, MIB + 1]
LARGE = [8 * BLOCK, PART - 1, PART, PART + 1, 2 * PART + 3]
PROGRAMS = ["/usr/bin/cksum", "/usr/bin/sha1sum", "/usr/bin/tac", str(STATIC_SUM)]


class Fd(int):
    """The n-th of the process's descriptors."""


def sizes():
    return st.one_of(st.sampled_from(SIZES), st.sampled_from(SIZES + LARGE), st.integers(0, 3 * BLOCK))


FD, PROC, SLOT = st.integers(0, 9).map(Fd), st.integers(0, 9), st.integers(0, 1)
PATH, SIZE, SEED = st.sampled_from(PATHS), sizes(), st.integers(0, 9)
LOOKED = st.sampled_from(PATHS + [f"{n}/." for n in NAMES])  # for calls that make nothing: docs/SEMANTICS.md, create-dot
OFFSET = st.one_of(sizes(), sizes(), sizes(), sizes(), st.just(-1))
MAYBE_OFFSET = st.one_of(st.just("-"), sizes())
DIR = st.one_of(st.just("-"), FD)
MODE = st.sampled_from([0o644, 0o600, 0o755, 0o666, 0o777, 0o444, 0])
UID = st.sampled_from([-1, -1, 0, 1000])
SECONDS, NANOSECONDS = st.sampled_from([0, 1, 86400, 999_999_999, -5]), st.sampled_from([0, 1, 500_000_000, 123_456_789])
ACCESS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR]
EXTRA = [0, 0, 0, *5 * [os.O_CREAT], os.O_CREAT | os.O_EXCL, os.O_TRUNC, os.O_CREAT | os.O_TRUNC, os.O_APPEND,
         os.O_CREAT | os.O_APPEND, os.O_CLOEXEC, os.O_DIRECTORY, os.O_NOFOLLOW, os.O_SYNC, os.O_NONBLOCK, os.O_PATH,
         os.O_CREAT | os.O_NOFOLLOW]
FLAGS = st.builds(int.__or__, st.sampled_from(ACCESS), st.sampled_from(EXTRA))
STDIO = st.sampled_from(["r", "r+", "w", "w+", "a", "a+", "rb", "wx", "re"])
PROGRAM = st.sampled_from(PROGRAMS)
SHELL = st.sampled_from([
    "cat $ROOT/a", "echo x >$ROOT/a", "echo y >>$ROOT/b", "cp $ROOT/a $ROOT/c", "cksum <$ROOT/d/a", "mv $ROOT/c $ROOT/e",
    "head -c 70000 $ROOT/a | tail -c 100 | cksum", "cmp $ROOT/a $ROOT/b", "rm -rf $ROOT/d", "cp -rp $ROOT/d $ROOT/e",
    "{ echo 1; cat $ROOT/a; } >$ROOT/c", "cat $ROOT/a 3<$ROOT/a 1>&2; cksum <&3", "ls $ROOT/d", "find $ROOT/d -type f | sort"])

O_TMPFILE = 0o20200000
PUNCH, KEEP, ZERO = 3, 1, 16
F_DUPFD_CLOEXEC, F_OFD_GETLK, F_OFD_SETLK = 1030, 36, 37


def one(*values):
    return st.sampled_from(values)


# command, its words, how many rules it gets, effect on what is open
CALLS = [
    ("open", [PATH, FLAGS, MODE], 6, "opens"),
    ("open", [PATH, one(O_TMPFILE | os.O_RDWR), MODE], 1, "opens"),
    ("openat", [DIR, PATH, FLAGS, MODE], 2, "opens"),
    ("creat", [PATH, MODE], 1, "opens"),
    ("close", [FD], 4, "closes"),
    ("close_range", [one(30, 31), one(31, 33), one(0, 4)], 1, "close_range"),
    ("dup", [FD], 1, "opens"),
    ("dup2", [FD, one(30, 31, 32, 33)], 1, "opens"),
    ("dup2", [FD, FD], 1, "opens"),
    ("dup3", [FD, one(30, 31), one(0, os.O_CLOEXEC)], 1, "opens"),
    ("fcntl", [FD, one(0, F_DUPFD_CLOEXEC), one(20, 40)], 1, "opens"),
    ("fcntl", [FD, one(1, 3), one(0)], 1, None),
    ("fcntl", [FD, one(2), one(0, 1)], 1, None),
    ("fcntl", [FD, one(4), one(0, os.O_APPEND, os.O_NONBLOCK)], 1, None),
    ("read", [FD, SIZE], 4, None),
    ("readv", [FD, SIZE], 1, None),
    ("pread", [FD, SIZE, OFFSET], 4, None),
    ("preadv2", [FD, SIZE, OFFSET], 1, None),
    ("write", [FD, SIZE, SEED], 4, None),
    ("writev", [FD, SIZE, SEED], 1, None),
    ("pwrite", [FD, SIZE, OFFSET, SEED], 4, None),
    ("pwritev2", [FD, SIZE, OFFSET, SEED, one(0, 0, 0x10, 0x2)], 1, None),
    ("lseek", [FD, st.one_of(OFFSET, st.just(-70000)), one(0, 1, 2)], 2, None),
    ("lseek", [FD, OFFSET, one(os.SEEK_DATA, os.SEEK_HOLE)], 1, None),
    ("ftruncate", [FD, OFFSET], 2, None),
    ("truncate", [PATH, OFFSET], 2, None),
    ("fallocate", [FD, one(0, KEEP, PUNCH, ZERO, ZERO | KEEP), OFFSET, SIZE], 1, None),
    ("posix_fallocate", [FD, OFFSET, SIZE], 1, None),
    ("fadvise", [FD, SIZE, SIZE, one(0, 1, 2, 3, 4, 5)], 1, None),
    ("readahead", [FD, SIZE, SIZE], 1, None),
    ("fsync", [FD], 2, None),
    ("fdatasync", [FD], 1, None),
    ("syncfs", [FD], 1, None),
    ("sync", [], 1, None),
    ("sync_file_range", [FD, SIZE, SIZE], 1, None),
    ("copy_file_range", [FD, MAYBE_OFFSET, FD, MAYBE_OFFSET, SIZE], 2, None),
    ("sendfile", [FD, FD, MAYBE_OFFSET, SIZE], 2, None),
    ("splice", [FD, MAYBE_OFFSET, FD, SIZE], 1, None),
    ("mmap", [SLOT, FD, one(0, 0, 4096, BLOCK), one(1, 4096, BLOCK, 3 * BLOCK + 1), one(1, 3), one(1, 1, 2)], 2, None),
    ("mread", [SLOT, SIZE, SIZE], 2, None),
    ("mwrite", [SLOT, SIZE, SIZE, SEED], 2, None),
    ("msync", [SLOT, one(1, 4)], 1, None),
    ("munmap", [SLOT], 1, None),
    ("flock", [FD, one(1, 2, 8)], 1, None),
    ("lock", [FD, one(5, 6, 6, F_OFD_GETLK, F_OFD_SETLK), one(0, 1, 2), one(0, 100), one(0, 50)], 2, None),
    ("fstat", [FD], 2, None),
    ("fchmod", [FD, MODE], 1, None),
    ("fchown", [FD, UID, UID], 1, None),
    ("futimens", [FD, SECONDS, NANOSECONDS], 1, None),
    ("stat", [LOOKED], 2, None),
    ("lstat", [LOOKED], 1, None),
    ("fstatat", [DIR, PATH, one(0, 0x100, 0x1000)], 1, None),
    ("statx", [DIR, PATH, one(0, 0x100, 0x1000)], 1, None),
    ("same", [FD, PATH], 1, None),
    ("access", [LOOKED, one(0, 1, 2, 4, 6)], 1, None),
    ("faccessat", [DIR, PATH, one(0, 1, 4), one(0, 0x100, 0x200)], 1, None),
    ("mkdir", [PATH, MODE], 3, None),
    ("mkdirat", [DIR, PATH, MODE], 1, None),
    ("rmdir", [PATH], 2, None),
    ("unlink", [PATH], 2, None),
    ("unlinkat", [DIR, PATH, one(0, 0x200)], 1, None),
    ("remove", [PATH], 1, None),
    ("rename", [PATH, PATH], 4, None),
    ("renameat2", [DIR, PATH, DIR, PATH, one(0, 1, 1, 2)], 1, None),
    ("symlink", [st.sampled_from(TARGETS), PATH], 2, None),
    ("readlink", [PATH], 1, None),
    ("link", [PATH, PATH], 1, None),
    ("linkat", [DIR, PATH, DIR, PATH, one(0, 0x400)], 1, None),
    ("mkfifo", [PATH, MODE], 1, None),
    ("chmod", [PATH, MODE], 2, None),
    ("fchmodat", [DIR, PATH, MODE], 1, None),
    ("chown", [PATH, UID, UID], 1, None),
    ("utimensat", [DIR, PATH, SECONDS, NANOSECONDS, one(0, 0x100)], 2, None),
    ("chdir", [LOOKED], 2, None),
    ("fchdir", [FD], 1, None),
    ("getcwd", [], 1, None),
    ("realpath", [LOOKED], 1, None),
    ("statvfs", [PATH], 1, None),
    ("umask", [one(0o22, 0o77, 0)], 1, None),
    ("setxattr", [PATH], 1, None),
    ("getxattr", [PATH], 1, None),
    ("list", [LOOKED], 2, None),
    ("look", [LOOKED], 2, None),
    ("opendir", [SLOT, PATH], 2, "opendir"),
    ("fdopendir", [SLOT, FD], 1, "opendir"),
    ("readdir", [SLOT, one(1, 2, 100)], 3, "readdir"),
    ("rewinddir", [SLOT], 1, "rewinddir"),
    ("telldir", [SLOT], 1, None),
    ("closedir", [SLOT], 1, "closedir"),
    ("fopen", [SLOT, PATH, STDIO], 2, "opens"),
    ("fdopen", [SLOT, FD, one("r", "r+", "a")], 1, None),
    ("fread", [SLOT, SIZE], 2, None),
    ("fwrite", [SLOT, SIZE, SEED], 2, None),
    ("fseek", [SLOT, OFFSET, one(0, 1, 2)], 1, None),
    ("ftell", [SLOT], 1, None),
    ("fflush", [SLOT], 1, None),
    ("fclose", [SLOT], 1, "fclose"),
    ("feed", [PROGRAM, FD], 2, None),
    ("spawn", [PROGRAM, PATH], 1, None),
    ("program", [PATH], 1, None),
    ("shell", [SHELL], 2, None),
    ("exec", [], 1, "exec"),
    ("tree", [], 1, None),
]


class Stream:
    """A directory's stream, and what may be said of it while the folder changes."""

    def __init__(self, native_fd_path):
        self.fd = os.open(native_fd_path, os.O_RDONLY | os.O_DIRECTORY)
        self.name = self._name()
        self.checked = True
        self.begin()

    def _name(self):
        return os.readlink(f"/proc/self/fd/{self.fd}")

    def begin(self):
        self.always = self.ever = set(os.listdir(self.fd)) | {".", ".."}
        self.seen = []

    def step(self):
        now = set(os.listdir(self.fd)) | {".", ".."}
        self.always, self.ever = self.always & now, self.ever | now
        if self._name() != self.name:
            self.checked = False  # docs/SEMANTICS.md: renamed-open-folder; or it is removed

    def read(self, answer):
        """What is wrong with it, or None."""
        ok, *words = answer.split(" ")
        end = words and words[-1] == ":end"
        self.seen += [urllib.parse.unquote(w) for w in words[:len(words) - 1 if end else None]]
        if ok != "ok" or any(n.startswith(":") for n in self.seen):
            return "failed"
        if not set(self.seen) <= self.ever:
            return f"shows what never was: {set(self.seen) - self.ever}"
        twice = {n for n in self.seen if self.seen.count(n) > 1} & self.always
        if twice:
            return f"shows twice what was there all the time: {twice}"
        if end and not self.always <= set(self.seen):
            return f"does not show what was there all the time: {self.always - set(self.seen)}"
        return None

    def close(self):
        os.close(self.fd)


class Process:
    def __init__(self, fds=()):
        self.fds, self.streams, self.stdio = sorted(fds), {}, {}


class Machine(RuleBasedStateMachine):
    """make_mount(): a fresh volume and a fresh native folder; set by whoever runs it."""

    make_mount = None
    steps = 0  # of all examples, for the note at the end
    rows_used = {}

    def __init__(self):
        super().__init__()
        self.pair = None

    PRESET = st.dictionaries(st.sampled_from(["a", "b", "d/a", "d/e/a", "e/a", "d/+&?", "sp ace"]),
                             st.sampled_from(SIZES + LARGE[:4]), max_size=5)
    OPTIONS = st.fixed_dictionaries({"markers": one(True, True, False),
                                     "put-max": one("64KiB", "64KiB", "16MiB"), "memory": one("1MiB", "1GiB"),
                                     "ttl": one("1s", "0s")})

    @initialize(preset=PRESET, options=OPTIONS, watch=one("each", "touched", "end"))
    def begin(self, preset, options, watch):
        options = dict(options)
        self.mount, self.native_root = type(self).make_mount()
        self.watch, self.next_child, self.changes = watch, 1, 0
        self.markers = options.pop("markers") or not preset
        folders = {name[:i] for name in preset for i, c in enumerate(name) if c == "/"}
        if self.markers:
            for folder in folders:
                self.mount.make_folder(folder)
        for n, (name, size) in enumerate(preset.items()):
            content = bytes(i * (n + 3) % 251 for i in range(min(size, 65521)))
            content = (content * (size // max(1, len(content)) + 1))[:size]
            self.mount.put(name, content)
            at = self.native_root / name
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(content)
        s3_options = [w for k, v in options.items() for w in (f"--{k}", v)]
        self.pair = Pair(self.mount, self.native_root, [*s3_options, "--part-size", "5MiB"])
        self.pair.trace.insert(0, f"# {self.mount.kind}, {preset}, {options}, markers {self.markers}, watch {watch}")
        self.processes = {0: Process(), Pair.OBSERVER: Process()}
        self.check(0, "descriptors at the start", *self.pair.first)
        for p in (0, Pair.OBSERVER):
            self.check(p, "chdir @", *self.pair.do(p, "chdir @"))

    # What words become

    def pick(self, n):
        living = [p for p in self.processes if p != Pair.OBSERVER]
        return living[n % len(living)]

    def native_pid(self, proc):
        return self.pair.native.pids.get(proc, self.pair.native.popen.pid)

    def inside(self, proc, path):
        """Does a path stay in the tree?"""
        root, cwd = str(self.native_root), os.readlink(f"/proc/{self.native_pid(proc)}/cwd")
        full = os.path.join(cwd, path.replace("@", root, 1) if path[:1] == "@" else path)
        return ".." not in path or os.path.realpath(full).startswith(root)

    def word(self, proc, w):
        if isinstance(w, str) and not self.inside(proc, w):
            w = "@"
        if isinstance(w, Fd):
            fds = self.processes[proc].fds
            return str(fds[w % len(fds)] if fds and w < 9 else 77)
        if isinstance(w, str):
            return urllib.parse.quote(w, safe="@/.+&?$<>|;{}") if w else "%00"
        return str(w)

    # Making a call and comparing

    def fail(self, what):
        log = self.pair.routed.popen.log
        text = log.read_text(errors="replace").splitlines() if log.exists() else []
        raise AssertionError("\n".join([what, *self.pair.trace, "broker's log:", *text[-25:]]))

    def check(self, proc, line, native, routed):
        if native == routed:
            return
        row = next((d for d in DIFFERENCES if d.explains(self, proc, line, native, routed)), None)
        if row is None:
            if line.startswith("tree"):  # what is otherwise
                a, b = native.split("; "), routed.split("; ")
                native, routed = [w for w in a if w not in b], [w for w in b if w not in a]
            self.fail(f"process {proc}: {line}: {native} natively, {routed} on the mount")
        self.use(row)

    def use(self, row):
        type(self).rows_used[row.name] = type(self).rows_used.get(row.name, 0) + 1

    def removes_the_root(self, proc, command, *words):
        """docs/SEMANTICS.md: mount-point; not tried, since it cannot be undone natively."""
        if command not in ("rmdir", "unlinkat", "remove", "rename", "renameat2"):
            return False
        cwd = f"/proc/{self.native_pid(proc)}/cwd"
        paths = (urllib.parse.unquote(w).replace("@", str(self.native_root), 1) for w in words if not w.isdigit() and w != "-")
        return any(os.path.realpath(os.path.join(cwd, p)) == str(self.native_root) for p in paths if "\0" not in p)

    def call(self, n, command, words, effect):
        type(self).steps += 1
        proc = self.pick(n)
        if command == "mkfifo" and self.mount.kind == "file":
            return  # it works, and an open of it would wait for another process
        line = " ".join([command, *(self.word(proc, w) for w in words)])
        if self.removes_the_root(proc, *line.split(" ")):
            return
        native, routed = self.pair.do(proc, line)
        if effect == "readdir":
            self.read_stream(proc, int(words[0]), native, routed)
        else:
            self.check(proc, line, native, routed)
        if effect:
            getattr(self, effect)(proc, line.split(" ")[1:], routed)
        self.after(proc, line)

    def after(self, proc, line):
        for process in self.processes.values():
            for stream in process.streams.values():
                stream.step()
        if self.watch == "each":
            looks = ["tree"]
        elif self.watch == "touched":
            looks = [f"look {w}" for w in line.split(" ")[1:] if w.startswith("@/")]
        else:
            looks = []
        for look in looks:
            self.check(Pair.OBSERVER, look, *self.pair.do(Pair.OBSERVER, look))

    # Effects on what is open

    def opens(self, proc, words, answer):
        if answer.startswith("ok"):
            fds = self.processes[proc].fds
            fd = int(answer.split()[1])
            if fd not in fds and fd not in self.stream_fds(proc):
                fds.append(fd)

    def stream_fds(self, proc):
        return {s.number for s in self.processes[proc].streams.values()}

    def closes(self, proc, words, answer):
        if answer.startswith("ok"):
            self.processes[proc].fds.remove(int(words[0]))

    def close_range(self, proc, words, answer):
        if answer.startswith("ok") and words[2] == "0":
            fds = self.processes[proc].fds
            fds[:] = [fd for fd in fds if not int(words[0]) <= fd <= int(words[1])]

    def fclose(self, proc, words, answer):
        self.living(proc)

    def living(self, proc):
        """Ask the native process what is open still."""
        fds = self.processes[proc].fds
        pid = self.native_pid(proc)
        there = {int(n) for n in os.listdir(f"/proc/{pid}/fd")}
        fds[:] = [fd for fd in fds if fd in there]

    def opendir(self, proc, words, answer):
        process, slot = self.processes[proc], int(words[0])
        if not answer.startswith("ok"):
            return
        self.drop_stream(proc, slot)
        fd, pid = int(answer.split()[1]), self.native_pid(proc)
        stream = process.streams[slot] = Stream(f"/proc/{pid}/fd/{fd}")
        stream.number = fd
        self.living(proc)
        if fd in process.fds:
            process.fds.remove(fd)
            stream.checked = False  # its offset is shared with who knows whom

    def drop_stream(self, proc, slot):
        stream = self.processes[proc].streams.pop(slot, None)
        if stream:
            stream.close()

    def readdir(self, proc, words, answer):
        pass

    def rewinddir(self, proc, words, answer):
        if int(words[0]) in self.processes[proc].streams:
            self.processes[proc].streams[int(words[0])].begin()

    def closedir(self, proc, words, answer):
        self.drop_stream(proc, int(words[0]))

    def read_stream(self, proc, slot, native, routed):
        stream = self.processes[proc].streams.get(slot)
        if not stream:
            self.check(proc, "readdir", native, routed)
        elif stream.checked:
            wrong = stream.read(routed)
            if wrong:
                self.fail(f"process {proc}: a folder's stream {wrong}")

    def exec(self, proc, words, answer):
        process = self.processes[proc]
        for slot in list(process.streams):
            self.drop_stream(proc, slot)
        process.fds[:] = [int(w) for w in answer.split()[1:] if int(w) > 2]

    # Processes

    @rule(n=PROC)
    def fork(self, n):
        if self.next_child == Pair.OBSERVER:
            return
        parent, child = self.pick(n), self.next_child
        self.next_child += 1
        self.pair.fork(parent, child)
        self.processes[child] = Process(self.processes[parent].fds)
        for slot, stream in self.processes[parent].streams.items():
            stream.checked = False
            copy = self.processes[child].streams[slot] = Stream(f"/proc/self/fd/{stream.fd}")
            copy.number, copy.checked = stream.number, False

    @rule(n=PROC, how=one("exit 0", "exit 1", "die"))
    def end(self, n, how):
        proc = self.pick(n)
        if proc == 0:
            return
        self.pair.end(proc, how)
        for slot in list(self.processes[proc].streams):
            self.drop_stream(proc, slot)
        del self.processes[proc]

    @rule(n=PROC, m=PROC, fd=FD)
    def pass_on(self, n, m, fd):
        giver, taker = self.pick(n), self.pick(m)
        native, routed = self.pair.do(giver, f"give {self.word(giver, fd)} 206")
        self.check(giver, "give", native, routed)
        if native.startswith("ok"):
            native, routed = self.pair.do(taker, "take 207")
            self.check(taker, "take", native, routed)
            taken = self.taken = native.split()[1]
            for line in (f"lseek {taken} 0 1", f"pread {taken} {PART} 0", f"write {taken} {m} 1", f"close {taken}"):
                self.check(taker, line, *self.pair.do(taker, line))
            self.taken = None

    # The end

    def teardown(self):
        if not self.pair:
            return
        try:
            if getattr(self, "processes", None) and not self.failed:
                self.end_of_session()
        finally:
            for process in self.processes.values():
                for stream in process.streams.values():
                    stream.close()
            self.pair.close()
            self.mount.remove()

    failed = False
    taken = None  # a descriptor that has just come by SCM_RIGHTS

    def implicit_folder(self):
        """docs/SEMANTICS.md: implicit-folder. Are folders that hold nothing allowed to be gone?"""
        self.use(TABLE["implicit-folder"])
        return not self.markers

    def drop_implicit_folders(self):
        if self.mount.kind == "s3" and not self.markers:
            for base, _, _ in os.walk(self.native_root, topdown=False):
                if base != str(self.native_root) and not os.listdir(base) and not self.mount.has_folder(
                        os.path.relpath(base, self.native_root)):
                    os.rmdir(base)

    def end_of_session(self):
        native, routed = self.pair.do(Pair.OBSERVER, "tree")
        self.check(Pair.OBSERVER, "tree", native, routed)
        result = self.pair.finish(self.processes)
        if result.status != 0:
            self.fail(f"s3run ended with {result.status}: {result.err}")
        wrong = self.mount.differs_from(self.native_root, self.implicit_folder)
        if wrong:
            self.fail(f"at the end: {wrong}")
        self.drop_implicit_folders()
        again = Pair(self.mount, self.native_root)
        again.trace = self.pair.trace
        try:
            native, routed = again.do(Pair.OBSERVER, "tree")
            self.check(Pair.OBSERVER, "tree in a later session", native, routed)
            again.finish([Pair.OBSERVER])
        finally:
            again.close()


def _rule(command, words, effect):
    def call(self, n, words):
        try:
            self.call(n, command, words, effect)
        except Hang as e:
            self.failed = True
            self.fail(str(e))
        except BaseException:
            self.failed = True
            raise

    call.__name__ = command
    return rule(n=PROC, words=st.tuples(*words))(call)


_count = {}
for _command, _words, _weight, _effect in CALLS:
    for _ in range(_weight):
        _count[_command] = _count.get(_command, 0) + 1
        setattr(Machine, f"{_command}_{_count[_command]}", _rule(_command, _words, _effect))
