"""The rows of docs/SEMANTICS.md, and which of a model's mismatches each one explains."""
import errno
import os
import re
from pathlib import Path

O_TMPFILE = 0o20200000
SEMANTICS = Path(__file__).resolve().parents[2] / "docs/SEMANTICS.md"


class Row:
    """| `name` | volumes | the call | on ext4 | here | why |"""

    def __init__(self, cells):
        self.name, self.volumes, self.call, self.ext4, self.here, self.why = cells
        self.name = self.name.strip("`")
        self.errnos = [e for e in re.findall(r"`(E[A-Z]+)`", self.here) if hasattr(errno, e)]
        self._explain = None

    def explains(self, machine, proc, line, native, routed):
        if self._explain is None or machine.mount.kind not in self.volumes.lower():
            return False
        return bool(self._explain(self, machine, proc, line.split(" "), native, routed))


def table():
    rows = re.findall(r"^\| (`[a-z-]+`) \|(.*)\|$", SEMANTICS.read_text(), re.M)
    return {r.name: r for r in (Row([name, *(c.strip() for c in rest.split(" | "))]) for name, rest in rows)}


TABLE = table()
DIFFERENCES = []


def explains(name):
    """Decorate a function of (row, machine, proc, words, native, routed): is this what the row says? It brings the
    native folder back to where the mount is."""

    def register(function):
        row = TABLE[name]
        row._explain = function
        DIFFERENCES.append(row)
        return function

    return register


def refused(row, routed):
    return routed in [f"err {e}" for e in row.errnos]


def undo(m, proc, native, line):
    if native.startswith("ok"):
        m.pair.native_only(proc, line)
    return True


@explains("hard-link")
def _hard_link(row, m, proc, words, native, routed):
    if words[0] not in ("link", "linkat") or not refused(row, routed):
        return False
    return undo(m, proc, native, " ".join(["unlinkat", *(words[3:5] if words[0] == "linkat" else ["-", words[2]]), "0"]))


@explains("fifo")
def _fifo(row, m, proc, words, native, routed):
    return words[0] == "mkfifo" and refused(row, routed) and undo(m, proc, native, f"unlink {words[1]}")


@explains("tmpfile")
def _tmpfile(row, m, proc, words, native, routed):
    if words[0] not in ("open", "openat") or int(words[-2]) & O_TMPFILE != O_TMPFILE or not refused(row, routed):
        return False
    return undo(m, proc, native, f"close {native.split()[1]}")


@explains("text-busy")
def _text_busy(row, m, proc, words, native, routed):
    return words[0] == "program" and "ETXTBSY" in native


@explains("two-errors")
def _two_errors(row, m, proc, words, native, routed):
    return words[0] in ("renameat2", "linkat") and words[1] + words[3] != "--" and native.startswith("err") and refused(row, routed)


@explains("folder-unhooked")
def _folder_unhooked(row, m, proc, words, native, routed):
    look = {"feed": "fstat", "spawn": "stat"}.get(words[0])
    return look and m.pair.native_only(proc, f"{look} {words[2]}").startswith("ok d") and routed.endswith("status 0")


@explains("removed-open-folder")
def _removed_open_folder(row, m, proc, words, native, routed):
    if words[0] != "fchdir" or not native.startswith("ok") or not refused(row, routed):
        return False
    gone = os.readlink(f"/proc/{m.native_pid(proc)}/cwd").endswith(" (deleted)")
    m.pair.do(proc, "chdir @")
    return gone


@explains("received-folder")
def _received_folder(row, m, proc, words, native, routed):
    return words[0] == "pread" and words[1] == m.taken and native == "err EISDIR" and routed.startswith("ok 0 ")


@explains("extended-attributes")
def _extended_attributes(row, m, proc, words, native, routed):
    if words[0] not in ("setxattr", "getxattr") or not refused(row, routed):
        return False
    return words[0] == "getxattr" or undo(m, proc, native, f"removexattr {words[1]}")


@explains("exchange")
def _exchange(row, m, proc, words, native, routed):
    return words[0] == "renameat2" and words[5] == "2" and refused(row, routed) and undo(m, proc, native, " ".join(words))


@explains("holes")
def _holes(row, m, proc, words, native, routed):
    if words[0] != "lseek" or words[3] not in ("3", "4") or not native.startswith("ok"):
        return False
    fd, off = words[1], int(words[2])
    size = re.search(r"size=(\d+)", m.pair.native_only(proc, f"fstat {fd}"))
    if not size:
        return False
    size = int(size[1])
    expected = off if words[3] == "3" else size
    m.pair.native_only(proc, f"lseek {fd} {expected} 0")
    return routed == f"ok {expected}"
