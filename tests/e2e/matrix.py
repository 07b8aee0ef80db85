"""Scenarios of real programs (tests/e2e/programs): what one is, how it is run, what must be equal.

A scenario is a bash or python script that starts in an empty folder, whose absolute path is $W, and prints what it
finds. It is run natively and on a mount at the very same path, so that nothing has to be translated. Its head:

    #!/bin/bash
    # What it is about, in a line.
    # packages: git rsync        Debian packages that it needs: without them it is reported as not run
    # pip: numpy                 from PyPI, in the environment whose interpreter is $PYTHON
    # built: busybox-musl        made by tests/support/install.sh, in the folder $BUILT
    # core                       runs in CI too
    # differs: .git/index a*     files whose content two native runs would not have equal
    # fails s3: reason           (or file, or all): known not to be equal there, and why

Outside the mount it has $TMPDIR, empty, and $HOME, empty. Exit status 77: something it needs cannot be had here.
"""
import functools
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "programs"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "s3shim"
PYTHON, BUILT = CACHE / "programs-venv/bin/python", CACHE / "bin"
CANNOT_BE_HAD = 77


class Scenario:
    def __init__(self, path):
        self.path, self.name = path, path.stem
        head = re.match(r"#!.*\n((?:#.*\n)+)", path.read_text())
        first, *rest = [line.removeprefix("#").strip() for line in head[1].splitlines()]
        self.what, self.core = first, "core" in rest
        fields = dict(line.split(": ", 1) for line in rest if ": " in line)
        words = lambda name: fields.get(name, "").split()  # noqa: E731
        self.packages, self.pip, self.built, self.differs = map(words, ("packages", "pip", "built", "differs"))
        self.fails = {k.split()[1]: v for k, v in fields.items() if k.startswith("fails ")}
        known = {"packages", "pip", "built", "differs", *(f"fails {k}" for k in ("s3", "file", "all"))}
        assert set(fields) <= known and first, f"{path}: its head has {set(fields) - known}"

    def why_not(self):
        """What is missing here, or None."""
        missing = [f"package {p}" for p in self.packages if p not in installed_packages()]
        missing += [f"{p} from PyPI" for p in self.pip if p.lower().replace("-", "_") not in installed_modules()]
        missing += [f"{b} is not built" for b in self.built if not (BUILT / b).exists()]
        return ", ".join(missing) or None

    def versions(self):
        return [f"{p} {installed_packages()[p]}" for p in self.packages if p in installed_packages()]


def scenarios():
    """All, or CI's unless S3SHIM_PROGRAMS says `all`."""
    found = [Scenario(p) for p in sorted(FOLDER.iterdir()) if p.suffix in (".sh", ".py")]
    return found if os.environ.get("S3SHIM_PROGRAMS") == "all" else [s for s in found if s.core]


@functools.cache
def installed_packages():
    r = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\\n"], capture_output=True, text=True)
    rows = (line.split() for line in r.stdout.splitlines())
    return {name: re.sub(r"^\d+:|[-+].*", "", version) for status, name, version in rows if status == "ii"}


@functools.cache
def installed_modules():
    site = next(iter(PYTHON.parent.parent.glob("lib/python*/site-packages")), None)
    return {p.name.split("-")[0].lower() for p in site.glob("*.dist-info")} if site else set()


def tree(top):
    """Every name below a folder: {path: [type, mode, size, what is in it]}."""
    rows = {}

    def visit(path, name):
        st = os.lstat(path)
        row = [stat.filemode(st.st_mode)[0], oct(stat.S_IMODE(st.st_mode)), 0, ""]
        if stat.S_ISLNK(st.st_mode):
            row[1:] = ["", st.st_size, os.readlink(path)]
        elif stat.S_ISREG(st.st_mode):
            with open(path, "rb") as f:
                data = f.read()
            row[2:] = [st.st_size, hashlib.sha256(data).hexdigest() if len(data) == st.st_size else f"{len(data)} bytes"]
        rows[name] = row
        if stat.S_ISDIR(st.st_mode):
            for child in sorted(os.listdir(path)):
                visit(os.path.join(path, child), f"{name}/{child}" if name else child)

    visit(str(top), "")
    del rows[""]
    return rows


