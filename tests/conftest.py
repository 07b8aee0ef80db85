"""What end-to-end tests are written in.

    def test_cat(s3):                       # on versitygw and on radosgw
        s3.put("a/b", b"hello")             # the witness: boto3, or the local folder of a File volume
        r = s3.run(["cat", s3.path("a/b")])
        assert r.stdout == b"hello" and r.requests["GetObject"] == 1

Fixtures: `s3` (both servers), `gw` (versitygw alone), `files` (a File volume), `volume` (all three). Each has a bucket
or folder of its own, and run() and sh(), which run a program by s3run with --stats and a debug log. The products are
looked for in S3SHIM_BUILD (default build/ci).
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/support"))
from servers import Radosgw, Versitygw, die_with_parent  # noqa: E402

BUILD = Path(os.environ.get("S3SHIM_BUILD", TOP / "build/ci")).resolve()
S3RUN, LIBRARY = BUILD / "s3run", BUILD / "libs3shim.so"
OTHER = 1234  # a user who is neither root nor anybody
BECOME = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
TIMEOUT = float(os.environ.get("S3SHIM_TEST_TIMEOUT", "60"))

_attempt = re.compile(r" debug s3: (\w+) 's3://([^/']*)/?(.*?)' (.*)")


class Result:
    """How a program ended, and what it cost."""

    def __init__(self, argv, status, stdout, stderr, stats, log):
        self.argv, self.status, self.stdout, self.stderr, self.stats, self.log = argv, status, stdout, stderr, stats, log

    @property
    def out(self):
        return self.stdout.decode(errors="replace")

    @property
    def err(self):
        return self.stderr.decode(errors="replace")

    @property
    def attempts(self):
        """(operation, bucket, key, rest) of every HTTP attempt that the broker's log tells of."""
        return [m.groups() for m in map(_attempt.search, self.log.splitlines()) if m]

    @property
    def requests(self):
        """Attempts by operation, without the session's own HeadBucket; 0 for what did not occur."""
        counts = Counts()
        for operation, *_ in self.attempts:
            if operation != "HeadBucket":
                counts[operation] = counts.get(operation, 0) + 1
        return counts

    def __repr__(self):
        tail = "\n".join(self.log.splitlines()[-25:])
        return f"{self.argv}: status {self.status}\nstdout: {self.out[-2000:]}\nstderr: {self.err[-2000:]}\nlog:\n{tail}"


class Counts(dict):
    def __missing__(self, key):
        return 0


class Mount:
    """A volume at a mount point, and the means to run programs on it."""

    point = "/s3"
    env = {}
    under = []  # a command that s3run runs under

    def __init__(self, scratch):
        self.scratch = scratch
        self._runs = 0

    def path(self, name=""):
        return f"{self.point}/{name}" if name else self.point

    def base_env(self):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")}
        keep["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # Debian's programs, no shims
        return {**keep, "HOME": str(self.scratch), "XDG_RUNTIME_DIR": str(self.scratch / "run"), "LC_ALL": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1", **self.env}

    def s3run(self, argv, options=(), log=None, stats=None):
        """The command line that runs argv on this mount."""
        line = [*self.under, S3RUN, *self.mount_options(), "--cache-dir", self.scratch / "cache"]
        line += ["--log", log, "--log-level", "debug"] if log else []
        line += ["--stats", stats] if stats else []
        return [str(a) for a in [*line, *options, "--", *argv]]

    def start(self, argv, options=(), env=None, **popen):
        """Start it and return the Popen, with .log and .stats_file; see finish()."""
        self._runs += 1
        log, stats = self.scratch / f"broker-{self._runs}.log", self.scratch / f"stats-{self._runs}.json"
        popen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.scratch, **popen}
        p = subprocess.Popen(self.s3run(argv, options, log, stats), env={**self.base_env(), **(env or {})},
                             preexec_fn=die_with_parent, **popen)
        p.log, p.stats_file, p.argv = log, stats, argv
        return p

    def finish(self, p, input=None, timeout=TIMEOUT):
        try:
            out, err = p.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            err += f"\n[killed after {timeout} s]".encode()
        log = p.log.read_text(errors="replace") if p.log.exists() else ""
        stats = json.loads(p.stats_file.read_text()) if p.stats_file.exists() and p.stats_file.stat().st_size else None
        bad = [line for line in log.splitlines() if "Sanitizer" in line or "runtime error:" in line]
        assert not bad, bad
        return Result(p.argv, p.returncode, out or b"", err or b"", stats, log)

    def run(self, argv, input=b"", options=(), check=True, timeout=TIMEOUT, env=None, **popen):
        """Run argv and wait; with `check` its status must be 0."""
        r = self.finish(self.start([str(a) for a in argv], options, env, **popen), input, timeout)
        assert not check or r.status == 0, r
        assert "Sanitizer" not in r.err and "runtime error:" not in r.err, r
        return r

    def sh(self, script, **kw):
        """Run a bash script with $S3 as the mount point; fails at the first command that does."""
        return self.run(["bash", "-euo", "pipefail", "-c", f"S3={self.point}\n{script}"], **kw)

    def python(self, script, *args, **kw):
        return self.run(["/usr/bin/python3", "-c", script, *args], **kw)


class S3Mount(Mount):
    """A bucket of its own; put() and get() are boto3."""

    kind = "s3"

    def __init__(self, scratch, server, hint):
        super().__init__(scratch)
        self.server, self.client = server, server.client()
        self.bucket = server.make_bucket(hint)
        self.env = server.env

    def mount_options(self):
        return ["--bucket", self.bucket]

    def put(self, key, data=b"", **kw):
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data, **kw)

    def get(self, key):
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def head(self, key):
        return self.client.head_object(Bucket=self.bucket, Key=key)

    def keys(self, prefix=""):
        """All keys but folders' markers."""
        return [k for k in self.all_keys(prefix) if not k.endswith("/")]

    def all_keys(self, prefix=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def uploads(self):
        """Multipart uploads that nobody completed or aborted."""
        return [u["Key"] for u in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])]


