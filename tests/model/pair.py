"""Workers (worker.c) in pairs: each process of a model natively in a folder and, preloaded, on a mount."""
import ctypes
import os
import re
import select
import socket
import subprocess
import time

from conftest import BUILD

WORKER = BUILD / "tests/model/worker"
STATIC_SUM = BUILD / "tests/model/static_sum"
CHANNELS = 8  # of which the last two are a pair of sockets to pass descriptors by
PATIENCE = 120


ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: workers whose parent has ended are ours to wait for


class Hang(AssertionError):
    pass


class Side:
    """One of the two: the processes there, and a socket to each."""

    def __init__(self, root):
        self.root = root
        ends = [socket.socketpair() for _ in range(CHANNELS - 2)]
        self.sockets, given = [a for a, _ in ends], [b for _, b in ends]
        given += socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.argv = [str(WORKER), str(root), "0", *(str(s.fileno()) for s in given)]
        self.given, self.pids, self._rest = given, {}, {}

    def started(self, popen):
        self.popen = popen
        for s in self.given:
            s.close()

    def send(self, proc, line):
        self.sockets[proc].sendall(line.encode() + b"\n")

    def receive(self, proc):
        """One answer."""
        s, deadline = self.sockets[proc], time.monotonic() + PATIENCE
        have = self._rest.pop(proc, b"")
        while b"\n" not in have:
            if not select.select([s], [], [], 0.5)[0]:
                if time.monotonic() > deadline:
                    raise Hang(f"no answer from process {proc} at {self.root}")
                if self.ended(proc):
                    raise Hang(f"process {proc} at {self.root} is gone: {self.last_words()}")
                continue
            got = s.recv(1 << 20)
            if not got:
                raise Hang(f"process {proc} at {self.root} is gone: {self.last_words()}")
            have += got
        answer, _, rest = have.partition(b"\n")
        if rest:
            self._rest[proc] = rest
        return answer.decode()

    def last_words(self):
        """What a worker that saw no sense in a command left on its stderr."""
        os.set_blocking(self.popen.stderr.fileno(), False)
        return (self.popen.stderr.read() or b"").decode(errors="replace")

    def ended(self, proc):
        if proc not in self.pids:
            return self.popen.poll() is not None
        try:
            with open(f"/proc/{self.pids[proc]}/stat") as f:
                return f.read().rpartition(")")[2].split()[0] in "ZX"
        except FileNotFoundError:
            return True

    def wait_end(self, proc):
        deadline = time.monotonic() + PATIENCE
        while not self.ended(proc):
            if time.monotonic() > deadline:
                raise Hang(f"process {proc} at {self.root} does not end")
            time.sleep(0.001)

    def close(self):
        for s in self.sockets:
            s.close()
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate()
        for pid in self.pids.values():
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass  # its parent, or s3run, has waited


class Pair:
    """Both sides; do() makes the same call on each."""

    OBSERVER = CHANNELS - 3

    def __init__(self, mount, native_root, options=()):
        self.mount, self.trace = mount, []
        self.native, self.routed = Side(native_root), Side(mount.point)
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        fds = [s.fileno() for s in self.native.given]
        self.native.started(subprocess.Popen(self.native.argv, pass_fds=fds, env={**mount.base_env(), "NO_SYNC": "1"}, cwd=mount.scratch, **quiet))
        fds = [s.fileno() for s in self.routed.given]
        self.routed.started(mount.start(self.routed.argv, options, pass_fds=fds, **quiet))
        self.sides = (self.native, self.routed)
        self.first = [side.receive(0) for side in self.sides]
        self.fork(0, self.OBSERVER)
        self.native_pid = {0: self.native.popen.pid, **self.native.pids}

    def native_only(self, proc, line):
        self.native.send(proc, line)
        answer = self.native.receive(proc)
        self.trace.append(f"{proc} {line} => {answer} | not on the mount")
        return answer

    def do(self, proc, line):
        """The two answers."""
        answers = []
        self.trace.append(f"{proc} {line}")
        for side in self.sides:
            side.send(proc, line)
            answers.append(side.receive(proc))
        self.trace[-1] += f" => {answers[0]}" + ("" if answers[0] == answers[1] else f" | {answers[1]}")
        return answers

    def fork(self, proc, child):
        self.trace.append(f"{proc} fork {child}")
        for side in self.sides:
            side.send(proc, f"fork {child}")
            answer = side.receive(proc)
            assert re.fullmatch(r"ok \d+", answer), answer
            side.pids[child] = int(answer.split()[1])
            assert side.receive(child) == "ok 0"

    def end(self, proc, line):
        """A command that ends a process."""
        self.trace.append(f"{proc} {line}")
        for side in self.sides:
            side.send(proc, line)
            side.wait_end(proc)

    def finish(self, alive):
        """Every process ends, then the session. What s3run said."""
        for proc in sorted(alive, reverse=True):
            if proc:
                self.end(proc, "exit 0")
        for side in self.sides:
            side.send(0, "exit 0")
        self.native.popen.communicate(timeout=PATIENCE)
        return self.mount.finish(self.routed.popen, timeout=PATIENCE)

    def close(self):
        for side in self.sides:
            side.close()