class Place:
    """Where scenarios of one test run: natively and on the mount at one path, each time with a clean home."""

    def __init__(self, mount):
        self.mount, self.work = mount, mount.scratch / "work"
        mount.point = str(self.work)
        if mount.kind == "file":
            mount.mount_options = lambda: ["--mount", f"{self.work}=file:{mount.root}"]
        else:
            mount.mount_options = lambda: ["--bucket", mount.bucket, "--mount", str(self.work)]

    def command(self, scenario):
        interpreter = ["bash", "-eu"] if scenario.path.suffix == ".sh" else ["/usr/bin/python3"]
        return ["bash", "-c", f'umask 022; cd {self.work} && exec "$@"', "matrix", *interpreter, str(scenario.path)]

    def environment(self):
        scratch = self.mount.scratch
        for name in ("home", "tmp"):
            shutil.rmtree(scratch / name, ignore_errors=True)
            (scratch / name).mkdir(mode=0o700, exist_ok=True)
        return {**self.mount.base_env(), "W": str(self.work), "HOME": str(scratch / "home"), "TMPDIR": str(scratch / "tmp"),
                "PYTHON": str(PYTHON), "BUILT": str(BUILT), "TZ": "UTC", "SOURCE_DATE_EPOCH": "1600000000",
                "TERM": "dumb"}

    def native(self, scenario, timeout):
        self.work.mkdir()
        try:
            r = subprocess.run(self.command(scenario), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                               cwd=self.mount.scratch, env=self.environment())
            return r, tree(self.work)
        finally:
            shutil.rmtree(self.work)

    def routed(self, scenario, timeout):
        r = self.mount.run(self.command(scenario), check=False, timeout=timeout, env=self.environment())
        return r, self.mounted_tree()

    def mounted_tree(self):
        """As what is there says: a new session for a bucket, the folder itself for a File volume."""
        if self.mount.kind == "file":
            return tree(self.mount.root)
        r = self.mount.run(["/usr/bin/python3", __file__, self.work], timeout=300)
        return json.loads(r.stdout)

    def bucket(self):
        """What boto3 sees: {key: [size, sha256]}; markers of folders end with a slash."""
        m, rows = self.mount, {}
        for key in m.all_keys():
            data = m.get(key)
            rows[key] = [len(data), hashlib.sha256(data).hexdigest()]
        return rows


def differences(ours, theirs, names=("on the mount", "natively")):
    """Sentences about what two mappings do not have equal."""
    found = []
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            found.append(f"{key}: {names[0]} {ours.get(key)}, {names[1]} {theirs.get(key)}")
    return found


def without_content(rows, globs):
    return {k: row[:2] if any(fnmatch(k, g) for g in globs) else row for k, row in rows.items()}


def expected_objects(rows):
    """What a tree is in a bucket, folders left out."""
    text = lambda s: [len(s.encode()), hashlib.sha256(s.encode()).hexdigest()]  # noqa: E731
    return {k: text(row[3]) if row[0] == "l" else row[2:] for k, row in rows.items() if row[0] != "d"}


def check_bucket(place, rows):
    """Sentences about what the bucket has, and the tree of the mount has not, or the other way round."""
    found = place.bucket()
    markers = {k.rstrip("/") for k in found if k.endswith("/")}
    objects = {k: v for k, v in found.items() if not k.endswith("/")}
    stray = sorted(m for m in markers if rows.get(m, " ")[0] != "d")
    return differences(objects, expected_objects(rows), ("in the bucket", "on the mount")) + [
        f"{m}/: a marker in the bucket, no folder on the mount" for m in stray] + [
        f"{k}: an upload left behind" for k in place.mount.uploads()]


if __name__ == "__main__":
    print(json.dumps(tree(sys.argv[1])))