class FileMount(Mount):
    """A local folder as a File volume at /vol."""

    kind = "file"
    point = "/vol"

    def __init__(self, scratch):
        super().__init__(scratch)
        self.root = scratch / "root"
        self.root.mkdir()

    def mount_options(self):
        return ["--mount", f"{self.point}=file:{self.root}"]

    def put(self, key, data=b""):
        p = self.root / key
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_bytes(data)

    def get(self, key):
        return (self.root / key).read_bytes()

    def keys(self, prefix=""):
        found = (str(p.relative_to(self.root)) for p in self.root.rglob("*") if not p.is_dir())
        return sorted(k for k in found if k.startswith(prefix))


def pytest_addoption(parser):
    parser.addoption("--minutes", type=float, default=0, help="tests/model: run so long")
    parser.addoption("--shrink", action="store_true", help="tests/model: with --minutes, look for the shortest failure")
    parser.addoption("--seed", type=int, default=1, help="tests/model: begin with this seed")


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitized: run again with an instrumented broker by tests/run.sh asan and tsan")


def _server(kind):
    s = kind()
    s.start()
    yield s
    s.stop()


@pytest.fixture(scope="session")
def versitygw():
    yield from _server(Versitygw)


@pytest.fixture(scope="session")
def radosgw():
    yield from _server(Radosgw)


@pytest.fixture(params=["versitygw", "radosgw"])
def s3server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def scratch():
    """A folder for one test with a short path (sockets), on a disk (staging does not like tmpfs)."""
    assert S3RUN.exists(), f"{S3RUN} is not built: cmake --preset ci && cmake --build --preset ci"
    d = Path(tempfile.mkdtemp(prefix="s3t-", dir="/var/tmp"))
    (d / "run").mkdir(mode=0o700)
    (d / "cache").mkdir(mode=0o700)
    yield d
    shutil.rmtree(d, ignore_errors=True)


def _hint(request):
    return request.node.originalname.removeprefix("test_")[:24]


@pytest.fixture
def s3(request, s3server, scratch):
    return S3Mount(scratch, s3server, _hint(request))


@pytest.fixture
def gw(request, versitygw, scratch):
    return S3Mount(scratch, versitygw, _hint(request))


@pytest.fixture
def files(scratch):
    return FileMount(scratch)


@pytest.fixture(params=["file", "versitygw", "radosgw"])
def volume(request, scratch):
    if request.param == "file":
        return FileMount(scratch)
    return S3Mount(scratch, request.getfixturevalue(request.param), _hint(request))


@pytest.fixture
def static_tool(scratch):
    """scratch/bin/static-tool, which prints the sum of all bytes that it reads from descriptor 3."""
    source, out = scratch / "static-tool.c", scratch / "bin/static-tool"
    source.write_text("""
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	unsigned char b[4096];
	long n, sum = 0;
	while ((n = read(3, b, sizeof(b))) > 0)
		while (n)
			sum += b[--n];
	printf("%ld\\n", sum);
}
""")
    out.parent.mkdir()
    if subprocess.run(["gcc", "-static", "-o", out, source], capture_output=True).returncode:
        pytest.skip("no static libc on this machine")
    return out


@pytest.fixture
def eventually():
    """eventually(condition): wait until it holds, 10 seconds at the most."""

    def wait(condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)
        return value

    return wait


@pytest.fixture
def as_other():
    """argv -> argv as another user than ours, which only root can become."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    return lambda argv: [*BECOME, *argv]
